"""Subprocesses of Java with limits on memory and time, and one-line error messages."""

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from alm_bench.core.errors import MetricError

OPENED_PACKAGES = "java.lang java.util java.math java.text java.net java.util.concurrent java.nio sun.nio.ch java.io"
"""Packages of java.base that SPICE's cache accesses by reflection. Java 9 and newer deny it without flags."""


_WARNING = "Error: Could not cache item"
"""Message of SPICE for a text that is too long for its cache. It is no error: SPICE continues."""


def compute_time_limit(texts: int) -> float:
    """Return the time limit of a Java program in seconds: 60 to start, and 0.25 for each text."""
    return 60.0 + texts / 4


def find_java() -> str:
    """Return the path of `java`: in JAVA_HOME if it is set, else on the PATH. Raises MetricError if there is none."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if found is None:
        where = f"JAVA_HOME ({home}) holds no bin/java" if home else "there is no java on the PATH"
        raise MetricError(f"needs Java: {where}; install a Java runtime, version 8 or newer")
    return found


@functools.cache
def get_java_version(program: str) -> int:
    """Return the major version of a Java program (8, 17, ...).

    Raises MetricError if it does not start or does not print a version.
    """
    try:
        said = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=60, check=False).stderr
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MetricError(f"needs Java: {program} does not start ({error})") from error
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    if found is None:
        raise MetricError(f"needs Java: {program} -version said {said[:80]!r}, expected a version")
    return int(found[1])


def list_package_flags(program: str) -> list[str]:
    """Return the command-line flags of Java that give SPICE access to the packages in `OPENED_PACKAGES`.

    The list is empty for Java 8, which does not deny access and does not know the flag.
    """
    if get_java_version(program) < 9:
        return []
    return [part for package in OPENED_PACKAGES.split() for part in ("--add-opens", f"java.base/{package}=ALL-UNNAMED")]


def run(arguments: Sequence[str], stdin: str = "", megabytes: int = 2048, seconds: float = 600) -> str:
    """Run `java` with these arguments and return its standard output; input and output are UTF-8.

    `megabytes` limits the heap and `seconds` the time. Raises MetricError if Java does not start, does not end in time,
    or ends with a status other than 0.
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


def find_pycocoevalcap_folder(subfolder: str) -> Path:
    """Return the folder `subfolder` (such as `meteor`) of the installed package pycocoevalcap. It contains jars."""
    import pycocoevalcap

    return Path(next(iter(pycocoevalcap.__path__))) / subfolder
