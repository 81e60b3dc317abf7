"""Replacement for Java's JavaScript engine, which SPICE requests and Java 15 removed. `make spice-engine` builds its
jar."""

from pathlib import Path

SOURCE, JAR = (Path(__file__).parent / name for name in ("ResultEngineFactory.java", "spice-engine.jar"))
"""Java source of the engine, and its jar."""
