"""Reports on single items of a run: question, options, prompt, raw answer, parsed answer, reference, scores, clip."""

from alm_bench.records.schema import Record
from alm_bench.reports.blocks import Block, Fields
from alm_bench.scoring.metrics import get_metric_spec


def build_item_block(record: Record) -> Block:
    """Return everything that is stored of an item, as labelled lines."""
    sample, parsed = record.sample, record.parsed
    lines = [] if record.reason is None else [("reason", record.reason)]
    lines += [(name, str(value)) for name, value in sample.fields.items()]
    lines += _format_options(record)
    if isinstance(sample.target, list):
        lines += [("reference", str(text)) for text in sample.target]
    elif not sample.has_reference and sample.gold is not None:
        lines.append(("reference", str(sample.gold)))
    lines.append(("prompt", record.prompt))
    lines += [(name, repr(text)) for name in ("prefix", "reasoning") if isinstance(text := record.extra.get(name), str)]
    lines.append(("text", "(none)" if record.text is None else repr(record.text)))
    if parsed is not None:
        where = "" if parsed.span is None else f", characters {parsed.span[0]}-{parsed.span[1]}"
        value = "nothing" if parsed.value is None else repr(parsed.value)
        lines.append(("parsed as", f"{value} (status {parsed.status}, rule {parsed.rule}{where})"))
    for form, options in record.likelihood.items():
        scores = ", ".join(f"({chr(97 + i)}) {total:.2f} / {tokens}" for i, (total, tokens) in enumerate(options))
        lines.append((f"by {form}", f"{scores} (log-likelihood / tokens)"))
    if record.scores:
        lines.append(("scores", ", ".join(f"{name} {value:g}" for name, value in record.scores.items())))
    lines += [("clip", str(ref.path)) for ref in sample.audio]
    if sample.groups:
        lines.append(("groups", ", ".join(f"{key}={value}" for key, value in sample.groups.items())))
    return Fields(lines, title=f"── {sample.id} · {record.status}")


def is_perfect(name: str, value: float) -> bool:
    """Return True if `value` is the best value of the metric: 1, or 0 if lower values are better."""
    return value >= 1 if get_metric_spec(name).higher_is_better else value <= 0


def _format_options(record: Record) -> list[tuple[str, str]]:
    sample, parsed = record.sample, record.parsed
    lines = []
    for index, choice in enumerate(sample.choices):
        is_reference = index == sample.target or index in (sample.targets or ())
        is_answer = parsed is not None and index in (parsed.index, *(parsed.indices or ()))
        marks = (" ← reference" if is_reference else "") + (" ← answer" if is_answer else "")
        lines.append((f"  ({chr(97 + index)})", f"{choice}{marks}"))
    return lines


def is_wrong(record: Record) -> bool:
    """Return True if an item with a reference answer was answered incorrectly, or if its call failed.

    Items without a reference answer and skipped items are not wrong. An item without scores, such as a caption, is
    wrong only if its call failed.
    """
    known = record.sample.has_reference and record.status != "skipped"
    scores = {name: value for name, value in record.scores.items() if name == "accuracy"} or record.scores
    if not scores:  # sentences are neither right nor wrong
        return known and record.status == "error"
    return known and not any(is_perfect(name, value) for name, value in scores.items())
