"""Task whose questions come from a file of the user, such as a CSV table (docs/own_data.md)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from alm_bench.core import DataError, DataRoot, Parsed, Sample, Scored, TaskCard, TaskScore, UsageError
from alm_bench.core.cards import FILE_PREFIX
from alm_bench.core.files import hash_json
from alm_bench.data.hub import fetch_hub_root
from alm_bench.data.manifest import compute_cached_sha256
from alm_bench.data.questions import (
    FileSettings,
    QuestionFile,
    find_sidecar,
    list_splits,
    merge_settings,
    parse_group_by,
    parse_map,
    read_questions,
    read_sidecar,
)
from alm_bench.data.root import LocalRoot
from alm_bench.parsing import PARSER
from alm_bench.scoring.blind import compute_baseline_accuracies, select_rows_with_reference
from alm_bench.scoring.multi_select import compute_multi_select_metrics
from alm_bench.scoring.multiple_choice import compute_by_group, compute_choice_metrics
from alm_bench.tasks.own_file.kinds import (
    REQUESTS,
    grade_answer,
    parse_answer,
    read_answer_word,
    score_baselines,
)

HUB = "hf:"
"""Prefix of a data set of the Hugging Face hub."""

_COMMON_STEMS = (
    *("annotations", "data", "dataset", "dev", "index", "labels", "meta", "metadata", "qa", "questions", "test"),
    *("train", "val", "valid", "validation"),
)
"""File names that many data sets share; the task's name then has the folder's name, too."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the task: declarations about its file."""

    path: str | None = None
    """File, folder or `hf:ORG/NAME`; None for a stored run, which is scored without its file."""

    map: str | None = None
    """Columns by role (`audio=path,question=prompt`), as `--map` takes them."""

    audio_root: Path | None = None
    """Folder that paths of clips refer to."""

    kind: str | None = None
    """Kind of all questions: choice, several, yes_no, number or open."""

    group_by: str = ""
    """Columns by whose values scores are broken down, or `none`; "" for every column without a role."""

    def parse_settings(self) -> FileSettings:
        """Convert the options to settings of the file. Settings of a sidecar are not included. Raises UsageError."""
        found = FileSettings() if self.map is None else parse_map(self.map)
        if self.kind is not None and self.kind not in REQUESTS:
            raise UsageError(f"--kind takes {', '.join(REQUESTS)}, found {self.kind!r}")
        groups = parse_group_by(self.group_by) if self.group_by else None
        return replace(found, kind=self.kind, audio_root=self.audio_root, group_by=groups)


@lru_cache(maxsize=16)
def _download_dataset(dataset: str) -> Path:
    """Download a hub data set, once per process, and return its folder."""
    return fetch_hub_root(dataset).path


def resolve_file_name(name: str) -> Path:
    """Return the file or folder that `name` stands for: a path, or a hub data set (`hf:ORG/NAME`), which is downloaded.

    Raises DataError.
    """
    if name.startswith(HUB):
        return _download_dataset(name.removeprefix(HUB))
    return Path(name).expanduser()


def make_card(card: TaskCard, name: str) -> TaskCard:
    """Return the card of the task for a question file.

    `card` is the template with the fields that the cards of all question files share. `name` is a path, `hf:ORG/NAME`,
    or the task's name in a stored run (`file:birds`). Raises DataError if there is no such file.
    """
    if name.startswith(FILE_PREFIX):
        return replace(card, name=name)
    path = resolve_file_name(name)
    splits = list_splits(path)
    title = name.removeprefix(HUB).partition("/")[2] if name.startswith(HUB) else _name_file(path)
    return replace(card, name=FILE_PREFIX + re.sub(r"[^\w.+-]+", "-", title), source=name, splits=tuple(splits))


def _name_file(path: Path) -> str:
    """Return a short name for a question file; a common name such as `data.csv` gets the name of its folder."""
    resolved = path.resolve()
    stem = resolved.stem if path.is_file() else resolved.name
    return f"{resolved.parent.name}-{stem}" if stem.lower() in _COMMON_STEMS and resolved.parent.name else stem


class FileRoot(LocalRoot):
    """Folder of the clips of a question file. Its version is the file's hash, which distinguishes runs in tables."""

    digest: str = ""

    def version(self) -> str | None:
        return self.digest or None


class FileTask:
    """Task whose questions come from a file of the user."""

    parser = PARSER
    scoring: ClassVar = ("group_by",)

    def __init__(self, card: TaskCard, options: Options) -> None:
        self.options = options
        self._read: dict[str, QuestionFile] = {}
        self.settings = options.parse_settings()
        if options.path is not None:
            self.path = resolve_file_name(options.path)
            sidecar = find_sidecar(self.path)
            self.sidecar = sidecar if sidecar.is_file() else None
            if self.sidecar is not None:
                self.settings = merge_settings(self.settings, read_sidecar(self.sidecar))
            root = self.settings.audio_root
            if root is not None and not root.is_dir():
                raise DataError(f"--audio-root {root}: no such folder")
        self.card = replace(card, groups=self.settings.group_by or ())

    def open_root(self, split: str) -> FileRoot:
        """Return the folder of the clips, with the hash of the split's files as version."""
        folder = self.settings.audio_root or (self.path if self.path.is_dir() else self.path.parent)
        root = FileRoot(folder)
        hashes = [compute_cached_sha256(path) for path in self.files(root, split).values()]
        root.digest = (hashes[0] if len(hashes) == 1 else hash_json(hashes))[:8]
        return root

    def files(self, data: DataRoot, split: str) -> Mapping[str, Path]:
        if self.options.path is None:
            raise DataError(f"{self.card.name}: its file is not named: expected the path of the file in --tasks")
        files = list_splits(self.path)[split]
        return {("annotations" if len(files) == 1 else f"shard-{n:02}"): file for n, file in enumerate(files)}

    def read(self, split: str, root: LocalRoot | None = None) -> QuestionFile:
        """Return the questions of a split and the faults of its rows. The file is read once per split.

        `root` is the folder of the clips; by default, it is `audio_root` of the settings, or the folder of the question
        file.

        As a side effect, the groups of the task's card are set to those of the file.
        """
        if split not in self._read:
            files = list(self.files(LocalRoot(self.path), split).values())
            found = read_questions(self.path, files, self.settings, read_answer_word, REQUESTS, root)
            self._read[split] = found
            self.card = replace(self.card, groups=found.groupings)
        return self._read[split]

    def samples(self, data: DataRoot, split: str) -> Iterator[Sample]:
        found = self.read(split, data if isinstance(data, LocalRoot) else None)
        if found.problems and self.settings.bad_rows != "skip":
            first, count = found.problems[0], len(found.problems)
            more = f" ({count:,} rows have faults)" if count > 1 else ""
            raise DataError(
                f"{self.options.path}: {first}{more}; `alm-bench data verify {self.options.path}` lists all, --map "
                "bad_rows=skip leaves them out of the score"
            )
        yield from found.samples

    def build_stored_options(self, split: str) -> dict[str, str]:
        """Return the task options that are stored with a run, so that it can be scored without the question file.

        They are the options that the sidecar would declare, and the columns by which items are grouped.
        """
        found = self.read(split)
        options = {"map": self.settings.to_map_option(), "kind": self.settings.kind or ""}
        options["group_by"] = join_names(found.groupings)
        return {name: value for name, value in options.items() if value}

    def list_samples_and_faults(self, split: str) -> tuple[list[tuple[int, Sample]], list[tuple[int, str]]]:
        """Read all rows of a split. Return pairs of row number and sample for the valid rows, and pairs of row number
        and error message for the faulty ones."""
        found = self.read(split)
        faults = [(problem.row, f"column {problem.column}: {problem.reason}") for problem in found.problems]
        return list(zip(found.row_numbers, found.samples, strict=True)), faults

    def format_sidecar(self, split: str) -> tuple[Path, str]:
        """Return the path and the TOML text of the sidecar, the settings file beside the question file. It declares the
        columns and kinds that were detected, so that a later reading needs no detection."""
        if self.options.path is None or self.options.path.startswith(HUB):
            raise UsageError(f"{self.options.path} has no place for a sidecar: download it, and name its folder")
        return find_sidecar(self.path), self.read(split).suggest_settings().to_toml()

    def describe(self, split: str) -> list[str]:
        """Return lines that describe the file: its items and hash, and how its columns are interpreted."""
        found = self.read(split)
        digest = self.open_root(split).digest
        rows = f" from {found.row_count:,} rows" if found.row_count != len(found.samples) else ""
        kinds = " and ".join(kind.replace("_", "/") for kind in found.kinds)
        sidecar = "" if self.sidecar is None else f", with the sidecar {self.sidecar}"
        lines = [f"{len(found.samples):,} questions ({kinds}){rows} in {self.path}, sha256 {digest}{sidecar}"]
        return [*lines, *found.describe()]

    def parse(self, sample: Sample, text: str) -> Parsed:
        return parse_answer(sample, text, self.card.answer_tags)

    def grade(self, sample: Sample, text: str, parsed: Parsed) -> Mapping[str, float]:
        return grade_answer(sample, parsed)

    def score(self, rows: Sequence[Scored]) -> TaskScore:
        """Return accuracy and related metrics, over all items and by group, and the metrics of text-only baselines."""
        several = any(row.sample.targets is not None for row in rows)
        metrics = compute_multi_select_metrics if several else compute_choice_metrics
        known = select_rows_with_reference(rows)
        return TaskScore(
            metrics=metrics(rows),
            groups=compute_by_group(rows, self.card.groups, metrics),
            blind=compute_baseline_accuracies(known, score_baselines(known)),
        )

    def blind_scores(self, rows: Sequence[Scored]) -> Mapping[str, Sequence[float]]:
        return score_baselines(rows)


def join_names(names: Sequence[str]) -> str:
    """Return names as the text of an option: separated by commas, or as JSON if a name has a comma."""
    import json

    if not names:
        return "none"
    return json.dumps(list(names), ensure_ascii=False) if any("," in name for name in names) else ",".join(names)


def create(card: TaskCard, options: Any) -> FileTask:
    return FileTask(card, options)
