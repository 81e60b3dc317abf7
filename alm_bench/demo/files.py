"""The demo world's files, in the layout and the columns of the real data."""

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from alm_bench.core.files import atomic_write
from alm_bench.demo import mcq, training
from alm_bench.demo.clotho_aqa import aqa_rows
from alm_bench.demo.dataset import DatasetRows, Row
from alm_bench.demo.describe import TIERS, captions, difference, pairs
from alm_bench.demo.entailment import CAPTIONS, entailment_rows
from alm_bench.demo.reasonaqa import held_out_rows
from alm_bench.demo.scene import SECONDS, WORLD, Scene, hash_name, scene, stream
from alm_bench.demo.vocabulary import EVENT_TYPES, FAMILIES, TAGS

EVALUATION_SCENES, TRAINING_SCENES = "scenes/evaluation.json", "scenes/training.json"
HELD_OUT_SCENES = "scenes/reasonaqa-1.json"
"""Behind the clips of `reasonaqa/test.json`, a file that came later than the world: a world on disk gets both beside
its others, which stay what they are. Raise the number with any change of the file's rows or scenes."""

_CLOTHO, _CAPS = "ClothoV21/evaluation", "AudioCapsLarger/test"


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of the demo data sets."""

    mmau: int = 960
    """Questions of MMAU."""

    cle: int = 200
    """Clips of CLE."""

    ace: int = 60
    """Clips of ACE."""

    captioned: int = 150
    """Captioned clips."""

    pairs: int = 200
    """Pairs per tier of the difference tasks."""

    aqa: int = 100
    """Clips of ClothoAQA."""

    train: int = 20_000
    """Rows for training."""

    val: int = 1_200
    """Rows for validation."""


@cache
def version(sizes: Sizes) -> str:
    """The world's name and a hash of all that its content is made from but its code, for which `WORLD` stands."""
    parts = (
        [asdict(kind) for kind in EVENT_TYPES.values()],
        [asdict(family) for family in FAMILIES.values()],
        {name: asdict(level) for name, level in mcq.LEVELS.items()},
        [(skill, options, category) for skill, (_, options, category) in mcq.SKILLS.items()],
        [training.MCQ.hash, training.ENTAILMENT.hash, training.VERDICTS, training.ROWS, TIERS, SECONDS],
        asdict(sizes),
    )
    return f"{WORLD}+{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]}"


def _csv(path: Path, rows: Sequence[Row]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    atomic_write(path, text.getvalue())


def _build_captions(ace: DatasetRows, clips: int) -> DatasetRows:
    """Build AudioCaps' file: five rows per clip, first of the ACE clips and then of further scenes."""
    made = DatasetRows()
    for path, known in ace.scenes.items():
        made.scenes[path] = known
    for index in range(max(0, clips - len(ace.scenes))):
        made.scenes[f"{_CAPS}/Y{hash_name('captioned', index)[:11]}.wav"] = scene("test", index)
    for number, (path, known) in enumerate(made.scenes.items()):
        for turn, text in enumerate(captions(known, path, CAPTIONS)):
            made.rows.append(
                {
                    "audiocap_id": str(1000 + number * CAPTIONS + turn),
                    "youtube_id": Path(path).stem[1:],
                    "start_time": "0",
                    "caption": text,
                }
            )
    return made


def _differences(root: Path, source: str, taskname: str, scenes: dict[str, Scene], count: int) -> None:
    """The three tiers over the same pairs of clips."""
    drawn = pairs(stream("pairs", source), sorted(scenes), count)
    for tier, asked in TIERS.items():
        rows = [
            {
                "taskname": taskname,
                "filepath1": first,
                "filepath2": second,
                "caption1": captions(scenes[first], first)[i % CAPTIONS],
                "caption2": captions(scenes[second], second)[i % CAPTIONS],
                "input": asked,
                "answer": difference(scenes[first], scenes[second], tier),
            }
            for i, (first, second) in enumerate(drawn)
        ]
        _csv(root / f"difference/{source}_adiff_{tier}_answer.csv", rows)


def _scenes(path: Path, *made: DatasetRows) -> None:
    packed = {name: known.pack() for each in made for name, known in each.scenes.items()}
    atomic_write(path, json.dumps(packed, separators=(",", ":")))


def write_evaluation(root: Path, sizes: Sizes) -> None:
    """Every evaluation file, and the scenes behind their clips."""
    questions = mcq.mmau_items("test", sizes.mmau)
    atomic_write(root / "mmau/mmau-test-mini.json", json.dumps(questions.rows, indent=1))
    cle = entailment_rows("test", sizes.cle, folder=_CLOTHO)
    development = entailment_rows("validation", sizes.cle, folder="ClothoV21/validation")
    ace = entailment_rows("test", sizes.ace, folder=_CAPS, rows_a_clip=CAPTIONS)
    _csv(root / "entailment/clotho_entailment_evaluation.csv", cle.rows)
    _csv(root / "entailment/clotho_entailment_validation.csv", development.rows)
    _csv(root / "entailment/audiocaps_entailment_test.csv", ace.rows)
    captioned = _build_captions(ace, sizes.captioned)
    _csv(root / "captions/audiocaps_test.csv", captioned.rows)
    _differences(root, "cld_evaluation", "clothov21", cle.scenes, sizes.pairs)
    _differences(root, "acd_test", "audiocaps", captioned.scenes, sizes.pairs)
    answered = aqa_rows("test", sizes.aqa)
    _csv(root / "clotho_aqa/clotho_aqa_test.csv", answered.rows)
    _scenes(root / EVALUATION_SCENES, questions, cle, development, captioned, answered)


def write_training(root: Path, sizes: Sizes) -> None:
    """ReasonAQA's files, the tags of the training clips (`;` between them), and the scenes behind the clips."""
    made = {split: training.training_rows(n, split=split) for split, n in (("train", sizes.train), ("val", sizes.val))}
    for split, rows in made.items():
        atomic_write(root / f"reasonaqa/{split}.json", json.dumps(rows.rows, indent=0))
    tags = [
        {"path": path, "tags": ";".join(sorted(known.types, key=TAGS.index))}
        for path, known in made["train"].scenes.items()
    ]
    _csv(root / "reasonaqa/tags_train.csv", tags)
    _scenes(root / TRAINING_SCENES, *made.values())


def write_held_out(root: Path, sizes: Sizes) -> None:
    """ReasonAQA's test file; its scenes are written last, and say that it is there."""
    made = held_out_rows(3 * sizes.mmau // 10)
    atomic_write(root / "reasonaqa/test.json", json.dumps(made.rows, indent=0))
    _scenes(root / HELD_OUT_SCENES, made)
