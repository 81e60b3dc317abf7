"""Readers of files with model outputs that other programs wrote, in many formats."""

from alm_bench.data.outputs.captions import CaptionedItem, read_captions
from alm_bench.data.outputs.formats import list_formats
from alm_bench.data.outputs.matching import (
    OutputsMatch,
    check_references,
    match_outputs,
    pair_outputs,
    read_paired_outputs,
)
from alm_bench.data.outputs.stored import (
    Duplicates,
    OutputColumns,
    StoredOutput,
    StoredOutputs,
    compute_questions_digest,
    read_output_texts,
    read_stored_outputs,
)

__all__ = [
    "CaptionedItem",
    "Duplicates",
    "OutputColumns",
    "OutputsMatch",
    "StoredOutput",
    "StoredOutputs",
    "check_references",
    "compute_questions_digest",
    "list_formats",
    "match_outputs",
    "pair_outputs",
    "read_captions",
    "read_output_texts",
    "read_paired_outputs",
    "read_stored_outputs",
]
