"""Questions about captions, written by a language model: requests, and rows from the answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from alm_bench.core import Output, Request, UsageError
from alm_bench.synthesis.captions import Caption
from alm_bench.synthesis.drafts import Draft, parse_drafts
from alm_bench.synthesis.filters.refused import is_refusal
from alm_bench.synthesis.prompts import FORMS, STYLES, Form, get_prompt
from alm_bench.synthesis.rows import QuestionRow, set_options

PAIRS = 5
"""Number of questions per caption and form, as in the paper."""

_SUBTYPES: dict[Form, str] = {"choice": "MCQ", "detail": "Detail"}


@dataclass(frozen=True, slots=True)
class WritingSettings:
    """Settings of the questions that a language model writes: their type, forms and number."""

    type: int = 1
    """Type of ReasonAQA's data, 1 to 3."""

    forms: tuple[Form, ...] = FORMS
    """Forms of questions."""

    pairs: int = PAIRS
    """Number of questions per caption and form."""

    def __post_init__(self) -> None:
        """Check the settings. Raises UsageError."""
        if self.type == 4:
            raise UsageError("--type 4 is a mix of the files of types 1 and 2 or 3: name these in [[data]] of a recipe")
        if self.type not in STYLES:
            raise UsageError(f"--type takes {', '.join(map(str, STYLES))}, found {self.type}")
        if unknown := [form for form in self.forms if form not in FORMS]:
            raise UsageError(f"--form takes {', '.join(FORMS)}, found {unknown[0]!r}")
        if self.pairs < 1:
            raise UsageError(f"--pairs takes 1 or more, found {self.pairs}")


@dataclass(frozen=True, slots=True)
class WritingCall:
    """One call of the language model, which asks it to write questions of one form about one caption."""

    caption: Caption
    """The caption."""

    form: Form
    """Form of the questions."""

    request: Request
    """The request, without audio."""


@dataclass(slots=True)
class WrittenRows:
    """Rows that were read from the answers of a language model, and numbers of calls without usable questions."""

    rows: list[QuestionRow] = field(default_factory=list)
    """Rows, in the order of the captions."""

    calls: int = 0
    """Number of calls."""

    missing: int = 0
    """Number of calls without an answer (failed, or not made because of the cost limit)."""

    refused: int = 0
    """Number of calls whose answer is a refusal without any question."""

    empty: int = 0
    """Number of other calls in whose answer no question could be read."""

    truncated: int = 0
    """Number of calls whose answer was cut off by the token limit."""

    unreadable: int = 0
    """Number of questions that were begun and could not be read."""


def build_calls(captions: Sequence[Caption], settings: WritingSettings) -> list[WritingCall]:
    """Return the calls for captions. Raises UsageError if two captions have the same id."""
    calls = []
    for caption in captions:
        for form in settings.forms:
            prompt = get_prompt(settings.type, form)
            text = prompt.render({"count": str(settings.pairs), "caption": caption.text}).strip()
            calls.append(WritingCall(caption, form, Request(f"{caption.id}/type-{settings.type}/{form}", text)))
    ids = [call.request.id for call in calls]
    if len(set(ids)) < len(ids):
        repeated = next(name for name in ids if ids.count(name) > 1)
        raise UsageError(f"--captions: {repeated.rpartition('/type-')[0]} is in two files: name each file once")
    return calls


def build_rows(
    calls: Sequence[WritingCall], outputs: Mapping[str, Output], settings: WritingSettings, writer: str
) -> WrittenRows:
    """Convert the answers of a language model, which contain questions, to rows. Return these with counts of failures.

    `outputs` holds the answers by the requests' ids. `writer` is the model's label.
    """
    written = WrittenRows(calls=len(calls))
    for call in calls:
        output = outputs.get(call.request.id)
        if output is None:
            written.missing += 1
            continue
        text = output.text or ""
        parsed = parse_drafts(text, call.form, output.truncated)
        written.truncated += output.truncated
        written.unreadable += parsed.unreadable
        if not parsed.drafts:
            refused = output.refusal is not None or is_refusal(text)
            written.refused += refused
            written.empty += not refused
        for number, draft in enumerate(parsed.drafts):
            written.rows.append(_build_row(call, number, draft, settings, writer))
    return written


def _build_row(call: WritingCall, number: int, draft: Draft, settings: WritingSettings, writer: str) -> QuestionRow:
    prompt = get_prompt(settings.type, call.form)
    row = QuestionRow(
        id=f"{call.request.id}/{number}",
        clips=(call.caption.clip,),
        question=draft.question,
        answer=draft.answer,
        captions=(call.caption.text,),
        subtype=f"{call.caption.dataset}_{_SUBTYPES[call.form]}.json",
        split=call.caption.split,
        other={"type": settings.type, "writer": writer, "prompt": f"{prompt.id}@{prompt.version}"},
    )
    return set_options(row, draft.choices, draft.answer) if draft.choices else row
