"""Runs for tests of the HTML report: small ones with clips, hostile ones, and very long ones without any."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import small_world

import alm_bench as ab
from alm_bench.core import Parsed, Request, Sample
from alm_bench.html_report import ReportRun, read_report_run
from alm_bench.plugins import catalogue
from alm_bench.records.models import StoredAudioCheck
from alm_bench.records.schema import Record
from alm_bench.records.summary import summarise_run

OWN_SCRIPT = "window.owned = true"
HOSTILE = (
    f"</script><script>{OWN_SCRIPT}</script><img src=x onerror='{OWN_SCRIPT}'>\u2028\u2029\x1b[2J\x00\u202e"
    "\"'`&amp;<!--]]>{{7*7}}"
)
"""Text that would run a script, end an element or change the screen if it were not escaped."""


LONG_NAME = "a model with a long name, which is repeated"


def listen(request: Request) -> str:
    """Answer with the first option while there is sound with the level of a tone, else with the last one."""
    level = float((request.waves[0] ** 2).mean()) if request.waves else 0.0
    return f"The answer is {request.choices[0 if level > 1e-3 else -1]}, I think."


def guess(request: Request) -> str:
    return request.choices[1]


def measured_runs(folder: Path) -> Path:
    """Make runs of two models on 12 questions, one of them with three conditions; return the folder of the runs."""
    data, out = small_world.mmau(folder / "data", 12), folder / "runs"
    conditions = ["gaussian", "silence", "swap", "none"]
    ab.noise_ablation(listen, "mmau", conditions=conditions, data=data, out=out)
    ab.evaluate(guess, "mmau", data=data, out=out)
    return out


def checked_runs(folder: Path) -> list[ReportRun]:
    """Return runs of a model on two tasks, with and without silence, whose audio delivery was checked."""
    data = small_world.cle(small_world.mmau(folder / "data", 3), 3, development=0)
    ab.noise_ablation(listen, "mmau,cle", conditions=["silence"], data=data, out=folder / "runs")
    sounds = ("tone", "tone again", "noise", "silence", "no clip")
    answers = tuple({"sound": name, "text": f"This is {name}.", "error": None, "tokens": {}} for name in sounds)
    check = StoredAudioCheck(verdict="delivered", reason="the answers differ", answers=answers)
    runs = [read_report_run(path) for path in sorted((folder / "runs").glob("*/"))]
    return [replace(run, summary=msgspec.structs.replace(run.summary, audio_check=check)) for run in runs]


def hostile_runs(folder: Path) -> Path:
    """Make two runs whose every text is hostile: model, ids, questions, options, groups, answers, reasons."""
    rows = small_world.questions(4)
    for number, row in enumerate(rows):
        row["id"] = f"{number}{HOSTILE}"
        row["question"] += HOSTILE
        row["choices"] = [f"{choice}{HOSTILE}" for choice in row["choices"]]
        row["answer"] += HOSTILE
        row["sub-category"] = f"javascript:{OWN_SCRIPT}//{HOSTILE}"
        row["difficulty"] = HOSTILE
    data, out = small_world.mmau(folder / "data", clips=False, rows=rows), folder / "runs"
    for number, (label, times) in enumerate(((HOSTILE, 1), (LONG_NAME, 12_000))):
        body = BODY.format(label=label, text=HOSTILE, times=times)
        name = small_world.model(folder / f"hostile{number}.py", body, audio="None")
        ab.evaluate(name, "mmau", data=data, out=out, max_failures="9")
    for path in out.glob("*/*.json"):  # a name of a MB
        path.write_text(path.read_text(encoding="utf-8").replace(LONG_NAME, LONG_NAME * 20_000), encoding="utf-8")
    return out


BODY = """
    def __init__(self, options, runtime):
        super().__init__(options, runtime)
        settings = {{"protocol": {text!r}}}
        self.identity = AdapterIdentity(family="m", label={label!r}, device="cpu", note={text!r}, settings=settings)

    def answer(self, request):
        if request.id.startswith("3"):
            raise OSError({text!r})
        return Output({text!r} * {times} + request.choices[0], extra={{"reasoning": {text!r}}})
"""


def build_long_run(count: int) -> ReportRun:
    """Return a run of `count` items whose every fourth answer is wrong."""
    header, choices = small_world.run_header(items=count), ("Dog", "Cat", "Bird")
    right, wrong = Parsed("ok", "exact", 0, "Dog", (0, 3)), Parsed("ok", "exact", 1, "Cat", (0, 3))
    records = []
    for index in range(count):
        groups = {"difficulty": ("easy", "medium", "hard")[index % 3]}
        question = f"Which animal is heard in clip {index}?"
        sample = Sample(f"item-{index}", {"question": question}, choices=choices, target=0, gold="Dog", groups=groups)
        parsed = wrong if index % 4 == 0 else right
        scores = {"accuracy": float(parsed is right), "official_accuracy": float(parsed is right)}
        records.append(Record(index, sample, question, "ok", text=parsed.value, parsed=parsed, scores=scores))
    task = catalogue().get_task("mmau").create()
    return ReportRun.create(summarise_run(header, task, records, "long"), header, records, task)


EVENT_HEAD = """
    audio = AudioPolicy(rate=8000, seconds=1.0)

    def answer(self, request):
        return "A dog barks, and it rains."

    def event_presence(self, waves):
        import numpy as np
        from alm_bench.core import EventPresence
        print("a model may print")
        return [EventPresence(np.array([[0.9, 0.1]]), np.zeros((4, 4)), 1.0, NAMES) for wave in waves]
"""
"""Body of a model with an event head of two classes, whose names replace NAMES."""


class TableReader(HTMLParser):
    """Reads the texts of all table rows of a page, as lists of cells."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._cell: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self._cell = []

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._cell is not None:
            self.rows[-1].append("".join(self._cell))
            self._cell = None


def read_tables(page: str) -> list[list[str]]:
    """Return the cells of all table rows of a page."""
    reader = TableReader()
    reader.feed(page)
    return reader.rows
