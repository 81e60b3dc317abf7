"""Scaffolding of new plug-ins: templates are filled in with the name of the plug-in and written to a folder."""

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

from alm_bench.core import ReadsOwnFile, UsageError
from alm_bench.core.files import translate_write_errors, write_atomically
from alm_bench.core.wav import encode_wav
from alm_bench.plugins import catalogue, is_question_file_name

_RATE = 16_000
_SUFFIX = ".tmpl"  # this suffix keeps tools from reading templates as code


def create_task(name: str, folder: Path) -> Path:
    """Write a package with a task of this name and a few questions about beeps. Return its folder.

    Raises UsageError and StoreError.
    """
    _check_name(name, {*catalogue().tasks, *catalogue().ablations}, "task")
    data = _make_beeps()
    questions = data["test.jsonl"]
    words = {"package": f"{name}_task", "sha256": hashlib.sha256(questions).hexdigest()}
    contents = _fill_templates("task", name, words)
    return _write(folder, {**contents, **{f"data/{name}/{path}": content for path, content in data.items()}})


def create_adapter(name: str, folder: Path) -> Path:
    """Write a package with an adapter of this name. Return its folder. Raises UsageError and StoreError."""
    _check_name(name, catalogue().adapters, "model")
    return _write(folder, _fill_templates("adapter", name, {"package": f"{name}_adapter"}))


def create_worker(file: Path) -> Path:
    """Write a worker for `--model exec` that needs only the standard library. Return its file.

    Raises UsageError and StoreError.
    """
    _reject_existing_path(file)
    with translate_write_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, _find_templates().joinpath(f"worker.py{_SUFFIX}").read_bytes())
    return file


def create_sidecar(file: str, options: Mapping[str, str]) -> Path:
    """Write a sidecar beside a question file, with the detected roles of its columns. Return the sidecar's path.

    `options` are the options of the file as a task (`map`, `kind`, ...). Raises UsageError, DataError and StoreError.
    """
    if not is_question_file_name(file):
        raise UsageError(f"{file} is no file: expected the path of a question file, such as ./birds.csv")
    entry = catalogue().get_task(file)
    task = entry.create(options)
    if not isinstance(task, ReadsOwnFile):
        raise UsageError(f"{file} is a plug-in, expected a question file")
    path, text = task.format_sidecar(entry.card.default_split)
    _reject_existing_path(path)
    write_atomically(path, text)
    return path


def _check_name(name: str, names: Iterable[str], kind: str) -> None:
    """Raise UsageError if the name cannot be that of a package or is already in use."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) or keyword.iskeyword(name):
        raise UsageError(
            f"{name!r} cannot be the name of a {kind}: expected up to 40 lower-case letters, digits and underscores, a "
            "letter first, and no word of Python's own"
        )
    if name in names:
        raise UsageError(f"there is a {kind} {name} already (alm-bench ls {kind}s): take another name")


def _reject_existing_path(path: Path) -> None:
    """Raise UsageError if the path exists."""
    if path.exists() or path.is_symlink():
        raise UsageError(f"{path} exists already, and is not overwritten: name another place, or move it away")


def _find_templates() -> Traversable:
    """Return the folder of the templates."""
    return files("alm_bench").joinpath("templates")


def _fill_templates(kind: str, name: str, substitutions: Mapping[str, str]) -> dict[str, bytes]:
    """Return the contents of the filled-in templates by path. `kind`: folder of the templates (`task`, `adapter`).
    `substitutions`: texts by placeholder, besides those that follow from `name`; the key `package` also replaces the
    folder name `package` in paths."""
    title = name.replace("_", " ").capitalize()
    names = {
        "name": name,
        "dashed": name.replace("_", "-"),
        "title": title,
        "cls": _to_camel_case(name),
        **substitutions,
    }
    found = {}
    for path, file in _walk_templates(_find_templates().joinpath(kind), PurePosixPath()):
        place = "/".join(names["package"] if part == "package" else part for part in path.parts)
        text = Template(file.read_text(encoding="utf-8")).substitute(names)
        found[place.removesuffix(_SUFFIX)] = text.encode()
    return found


def _to_camel_case(name: str) -> str:
    """Return a name in camel case."""
    return "".join(part.capitalize() for part in name.split("_"))


def _walk_templates(folder: Traversable, path: PurePosixPath) -> Iterable[tuple[PurePosixPath, Traversable]]:
    """Yield the path and the file of each template below a folder."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk_templates(entry, path / entry.name)
        elif entry.name.endswith(_SUFFIX):
            yield path / entry.name, entry


def _write(folder: Path, contents: Mapping[str, bytes]) -> Path:
    """Write all files or none: they are written to a temporary folder beside `folder`, which is then renamed."""
    _reject_existing_path(folder)
    with translate_write_errors(folder):
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


def _make_beeps() -> dict[str, bytes]:
    """Return the files of a small data set by path: clips with beeps, and questions about the number or pitch of the
    beeps."""
    rows, found = [], {}
    for number, (count, hertz) in enumerate(_BEEPS):
        clip = f"clips/beeps-{count}-{hertz}.wav"
        found[clip] = _make_wav(count, hertz)
        counting = number % 2 == 0
        question = "How many beeps are heard?" if counting else "How high are the beeps?"
        answer = _COUNTS[count - 1] if counting else ("Low" if hertz < 440 else "High")
        skill, choices = ("counting", _COUNTS) if counting else ("pitch", ("Low", "High"))
        row = {"id": f"q{number}", "audio": clip, "question": question, "choices": choices, "answer": answer}
        rows.append({**row, "skill": skill})
    found["test.jsonl"] = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return found


def _make_wav(count: int, frequency: int) -> bytes:
    """Return a WAV file with `count` beeps of 0.2 s and `frequency` Hz, each followed by silence of the same length."""
    import numpy as np

    length = _RATE // 5
    beep = 0.35 * np.sin(2 * np.pi * frequency * np.arange(length) / _RATE)
    return encode_wav(np.tile(np.concatenate([beep, np.zeros(length)]), count), _RATE)
