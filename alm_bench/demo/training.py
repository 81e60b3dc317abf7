"""Training rows in ReasonAQA's format, made by the makers of the test questions from scenes of their own."""

from collections.abc import Sequence
from itertools import islice
from string import ascii_lowercase

from alm_bench.core import UsageError
from alm_bench.core.prompt import PromptTemplate
from alm_bench.demo import aqa
from alm_bench.demo.describe import TIERS, captions, difference, pairs
from alm_bench.demo.entailment import entailment_rows
from alm_bench.demo.made import Made, Row
from alm_bench.demo.mcq import questions
from alm_bench.demo.scene import Scene, opaque, stream

# The forms in which Mellow is asked, at evaluation and in training alike.
MCQ = PromptTemplate(id="demo/mcq", version=1, template="{question} {options}", lowercase=True)
ENTAILMENT = PromptTemplate(
    id="demo/entailment",
    version=1,
    template='based on the audio, what can be said about the hypothesis - "{hypothesis}"? {options}',
    lowercase=True,
)
VERDICTS = ("it is definitely true", "it is definitely false", "it is plausible", "i cannot determine")
CAPTION = "caption the audio"

_GOLD_VERDICT = {"Entailment": 0, "Contradiction": 1, "Neutral": 2}
_FOLDERS = {
    "train": ("AudioCapsLarger/train", "ClothoV21/development"),
    "val": ("AudioCapsLarger/val", "ClothoV21/dev"),
}
_LEAST = 60


def _row(subtype: str, paths: Sequence[str], texts: Sequence[str], asked: str, answer: str) -> Row:
    return {
        "taskname": "audiocaps" if paths[0].startswith("AudioCaps") else "clothov21",
        "filepath1": paths[0],
        "filepath2": paths[1] if len(paths) > 1 else "",
        "caption1": texts[0],
        "caption2": texts[1] if len(texts) > 1 else "",
        "input": asked,
        "answer": answer,
        "subtype": subtype,
    }


def _caption(scenes: dict[str, Scene], path: str, turn: int = 0) -> str:
    return captions(scenes[path], path)[turn % 5]


def _lettered(choices: Sequence[str], gold: int) -> str:
    return MCQ.option.format(letter=ascii_lowercase[gold], text=choices[gold].lower())


def _mcq_rows(made: Made, split: str, n: int, seed: int, folder: str) -> None:
    for item in islice(questions(split, seed), n):
        path = f"{folder}/Y{opaque('train', item.id)[:11]}.wav"
        made.scenes[path] = item.scene
        asked = MCQ.render({"question": item.question}, item.choices)
        answer = _lettered(item.choices, item.gold)
        made.rows.append(_row("AudioCaps_MCQ.json", [path], [_caption(made.scenes, path)], asked, answer))


def _entailment_rows(made: Made, split: str, clips: int, seed: int, folder: str) -> None:
    source = entailment_rows(split, clips, folder=folder, seed=seed)
    made.scenes |= source.scenes
    for entry in source.rows:
        path = f"{folder}/{entry['Audio file']}"
        for column, gold in _GOLD_VERDICT.items():
            asked = ENTAILMENT.render({"hypothesis": entry[column]}, VERDICTS)
            answer = _lettered(VERDICTS, gold)
            made.rows.append(_row("CLE.json", [path], [_caption(made.scenes, path)], asked, answer))


def _aqa_rows(made: Made, split: str, clips: int, seed: int) -> None:
    source = aqa.aqa_rows(split, clips, seed=seed)
    made.scenes |= source.scenes
    for name, question, answer in aqa.majority(source):
        path = f"{aqa.FOLDER}/{name}"
        made.rows.append(_row("Clotho_AQA.json", [path], [_caption(made.scenes, path)], question.lower(), answer))


def _described_rows(made: Made, split: str, texts: int, pairs_a_tier: int, seed: int, folder: str) -> None:
    """Captions of, and differences between, the clips that lie in `folder` already."""
    rng = stream("described", split, seed)
    names = sorted(path for path in made.scenes if path.startswith(folder))
    for i in range(texts):
        path = names[i % len(names)]
        text = _caption(made.scenes, path, i // len(names) + i)
        made.rows.append(_row("AudioCaps.json", [path], [text], CAPTION, text))
    for number, (tier, asked) in enumerate(TIERS.items(), start=1):
        for first, second in pairs(rng, names, pairs_a_tier):
            both = [_caption(made.scenes, first), _caption(made.scenes, second)]
            answer = difference(made.scenes[first], made.scenes[second], tier)
            made.rows.append(_row(f"ACD-{number}.json", [first, second], both, asked, answer))


def training_rows(n: int, seed: int = 0, split: str = "train") -> Made:
    """`n` rows: 45 % multiple choice, 15 % each of entailment, differences and AQA, 10 % captions, in random order.

    `split` is "train" or "val"; with `seed` it decides every scene, none of which a test split has.
    Raises UsageError for fewer than 60 rows, which could not hold every kind.
    """
    if n < _LEAST:
        raise UsageError(f"the demo world makes at least {_LEAST} training rows, {n} were asked for")
    captioned, described = _FOLDERS[split]
    made = Made()
    entailed, asked, tier, texts = round(0.05 * n), 2 * round(0.025 * n), round(0.05 * n), round(0.1 * n)
    _mcq_rows(made, split, n - 3 * (entailed + asked + tier) - texts, seed, captioned)
    _described_rows(made, split, texts, tier, seed, captioned)
    _entailment_rows(made, split, entailed, seed, described)
    _aqa_rows(made, split, asked, seed)
    stream("training order", split, seed).shuffle(made.rows)
    return made
