"""Report of the audio-delivery check: a model's answers about clearly different sounds, and the verdict."""

from collections.abc import Mapping
from typing import Any

from alm_bench.reports.blocks import Block, Column, Row, Table, Text


def build_audio_check(model: str, question: str, check: Mapping[str, Any]) -> list[Block]:
    """Return the question, a table with one row per sound, and the verdict. `check` is the output of `check --json`."""
    blocks: list[Block] = []
    if check["answers"]:
        counted = sorted({name for answer in check["answers"] for name in answer["tokens"]})
        rows: list[Row] = []
        for answer in check["answers"]:
            text = f"error: {answer['error']}" if answer["text"] is None else " ".join(answer["text"].split())
            rows.append([answer["sound"], *(answer["tokens"].get(name, "-") for name in counted), text])
        counts = [Column(name.replace("_", " "), 1) for name in counted]
        blocks = [
            Text(question),
            Table([Column("sound"), *counts, Column("answer", overflow="wrap")], rows),
        ]
    blocks.append(Text(f"{model}: {check['verdict'].replace('_', ' ')} ({check['reason']})"))
    if length := check.get("length"):
        blocks.append(Text(f"{LONG_CLIP_VERDICTS[length['verdict']]} ({length['reason']})"))
    return blocks


LONG_CLIP_VERDICTS = {
    "whole": "Long clips: heard beyond 30 s",
    "cut": "Long clips: cut silently at 30 s or before",
    "not known": "Long clips: not known whether they are heard beyond 30 s",
}
"""Sentence on whether the model gets all of a long clip (45 s), by verdict."""
