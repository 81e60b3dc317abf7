"""Build of `spice-engine.jar` from its Java source: `python -m alm_bench.scoring.spice_engine`.

The jar has no dates and a fixed order of files, so that equal classes give equal bytes.
"""

import subprocess
import tempfile
import zipfile
from pathlib import Path

from alm_bench.scoring.spice_engine import JAR, SOURCE

SERVICE = "META-INF/services/javax.script.ScriptEngineFactory"
FACTORY = "alm_bench.spice.ResultEngineFactory"


def build_jar(jar: Path) -> None:
    """Compile the engine for Java 8 and newer, and write the jar.

    Raises CalledProcessError if the compiler fails, FileNotFoundError without `javac`.
    """
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--release", "8", "-g:none", "-Xlint:-options", "-encoding", "UTF-8"]
        subprocess.run(["javac", *flags, "-d", folder, str(SOURCE)], check=True)
        entries = {SERVICE: FACTORY.encode() + b"\n"}
        entries |= {str(path.relative_to(folder)): path.read_bytes() for path in sorted(Path(folder).rglob("*.class"))}
        with zipfile.ZipFile(jar, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in entries.items():
                file.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    build_jar(JAR)
    print(f"{JAR} ({JAR.stat().st_size} bytes)")
