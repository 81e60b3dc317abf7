"""A few questions with real clips in the layout of the real data, and the command line called in this process."""

import contextlib
import csv
import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import soundfile

from alm_bench.cli.app import main
from alm_bench.records.models import (
    RunHeader,
    StoredData,
    StoredDecoding,
    StoredIdentity,
    StoredPrompt,
    StoredSpec,
    StoredTask,
)

RATE = 8_000
HEADER = ["Dataset", "Audio file", "Caption", "Entailment", "Neutral", "Contradiction"]


@dataclass(frozen=True)
class Ran:
    """What a command left: exit status, standard output, standard error."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as exactly one JSON document."""
        return json.loads(self.out)

    @property
    def run(self) -> Any:
        (only,) = self.json["runs"]
        return only


def alm(*arguments: object) -> Ran:
    """`alm-bench ARGUMENTS` through its entry point, in this process."""
    out, err = io.StringIO(), io.StringIO()
    argv = ["alm-bench", *map(str, arguments)]
    with mock.patch.object(sys, "argv", argv), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
            status: Any = 0
        except SystemExit as end:
            status = end.code
    return Ran(status, out.getvalue(), err.getvalue())


def run_killed(code: str) -> None:
    """Run Python code in a process of its own, which kills itself with SIGKILL."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr


def soon(true: Callable[[], bool], seconds: float = 120) -> bool:
    """Wait until `true()` holds; return whether it came to that within `seconds`, which no sound run takes."""
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.05)
    return true()


def refusal(ran: Ran) -> str:
    """The one line that a misused command leaves: nothing on standard output, status 2."""
    assert ran.status == 2, ran
    assert ran.out == ""
    line, end = ran.err[:-1], ran.err[-1:]
    assert end == "\n"
    assert "\n" not in line, ran.err
    assert line.startswith("alm-bench: ")
    return line


def tone(path: Path, hertz: float, seconds: float = 0.3) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(seconds * RATE)) / RATE
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * hertz * time), RATE, subtype="PCM_16")


def questions(count: int) -> list[dict[str, Any]]:
    """MMAU rows of the official JSON. Golds rotate through the options, domains and difficulties through theirs."""
    rows = []
    for i in range(count):
        choices = ["Dog", "Cat", "Bird", "Frog"] if i % 5 else ["Rain", "Wind"]
        rows.append(
            {
                "id": f"item-{i:03}",
                "audio_id": f"./test-mini-audios/item-{i:03}.wav",
                "question": f"What is heard in clip {i}?",
                "choices": choices,
                "answer": choices[i % len(choices)],
                "dataset": "tones",
                "task": ("sound", "music", "speech")[i % 3],
                "split": "test-mini",
                "category": "Reasoning",
                "sub-category": f"Skill {i % 4}",
                "difficulty": ("easy", "medium", "hard")[i % 3],
            }
        )
    return rows


def mmau(root: Path, count: int = 12, clips: bool = True, rows: list[dict[str, Any]] | None = None) -> Path:
    """A data folder with `count` MMAU questions on tones; returns `root`."""
    rows = questions(count) if rows is None else rows
    (root / "mmau").mkdir(parents=True, exist_ok=True)
    (root / "mmau/mmau-test-mini.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    if clips:
        for i, row in enumerate(rows):
            tone(root / "mmau" / row["audio_id"], 200 + 10 * i)
    return root


def hypotheses(count: int) -> list[list[str]]:
    """Entailment rows: the number is in every text, so that each is one of a kind."""
    return [
        ["tones", f"clip {i % 3}.wav", "a tone", f"Tone {i} is there.", f"Tone {i} is a flute.", f"No tone {i} at all."]
        for i in range(count)
    ]


def write_csv(path: Path, rows: list[list[str]], header: list[str] = HEADER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def cle(root: Path, count: int = 5, development: int = 12) -> Path:
    """A data folder with CLE rows (three items a row, clips shared by rows) on tones."""
    write_csv(root / "entailment/clotho_entailment_evaluation.csv", hypotheses(count))
    if development:
        write_csv(root / "entailment/clotho_entailment_validation.csv", hypotheses(development))
    for i in range(min(3, count)):
        tone(root / f"ClothoV21/evaluation/clip {i}.wav", 300 + 50 * i)
    return root


def outputs(path: Path, texts: dict[str, Any]) -> Path:
    """A file of outputs that the replay model reads."""
    path.write_text(json.dumps([{"id": item, "model_output": text} for item, text in texts.items()]), encoding="utf-8")
    return path


def replay(path: Path) -> tuple[str, ...]:
    return ("--model", "replay", "--model-arg", f"outputs={path}")


def model(path: Path, body: str, name: str = "Model", **settings: str) -> str:
    """A module with one adapter class whose `generate`/`answer` is `body` (indented lines); returns its FILE:CLASS."""
    lines = [f"    {key} = {value}" for key, value in settings.items()]
    path.write_text(
        "import os, signal, time, zlib\n"
        "from alm_bench.core import AdapterIdentity, AudioError, AudioPolicy, BaseAdapter, Output\n\n\n"
        f"class {name}(BaseAdapter):\n" + "".join(line + "\n" for line in lines) + body,
        encoding="utf-8",
    )
    return f"{path}:{name}"


def run_header(fingerprint: str = "abc", items: int = 12) -> RunHeader:
    """What is written of a run before its first item."""
    return RunHeader(
        fingerprint=fingerprint,
        spec=StoredSpec(split="test-mini", decoding=StoredDecoding(method="greedy", max_new_tokens=64)),
        task=StoredTask(name="mmau", version=1),
        data=StoredData(kind="real", revision="of a test"),
        prompt=StoredPrompt(id="mmau/letters", version=1, hash="0123456789ab", name="letters"),
        identity=StoredIdentity(label="somebody", parameters=None, trained_on=()),
        items=items,
        baselines_missing={},
    )


def only_run(out: Path) -> Path:
    """The one run folder below `out`."""
    (folder,) = [path.parent for path in out.glob("*/run.json")]
    return folder


def stored(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "samples.jsonl").read_text(encoding="utf-8")
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.split("\n")[:-1]]
