"""Data card of rows that a language model wrote: filters, lengths, text-only baselines and examples."""

from collections.abc import Mapping, Sequence
from typing import Any

from alm_bench.core import Metric
from alm_bench.reports.blocks import Block, Column, Fields, Heading, Row, Table, Text, build_text_columns
from alm_bench.reports.figures import build_metric_cell

FORMS = {"choice": "multiple choice", "detail": "detailed answers"}


def build_card_blocks(card: Mapping[str, Any], examples: bool = True) -> list[Block]:
    """Return the blocks of a data card, the content of `card.json`. With `examples`, examples of rows are added."""
    blocks: list[Block] = [Heading(card["title"], level=1), *_build_source(card)]
    blocks += [Heading("Filters"), _build_filters(card["filters"])]
    blocks += [Heading("Rows"), _build_size_table(card)]
    if card["before"]["baselines"]:
        blocks += [Heading("Without the audio"), _build_baselines(card), *_build_leak_blocks(card)]
    if examples:
        blocks += _build_examples(card)
    return blocks


def _build_source(card: Mapping[str, Any]) -> list[Block]:
    """Return what is known about the source of the rows: settings and, if a model wrote them, its calls."""
    blocks: list[Block] = [Fields([(str(key), str(value)) for key, value in card["settings"].items()])]
    if (calls := card.get("calls")) is not None:
        blocks.append(
            Text(
                f"Calls: {calls['calls']:,}, of which {calls['missing']:,} have no answer, {calls['refused']:,} were "
                f"refused, {calls['empty']:,} gave no question and {calls['truncated']:,} were cut off. Questions that "
                f"could be read: {card['before']['rows']:,}; that could not: {calls['unreadable']:,}."
            )
        )
    if card["failed_calls"] or card["cost_limit_reached"]:
        reason = f"{card['failed_calls']:,} calls failed" if card["failed_calls"] else "The cost limit was reached"
        blocks.append(Text(f"{reason}: what they concern is missing or not checked; the same command resumes."))
    return blocks


def _build_filters(filters: Sequence[Mapping[str, Any]]) -> Table:
    columns = [
        Column("filter"),
        Column("checked", 2),
        *build_text_columns("removed", "flagged", "repaired"),
        Column("faults", 1, overflow="wrap"),
    ]
    rows: list[Row] = [
        [
            step["name"],
            f"{step['rows']:,}",
            f"{step['dropped']:,}",
            f"{step['flagged']:,}",
            f"{step['repaired']:,}",
            ", ".join(f"{reason} {count:,}" for reason, count in step["reasons"].items()) or "-",
        ]
        for step in filters
    ]
    return Table(columns, rows, ["Filters in their order. Each checks the rows that those before it have left."])


def _build_size_table(card: Mapping[str, Any]) -> Table:
    """Return the table of counts, lengths and vocabulary, before and after the filters."""
    columns = [
        Column("rows", overflow="end"),
        Column("number"),
        Column("words a question"),
        Column("question vocabulary", 1),
        Column("words an answer"),
        Column("answer vocabulary", 1),
    ]
    rows: list[Row] = []
    for form, title in FORMS.items():
        for when in ("before", "after"):
            if (figures := card[when]["forms"].get(form)) is not None:
                rows.append(
                    [
                        f"{title}, {when}",
                        f"{figures['rows']:,}",
                        f"{figures['question_words']:.2f}",
                        f"{figures['question_vocabulary']:,}",
                        f"{figures['answer_words']:.2f}",
                        f"{figures['answer_vocabulary']:,}",
                    ]
                )
    after = card["after"]
    splits = ", ".join(f"{name} {count:,}" for name, count in after["splits"].items()) or "none"
    notes = [
        f"{card['before']['rows']:,} rows before the filters, {after['rows']:,} after, about {after['clips']:,} clips; "
        f"by split: {splits}."
    ]
    if after["positions"]:
        positions = ", ".join(f"{place}: {count:,}" for place, count in after["positions"].items())
        notes.append(f"Position of the right option after the filters: {positions}.")
    return Table(columns, rows, notes)


def _build_baselines(card: Mapping[str, Any]) -> Table:
    before, after = card["before"]["baselines"], card["after"]["baselines"]
    rows: list[Row] = [
        [
            name,
            build_metric_cell(Metric(**metric), "accuracy"),
            build_metric_cell(Metric(**after[name]), "accuracy") if name in after else "-",
        ]
        for name, metric in before.items()
    ]
    counts = [_format_choice_count(card, when) for when in ("before", "after")]
    note = f"Accuracy in % on {counts[0]} multiple-choice rows before the filters and {counts[1]} after."
    return Table(build_text_columns("text-only baseline", "before", "after"), rows, [note])


def _format_choice_count(card: Mapping[str, Any], when: str) -> str:
    """Return the formatted number of multiple-choice rows; `when` is `before` or `after` the filters."""
    return f"{card[when]['forms'].get('choice', {}).get('rows', 0):,}"


def _build_leak_blocks(card: Mapping[str, Any]) -> list[Block]:
    """Return a table of cues by which the right option can be guessed, before and after the filters.

    If there are none, return a sentence that says so.
    """
    found = {
        when: {leak["cue"]: leak for leak in card[when]["leaks"] if leak["suspicious"]} for when in ("before", "after")
    }
    cues = list(dict.fromkeys([*found["before"], *found["after"]]))
    if not cues:
        return [Text("No cue tells the right option more often than chance.")]
    rows: list[Row] = [[cue, *(_format_leak(found[when].get(cue)) for when in ("before", "after"))] for cue in cues]
    note = "Share of questions in which the option that a cue selects is right, in %, where that is more than chance."
    return [Table(build_text_columns("option", "before", "after"), rows, [note])]


def _format_leak(leak: Mapping[str, Any] | None) -> str:
    if leak is None:
        return "-"
    return f"{100 * leak['rate']:.1f} of {leak['items']:,} (chance {100 * leak['chance']:.1f})"


def _build_examples(card: Mapping[str, Any]) -> list[Block]:
    blocks: list[Block] = [Heading(f"{len(card['examples'])} rows to read")]
    blocks += [Fields(_list_fields(row), title=f"{number}.") for number, row in enumerate(card["examples"], 1)]
    if card["removed"]:
        blocks.append(Heading("Removed rows"))
        for row in card["removed"]:
            blocks.append(Fields([("removed by", f"{row['filter']} ({row['reason']})"), *_list_fields(row)]))
    return blocks


def _list_fields(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    fields = [("clip", row["clip"]), ("caption", row["caption"]), ("question", row["input"]), ("answer", row["answer"])]
    flags = [("flags", ", ".join(row["flags"]))] if row["flags"] else []
    return [*((name, text) for name, text in fields if text), *flags]


def render_card_page(title: str, text: str) -> str:
    """Return markdown as an HTML page that needs no other file. HTML within the markdown is escaped."""
    from jinja2 import Environment, PackageLoader
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    environment = Environment(loader=PackageLoader("alm_bench.reports"), autoescape=True)
    return environment.get_template("card.html.tmpl").render(title=title, body=body)
