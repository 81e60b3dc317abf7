"""Where a task's files are, how they are read, and which data a run saw."""

from alm_bench.data.manifest import file_sha256, manifest_hash
from alm_bench.data.root import LocalRoot

__all__ = ["LocalRoot", "file_sha256", "manifest_hash"]
