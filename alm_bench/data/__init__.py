"""Access to the data of tasks: downloads, paths of files and clips, file readers, and hashes of the data that a run
uses."""

from alm_bench.data.corenlp import Jar, fetch_corenlp
from alm_bench.data.fetch import Fetcher, read_mirror_variable
from alm_bench.data.get import Downloader, FetchResult, lock_folder
from alm_bench.data.hub import fetch_hub_root, open_local_root
from alm_bench.data.manifest import compute_cached_sha256, get_clip_size, hash_manifest
from alm_bench.data.outputs import (
    CaptionedItem,
    Duplicates,
    OutputColumns,
    OutputsMatch,
    StoredOutput,
    StoredOutputs,
    check_references,
    compute_questions_digest,
    match_outputs,
    pair_outputs,
    read_captions,
    read_output_texts,
    read_paired_outputs,
    read_stored_outputs,
)
from alm_bench.data.readers import (
    ParquetRow,
    check_unique_ids,
    list_parquet_files,
    read_csv,
    read_json,
    read_jsonl,
    read_parquet,
    read_text,
)
from alm_bench.data.root import LocalRoot
from alm_bench.data.verify import ClipReport, DataReport, FileReport, inspect_clips, inspect_file, inspect_task_data

__all__ = [
    "CaptionedItem",
    "ClipReport",
    "DataReport",
    "Downloader",
    "Duplicates",
    "FetchResult",
    "Fetcher",
    "FileReport",
    "Jar",
    "LocalRoot",
    "OutputColumns",
    "OutputsMatch",
    "ParquetRow",
    "StoredOutput",
    "StoredOutputs",
    "check_references",
    "check_unique_ids",
    "compute_cached_sha256",
    "compute_questions_digest",
    "fetch_corenlp",
    "fetch_hub_root",
    "get_clip_size",
    "hash_manifest",
    "inspect_clips",
    "inspect_file",
    "inspect_task_data",
    "list_parquet_files",
    "lock_folder",
    "match_outputs",
    "open_local_root",
    "pair_outputs",
    "read_captions",
    "read_csv",
    "read_json",
    "read_jsonl",
    "read_mirror_variable",
    "read_output_texts",
    "read_paired_outputs",
    "read_parquet",
    "read_stored_outputs",
    "read_text",
]
