"""Access to the data of tasks: downloads, paths of files and clips, file readers, and hashes of the data that a run
uses."""

from alm_bench.data.corenlp import Jar, fetch_corenlp
from alm_bench.data.fetch import Fetcher, environment_mirrors
from alm_bench.data.get import Downloader, FetchResult, lock_folder
from alm_bench.data.hub import hub_root, local_root
from alm_bench.data.manifest import clip_size, file_sha256, manifest_hash
from alm_bench.data.outputs import (
    CaptionedItem,
    Columns,
    Duplicates,
    Match,
    StoredOutput,
    StoredOutputs,
    check_golds,
    match,
    pair_outputs,
    questions_digest,
    read_answered,
    read_captions,
    read_outputs,
    read_stored,
)
from alm_bench.data.readers import (
    ParquetRow,
    check_unique_ids,
    parquet_files,
    read_csv,
    read_json,
    read_jsonl,
    read_parquet,
    read_text,
)
from alm_bench.data.root import LocalRoot
from alm_bench.data.verify import ClipReport, DataReport, FileReport, inspect, inspect_clips, inspect_file

__all__ = [
    "CaptionedItem",
    "ClipReport",
    "Columns",
    "DataReport",
    "Downloader",
    "Duplicates",
    "FetchResult",
    "Fetcher",
    "FileReport",
    "Jar",
    "LocalRoot",
    "Match",
    "ParquetRow",
    "StoredOutput",
    "StoredOutputs",
    "check_golds",
    "check_unique_ids",
    "clip_size",
    "environment_mirrors",
    "fetch_corenlp",
    "file_sha256",
    "hub_root",
    "inspect",
    "inspect_clips",
    "inspect_file",
    "local_root",
    "lock_folder",
    "manifest_hash",
    "match",
    "pair_outputs",
    "parquet_files",
    "questions_digest",
    "read_answered",
    "read_captions",
    "read_csv",
    "read_json",
    "read_jsonl",
    "read_outputs",
    "read_parquet",
    "read_stored",
    "read_text",
]
