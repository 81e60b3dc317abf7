"""Markdown tables of run summaries: the same bytes for the same summary."""

from collections.abc import Mapping, Sequence
from typing import Any

from tabulate import tabulate

from alm_bench.core.escape import Markdown, emphasise, escape_cell, escape_markdown
from alm_bench.records.usage import format_usage

_CAPTIONS = {
    **{f"bleu_{order}": f"BLEU-{order}" for order in range(1, 5)},
    **{"meteor": "METEOR", "rouge_l": "ROUGE-L", "cider": "CIDEr", "spice": "SPICE", "spider": "SPIDEr"},
}
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
    "binary_accuracy": "yes/no, every row",
    "majority_accuracy": "yes/no, majority",
    "unanimous_accuracy": "yes/no, unanimous",
    "open_accuracy": "open",
    **_CAPTIONS,
    **{f"open_{name}": f"open, {title}" for name, title in _CAPTIONS.items()},
    "chance_filled": "unanswered as chance",
    "beyond_text": "beyond text",
    "all_right": "right in every order",
    "consistency": "consistent",
    "option_precision": "option P",
    "option_recall": "option R",
    "option_f1": "option F1",
    "by_text_sum": "by text, sum",
    "by_text_mean": "by text, per token",
    "by_letter_sum": "by letter, sum",
    "by_letter_mean": "by letter, per token",
}
DECIMALS = {"official_accuracy": 2}  # as the official scorer prints it
NO_INTERVAL = ("answered",)
OF_FEWER = (
    *("beyond_text", "all_right", "consistency"),
    *("binary_accuracy", "majority_accuracy", "unanimous_accuracy", "open_accuracy"),
    *(f"open_{name}" for name in _CAPTIONS),
)
"""Figures of other items than their row's: their number stands with them."""


REASONS = {
    "off_list": "not among the options",
    "option_with_symbols": "an option with symbols",
    "extra_characters": "an option with extra characters",
    "truncated": "cut off",
}
"""Reasons why an output selects no option, in plain words; the others are such themselves."""

NOT_COMPUTED = "not computed: "


def markdown(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A pipe table; text columns left, the rest as they are. Text that is not `Markdown` is escaped."""
    cells = [[escape_cell(cell) for cell in row] for row in rows]
    titles = [escape_cell(title) for title in headers]
    return tabulate(cells, headers=titles, tablefmt="pipe", disable_numparse=True)


def cell(metric: Mapping[str, Any] | None, name: str) -> str:
    """`64.5 [61.5, 67.4]` in percent, `-` where the row has no such figure, the reason where it could not be had."""
    if metric is None:
        return "-"
    if metric["value"] is None:
        return NOT_COMPUTED + str(metric.get("reason", "no reason recorded"))
    value = f"{100 * metric['value']:.{DECIMALS.get(name, 1)}f}"
    if metric["low"] is not None and name not in NO_INTERVAL:
        value += f" [{100 * metric['low']:.1f}, {100 * metric['high']:.1f}]"
    return f"{value} of {metric['n']}" if name in OF_FEWER else value


def fraction(metric: Mapping[str, Any]) -> str:
    """As `cell`, but 0.2149 [0.1983, 0.2320]: caption metrics are no percentages."""
    if metric["value"] is None:
        return NOT_COMPUTED + str(metric.get("reason", "no reason recorded"))
    value = f"{metric['value']:.4f}"
    return value if metric["low"] is None else f"{value} [{metric['low']:.4f}, {metric['high']:.4f}]"


def task_title(run: Mapping[str, Any]) -> str:
    return f"{run['task']} (demo)" if run["data"] == "demo" else str(run["task"])


def _order(names: Sequence[str]) -> list[str]:
    known = ("answered", "accuracy", "chance_filled", "beyond_text", "official_accuracy")
    first = [name for name in known if name in names]
    return first + [name for name in names if name not in first]


def _titles(names: Sequence[str]) -> list[str]:
    return [TITLES.get(name, name) for name in names]


def lead(entry: Mapping[str, Any] | None) -> str:
    """`+12.3 [+9.0, +15.6] over first option`, marked where the interval does not lie above 0; `by CIDEr` where it is
    not of accuracy."""
    if entry is None:
        return "-"
    by = f" by {TITLES.get(entry['score'], entry['score'])}" if "score" in entry else ""
    over = f"{signed(entry['lead'])}{by} over {entry['row']}"
    return over if entry["beaten"] else Markdown(f"**not above blind:** {escape_markdown(over)}")


def signed(metric: Mapping[str, Any]) -> str:
    """`+2.0 [-1.5, +5.4]` in percent; without an interval where one clip is all there is."""
    numbers = [f"{100 * metric[part]:+.1f}" for part in ("value", "low", "high") if metric[part] is not None]
    return numbers[0] + (f" [{numbers[1]}, {numbers[2]}]" if len(numbers) == 3 else "")


def _lead(run: Mapping[str, Any], grouping: str, key: str) -> str:
    return lead(run["over_blind"].get(grouping, {}).get(key))


def shown(run: Mapping[str, Any], name: str) -> bool:
    """Where every item is answered, accuracy has one bound only."""
    return name != "chance_filled" or run["metrics"]["answered"]["value"] != 1


OVER_BLIND = "over the best blind row"


def overall(run: Mapping[str, Any]) -> str:
    """The model's row and, below it, the blind rows of the same items."""
    names = [name for name in _order(list(run["metrics"])) if shown(run, name)]
    figures = [cell(run["metrics"].get(name), name) for name in names]
    led = bool(run["over_blind"])
    rows = [[run["model"], run["n"], *figures, *([_lead(run, "all", "all")] if led else [])]]
    for row, metrics in run["blind"].items():
        n = counted_by(metrics) or "-"
        rows.append([emphasise(row), n, *(cell(metrics.get(name), name) for name in names), *(["-"] if led else [])])
    return markdown(["", "n", *_titles(names), *([OVER_BLIND] if led else [])], rows)


def counted_by(metrics: Mapping[str, Any]) -> int:
    """The items behind the fullest figure of a blind row."""
    return max((int(metric["n"]) for metric in metrics.values()), default=0)


def _counted(metrics: Mapping[str, Any]) -> int:
    """Items of our denominator; an official column may count more."""
    return int(metrics["answered"]["n"] if "answered" in metrics else counted_by(metrics))


def grouping(run: Mapping[str, Any], name: str) -> str:
    """A row a key; the best blind row of its items is named beside its score."""
    parts = run["groups"][name]
    names = [metric for metric in _order(list(run["metrics"])) if metric != "chance_filled"]
    rows = [
        [key, _counted(metrics), *(cell(metrics.get(metric), metric) for metric in names), _lead(run, name, key)]
        for key, metrics in parts.items()
    ]
    return markdown([name, "n", *_titles(names), OVER_BLIND], rows)


def positions(table: Mapping[str, Any]) -> str:
    """Shares and accuracy by place, and the two tests below."""
    total = sum(place["chosen"] for place in table["positions"]) or 1
    rows = [
        [
            place["letter"],
            f"{100 * place['golds'] / table['n']:.1f}",
            f"{100 * place['chosen'] / total:.1f}",
            cell(place["accuracy"], "accuracy"),
        ]
        for place in table["positions"]
    ]
    said = markdown(["place", "golds there", "chosen", "accuracy where the gold is there"], rows)
    tests = (
        ("accuracy is the same at every place", table["accuracy_test"]),
        ("wrong answers are spread evenly", table["wrong_test"]),
    )
    found = "; ".join(f"{what}: {_chi_square(test)}" for what, test in tests)
    return f"{said}\n\nOf the {table['n']} items with {table['options']} options. Chi-square tests that {found}."


def _chi_square(test: Mapping[str, Any]) -> str:
    if test["p"] is None:
        return f"not computed ({test['reason']})"
    return f"{test['chi2']:.1f} ({test['dof']} degrees of freedom), p = {test['p']:.3g}"


def unpicked(table: Mapping[str, Any]) -> str:
    """One sentence on the outputs that select no option, with the reasons."""
    share = table["share"]
    count = sum(table["reasons"].values())
    interval = "" if share["low"] is None else f", CI {100 * share['low']:.1f}-{100 * share['high']:.1f}"
    said = f"No option selected: {count:,} of {share['n']:,} ({100 * share['value']:.1f} %{interval})"
    why = ", ".join(f"{count:,} {REASONS.get(reason, reason)}" for reason, count in table["reasons"].items())
    return escape_markdown(f"{said}: {why}." if why else f"{said}.")


def options(table: Sequence[Mapping[str, Any]]) -> str:
    """A row an option of questions that may have several right ones, figures in percent."""
    rows = [
        [entry["option"], entry["right"], entry["selected"]]
        + [f"{100 * entry[figure]:.1f}" for figure in ("precision", "recall", "f1")]
        for entry in table
    ]
    return markdown(["option", "right", "selected", "P", "R", "F1"], rows)


def confusion(table: Mapping[str, Any]) -> str:
    rows = [[title, *counts] for title, counts in zip(table["rows"], table["counts"], strict=True)]
    return markdown([Markdown("gold \\ answer"), *table["columns"]], rows)


def prompt_name(prompt: Mapping[str, Any]) -> str:
    """Name and version; the name alone where there is no version, as of a prompt that is not known."""
    return str(prompt["id"]) if prompt["version"] is None else f"{prompt['id']}@{prompt['version']}"


def decoding_name(decoding: Mapping[str, Any]) -> str:
    """The method, or that it is not known: of a model that was run elsewhere."""
    return ("decoding " if decoding["max_new_tokens"] is None else "") + str(decoding["method"])


def _decoding(decoding: Mapping[str, Any]) -> str:
    drawn = decoding_name(decoding)
    if decoding["method"] == "nucleus":
        drawn += f" (top-p {decoding['top_p']}, temperature {decoding['temperature']}, seed {decoding['seed']})"
    tokens = decoding["max_new_tokens"]
    return drawn if tokens is None else f"{drawn}, at most {tokens} tokens"


def provenance(run: Mapping[str, Any]) -> str:
    """One paragraph that says where the figures come from."""
    prompt = run["prompt"]
    limit = f", the first {run['limit']}" if run["limit"] else ""
    limit += f", {run['sample']} items at random" if run.get("sample") else ""
    parts = [
        f"data {run['data']}, revision {run['revision']}, split {run['split']}{limit}",
        f"prompt {prompt_name(prompt)}" + ("" if prompt["hash"] is None else f" ({prompt['hash']})"),
        f"read by {run['parser']}",
        _decoding(run["decoding"]),
        "items: " + (", ".join(f"{count} {status}" for status, count in run["status"].items() if count) or "none"),
    ]
    if run["condition"] != "clean":
        parts.append(f"condition {run['condition']}")
    if run["options"] != "given":
        parts.append(f"options {run['options']} ({run['questions']} questions)")
    if run["answer_by"] != "generate":
        scored = {"likelihood": "answered by likelihood", "both": "options scored by likelihood, too"}
        parts.append(scored[run["answer_by"]])
    if "beyond_text" in run["metrics"]:
        parts.append(f"beyond text: the items that {run['solver']} gets wrong")
    if "option_f1" in run["metrics"]:
        parts.append("accuracy: exactly the right options; option P, R and F1: every option a decision")
    if tokenizer := run["tables"].get("tokenizer"):
        parts.append(f"words split by {tokenizer}")
    if run["touched"]:
        parts.append("clips: " + ", ".join(f"{count} {change}" for change, count in run["touched"].items()))
    if taken := run.get("usage"):
        parts.append(f"usage: {format_usage(taken)}")
    if delivery := run.get("delivery"):
        parts.append(f"audio {delivery['verdict']}: {delivery['reason']}")
    if fit := run.get("fit"):
        left = f", {fit['left_out']} left out" if fit["left_out"] else ""
        parts.append(f"fitted on {fit['rows']} rows of {fit['task']}, split {fit['split']}{left}")
    if note := run["identity"].get("note"):
        parts.append(note)
    return escape_markdown("; ".join(parts) + ".")


def report(run: Mapping[str, Any]) -> str:
    """Everything about one run, as markdown."""
    partial = f" · PARTIAL: {sum(run['status'].values())} of {run['items']} items" if run["partial"] else ""
    changed = "" if run["condition"] == "clean" else f" · {run['condition']}"
    title = escape_markdown(f"{task_title(run)} · {run['model']}{changed}{partial}")
    sections = [f"## {title}", provenance(run), overall(run)]
    sections += [grouping(run, name) for name, parts in run["groups"].items() if parts]
    if "confusion" in run["tables"]:
        sections.append(confusion(run["tables"]["confusion"]))
    if "positions" in run["tables"]:
        sections.append(positions(run["tables"]["positions"]))
    if "options" in run["tables"]:
        sections.append(options(run["tables"]["options"]))
    if "unpicked" in run["tables"]:
        sections.append(unpicked(run["tables"]["unpicked"]))
    if run["reasons"]:
        rows = [[reason, count] for reason, count in run["reasons"].items()]
        sections.append(markdown(["why an item did not end as ok", "items"], rows))
    return "\n\n".join(sections)


def overview(runs: Sequence[Mapping[str, Any]]) -> str:
    """One row a run: the table that a command ends in."""
    plain = all(run["main"] == "accuracy" for run in runs)

    def main(run: Mapping[str, Any]) -> str:
        figure = cell(run["metrics"].get(run["main"]), run["main"])
        return figure if plain else f"{TITLES.get(run['main'], run['main'])}: {figure}"

    rows = [
        [
            task_title(run) + (" (partial)" if run["partial"] else ""),
            run["model"],
            run["n"],
            run["skipped"],
            cell(run["metrics"].get("answered"), "answered"),
            main(run),
            cell(run["metrics"].get("official_accuracy"), "official_accuracy"),
            _lead(run, "all", "all"),
        ]
        for run in runs
    ]
    figure = "accuracy" if plain else "main figure"
    return markdown(["task", "model", "n", "skipped", "answered", figure, "official", OVER_BLIND], rows)
