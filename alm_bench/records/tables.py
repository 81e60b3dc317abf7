"""Markdown tables of run summaries: the same bytes for the same summary."""

from collections.abc import Mapping, Sequence
from typing import Any

from tabulate import tabulate

TITLES = {
    "accuracy": "accuracy",
    "official_accuracy": "official",
    "answered": "answered",
    "precision": "P",
    "recall": "R",
    "f1": "F1",
    "eacc": "EACC",
    "nacc": "NACC",
    "cacc": "CACC",
}
DECIMALS = {"official_accuracy": 2}  # as the official scorer prints it
NO_INTERVAL = ("answered",)


def markdown(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A pipe table; text columns left, the rest as they are."""
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    return tabulate(cells, headers=list(headers), tablefmt="pipe", disable_numparse=True)


def cell(metric: Mapping[str, Any] | None, name: str) -> str:
    """`64.5 [61.5, 67.4]` in percent, `-` where the row has no such figure, the reason where it could not be had."""
    if metric is None:
        return "-"
    if metric["value"] is None:
        return f"not computed: {metric.get('reason', 'no reason recorded')}"
    value = f"{100 * metric['value']:.{DECIMALS.get(name, 1)}f}"
    if metric["low"] is None or name in NO_INTERVAL:
        return value
    return f"{value} [{100 * metric['low']:.1f}, {100 * metric['high']:.1f}]"


def task_title(run: Mapping[str, Any]) -> str:
    return f"{run['task']} (demo)" if run["data"] == "demo" else str(run["task"])


def _order(names: Sequence[str]) -> list[str]:
    known = [name for name in ("answered", "accuracy", "official_accuracy") if name in names]
    return known + [name for name in names if name not in known]


def _titles(names: Sequence[str]) -> list[str]:
    return [TITLES.get(name, name) for name in names]


def overall(run: Mapping[str, Any]) -> str:
    """The model's row and, below it, the blind rows of the same items."""
    names = _order(list(run["metrics"]))
    rows = [[run["model"], run["n"], *(cell(run["metrics"].get(name), name) for name in names)]]
    for row, metrics in run["blind"].items():
        n = metrics["accuracy"]["n"] or "-"
        rows.append([f"*{row}*", n, *(cell(metrics.get(name), name) for name in names)])
    return markdown(["", "n", *_titles(names)], rows)


def _counted(metrics: Mapping[str, Any]) -> int:
    """Items of our denominator; an official column may count more."""
    return int(metrics["answered"]["n"] if "answered" in metrics else max(m["n"] for m in metrics.values()))


def grouping(run: Mapping[str, Any], name: str) -> str:
    parts = run["groups"][name]
    names = _order(list(run["metrics"]))
    rows = [
        [key, _counted(metrics), *(cell(metrics.get(metric), metric) for metric in names)]
        for key, metrics in parts.items()
    ]
    return markdown([name, "n", *_titles(names)], rows)


def confusion(table: Mapping[str, Any]) -> str:
    rows = [[title, *counts] for title, counts in zip(table["rows"], table["counts"], strict=True)]
    return markdown(["gold \\ answer", *table["columns"]], rows)


def provenance(run: Mapping[str, Any]) -> str:
    """One paragraph that says where the figures come from."""
    decoding = run["decoding"]
    drawn = decoding["method"]
    if drawn == "nucleus":
        drawn += f" (top-p {decoding['top_p']}, temperature {decoding['temperature']}, seed {decoding['seed']})"
    prompt = run["prompt"]
    limit = f", the first {run['limit']}" if run["limit"] else ""
    parts = [
        f"data {run['data']}, revision {run['revision']}, split {run['split']}{limit}",
        f"prompt {prompt['id']}@{prompt['version']} ({prompt['hash']})",
        f"read by {run['parser']}",
        f"{drawn}, at most {decoding['max_new_tokens']} tokens",
        "items: " + (", ".join(f"{count} {status}" for status, count in run["status"].items() if count) or "none"),
    ]
    if run["touched"]:
        parts.append("clips: " + ", ".join(f"{count} {change}" for change, count in run["touched"].items()))
    if note := run["identity"].get("note"):
        parts.append(note)
    return "; ".join(parts) + "."


def report(run: Mapping[str, Any]) -> str:
    """Everything about one run, as markdown."""
    partial = f" · PARTIAL: {sum(run['status'].values())} of {run['items']} items" if run["partial"] else ""
    sections = [f"## {task_title(run)} · {run['model']}{partial}", provenance(run), overall(run)]
    sections += [grouping(run, name) for name, parts in run["groups"].items() if parts]
    if "confusion" in run["tables"]:
        sections.append(confusion(run["tables"]["confusion"]))
    if run["reasons"]:
        rows = [[reason, count] for reason, count in run["reasons"].items()]
        sections.append(markdown(["why an item did not end as ok", "items"], rows))
    return "\n\n".join(sections)


def best_blind(run: Mapping[str, Any]) -> str:
    figures = [
        (metrics["accuracy"]["value"], row)
        for row, metrics in run["blind"].items()
        if metrics["accuracy"]["value"] is not None
    ]
    return "-" if not figures else f"{max(figures)[1]} {100 * max(figures)[0]:.1f}"


def overview(runs: Sequence[Mapping[str, Any]]) -> str:
    """One row a run: the table that a command ends in."""
    rows = [
        [
            task_title(run) + (" (partial)" if run["partial"] else ""),
            run["model"],
            run["n"],
            run["skipped"],
            cell(run["metrics"].get("answered"), "answered"),
            cell(run["metrics"].get("accuracy"), "accuracy"),
            cell(run["metrics"].get("official_accuracy"), "official_accuracy"),
            best_blind(run),
        ]
        for run in runs
    ]
    return markdown(["task", "model", "n", "skipped", "answered", "accuracy", "official", "best blind row"], rows)
