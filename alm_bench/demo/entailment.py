"""Hypotheses for audio entailment. Each is entailed by one clip, neutral to a second and contradicted by a third.

A hypothesis about an event is entailed if the event occurs, neutral if only the ambiguous sound of its family occurs,
and contradicted if neither occurs. Clips are generated in cycles. The hypotheses that are entailed by a clip are
neutral to the clip before it in the cycle, and contradicted by the clip before that one. Every sentence therefore has
each label equally often, and the text alone does not reveal the label.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from alm_bench.core import UsageError
from alm_bench.demo.scene import Scene, build_scene_in_order, create_generator, hash_name
from alm_bench.demo.vocabulary import EVENT_TYPES, FAMILIES, EventType, list_family_types


@dataclass(frozen=True, slots=True)
class _Profile:
    """Event types of one clip, each of a different family, and the sentences that are true of the clip."""

    event_types: tuple[EventType, ...]
    sentences: tuple[str, ...]

    @property
    def families(self) -> set[str]:
        return {kind.family for kind in self.event_types}


def _split_into_cycles(clips: int) -> list[int]:
    """Split a number of clips into cycles of 3 to 5 clips, and return their lengths. Raises UsageError for fewer than 3
    clips.
    """
    if clips < 3:
        raise UsageError(f"entailment needs at least 3 clips to be balanced, {clips} were asked for")
    extra = {0: [], 1: [5], 2: [3, 3], 3: [3]}[clips % 4]
    return [4] * ((clips - sum(extra)) // 4) + extra


def _draw_profiles(rng: random.Random, length: int, sentence_count: int) -> list[_Profile]:
    """Draw one profile per clip of a cycle of `length` clips. No event family occurs twice in the cycle.

    A profile has `sentence_count` sentences, drawn from those of its event types. It has two event types, or one if
    `sentence_count` is 1.
    """
    width = 1 if sentence_count == 1 else 2
    families = iter(rng.sample(list(FAMILIES), length * width))
    drawn = []
    for _ in range(length):
        kinds = tuple(rng.choice(list_family_types(next(families))) for _ in range(width))
        sentences = [sentence for kind in kinds for sentence in kind.hypotheses]
        drawn.append(_Profile(kinds, tuple(rng.sample(sentences, sentence_count))))
    return drawn


def _build_scene(rng: random.Random, entailed: _Profile, neutral: _Profile, contradicted: _Profile) -> Scene:
    """Build the scene of one clip: it contains the events of `entailed`, and an ambiguous sound for each family of
    `neutral`. No event of a family of `contradicted` occurs. The sentences of the three profiles are thus entailed,
    neutral and contradicted."""
    tags = [kind.key for kind in entailed.event_types] + [f"{family}?" for family in sorted(neutral.families)]
    free = FAMILIES.keys() - entailed.families - neutral.families - contradicted.families
    if len(tags) < 3 and rng.random() < 0.5:
        tags.append(rng.choice([key for key, kind in EVENT_TYPES.items() if kind.family in free]))
    rng.shuffle(tags)
    return build_scene_in_order(rng, tags, noise=-rng.uniform(50.0, 64.0))


@dataclass(frozen=True, slots=True)
class Hypotheses:
    """Hypotheses about one clip, equally many of each label."""

    path: str
    """Path of the clip relative to the data root."""

    scene: Scene
    """Scene of the clip."""

    entailed: tuple[str, ...]
    """Hypotheses that are true of the clip."""

    neutral: tuple[str, ...]
    """Hypotheses that are neither certainly true nor certainly false of the clip."""

    contradicted: tuple[str, ...]
    """Hypotheses that are false of the clip."""


def iterate_hypotheses(
    split: str, clips: int, *, folder: str, name_format: str = "Y{:.11}.wav", per_clip: int = 1, seed: int = 0
) -> Iterator[Hypotheses]:
    """Yield the hypotheses about `clips` clips, whose paths lie in `folder`. Each clip has `per_clip` (1 to 6)
    hypotheses per label. Clips are yielded cycle by cycle (see the module), so that the labels are also balanced in any
    number of complete cycles from the start.

    `name_format` is the format of file names; it is filled with 40 hex digits. Raises UsageError for fewer than 3
    clips.
    """
    for number, length in enumerate(_split_into_cycles(clips)):
        key = ("entailment", folder, split, seed, number)
        rng = create_generator(*key)
        profiles = _draw_profiles(rng, length, per_clip)
        for i in range(length):
            true, plausible, false = (profiles[(i + step) % length] for step in range(3))
            path = f"{folder}/{name_format.format(hash_name(*key, i))}"
            scene = _build_scene(rng, true, plausible, false)
            yield Hypotheses(path, scene, true.sentences, plausible.sentences, false.sentences)
