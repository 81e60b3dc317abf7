"""Java programs as subprocesses, bounded in memory and time; what goes wrong is one line."""

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from alm_bench.core.errors import MetricError

OPENED = "java.lang java.util java.math java.text java.net java.util.concurrent java.nio sun.nio.ch java.io"
"""Packages of java.base that SPICE's cache reflects into; Java 9 and newer keep them closed unless told."""


_WARNING = "Error: Could not cache item"
"""SPICE says so of a text longer than its cache takes, and goes on."""


def allowed_seconds(texts: int) -> float:
    """Return what a Java program may take: a minute to start, and a quarter of a second more for each text."""
    return 60.0 + texts / 4


def find_java() -> str:
    """The `java` of JAVA_HOME, else of the PATH. Raises MetricError."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if found is None:
        where = f"JAVA_HOME ({home}) holds no bin/java" if home else "there is no java on the PATH"
        raise MetricError(f"needs Java: {where}; install a Java runtime, version 8 or newer")
    return found


@functools.cache
def java_version(program: str) -> int:
    """Its major version (8, 17, ...). Raises MetricError for a program that does not say."""
    try:
        said = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=60, check=False).stderr
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MetricError(f"needs Java: {program} does not start ({error})") from error
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    if found is None:
        raise MetricError(f"needs Java: {program} -version said {said[:80]!r}, expected a version")
    return int(found[1])


def open_package_flags(program: str) -> list[str]:
    """The flags that open the packages which SPICE reflects into; Java 8 has none of them closed, nor the flag."""
    if java_version(program) < 9:
        return []
    return [
        part for package_folder in OPENED.split() for part in ("--add-opens", f"java.base/{package_folder}=ALL-UNNAMED")
    ]


def run(arguments: Sequence[str], stdin: str = "", megabytes: int = 2048, seconds: float = 600) -> str:
    """Standard output of `java ARGUMENTS`, in UTF-8 both ways.

    Raises MetricError when it does not start, does not end in time, or ends with another status than 0.
    """
    program = find_java()
    command = [program, f"-Xmx{megabytes}M", "-Dfile.encoding=UTF-8", "-Djava.awt.headless=true", *arguments]
    try:
        done = subprocess.run(
            command, input=stdin.encode(errors="replace"), capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise MetricError(f"Java did not end within {seconds:.0f} s") from None
    except OSError as error:
        raise MetricError(f"{program} does not start: {error.strerror}") from error
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
        faults = [line for line in lines if ("Error" in line or "Exception" in line) and _WARNING not in line]
        faults.sort(key=lambda line: "OutOfMemoryError" not in line)  # others follow from it, and may stand before it
        told = next(iter([*faults, *lines[-1:]]), "")
        how = f"was killed by signal {-done.returncode}" if done.returncode < 0 else f"status {done.returncode}"
        raise MetricError(f"Java ended too early ({how})" + (f": {told[:200]}" if told else ""))
    return done.stdout.decode(errors="replace")


def package_folder(part: str) -> Path:
    """A folder of pycocoevalcap, which carries the jars."""
    import pycocoevalcap

    return Path(next(iter(pycocoevalcap.__path__))) / part
