"""Training rows of a user's own data: folders of clips by class, and files of questions in any usual form.

Prompts are rendered by the prompt set that the bundled model is evaluated with, so that training and evaluation ask in
the same words.
"""

import json
import string
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from alm_bench.core import AudioRef, DataError, DataRoot, ReadsOwnFile, Sample, UsageError
from alm_bench.core.cards import FILE_PREFIX
from alm_bench.core.escape import print_notice
from alm_bench.core.files import write_atomically
from alm_bench.core.prompt import PromptTemplate, pick_prompt
from alm_bench.core.rng import create_item_generator
from alm_bench.data import LocalRoot
from alm_bench.data.index import iterate_audio_files
from alm_bench.plugins import TaskEntry, catalogue, is_question_file_name
from alm_bench.train.config import DataConfig
from alm_bench.train.sources import Row

QUESTION = "what makes this sound?"
"""Default question about a clip of a folder."""

DRAWS = 24
"""Default number of questions about each clip of a folder, each with other wrong options."""

OPTIONS = 4
"""Default number of options of a question about a clip of a folder."""

PROMPTS = "native"
"""Prompt set of training rows from own data. It is the prompt set that the bundled model is evaluated with."""

LETTERS = string.ascii_lowercase


def read_class_folder(config: DataConfig) -> tuple[list[Sample], DataRoot]:
    """Return questions about the clips of a folder with one sub-folder per class, and the folder.

    Each clip gets `draws` questions with `options` options, of which the label is the right one. The first question
    about every clip comes first, then the second one, and so on. Raises DataError for a folder without two classes.
    """
    assert config.folder is not None
    folder = config.folder.expanduser()
    clips = _list_labelled_clips(folder)
    labels = sorted({label for label, _ in clips})
    count = min(config.options or OPTIONS, len(labels))
    samples = []
    for draw in range(config.draws or DRAWS):
        for label, clip in clips:
            generator = create_item_generator("options of a clip", clip.id, draw)
            others = [other for other in labels if other != label]
            drawn = [others[index] for index in generator.permutation(len(others))[: count - 1]]
            choices = tuple(str(one) for one in generator.permutation([label, *drawn]))
            samples.append(
                Sample(
                    id=f"{clip.id}#{draw}",
                    fields={"question": config.question or QUESTION},
                    audio=(clip,),
                    choices=choices,
                    target=choices.index(label),
                    gold=label,
                    groups={"label": label, "clip": clip.id},
                )
            )
    return samples, LocalRoot(folder)


def _list_labelled_clips(folder: Path) -> list[tuple[str, AudioRef]]:
    """Return the clips of a folder with their labels, sorted by path. A label is the name of a sub-folder, with blanks
    for underscores. Raises DataError for a folder without two classes."""
    if not folder.is_dir():
        raise DataError(f"training data {folder}: no such folder (paths start from {Path.cwd()})")
    files = sorted(iterate_audio_files(folder))
    clips = [
        (file.parts[0].replace("_", " ").strip(), AudioRef(file.as_posix(), folder / file))
        for file in files
        if len(file.parts) > 1
    ]
    counts = Counter(label for label, _ in clips)
    if len(counts) < 2:
        loose = f", and {len(files) - len(clips)} clips outside of one" if len(files) > len(clips) else ""
        raise DataError(
            f"training data {folder}: found {len(counts)} sub-folders with clips{loose}; expected one sub-folder per "
            "class, at least two: clips/dog/a.wav, clips/cat/b.wav"
        )
    return clips


def read_question_file(config: DataConfig) -> tuple[list[Sample], DataRoot]:
    """Return the questions of a file that `--tasks` can read (docs/own_data.md), and the folder of its clips. Questions
    without an answer or a clip are left out, with a notice. Raises DataError and UsageError."""
    assert config.questions is not None
    name = config.questions if is_question_file_name(config.questions) else f"./{config.questions}"
    entry = catalogue().get_task(name)
    options = {"map": config.map, "kind": config.kind, "audio_root": config.root}
    task = entry.create({key: str(value) for key, value in options.items() if value is not None})
    if not isinstance(task, ReadsOwnFile):
        raise UsageError(f"training data {config.questions}: is the task {entry.card.name}, expected a file")
    split = _pick_split(entry, config)
    root = task.open_root(split)
    samples = list(task.samples(root, split))
    usable = [sample for sample in samples if sample.skip is None and sample.has_reference and sample.audio]
    for line in task.describe(split):
        print_notice(line)
    if dropped := len(samples) - len(usable):
        print_notice(f"{dropped:,} questions of {config.questions} without an answer or a clip are left out")
    return usable, root


def _pick_split(entry: TaskEntry, config: DataConfig) -> str:
    """Return the split of a file: its only one, or the one that the source names. Raises UsageError."""
    splits = entry.card.splits
    if len(splits) == 1:
        return splits[0]
    if config.split not in splits:
        raise UsageError(
            f"training data {config.questions}: has the splits {', '.join(splits)}, found split = {config.split!r}"
        )
    return config.split


def load_own_data_prompt() -> PromptTemplate:
    """Return the template by which questions from own data become prompts: that of the prompt set `PROMPTS`."""
    task = f"{FILE_PREFIX}training"
    return pick_prompt(catalogue().get_task(task).load_prompts(), PROMPTS, task)


def convert_samples(samples: Sequence[Sample]) -> list[Row]:
    """Return the training rows of questions."""
    template = load_own_data_prompt()
    return [_convert_sample(sample, template) for sample in samples]


def _convert_sample(sample: Sample, template: PromptTemplate) -> Row:
    """Return the training row of a question. The row's `subtype` is the label of the clip or, without a label, the kind
    of the question."""
    kind = sample.groups.get("answer_kind") or ("choice" if sample.targets is None else "several")
    return Row(
        prompt=template.render(sample.fields, sample.choices),
        answer=_format_answer(sample, template),
        clips=sample.audio,
        subtype=sample.groups.get("label", kind).casefold(),
    )


def _format_answer(sample: Sample, template: PromptTemplate) -> str:
    """Return the answer in the form in which the prompt lists options: `b) dog`. Several right options are separated by
    commas; an answer without options is the reference."""
    right = sample.targets if sample.targets is not None else (sample.target,) if sample.choices else ()
    if not right:
        return str(sample.gold)
    forms = [
        template.option.format(letter=LETTERS[i], LETTER=LETTERS[i].upper(), text=sample.choices[i]) for i in right
    ]
    answer = ", ".join(form.strip() for form in forms)
    return answer.lower() if template.lowercase else answer


def write_questions(samples: Sequence[Sample], path: Path) -> None:
    """Write questions as a file that `--tasks` takes: one object per line, with absolute paths of clips."""
    lines = [
        json.dumps(
            {
                "id": sample.id,
                "audio": [str(clip.path.resolve()) for clip in sample.audio],
                "question": sample.fields["question"],
                **({"choices": sample.choices} if sample.choices else {}),
                "answer": _get_reference(sample),
                **{key: value for key, value in sample.groups.items() if key == "label"},
            },
            ensure_ascii=False,
        )
        for sample in samples
    ]
    write_atomically(path, "".join(line + "\n" for line in lines))


def _get_reference(sample: Sample) -> str | list[str]:
    """Return the correct answer of a question for a question file: the text of the correct option, or a list of all
    correct options or accepted answers."""
    if sample.targets is not None:
        return [sample.choices[index] for index in sample.targets]
    if sample.choices:
        return sample.choices[int(sample.target)]
    return list(map(str, sample.target))
