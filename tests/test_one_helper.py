"""Things that are done in one place: a second way of doing one of them is found by how it is written."""

import re
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[1]

ONE_PLACE = {
    "WAV files": (
        r"soundfile\.write|\bwave\.open|struct\.pack\(.*RIFF",
        {
            "alm_bench/core/wav.py",
            "alm_bench/audio/mp3.py",  # MP3 files
        },
    ),
    "random generators by a hash": (
        r"zlib\.crc32|default_rng\((?!\[?(spec\.)?seed\b)",
        {
            "alm_bench/core/rng.py",
            "adapters/clap/adapter.py",  # seeds numpy's own generator, from which a library draws
        },
    ),
    "errors in one line": (
        r"type\((error|cause)\)\.__name__",
        {
            "alm_bench/core/errors.py",
            "alm_bench/runner/executors/on_ray.py",  # Ray says the reason last, behind a text of its own
        },
    ),
    "errors for want of memory": (
        r"OutOfMemoryError|not enough memory",
        {
            "alm_bench/core/errors.py",
            "adapters/hf/generate.py",  # raises it
            "alm_bench/runner/executors/on_ray.py",  # Ray's own, of a worker that was ended
            "alm_bench/scoring/java.py",  # Java's
        },
    ),
    "devices": (
        r"cuda\.is_available|device_count",
        {
            "alm_bench/core/device.py",
            "alm_bench/train/checkpoint.py",  # saves the states of the GPUs' generators
        },
    ),
    "precisions by name": (r"getattr\(torch, ", {"alm_bench/core/device.py"}),
    "caches on disk": (r"\bsqlite3\b", {"alm_bench/core/disk_cache.py"}),
    "hashes of JSON": (
        r"sha256\(\s*json\.dumps",
        {
            "alm_bench/core/files.py",
            "alm_bench/demo/dataset.py",  # names the demo data's revision: another hash would be another revision
        },
    ),
}


def sources() -> list[Path]:
    return sorted(path for top in ("alm_bench", "tasks", "adapters") for path in (HOME / top).rglob("*.py"))


@pytest.mark.parametrize("what", ONE_PLACE)
def test_it_is_written_once(what: str) -> None:
    pattern, places = ONE_PLACE[what]
    found = {str(file.relative_to(HOME)) for file in sources() if re.search(pattern, file.read_text(encoding="utf-8"))}
    assert found == places
