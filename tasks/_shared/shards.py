"""Roles of the parquet files of a Hugging Face data set, which may be one file or several shards."""

from collections.abc import Sequence
from pathlib import Path

PARQUET = "parquet"
"""Role of the files on a card, and beginning of the role of each shard."""


def name_shards(shards: Sequence[Path], suffix: str = "") -> dict[str, Path]:
    """Return the shards by role, such as `parquet-00`. `suffix` is added to each role."""
    return {f"{PARQUET}-{number:02}{suffix}": path for number, path in enumerate(shards)}
