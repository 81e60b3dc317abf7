"""What stands for Java's JavaScript engine, which SPICE asks for and Java 15 dropped. `make spice-engine` builds it."""

from pathlib import Path

SOURCE, JAR = (Path(__file__).parent / name for name in ("ResultEngineFactory.java", "spice-engine.jar"))
