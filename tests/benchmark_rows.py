"""Files of benchmarks under their own names, with the plain facts that a test checks them by.

Real files are copied from the shared material. Of benchmarks whose rows are not there, 20 rows are invented in exactly
the form of their files.
"""

import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

SOUNDS = ["Rain", "Thunder", "Church bells", "Dog", "A very long train whistle", "Cat"]


@dataclass
class Written:
    """What lies in a data folder: the options and the right text of each scored item, in order, and the clips."""

    questions: list[tuple[list[str], str]] = field(default_factory=list)
    clips: list[str] = field(default_factory=list)
    skipped: int = 0


def _turned(number: int, count: int) -> list[str]:
    """`count` options, each item beginning with another one."""
    return [SOUNDS[(number + place) % len(SOUNDS)] for place in range(count)]


def mmar(root: Path, shared: Path) -> Written:
    (root / "mmar").mkdir(parents=True)
    source = shared / "data/mmar/MMAR-meta.first700.jsonl"
    shutil.copy(source, root / "mmar/MMAR-meta.jsonl")
    rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    return Written([(row["choices"], row["answer"]) for row in rows], [f"mmar/{row['audio_path'][2:]}" for row in rows])


def af_reasoning(root: Path, shared: Path) -> Written:
    (root / "af-reasoning").mkdir(parents=True)
    written = Written()
    for name in ("AQA_MCQ", "AQA_Yes_No", "Classification_mini"):
        source = shared / f"data/af_reasoning/{name}.json"
        shutil.copy(source, root / "af-reasoning")
        document = json.loads(source.read_text(encoding="utf-8"))
        for row in document["data"].values():
            line = row["prompt"].split("\n")[1].split(" Output the answer")[0]
            options = [text.strip().removesuffix(".") for text in re.split(r"\([A-D]\) ", line)[1:]]
            written.questions.append((options, row["output"].split(") ", 1)[1]))
            written.clips.append(f"af-reasoning/{document['dataset_path']}/{row['name']}")
    return written


def speechr(root: Path, shared: Path) -> Written:
    (root / "speechr").mkdir(parents=True)
    source = shared / "data/speechr/speechr_multi-choice.first500.jsonl"
    shutil.copy(source, root / "speechr/speechr_multi-choice.jsonl")
    rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    texts = [[str(option) for option in row["options"]] for row in rows]
    golds = [options[row["label"] - 1] for options, row in zip(texts, rows, strict=True)]
    return Written(list(zip(texts, golds, strict=True)), [f"speechr/{row['audio_path']}" for row in rows])


def mmsu_rows() -> list[dict[str, Any]]:
    rows = []
    for number in range(20):
        options = _turned(number, 4 if number % 5 else 2)
        row = {
            "id": f"mmsu_{number:04}",
            "task_name": ("near_homophone", "sarcasm", "stress")[number % 3],
            "audio_path": f"audio/mmsu_{number:04}.wav",
            "question": f"What is meant in clip {number}?",
            **{f"choice_{letter}": text for letter, text in zip("abcd", options, strict=False)},
            "answer_gt": options[number % len(options)],
            "category": ("Perception", "Reasoning")[number % 2],
            "sub-category": ("Linguistics", "Paralinguistics")[number % 2],
            "sub-sub-category": ("Semantics", "Phonology", "Speaker Traits")[number % 3],
            "linguistics_sub_discipline": "Pragmatics" if number % 2 else None,
        }
        rows.append(row)
    return rows


def _lettered(rows: list[dict[str, Any]]) -> list[tuple[list[str], str]]:
    options = [[row[f"choice_{letter}"] for letter in "abcd" if row.get(f"choice_{letter}")] for row in rows]
    return [(each, row["answer_gt"]) for each, row in zip(options, rows, strict=True)]


def mmsu(root: Path, shared: Path) -> Written:
    (root / "mmsu/question").mkdir(parents=True)
    rows = mmsu_rows()
    (root / "mmsu/question/mmsu.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return Written(_lettered(rows), [f"mmsu/{row['audio_path']}" for row in rows])


def mmsu_parquet(root: Path, clip: bytes) -> Written:
    """The hub's copy: clips in the column `audio`, no `audio_path`, null where there is no option."""
    (root / "mmsu/data").mkdir(parents=True)
    rows = mmsu_rows()
    names = [name for name in rows[1] if name != "audio_path"]
    columns: dict[str, Any] = {name: [row.get(name) for row in rows] for name in names}
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = [{"bytes": clip, "path": f"{row['id']}.wav"} for row in rows]
    table = pa.table({**columns, "audio": pa.array(cells, kind)})
    for number in range(2):
        pq.write_table(table.slice(10 * number, 10), root / f"mmsu/data/train-0000{number}-of-00002.parquet")
    return Written(_lettered(rows))


def mmau_pro_rows() -> list[dict[str, Any]]:
    rows = []
    for number in range(20):
        options = _turned(number, 5 if number % 4 else 2)
        clips = [f"data/clip-{number}-{part}.wav" for part in range(3 if number % 7 == 6 else 1)]
        row = {
            "id": f"pro-{number}",
            "audio_path": clips,
            "question": f"Which of them is in clip {number}?",
            "answer": options[number % len(options)],
            "choices": options,
            "length_type": ("short", "medium", "long")[number % 3],
            "perceptual_skills": ["Timbre", "Pitch"][: number % 3],
            "reasoning_skills": ["Temporal Reasoning"] if number % 2 else [],
            "category": ("sound", "music", "multi")[number % 3],
            "transcription": None,
            "task_classification": None,
            "task_identifier": None,
            "kwargs": None,
            "sub-cat": None if number % 2 else "Western",
        }
        if number in (4, 5):
            row |= {"category": "open", "choices": [], "answer": "Rain falls on a roof."}
        if number == 9:
            rule = {"task_identifier": "Number Words (at most)", "kwargs": '{"N": 10}'}
            row |= {"category": "instruction following", "choices": [], "answer": None, **rule}
        rows.append(row)
    return rows


def mmau_pro(root: Path, shared: Path) -> Written:
    (root / "mmau-pro").mkdir(parents=True)
    rows = mmau_pro_rows()
    pq.write_table(pa.Table.from_pylist(rows), root / "mmau-pro/test.parquet")
    closed = [(row["choices"], row["answer"]) for row in rows if row["choices"]]
    clips = [f"mmau-pro/{path}" for row in rows for path in row["audio_path"]]
    return Written(closed, clips, skipped=3)


def trea(root: Path, shared: Path) -> Written:
    """Seven rows of order and of duration, six of count. Files other than that of order begin with the question."""
    written = Written()
    for part, count in (("order", 7), ("count", 6), ("duration", 7)):
        (root / f"trea/{part}").mkdir(parents=True)
        text = io.StringIO()
        head = ["id", "question"] if part == "order" else ["question", "id"]
        names = ["optionA", "optionB", "optionC", "optionD"]
        writer = csv.DictWriter(text, [*head, "audio_path", *names, "correct"], lineterminator="\n")
        writer.writeheader()
        for number in range(count):
            right = (3 * number + 1) % 4
            options = _spell(part, number, right)
            row = {"id": number, "question": f"Which sound event occurs in {part} {number}?"}
            row |= {"audio_path": f"audios/{number}.wav", "correct": "ABCD"[right]}
            writer.writerow(row | dict(zip(names, options, strict=True)))
            written.questions.append((options, options[right]))
            written.clips.append(f"trea/{part}/audios/{number}.wav")
        (root / f"trea/{part}/{part}.csv").write_text(text.getvalue())
    return written


def _spell(part: str, number: int, right: int) -> list[str]:
    """Four options: numbers, class labels, or names of classes of which the right one alone is a label."""
    if part == "count":
        return [str(number + place) for place in range(4)]
    names = _turned(number, 4)
    labels = [name.lower().replace(" ", "_") for name in names]
    return labels if part == "duration" else [labels[i] if i == right else name for i, name in enumerate(names)]


def air_bench_rows() -> list[dict[str, Any]]:
    rows = []
    for number in range(20):
        options = _turned(number, (4, 3, 2)[number % 3])
        rows.append(
            {
                "path": f"clip-{number}.wav",
                "question": f"What is heard in clip {number}?",
                **{f"choice_{letter}": text for letter, text in zip("abcd", options, strict=False)},
                "answer_gt": options[number % len(options)],
                "task_name": ("Audio_Grounding", "Music_AQA", "Speech_Entity_Reconition")[number % 3],
                "dataset_name": ("demo_a", "demo_b")[number % 2],
                "uniq_id": number,
            }
        )
    return rows


def air_bench(root: Path, shared: Path) -> Written:
    folder = root / "air-bench-foundation/Foundation"
    folder.mkdir(parents=True)
    rows = air_bench_rows()
    (folder / "Foundation_meta.json").write_text(json.dumps(rows))
    clips = [f"{row['task_name']}_{row['dataset_name']}/{row['path']}" for row in rows]
    clips = [clip.replace(".wav", ".flac") if clip.startswith("Audio_Grounding") else clip for clip in clips]
    return Written(_lettered(rows), [f"air-bench-foundation/Foundation/{clip}" for clip in clips])


Writer = Callable[[Path, Path], Written]

REAL: dict[str, Writer] = {"mmar": mmar, "af-reasoning": af_reasoning, "speechr": speechr}
"""Benchmarks of which a part is among the shared material."""

INVENTED: dict[str, Writer] = {"mmsu": mmsu, "mmau-pro": mmau_pro, "trea": trea, "air-bench-foundation": air_bench}
"""Benchmarks of which 20 rows are invented."""
