"""The start of a plug-in of one's own: templates, with the name filled in, written in one step."""

import hashlib
import json
import keyword
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from string import Template

from alm_bench.core import UsageError
from alm_bench.core.files import atomic_write, report_full_disk
from alm_bench.core.wav import encode_wav
from alm_bench.plugins import catalogue

_RATE = 16_000
_ENDING = ".tmpl"  # templates are no code: no tool reads them as such


def new_task(name: str, folder: Path) -> Path:
    """A package with a task of that name and a few questions about beeps. Raises UsageError, StoreError."""
    _check(name, {*catalogue().tasks, *catalogue().ablations}, "task")
    data = _beeps()
    questions = data["test.jsonl"]
    words = {"package": f"{name}_task", "sha256": hashlib.sha256(questions).hexdigest()}
    contents = _filled("task", name, words)
    return _write(folder, {**contents, **{f"data/{name}/{path}": content for path, content in data.items()}})


def new_adapter(name: str, folder: Path) -> Path:
    """A package with an adapter of that name. Raises UsageError, StoreError."""
    _check(name, catalogue().adapters, "model")
    return _write(folder, _filled("adapter", name, {"package": f"{name}_adapter"}))


def new_worker(file: Path) -> Path:
    """A worker for `--model exec`, of the standard library alone. Raises UsageError, StoreError."""
    _free(file)
    with report_full_disk(file):
        file.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(file, _templates().joinpath(f"worker.py{_ENDING}").read_bytes())
    return file


def _check(name: str, taken: Iterable[str], kind: str) -> None:
    """Raises UsageError for a name that cannot be a package's, or is taken."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) or keyword.iskeyword(name):
        raise UsageError(
            f"{name!r} cannot be the name of a {kind}: expected up to 40 lower-case letters, digits and underscores, a "
            "letter first, and no word of Python's own"
        )
    if name in taken:
        raise UsageError(f"there is a {kind} {name} already (alm-bench ls {kind}s): take another name")


def _free(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise UsageError(f"{path} exists already, and is not overwritten: name another place, or move it away")


def _templates() -> Traversable:
    return files("alm_bench").joinpath("templates")


def _filled(kind: str, name: str, words: Mapping[str, str]) -> dict[str, bytes]:
    """The template's files by path, `package` in a path standing for the package's name."""
    title = name.replace("_", " ").capitalize()
    names = {"name": name, "dashed": name.replace("_", "-"), "title": title, "cls": _camel(name), **words}
    found = {}
    for path, file in _walk(_templates().joinpath(kind), PurePosixPath()):
        place = "/".join(names["package"] if part == "package" else part for part in path.parts)
        text = Template(file.read_text(encoding="utf-8")).substitute(names)
        found[place.removesuffix(_ENDING)] = text.encode()
    return found


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _walk(folder: Traversable, path: PurePosixPath) -> Iterable[tuple[PurePosixPath, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, path / entry.name)
        elif entry.name.endswith(_ENDING):
            yield path / entry.name, entry


def _write(folder: Path, contents: Mapping[str, bytes]) -> Path:
    """All files or none: they are written beside `folder` and moved there."""
    _free(folder)
    with report_full_disk(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            made.chmod(0o755)
            for path, content in contents.items():
                (made / path).parent.mkdir(parents=True, exist_ok=True)
                (made / path).write_bytes(content)
            made.rename(folder)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    return folder


_BEEPS = ((1, 880), (2, 220), (2, 880), (4, 880), (3, 220), (3, 880), (4, 220), (1, 220))
_COUNTS = ("One", "Two", "Three", "Four")


def _beeps() -> dict[str, bytes]:
    """Questions about beeps, half on how many there are and half on how high, and their clips."""
    rows, found = [], {}
    for number, (count, hertz) in enumerate(_BEEPS):
        clip = f"clips/beeps-{count}-{hertz}.wav"
        found[clip] = _wav(count, hertz)
        counting = number % 2 == 0
        question = "How many beeps are heard?" if counting else "How high are the beeps?"
        answer = _COUNTS[count - 1] if counting else ("Low" if hertz < 440 else "High")
        skill, choices = ("counting", _COUNTS) if counting else ("pitch", ("Low", "High"))
        row = {"id": f"q{number}", "audio": clip, "question": question, "choices": choices, "answer": answer}
        rows.append({**row, "skill": skill})
    found["test.jsonl"] = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return found


def _wav(count: int, hertz: int) -> bytes:
    """Beeps of 0.2 s with as much silence after each."""
    import numpy as np

    length = _RATE // 5
    beep = 0.35 * np.sin(2 * np.pi * hertz * np.arange(length) / _RATE)
    return encode_wav(np.tile(np.concatenate([beep, np.zeros(length)]), count), _RATE)
