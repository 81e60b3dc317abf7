"""Yes/no and one-word questions in ClothoAQA's layout: three annotators' rows a question.

Clips come in pairs. Each yes/no question is put to both of a pair, and is right of exactly one of them.
"""

import random

from alm_bench.demo.dataset import DatasetRows
from alm_bench.demo.scene import Scene, hash_name, sequence, stream
from alm_bench.demo.vocabulary import EVENT_TYPES

FOLDER = "clotho_aqa/audio_files"

_DISSENT = 0.12  # share of question pairs of which one annotator says the other thing
HEARD = ("Can {0.phrase} be heard?", "Does the recording contain {0.source}?", "Is there a sound of {0.label}?")


def _pair(rng: random.Random) -> tuple[tuple[Scene, Scene], list[tuple[str, bool]]]:
    """Two scenes, and yes/no questions with what is true of the first (the other is true of the second)."""
    keys = rng.sample(list(EVENT_TYPES), 3)
    a, b = (EVENT_TYPES[key] for key in keys[:2])
    noise = -rng.uniform(50.0, 64.0)
    if rng.random() < 0.6:
        tags = [[key, keys[2]] for key in keys[:2]]
        for order in tags:
            rng.shuffle(order)
        asked = [(rng.choice(HEARD).format(a), True), (rng.choice(HEARD).format(b), False)]
    else:
        tags = [[a.key, b.key], [b.key, a.key]]
        asked = [
            (f"Is {a.phrase} heard before {b.phrase}?", True),
            (f"Does the recording end with {a.phrase}?", False),
        ]
    return (sequence(rng, tags[0], noise=noise), sequence(rng, tags[1], noise=noise)), asked


def _build_rows(clip: str, question: str, answers: list[str], doubt: int | None) -> list[dict[str, str]]:
    return [
        {
            "file_name": clip,
            "QuestionText": question,
            "answer": answer,
            "confidence": "maybe" if annotator == doubt else "yes",
        }
        for annotator, answer in enumerate(answers)
    ]


def _word(scene: Scene, last: bool) -> str:
    ordered = sorted(scene.events, key=lambda event: event.onset)
    return EVENT_TYPES[ordered[-1 if last else 0].type].word


def aqa_rows(split: str, clips: int, *, seed: int = 0) -> DatasetRows:
    """Two yes/no questions and a one-word question a clip, three rows each. `clips` is rounded up to an even number."""
    made = DatasetRows()
    for number in range((clips + 1) // 2):
        key = ("aqa", split, seed, number)
        rng = stream(*key)
        scenes, asked = _pair(rng)
        names = [f"Clip {hash_name(*key, i)[:10]}.wav" for i in range(2)]
        for name, scene in zip(names, scenes, strict=True):
            made.scenes[f"{FOLDER}/{name}"] = scene
        dissents = [rng.randrange(3) if rng.random() < _DISSENT else None for _ in range(3)]
        last = rng.random() < 0.5
        for i, name in enumerate(names):
            for (question, true_of_first), doubt in zip(asked, dissents, strict=False):
                said = "yes" if true_of_first == (i == 0) else "no"
                other = "no" if said == "yes" else "yes"
                answers = [other if annotator == doubt else said for annotator in range(3)]
                made.rows += _build_rows(name, question, answers, doubt)
            word, wrong = _word(scenes[i], last), _word(scenes[i], not last)
            answers = [wrong if annotator == dissents[2] else word for annotator in range(3)]
            made.rows += _build_rows(name, f"What makes the {'last' if last else 'first'} sound?", answers, dissents[2])
    return made


def majority_answer(made: DatasetRows) -> list[tuple[str, str, str]]:
    """(file name, question, the answer of most annotators), in file order."""
    votes: dict[tuple[str, str], list[str]] = {}
    for row in made.rows:
        votes.setdefault((row["file_name"], row["QuestionText"]), []).append(row["answer"])
    return [(*asked, max(answers, key=answers.count)) for asked, answers in votes.items()]
