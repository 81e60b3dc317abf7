"""AF-Reasoning-Eval (Kong et al., arXiv 2508.11818): reasoning about sounds, three files with options in the prompt."""

import re
from collections.abc import Iterable
from pathlib import Path

from alm_bench.core import DataError, Sample
from alm_bench.data.inline_options import split_options
from alm_bench.data.readers import read_json
from alm_bench.task_bases import Row
from alm_bench.tasks._shared.benchmark import BenchmarkRow, BenchmarkTask, create_choice_sample, read_text_field

_TAGS_SUFFIX = re.compile(r"\s*Output the answer with (?:<\w+>[\s,]*(?:and\s+)?)+tags\.?\s*$")
"""Instruction at the end of every prompt, which asks for a chain of thought in tags."""

_PART_PREFIX = "AF-Reasoning-Eval-"


class AfReasoning(BenchmarkTask):
    columns = ("id", "folder", "part", "name", "prompt", "output")
    no_official_rule = "the authors publish no scoring script"

    def read_file(self, path: Path) -> Iterable[Row]:
        """Yield the rows of one file, an object with `dataset_path`, `flamingo_task` and the questions by number in
        `data`."""
        document = read_json(path)
        if not isinstance(document, dict) or not isinstance(document.get("data"), dict):
            raise DataError(f"{path}: expected an object with dataset_path, flamingo_task and data")
        folder, part = str(document.get("dataset_path") or ""), str(document.get("flamingo_task") or path.stem)
        shared = {"folder": folder, "part": part.removeprefix(_PART_PREFIX)}
        for key, question in document["data"].items():
            if not isinstance(question, dict):
                raise DataError(f"{path}: question {key} is {question!r}, expected an object with name, prompt, output")
            yield {"id": key, **shared, **question}

    def convert_row(self, row: BenchmarkRow) -> Sample:
        values = row.values
        prompt, answer = _TAGS_SUFFIX.sub("", read_text_field(values, "prompt")), read_text_field(values, "output")
        asked = split_options(prompt, answer)
        # Every option in the prompt ends with a full stop that the answer does not have.
        choices = [choice.removesuffix(".") for choice in asked.choices]
        gold = answer if asked.target is None else choices[asked.target]
        clip = row.find_named_clip("af-reasoning", f"{values['folder']}/{read_text_field(values, 'name')}")
        return create_choice_sample(
            f"{values['part']}-{values['id']}",
            asked.question,
            choices,
            gold,
            (clip,),
            {"part": values["part"]},
            target=asked.target,
        )


create = AfReasoning.create
