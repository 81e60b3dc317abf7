"""Rows by hand."""

from alm_bench.core import Parsed, Sample, Scored, Status
from alm_bench.scoring.multiple_choice import is_correct_option


def row(
    choices: tuple[str, ...], target: int | None, said: int | None, status: Status = "ok", kind: str | None = None
) -> Scored:
    groups = {"kind": kind} if kind else {}
    sample = Sample(id=f"{choices}{target}{said}{kind}", fields={}, choices=choices, target=target, groups=groups)
    parsed = Parsed("ok", "exact", said, choices[said]) if said is not None else None
    scores = {} if status == "error" else {"accuracy": float(is_correct_option(sample, said))}
    return Scored(sample, status, "text", parsed, scores)
