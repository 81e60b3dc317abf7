"""Audio entailment in the layout of CLE and ACE.

A hypothesis about an event is entailed where the event itself sounds, neutral where only the ambiguous sound of its
family does, and contradicted where neither does. Clips come in cycles: what is true of one clip is plausible of the one
before it and false of the one before that, so each sentence is each label equally often, to the row.
"""

import random
from dataclasses import dataclass

from alm_bench.core import UsageError
from alm_bench.demo.dataset import DatasetRows
from alm_bench.demo.describe import captions
from alm_bench.demo.scene import Scene, hash_name, sequence, stream
from alm_bench.demo.vocabulary import EVENT_TYPES, FAMILIES, EventType, members

CAPTIONS = 5


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


def entailment_rows(split: str, clips: int, *, folder: str, rows_a_clip: int = 1, seed: int = 0) -> DatasetRows:
    """Rows of the CSV columns, clip after clip; whole cycles stand together, so that prefixes are balanced too.

    With one row a clip the columns are CLE's (file name, repr of five captions), with more (up to 6) ACE's (`Y<id>`
    without suffix, one caption a row). Clips lie in `folder`. Raises UsageError for fewer than 3 clips.
    """
    made = DatasetRows()
    for number, length in enumerate(_cycles(clips)):
        key = ("entailment", folder, split, seed, number)
        rng = stream(*key)
        profiles = _profiles(rng, length, rows_a_clip)
        for i in range(length):
            true, plausible, false = (profiles[(i + step) % length] for step in range(3))
            code = hash_name(*key, i)
            clip = f"Recording {code[:10]}.wav" if rows_a_clip == 1 else f"Y{code[:11]}"
            path = f"{folder}/{clip.removesuffix('.wav')}.wav"
            made.scenes[path] = _scene(rng, true, plausible, false)
            texts = captions(made.scenes[path], path, CAPTIONS)
            for row in range(rows_a_clip):
                made.rows.append(
                    {
                        "Dataset": "ClothoV2" if rows_a_clip == 1 else "Audiocaps",
                        "Audio file": clip,
                        "Caption": repr(texts) if rows_a_clip == 1 else texts[row % CAPTIONS],
                        "Entailment": true.sentences[row],
                        "Neutral": plausible.sentences[row],
                        "Contradiction": false.sentences[row],
                    }
                )
    return made
