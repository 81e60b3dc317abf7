"""Readers of files with model outputs that other programs wrote, in many formats."""

from alm_bench.data.outputs.captions import CaptionedItem, read_captions
from alm_bench.data.outputs.formats import known_formats
from alm_bench.data.outputs.matching import Match, check_golds, match, pair_outputs, read_answered
from alm_bench.data.outputs.stored import (
    Columns,
    Duplicates,
    StoredOutput,
    StoredOutputs,
    questions_digest,
    read_outputs,
    read_stored,
)

__all__ = [
    "CaptionedItem",
    "Columns",
    "Duplicates",
    "Match",
    "StoredOutput",
    "StoredOutputs",
    "check_golds",
    "known_formats",
    "match",
    "pair_outputs",
    "questions_digest",
    "read_answered",
    "read_captions",
    "read_outputs",
    "read_stored",
]
