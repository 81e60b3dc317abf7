"""Audio entailment: hypotheses about clips, each true of one clip, plausible of another and false of a third.

A hypothesis about an event is entailed where the event itself sounds, neutral where only the ambiguous sound of its
family does, and contradicted where neither does. Clips come in cycles: what is true of one clip is plausible of the one
before it and false of the one before that, so each sentence is each label equally often, to the row.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from alm_bench.core import UsageError
from alm_bench.demo.scene import Scene, hash_name, sequence, stream
from alm_bench.demo.vocabulary import EVENT_TYPES, FAMILIES, EventType, members


@dataclass(frozen=True, slots=True)
class _Profile:
    """True statements about one clip: its types, each of another family, and the sentences that name them."""

    kinds: tuple[EventType, ...]
    sentences: tuple[str, ...]

    @property
    def families(self) -> set[str]:
        return {kind.family for kind in self.kinds}


def _cycles(clips: int) -> list[int]:
    """Lengths of 3 to 5 that add up to `clips`."""
    if clips < 3:
        raise UsageError(f"entailment needs at least 3 clips to be balanced, {clips} were asked for")
    extra = {0: [], 1: [5], 2: [3, 3], 3: [3]}[clips % 4]
    return [4] * ((clips - sum(extra)) // 4) + extra


def _profiles(rng: random.Random, length: int, rows: int) -> list[_Profile]:
    width = 1 if rows == 1 else 2
    families = iter(rng.sample(list(FAMILIES), length * width))
    made = []
    for _ in range(length):
        kinds = tuple(rng.choice(members(next(families))) for _ in range(width))
        sentences = [sentence for kind in kinds for sentence in kind.hypotheses]
        made.append(_Profile(kinds, tuple(rng.sample(sentences, rows))))
    return made


def _scene(rng: random.Random, true: _Profile, plausible: _Profile, false: _Profile) -> Scene:
    tags = [kind.key for kind in true.kinds] + [f"{family}?" for family in sorted(plausible.families)]
    free = FAMILIES.keys() - true.families - plausible.families - false.families
    if len(tags) < 3 and rng.random() < 0.5:
        tags.append(rng.choice([key for key, kind in EVENT_TYPES.items() if kind.family in free]))
    rng.shuffle(tags)
    return sequence(rng, tags, noise=-rng.uniform(50.0, 64.0))


@dataclass(frozen=True, slots=True)
class Hypotheses:
    """Hypotheses about a clip: equally many that are entailed, neutral and contradicted."""

    path: str
    """Path of the clip below the data root."""

    scene: Scene
    """Scene of the clip."""

    entailed: tuple[str, ...]
    """Hypotheses that are true of the clip."""

    neutral: tuple[str, ...]
    """Hypotheses that may be true of it."""

    contradicted: tuple[str, ...]
    """Hypotheses that are false of it."""


def hypotheses(
    split: str, clips: int, *, folder: str, name: str = "Y{:.11}.wav", per_clip: int = 1, seed: int = 0
) -> Iterator[Hypotheses]:
    """Yield the hypotheses of `clips` clips in `folder`, 1 to 6 per clip and label. Whole cycles stand together, so
    that prefixes are balanced too.

    `name` formats the file name from 40 hex digits. Raises UsageError for fewer than 3 clips.
    """
    for number, length in enumerate(_cycles(clips)):
        key = ("entailment", folder, split, seed, number)
        rng = stream(*key)
        profiles = _profiles(rng, length, per_clip)
        for i in range(length):
            true, plausible, false = (profiles[(i + step) % length] for step in range(3))
            path = f"{folder}/{name.format(hash_name(*key, i))}"
            scene = _scene(rng, true, plausible, false)
            yield Hypotheses(path, scene, true.sentences, plausible.sentences, false.sentences)
