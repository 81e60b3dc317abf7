"""Parser of multiple-choice answers: finds the option that a text selects.

The text becomes a `Document` (reasoning, sentences, statements), in which mentions of the options are searched.
Evidence is used in this order:
- a table with one score or mark per option;
- the last explicit statement, unless a correction follows it;
- the whole text, if it is short;
- the conclusion of the last sentences;
- an option alone on the first line;
- the option that makes up most of the text;
- the option that the first sentence states;
- the only option that is mentioned.

A text without any such evidence is `unparsed`; the parser never guesses.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from alm_bench.core.types import Parsed
from alm_bench.parsing.document import Document
from alm_bench.parsing.options import Options
from alm_bench.parsing.reading import (
    Reading,
    completes_sentence,
    find_usable_mentions,
    is_outside_lists,
    is_uninformative,
    read_option_line,
    read_statement,
    refers_to_other_options,
)
from alm_bench.parsing.scores import blank_repeated_options, read_scores
from alm_bench.parsing.statements import MARKUP_KINDS
from alm_bench.parsing.text import Span

PARSER = "mcq@4"
"""Name and version of these rules. They are stored with every run, since scores depend on the rules."""

MAX_STATEMENTS = 100
"""Maximum number of explicit statements that are examined, from the last to the first.

A statement without information about the options is skipped, and the one before it is examined.
"""

MAX_WORDS_OF_SHORT_TEXT = 25
"""Maximum number of words of a text that is parsed as one statement."""

STANDALONE_RULES = ("exact", "letter", "letter_and_text", "ordinal")
"""Rules that select an option which is alone in its statement."""

_TAIL = re.compile(r"[\s.!?\"')\]}*_`。$>]*\Z")


@lru_cache(maxsize=4096)
def prepare_options(choices: tuple[str, ...]) -> Options:
    """Return the `Options` of a question, built once per list of choices."""
    return Options(choices)


def parse_choice(text: str, choices: Sequence[str], answer_tags: Sequence[str] = ()) -> Parsed:
    """Parse which of `choices` a text selects. If several choices have equal texts, the first is returned.

    `answer_tags` are names of answer tags, in addition to the ones in tags.toml.
    """
    options = prepare_options(tuple(choices))
    if not text.strip():
        return Parsed("empty", "none")
    if (index := options.find_equal_option(text)) is not None:
        return Parsed("ok", "exact", index, choices[index], (0, len(text)))
    document = Document(text, tuple(answer_tags))
    reading = ChoiceParser(document, options).decide_option()
    if reading.index is None:
        return Parsed(reading.status, reading.rule)
    return Parsed("ok", reading.rule, reading.index, choices[reading.index], reading.span)


class ChoiceParser:
    """Parser that decides which of the options a document selects."""

    def __init__(self, document: Document, options: Options) -> None:
        self.document = document
        self.options = options
        blank_repeated_options(document, options)
        self.end = len(document.plain)

    def decide_option(self) -> Reading:
        """Return the selected option, or the reason why none is selected."""
        whole = (0, self.end)
        if scored := read_scores(self.document, self.options):
            return scored
        if stated := self._read_last_statement():
            return stated
        if self.document.ends_in_reasoning:
            return Reading("truncated", "none", whole)
        if self.document.count_words(*whole) <= MAX_WORDS_OF_SHORT_TEXT:
            return self._read_short_text(whole)
        return self._read_long_text()

    def _read_last_statement(self) -> Reading | None:
        """Return the option of the last explicit statement, or of a correction after it; None without a statement."""
        for kind, span, known in sorted(self._list_statements(), key=lambda item: item[1], reverse=True)[
            :MAX_STATEMENTS
        ]:
            is_markup = kind in MARKUP_KINDS
            if self.document.ends_in_reasoning and not is_markup:
                continue
            reading = known or self._read_statement(kind, span)
            if is_uninformative(reading) or (reading.index is None and kind == "chosen"):
                continue
            if correction := self._read_correction(max(reading.span[1], span[1] if is_markup else 0)):
                return correction
            if reading.index is not None and not is_markup and self._rejects_all_options_after(reading.span[1]):
                return Reading("refused", "none_of_them", reading.span)
            if kind == "said" and reading.status == "unparsed" and (later := self._read_conclusion(span[1])):
                return later
            return replace(reading, rule=f"{kind}:{reading.rule}")
        return None

    def _list_statements(self) -> Iterator[tuple[str, Span, Reading | None]]:
        """Yield the kind and span of each explicit statement, and its reading if it is already known."""
        for statement in self.document.statements:
            yield statement.kind, statement.span, None
        for reading in self._find_approved_options():
            yield "approved", reading.span, reading
        if any(mention.how == "both" for mention in self.options.find_mentions(self.document, 0, self.end)):
            for sentence in self.document.sentences:
                both = [m for m in find_usable_mentions(self.document, self.options, sentence) if m.how == "both"]
                if len({m.index for m in both}) == 1 and completes_sentence(self.document, both[-1], sentence[0]):
                    yield "named", both[-1].span, Reading("ok", "letter_and_text", both[-1].span, both[-1].index)
        frames = [statement.span for statement in self.document.statements if statement.is_markup]
        bare = self._read_last_line()
        if bare and not any(start <= bare.span[0] < end for start, end in frames):
            yield "line", bare.span, bare

    def _read_statement(self, kind: str, span: Span) -> Reading:
        """Return the reading of one statement. A statement of kind `index` is a position that is counted from 0."""
        return (
            self._read_zero_based_position(span)
            if kind == "index"
            else read_statement(self.document, self.options, span)
        )

    def _rejects_all_options_after(self, start: int) -> bool:
        """Return True if the text says after `start` that no option fits."""
        found = self.document.cues.compile_pattern("@none").finditer(self.document.plain_without_quotes, start)
        return any(not refers_to_other_options(self.document, none) for none in found)

    def _read_zero_based_position(self, span: Span) -> Reading:
        """Parse a statement that is an option's position counted from 0, such as "2" for the third option."""
        said = self.document.plain[slice(*span)].strip()
        position = int(said) if said.isdigit() and len(said) < 4 else -1
        if 0 <= position < self.options.count:
            return Reading("ok", "index", span, self.options.first[position])
        return Reading("unparsed", "off_list", span)

    def _find_approved_options(self) -> Iterator[Reading]:
        """Yield the options that a sentence calls the answer: "(B) is the best fit", "option (B) best matches"."""
        document, cues = self.document, self.document.cues
        pattern = cues.compile_pattern(r"[\W_]{0,3}(@approvals)")
        for mention in self.options.find_mentions(document, 0, self.end):
            match = pattern.match(document.plain, mention.span[1])
            if match is None or document.is_denied(*match.span(1)):
                continue
            sentence = document.get_sentence_span(mention.span[0])
            if cues.compile_pattern(r"\W*@conditions").match(document.plain, *sentence):
                continue
            if match.end() <= sentence[1] and mention in find_usable_mentions(document, self.options, sentence):
                yield Reading("ok", mention.how, mention.span, mention.index)

    def _read_last_line(self) -> Reading | None:
        """Return the option that is alone on the last line. Returns None if that line ends a list of options."""
        lines = self.document.lines
        if len(lines) < 2:
            return None
        last, before = (
            read_option_line(self.document, self.options, lines[-1]),
            read_option_line(self.document, self.options, lines[-2]),
        )
        return None if last and before and before.index != last.index else last

    def _read_correction(self, start: int) -> Reading | None:
        """Return the option that is stated after the last correction ("wait", "on second thought"), or None.

        Only corrections after position `start` are used. The status is `truncated` if the text withdraws its answer and
        then breaks off.
        """
        corrections = list(
            self.document.cues.compile_pattern(r"(?:@corrections|@withdrawals)").finditer(
                self.document.plain_without_quotes, start
            )
        )
        if not corrections:
            return None
        withdrawn = self.document.search_phrase("withdrawals", start)
        tail = (corrections[-1].end(), self.end)
        if self.document.count_words(*tail) <= MAX_WORDS_OF_SHORT_TEXT:
            reading = read_statement(self.document, self.options, tail)
            if reading.rule in (*STANDALONE_RULES, "named", "marked"):
                return replace(reading, rule=f"corrected:{reading.rule}")
        if concluded := self._read_conclusion(tail[0]):
            return replace(concluded, rule="corrected:conclusion")
        if withdrawn and not self.document.looks_complete:
            return Reading("truncated", "taken_back", tail)
        return None

    def _read_short_text(self, whole: Span) -> Reading:
        """Parse a short text as one statement; if that is ambiguous, use its conclusion, then its first sentence."""
        if (corrected := self._read_correction(0)) and corrected.index is not None:
            return corrected
        reading = read_statement(self.document, self.options, whole)
        letter = self.document.plain.strip()
        alone = len(letter) == 1 and len(self.document.original.split()) == 1
        if reading.rule == "letter" and alone and self.options.may_begin_other_option(letter):
            return Reading("unparsed", "note", whole)
        dangling = self.document.cues.compile_pattern(r"@dangling\s*\Z").search(
            self.document.plain, max(0, self.end - 20)
        )
        if dangling and reading.rule not in STANDALONE_RULES and not self._is_at_end(reading):
            return Reading("truncated", "none", whole)
        if reading.status == "ambiguous":
            return self._read_conclusion(0) or self._read_first_sentence() or reading
        return reading

    def _read_long_text(self) -> Reading:
        """Parse a longer text without an explicit statement."""
        whole = (0, self.end)
        first, concluded = self._read_first_line(), self._read_conclusion(0)
        if concluded and (self.document.looks_complete or self._is_at_end(concluded)):
            return concluded
        if first:
            return first
        if repeated := self._read_repeated_option():
            return repeated
        if not self.document.looks_complete:
            return Reading("truncated", "none", whole)
        if opened := self._read_first_sentence():
            return opened
        none = self._rejects_all_options_after(0)
        if none or self.document.search_phrase("refusals"):
            return Reading("refused", "none_of_them" if none else "refusal", whole)
        named = {m.index: m for m in find_usable_mentions(self.document, self.options, whole)}
        if len(named) == 1 and not self.options.has_numeric_option:
            (mention,) = named.values()
            return Reading("ok", "only_one", mention.span, mention.index)
        return Reading("ambiguous", "several", whole) if named else Reading("unparsed", "nothing_named", whole)

    def _read_repeated_option(self) -> Reading | None:
        """Return the only mentioned option if its mentions make up more than half of the text."""
        mentions = find_usable_mentions(self.document, self.options, (0, self.end))
        said = sum(m.span[1] - m.span[0] for m in mentions)
        if len({m.index for m in mentions}) == 1 and 2 * said > len(self.document.plain.strip()):
            return Reading("ok", "named", mentions[-1].span, mentions[-1].index)
        return None

    def _is_at_end(self, reading: Reading) -> bool:
        """Return True if nothing but punctuation follows the reading."""
        return _TAIL.match(self.document.plain, reading.span[1]) is not None

    def _read_first_line(self) -> Reading | None:
        """Return the option that is alone on the first line of a text of several lines."""
        lines = self.document.lines
        return read_option_line(self.document, self.options, lines[0]) if len(lines) > 1 else None

    def _read_first_sentence(self) -> Reading | None:
        """Return the option that the first sentence states: "The sound is thunder. ..."."""
        for span in self.document.sentences[:1]:
            if reading := self._select_option(span, strict=True):
                return replace(reading, rule="first")
        return None

    def _read_conclusion(self, start: int) -> Reading | None:
        """Return the option that the last sentences of the text, after `start`, conclude to be the answer.

        Returns None if there is no such option, or if the text says afterwards that no option fits.
        """
        spans = [span for span in self.document.sentences if span[0] >= start or span[1] > start][::-1]
        cues = self.document.cues
        none = [
            n
            for n in cues.compile_pattern("@none").finditer(self.document.plain_without_quotes, start)
            if not refers_to_other_options(self.document, n)
        ]
        named, contrast = False, cues.compile_pattern("@contrasts")
        for span in spans:
            span = (max(span[0], start), span[1])
            if cues.compile_pattern(r"\W*@conditions").match(self.document.plain, *span):
                continue
            cue = cues.compile_pattern("@conclusions").search(self.document.plain, *span)
            if not cue and named:
                continue
            if reading := self._select_option(span, strict=not cue):
                if any(
                    n.end() > reading.span[1]
                    or (n.start() >= span[0] and not contrast.search(self.document.plain, n.end(), reading.span[0]))
                    for n in none
                ):
                    return None
                return reading
            named = named or bool(find_usable_mentions(self.document, self.options, span))
        return None

    def _select_option(self, span: Span, strict: bool) -> Reading | None:
        """Return the one option that a sentence selects, else None.

        With `strict`, an option is selected only if it completes the sentence ("the sound is ...") or if its letter is
        beside its text.
        """
        mentions = find_usable_mentions(self.document, self.options, span)
        complete = [m for m in mentions if completes_sentence(self.document, m, span[0])]
        marked = [m for m in mentions if m.marked]
        groups = [("both", [m for m in mentions if m.how == "both"]), ("predicate", complete[-1:])]
        if not strict:
            groups = [("conclusion", mentions), ("marked", marked), *groups]
        for rule, group in groups:
            if len({m.index for m in group}) != 1 or not all(
                is_outside_lists(self.document, m, mentions) for m in group
            ):
                continue
            if (
                self.options.has_numeric_option
                and rule == "conclusion"
                and not (group[-1].marked or group[-1] in complete)
            ):
                continue  # the number may not mean the option
            return Reading("ok", rule, group[-1].span, group[-1].index)
        return None
