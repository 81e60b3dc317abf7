"""Replacement for the JavaScript engine that SPICE requests and Java 15 removed; built by `make spice-engine`."""

from pathlib import Path

SOURCE, JAR = (Path(__file__).parent / name for name in ("ResultEngineFactory.java", "spice-engine.jar"))
"""Java source of the engine, and its jar."""
