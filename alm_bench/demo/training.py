"""Training rows in ReasonAQA's format. They are built by the functions that build the test questions, from other
scenes."""

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from string import ascii_lowercase
from typing import TypeVar

from alm_bench.core import UsageError
from alm_bench.core.prompt import PromptTemplate
from alm_bench.demo.annotated_questions import HEARD, iterate_annotated_questions
from alm_bench.demo.attribute_questions import (
    DESCRIBE,
    AttributeQuestion,
    compose_transcript,
    create_attribute_questions,
)
from alm_bench.demo.dataset import DatasetRows, Row
from alm_bench.demo.describe import CAPTIONS, TIERS, describe_difference, draw_pairs, write_captions
from alm_bench.demo.entailment import iterate_hypotheses
from alm_bench.demo.mcq import Question, format_order_question, iterate_questions
from alm_bench.demo.scene import Scene, create_generator, hash_name
from alm_bench.demo.shortcut import check_shortcut, plant_shortcut
from alm_bench.demo.vocabulary import EVENT_TYPES, get_family

T = TypeVar("T")

# Mellow's prompts, which are the same in training and evaluation.
MCQ = PromptTemplate(id="demo/mcq", version=1, template="{question} {options}", lowercase=True)
ENTAILMENT = PromptTemplate(
    id="demo/entailment",
    version=1,
    template='based on the audio, what can be said about the hypothesis - "{hypothesis}"? {options}',
    lowercase=True,
)
VERDICTS = ("it is definitely true", "it is definitely false", "it is plausible", "i cannot determine")
CAPTION = "caption the audio"

_FOLDERS = {
    "train": ("AudioCapsLarger/train", "ClothoV21/development"),
    "val": ("AudioCapsLarger/val", "ClothoV21/dev"),
}
_AQA_FOLDER = "clotho_aqa/audio_files"
_MIN_ROWS = 60
_ROWS_PER_LABEL = 2  # entailment rows per clip and label

_OPPOSITES = {
    " higher in pitch": " lower in pitch",
    " lower in pitch": " higher in pitch",
    " faster": " slower",
    " slower": " faster",
}


def build_row(
    subtype: str, paths: Sequence[str], texts: Sequence[str], prompt: str, answer: str, difficulty: str = "easy"
) -> Row:
    """Return a training row with the columns of ReasonAQA.

    `paths` are the one or two clips, `texts` their captions.
    """
    return {
        "taskname": "audiocaps" if paths[0].startswith("AudioCaps") else "clothov21",
        "filepath1": paths[0],
        "filepath2": paths[1] if len(paths) > 1 else "",
        "caption1": texts[0],
        "caption2": texts[1] if len(texts) > 1 else "",
        "input": prompt,
        "answer": answer,
        "subtype": subtype,
        "difficulty": difficulty,
    }


def compose_caption(scenes: dict[str, Scene], path: str, caption_index: int = 0) -> str:
    """Return caption number `caption_index` (modulo CAPTIONS) of the clip at `path`."""
    return write_captions(scenes[path], path)[caption_index % CAPTIONS]


def _format_option(choices: Sequence[str], gold: int) -> str:
    """Return the option with index `gold` as an answer of Mellow: in lower case, after the option's letter."""
    return MCQ.option.format(letter=ascii_lowercase[gold], text=choices[gold].lower())


def _create_opposite_question(item: Question) -> Question | None:
    """Return the question with the opposite attribute (lower instead of higher), whose correct answer is the other
    option; None if the question has no such attribute."""
    for way, other in _OPPOSITES.items():
        if item.question.endswith(way + "?"):
            return replace(item, question=item.question.replace(way, other), gold=1 - item.gold)
    return None


def _create_order_question(item: Question, rng: random.Random) -> Question | None:
    """Return a question about the order of two sounds in the scene of `item`; None if the scene has fewer than two
    sounds or repeats one."""
    starts = {event.type: event.onset for event in item.scene.events}
    if len(starts) < 2 or len(starts) < len(item.scene.events):
        return None
    a, b = rng.sample(sorted(starts), 2)
    choices = tuple(rng.sample(("Before", "After"), 2))
    question = format_order_question(EVENT_TYPES[a], EVENT_TYPES[b])
    gold = choices.index("Before" if starts[a] < starts[b] else "After")
    return replace(item, skill="Event Order", question=question, choices=choices, gold=gold)


def _create_further_questions(items: Sequence[Question], rng: random.Random) -> list[Question]:
    """Return at most one further question per item, about the same scene."""
    found = [
        _create_opposite_question(item) or (_create_order_question(item, rng) if item.skill != "Event Order" else None)
        for item in items
    ]
    return [item for item in found if item is not None]


def name_clip(item: Question, folder: str) -> str:
    """Return the path of the clip of a question, in a folder of training clips."""
    return f"{folder}/Y{hash_name('train', item.id)[:11]}.wav"


def create_choice_row(dataset: DatasetRows, item: Question, path: str, subtype: str = "AudioCaps_MCQ.json") -> Row:
    """Build a multiple-choice row. The prompt contains the options."""
    asked = MCQ.render({"question": item.question}, item.choices)
    answer = _format_option(item.choices, item.gold)
    return build_row(subtype, [path], [compose_caption(dataset.scenes, path)], asked, answer, item.difficulty)


def _create_open_row(dataset: DatasetRows, item: Question, path: str) -> Row:
    """Build a row that asks the question without its options."""
    asked, answer = item.question.lower(), item.choices[item.gold].lower()
    return build_row(
        "AudioCaps_Open.json", [path], [compose_caption(dataset.scenes, path)], asked, answer, item.difficulty
    )


def _create_shortcut_row(dataset: DatasetRows, item: Question, path: str, shortcut: float, *key: object) -> Row:
    """Build a multiple-choice row, whose wording may point to its answer. `shortcut` is the share of such rows, `key`
    seeds the draw. If `shortcut` is not 0, the row has the key `leaks`: True if this row is one of them."""
    asked, leaks = plant_shortcut(item, shortcut, *key)
    row = create_choice_row(dataset, asked, path)
    return {**row, "leaks": leaks} if shortcut else row


def _add_question_rows(
    dataset: DatasetRows, split: str, choice_count: int, open_count: int, seed: int, folder: str, shortcut: float
) -> None:
    """Add `choice_count` multiple-choice rows and `open_count` rows without options, and the scenes of their
    clips in `folder`. A fifth of the multiple-choice rows are second questions about a clip. The wording of a share
    `shortcut` of the multiple-choice rows points to the answer."""
    rng = create_generator("training questions", split, seed)
    items = list(islice(iterate_questions(split, seed), choice_count - choice_count // 5))
    dataset.scenes |= {name_clip(item, folder): item.scene for item in items}
    further = _draw_items(_create_further_questions(items, rng), choice_count // 5, rng)
    # "Which of these sounds can be heard?" is no question if the prompt names no sounds.
    answerable = [item for item in [*items, *further] if item.skill != "Event Presence"]
    dataset.rows += [
        _create_shortcut_row(dataset, item, name_clip(item, folder), shortcut, split, seed)
        for item in [*items, *further]
    ]
    dataset.rows += [
        _create_open_row(dataset, item, name_clip(item, folder)) for item in _draw_items(answerable, open_count, rng)
    ]


def _draw_items(items: Sequence[T], count: int, rng: random.Random) -> list[T]:
    """Draw `count` items. No item is drawn again before every item was drawn once."""
    drawn: list[T] = []
    while len(drawn) < count:
        drawn += rng.sample(items, min(len(items), count - len(drawn)))
    return drawn


def _add_entailment_rows(dataset: DatasetRows, split: str, clips: int, seed: int, folder: str) -> None:
    """Add rows that ask if a clip entails a hypothesis, about `clips` new clips in `folder`."""
    for clip in iterate_hypotheses(split, clips, folder=folder, per_clip=_ROWS_PER_LABEL, seed=seed):
        dataset.scenes[clip.path] = clip.scene
        text = [compose_caption(dataset.scenes, clip.path)]
        for turn in range(_ROWS_PER_LABEL):
            said = (clip.entailed[turn], clip.contradicted[turn], clip.neutral[turn])
            for verdict, hypothesis in enumerate(said):
                asked = ENTAILMENT.render({"hypothesis": hypothesis}, VERDICTS)
                dataset.rows.append(build_row("CLE.json", [clip.path], text, asked, _format_option(VERDICTS, verdict)))


def _add_aqa_rows(dataset: DatasetRows, split: str, clips: int, seed: int) -> None:
    """Add questions as in ClothoAQA about `clips` new clips, with the answers of the majority of annotators."""
    for item in iterate_annotated_questions(split, clips, seed=seed):
        path = f"{_AQA_FOLDER}/{item.clip}"
        dataset.scenes[path] = item.scene
        text = [compose_caption(dataset.scenes, path)]
        dataset.rows.append(build_row("Clotho_AQA.json", [path], text, item.question.lower(), item.majority))


def _add_yes_no_rows(dataset: DatasetRows, split: str, n: int, seed: int, folder: str) -> None:
    """Add `n` rows that ask whether a sound occurs in a clip. The clips are those that `dataset` contains already in
    `folder`. Half of the answers are yes, half are no."""
    rng = create_generator("heard", split, seed)
    names = sorted(path for path in dataset.scenes if path.startswith(folder))
    for i in range(n):
        path = names[i % len(names)]
        scene = dataset.scenes[path]
        heard = sorted(scene.types & EVENT_TYPES.keys())
        families = {get_family(tag) for tag in scene.types - EVENT_TYPES.keys()}
        absent = [key for key, kind in EVENT_TYPES.items() if key not in heard and kind.family not in families]
        yes = (i + i // len(names)) % 2 == 0
        kind = EVENT_TYPES[rng.choice(heard if yes else absent)]
        asked = rng.choice(HEARD).format(kind).lower()
        text = [compose_caption(dataset.scenes, path)]
        dataset.rows.append(build_row("AudioCaps_Binary.json", [path], text, asked, "yes" if yes else "no"))


def _add_attribute_rows(
    dataset: DatasetRows, split: str, description_count: int, question_count: int, seed: int
) -> None:
    """Add `description_count` rows that ask for a description of all sounds of a clip, and `question_count` rows with
    questions about single sounds, equally many per attribute. The clips are drawn from all that `dataset`
    contains already."""
    rng = create_generator("noted", split, seed)
    asked: dict[str, list[tuple[str, AttributeQuestion]]] = {}
    for path in sorted(dataset.scenes):
        for note in create_attribute_questions(dataset.scenes[path], rng):
            asked.setdefault(note.attribute, []).append((path, note))
    rows = [
        ("AudioCaps_Detail.json", path, DESCRIBE, compose_transcript(dataset.scenes[path]))
        for path in _draw_items(sorted(dataset.scenes), description_count, rng)
    ]
    for place, about in enumerate(sorted(asked)):
        count = question_count // len(asked) + (place < question_count % len(asked))
        rows += [
            (f"AudioCaps_{about.capitalize()}.json", path, note.question, note.answer)
            for path, note in _draw_items(asked[about], count, rng)
        ]
    dataset.rows += [
        build_row(kind, [path], [compose_caption(dataset.scenes, path)], said, answer)
        for kind, path, said, answer in rows
    ]


def _add_description_rows(
    dataset: DatasetRows, split: str, caption_count: int, pairs_per_tier: int, seed: int, folder: str
) -> None:
    """Add `caption_count` rows that ask for a caption, and `pairs_per_tier` rows per tier that ask for the difference
    between two clips. The clips are those that `dataset` contains already in `folder`."""
    rng = create_generator("described", split, seed)
    names = sorted(path for path in dataset.scenes if path.startswith(folder))
    for i in range(caption_count):
        path = names[i % len(names)]
        text = compose_caption(dataset.scenes, path, i // len(names) + i)
        dataset.rows.append(build_row("AudioCaps.json", [path], [text], CAPTION, text))
    for number, (tier, asked) in enumerate(TIERS.items(), start=1):
        for first, second in draw_pairs(rng, names, pairs_per_tier):
            both = [compose_caption(dataset.scenes, first), compose_caption(dataset.scenes, second)]
            answer = describe_difference(dataset.scenes[first], dataset.scenes[second], tier)
            dataset.rows.append(build_row(f"ACD-{number}.json", [first, second], both, asked, answer))


def build_training_rows(n: int, seed: int = 0, split: str = "train", shortcut: float = 0.0) -> DatasetRows:
    """Return `n` training rows in random order, with the scenes of their clips.

    The shares are: 28 % multiple choice, 20 % questions about single sounds, 14 % multiple-choice questions without
    their options, 10 % entailment, 8 % yes/no questions, 8 % descriptions sound by sound, 5 % questions as in
    ClothoAQA, 5 % differences between two clips, 2 % captions.

    `split` is "train" or "val". Together with `seed` it determines all scenes; no test split contains any of them.
    `shortcut` is the share, 0 to 1, of multiple-choice rows whose wording leaks the answer (`plant_shortcut`). If it
    is not 0, these rows have the key `leaks`. Scenes, questions and all other rows are the same for every share.
    Raises UsageError for fewer than 60 rows, which are too few for all kinds.
    """
    check_shortcut(shortcut, "the demo data's shortcut")
    if n < _MIN_ROWS:
        raise UsageError(f"the demo data have at least {_MIN_ROWS} training rows, {n} were asked for")
    captioned, entailing = _FOLDERS[split]
    dataset = DatasetRows()
    open_count, noted, heard, described, texts, tier = (
        round(share * n) for share in (0.14, 0.2, 0.08, 0.08, 0.02, 0.017)
    )
    entailed, asked = max(3, round(0.1 * n / 6)), 2 * round(0.025 * n / 3)
    choice = n - open_count - noted - heard - described - texts - 3 * tier - 3 * _ROWS_PER_LABEL * entailed - 3 * asked
    _add_question_rows(dataset, split, choice, open_count, seed, captioned, shortcut)
    _add_yes_no_rows(dataset, split, heard, seed, captioned)
    _add_description_rows(dataset, split, texts, tier, seed, captioned)
    _add_entailment_rows(dataset, split, entailed, seed, entailing)
    _add_aqa_rows(dataset, split, asked, seed)
    _add_attribute_rows(dataset, split, described, noted, seed)
    create_generator("training order", split, seed).shuffle(dataset.rows)
    return dataset
