"""Options of one question, and search for their mentions in a text.

A mention names an option by its letter, its position, its text or an inflected form of its text.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, pairwise, takewhile

from alm_bench.parsing.document import Document
from alm_bench.parsing.languages import detect_cues
from alm_bench.parsing.likeness import LIKENESS_RULES, OptionStems, is_numeral, list_stems
from alm_bench.parsing.numbers import find_cardinal_numbers, is_number
from alm_bench.parsing.option_index import OptionSearchIndex
from alm_bench.parsing.text import (
    LETTER_END,
    WRAPPING,
    Span,
    Token,
    fold,
    iterate_tokens,
    iterate_tokens_at_spans,
    normalise_text,
    split_words,
)

_ALWAYS_SKIPPED = frozenset(("a", "an", "the", "and"))
_WITHIN_WORD, _GOES_ON = re.compile(r"[^\W_][-‐‑]\Z"), re.compile(r"[-‐‑][^\W_]")
_DENIAL = re.compile(r"\b(?:not|no|never|neither|nor|none|without)\b|n't\b")
_OPENS, _CLOSES = re.compile(r"[\"'<\[(*{]"), re.compile(r"[.,]?[\"'>\])*}]")
_LEFTOVER = re.compile(r"[\"')\]]*[^\W\d]\w*")
_LETTER_BEFORE = re.compile(r"(?:(?<!\w)|(?<=_))([\"'(\[{*$]*)([a-z])([\"')\]}*$]*\s*[).:,\-/]?[\s*_]*)[\"'*(\[{]*$")
_LETTER_AFTER = re.compile(r"[\"'*.]*\s*[(\[]\s*(?:option\s+)?[\"'*]*([a-z])[\"'*]*\s*[)\]]")
_JOINED = re.compile(
    r"[\s\"')\](*\[{}.]*(?:,|/|&|;|\b(?:and|or|nor)\b)*[\s\"'(\[*]*(?:(?:and|or|nor|a|an|the|option|any)\s+)*[\"'(\[*]*"
    r"|\s*\n\s*[-*•+]\s*"
)
_COMPLETED = r"(?:@predicates|@choosing|@links|:)\s+(?:@position_nouns\s+)?[\"'*(]*\Z"
_NOUN_BEFORE = r"@position_nouns\s*[:#]?\s*[\"'*$(\[{]*\Z"
_SINGLE = re.compile(r"[a-z0-9](?![a-z])(?<![\w'].)(?:(?<=\d)\d)?" + LETTER_END)
_BRACKETS = re.compile(r"[(\[{]\s*[\"'*$]*\Z")
_CLOSING = re.compile(r"[\"'*$]*\s*[)\]}]")
_SENTENCE_ENDS = re.compile(r"[\"'*)]*\s*(?:[.,;!?。]|\Z|\n)")
_STAND_ALONE = re.compile(r"[\s\"')\]}*]*(?:$|[.,;:!?\n)\]。])")
_COMPOUND = re.compile(r"[^\W_]+(?:-[^\W_]+)+")
_WORD_BEFORE, _WORD_AFTER = re.compile(r"([a-z]+)[ -]\Z"), re.compile(r"[ -]([a-z]+)")
_LONG = 600
"""Length in characters from which a text is not compared with options as a paraphrase."""


@dataclass(frozen=True, slots=True)
class Mention:
    """One mention of an option in a text."""

    index: int
    """Index of the option."""

    span: Span
    """Start and end of the mention in the text."""

    how: str
    """Form of the mention: "text", "inflected", "letter", "position", or "both" for a letter beside the option's
    text."""

    denied: bool = False
    """True if the text says that this option is not the answer."""

    marked: bool = False
    """True if the mention is in quotation marks, brackets or bold type."""


class Options:
    """Options of one question, prepared for search in texts.

    If several options have equal texts, the first represents all of them.
    """

    def __init__(self, choices: Sequence[str]) -> None:
        self.texts = [normalise_text(choice) for choice in choices]
        self.first = [self.texts.index(text) for text in self.texts]
        self.count = len(self.texts)
        self._choices = tuple(choices)
        self._folded = [fold(choice).strip() for choice in choices]
        # Lookup by literal and by normalised text. A normalised text precedes another option's literal text.
        self._exact = {text: self.first[i] for i, text in reversed([*enumerate(self.texts), *enumerate(choices)])}
        self._longest = 2 * max(map(len, choices), default=0) + 40  # white space within an option may be longer
        self._distinct = [i for i, first in enumerate(self.first) if first == i and self.texts[i]]

    @cached_property
    def _articles(self) -> frozenset[str]:
        """Articles that are ignored within options: the articles of the options' languages, and `_ALWAYS_SKIPPED`."""
        return detect_cues(" ".join(self._folded)).articles | _ALWAYS_SKIPPED

    @cached_property
    def _search_index(self) -> OptionSearchIndex:
        """Search index of the options' words."""
        return OptionSearchIndex(self._select_words(), self._articles)

    def _select_words(self) -> dict[int, list[str]]:
        """Return the words of each distinct option, without articles.

        An article is included if it may be a letter or a musical note ("A minor" beside "B minor").
        """
        said = {
            i: [token.text for token in iterate_tokens(self._folded[i], 0, len(self._folded[i]))]
            for i in self._distinct
        }
        kept = {}
        for i, parts in said.items():
            bare = [part for part in parts if part not in self._articles]
            rivals = [
                other for j, other in said.items() if j != i and other[1:] == parts[1:] and len(other[:1][0:1]) == 1
            ]
            note = len(parts) > 1 and parts[0] == "a" and any(len(other[0]) <= 2 for other in rivals)
            kept[i] = parts if note or not bare else bare
        return {i: parts for i, parts in kept.items() if parts}

    @cached_property
    def has_numeric_option(self) -> bool:
        """True if any option is a number. A number in a text then means the value of an option, not its position."""
        return any(is_number(text) for text in self.texts)

    @cached_property
    def option_stems(self) -> OptionStems:
        """Stems of each option's words."""
        return OptionStems(self.texts)

    def is_ambiguous_word(self, index: int) -> bool:
        """Return True if an option is a single letter or a function word such as "no".

        Within a sentence, such a word often does not mean the option.
        """
        text = self.texts[index]
        return (len(text) == 1 and text.isalpha() and text.isascii()) or text in _FUNCTION_WORDS

    def is_in_other_script(self, text: str) -> bool:
        """Return True if a text is in another script than the options, so that it cannot mention one."""
        return all(option.isascii() for option in self.texts) and not re.search(r"[a-z0-9]", text)

    def find_equal_option(self, text: str) -> int | None:
        """Return the index of the option that equals `text`, or None.

        Differences of case, width, white space and punctuation at the ends are ignored.
        """
        if (index := self._exact.get(text)) is not None:
            return index
        text = text.strip(WRAPPING)
        return self._exact.get(normalise_text(text)) if len(text) <= self._longest else None

    def find_option_by_letter(self, letter: str) -> int | None:
        """Return the index of the option that a letter selects, or None.

        An option whose text is this letter is preferred to the option at the letter's position.
        """
        if letter in self.texts:
            return self.texts.index(letter)
        position = ord(letter) - ord("a")
        return position if 0 <= position < self.count else None

    def may_begin_other_option(self, letter: str) -> bool:
        """Return True if a single letter may be the musical note that another option begins with.

        Example: "e" may mean the option "E major" or the fifth option.
        """
        others = (text for i, text in enumerate(self.texts) if i != ord(letter) - ord("a"))
        return self._search_index.notes and any(text.startswith(f"{letter} ") for text in others)

    def find_first_option_by_letter(self, letter: str) -> int | None:
        """Return the index of the first option whose text equals that of the option that a letter selects.

        Returns None if the letter selects no option.
        """
        index = self.find_option_by_letter(letter)
        return None if index is None else self.first[index]

    def find_option_at(self, document: Document, start: int, end: int) -> Mention | None:
        """Return the longest option that the text mentions at position `start`, or None.

        Punctuation and articles before the option are skipped.
        """
        end = min(end, start + 80 + 2 * self._search_index.longest)
        said = list(islice(iterate_tokens(document.plain, start, end), 3))
        if not said or document.plain[start : said[0].start].strip("\"'.,!?:()[]{}<>*-&`$\\ \t\r\n"):
            return None
        for token, after in zip(said, [*said[1:], None], strict=True):
            if found := self._match_option(document, iterate_tokens(document.plain, token.start, end)):
                return self._build_mention(document, *found)
            if token.text not in self._articles or (after and document.plain[token.end : after.start].strip()):
                break
        return None

    def find_mentions(self, document: Document, start: int, end: int) -> list[Mention]:
        """Return all mentions of options between two positions, in order.

        If two mentions overlap, the longer one is returned.
        """
        found: list[Mention] | None = document.memo.get(self)
        if found is None:
            found = document.memo[self] = self._find_all_mentions(document)
        if not found or (start <= 0 and end >= len(document.plain)):
            return found
        first = bisect_left(found, start, key=lambda mention: mention.span[0])
        return list(takewhile(lambda mention: mention.span[1] <= end, islice(found, first, None)))

    def _find_all_mentions(self, document: Document) -> list[Mention]:
        """Return all mentions in the document; a letter within the mention of an option's text is left out."""
        found = self._find_text_mentions(document)
        taken, starts = [mention.span for mention in found], [mention.span[0] for mention in found]
        for mention in self._find_letter_mentions(document):
            near = bisect_right(starts, mention.span[1])
            if not any(mention.span[0] < stop for _, stop in taken[max(0, near - 2) : near]):
                found.append(mention)
        return _extend_denials(document, sorted(found, key=lambda mention: mention.span))

    def _find_text_mentions(self, document: Document) -> list[Mention]:
        """Return the mentions of options by their text, in order."""
        plain, words, keys = document.plain, document.words, self._search_index
        found, done = list[Mention](), 0
        for number, (begin, stop) in enumerate(words):
            if begin < done or not keys.may_begin_option(plain[begin:stop]):
                continue
            if match := self._match_option(document, iterate_tokens_at_spans(plain, words, number)):
                found.append(self._build_mention(document, *match))
                done = match[2]
        return found

    def _match_option(self, document: Document, tokens: Iterable[Token]) -> tuple[int, int, int, bool] | None:
        """Find the longest option whose words are at the start of the sequence `tokens`.

        Returns the option's index, its start and end in the text, and True if it is inflected. Returns None without a
        match, and for a match that is only part of a longer word or number.
        """
        plain = document.plain
        if (match := self._search_index.match(tokens)) is None:
            return None
        index, first, last, inflected = match
        start, end = first.start, last.end
        if _WITHIN_WORD.search(document.original, max(0, start - 2), start) or _GOES_ON.match(document.original, end):
            return None  # part of another word
        if first is last and is_numeral(first.text):
            near = (_WORD_BEFORE.search(plain[max(0, start - 20) : start]), _WORD_AFTER.match(plain, end))
            if any(word and is_numeral(word[1]) for word in near):
                return None  # part of another number
        if first.text == "a" and self._search_index.notes and not document.original[start].isupper():
            small = self._choices[index].lstrip()[:1] == "a" and _STAND_ALONE.match(plain, end)
            if self._folded[index].startswith("a ") and not small:
                return None  # an article, not a note
        return index, start, end, inflected

    def _build_mention(self, document: Document, index: int, start: int, end: int, inflected: bool) -> Mention:
        """Build the mention of an option from its start and end in the text.

        The mention is extended by a letter beside the text ("B. dog", "dog (B)"). `Mention.marked` and `Mention.denied`
        are determined from the text around it.
        """
        plain = document.plain
        how = "inflected" if inflected and not plain[start:end].isdigit() else "text"
        lead = self._folded[index].partition(plain[start:end])[0]  # articles at the start of the option
        if how == "text" and len(lead) < 12 and plain.endswith(lead, 0, start):
            start -= len(lead)
        marked = bool(_OPENS.match(plain[max(0, start - 1) : start] + " ") and _CLOSES.match(plain[end : end + 2]))
        marked = marked or (document.original[max(0, start - 2) : start] in ("**", "__"))
        begin = start
        if before := _LETTER_BEFORE.search(plain[max(0, start - 12) : start]):
            delimited = (
                before[1] or before[3].strip() or document.original[max(0, start - 12) + before.start(2)].isupper()
            )
            article = before[2] in "ai" and not (before[1] or before[3].strip())
            if delimited and not article and self.find_first_option_by_letter(before[2]) is not None:
                how, begin = "both", max(0, start - 12) + before.start()
        if (
            how != "both"
            and (after := _LETTER_AFTER.match(plain, end))
            and self.find_first_option_by_letter(after[1]) is not None
        ):
            how, end = "both", after.end()
        # "none of the options" does not mean the option "none".
        other = self.texts[index] == "none" and plain[end : end + 4] == " of "
        return Mention(index, (begin, end), how, other or document.is_denied(begin, end), marked)

    def _find_letter_mentions(self, document: Document) -> list[Mention]:
        """Return the letters and numbers that mention an option by their context, such as "option B" or "(B)"."""
        found = []
        for match in _SINGLE.finditer(document.plain):
            at, stop = match.span()
            if (how := self._classify_letter_mention(document, at, stop)) is None:
                continue
            if match[0].isdigit():
                index = int(match[0]) - 1 if 0 < int(match[0]) <= self.count and not self.has_numeric_option else None
            else:
                index = self.find_first_option_by_letter(match[0])
            if index is not None:
                closing = _CLOSING.match(document.plain, stop)
                stop = closing.end() if closing else stop
                found.append(Mention(index, (at, stop), how, document.is_denied(at, stop), True))
        return found

    def _classify_letter_mention(self, document: Document, start: int, stop: int) -> str | None:
        """Return "letter" or "position" if the text from `start` to `stop` mentions an option by letter or by number.

        Returns None if the text there does not mention an option. Examples of letters: "option B", "(B)", "B is the
        best answer", "I think B."; a position of an option: "option 2".
        """
        plain, cues = document.plain, document.cues
        if plain[start].isdigit():
            noun = cues.compile_pattern(_NOUN_BEFORE).search(plain, max(0, start - 30), start)
            return "position" if noun else None
        upper, word = document.original[start].isupper(), plain[start] in "ai"
        if word and not upper and not _CLOSING.match(plain, stop):
            return None
        bracketed = _BRACKETS.search(plain[max(0, start - 6) : start]) and _CLOSING.match(plain, stop)
        if bracketed and not plain[max(0, start - 2) : start - 1].isalnum():
            return "letter"
        if cues.compile_pattern(_NOUN_BEFORE).search(plain, max(0, start - 30), start):
            return "letter"
        if not upper:
            return None
        if cues.compile_pattern(r"[\"'*]*\s{0,2}@approvals").match(plain, stop):
            return "letter"
        ended = _SENTENCE_ENDS.match(plain, stop)
        return "letter" if ended and cues.compile_pattern(_COMPLETED).search(plain, max(0, start - 60), start) else None

    def find_option_with_attached_text(self, plain: str, start: int, end: int) -> Mention | None:
        """Return the mention of an option whose text begins at `start` and is directly followed by further characters.

        In `Jazzyour_answer`, for example, a placeholder follows the option `Jazz`. The further characters must contain
        an underscore, or the option must have three or more words. Otherwise returns None.
        """
        for i in sorted(self._distinct, key=lambda i: -len(self._folded[i])):
            if plain.startswith(self._folded[i], start, end):
                rest = _LEFTOVER.match(plain, start + len(self._folded[i]), end)
                if rest and ("_" in rest[0] or len(split_words(self.texts[i])) > 2):
                    return Mention(i, (start, rest.start()), "text")
        return None

    def find_joint_option(self, document: Document, span: Span) -> int | None:
        """Return the index of the option "both", "all" or "neither" if the text uses such a word, else None."""
        for key in ("both", "all", "neither"):
            pattern = document.cues.compile_pattern(rf"@{key}")
            if pattern.search(document.plain, *span):
                hits = [i for i in self._distinct if pattern.match(self.texts[i])]
                if len(hits) == 1:
                    return hits[0]
        return None

    def find_neither_option(self, document: Document, span: Span) -> int | None:
        """Return the index of the option "neither" if the text denies all other options, else None."""
        hits = [i for i in self._distinct if document.cues.compile_pattern("@neither").match(self.texts[i])]
        denied = {mention.index for mention in self.find_mentions(document, *span) if mention.denied}
        return hits[0] if len(hits) == 1 and denied == set(self._distinct) - set(hits) else None

    def find_similar_option(self, text: str) -> tuple[int, str] | None:
        """Return the index of the one option that a short text paraphrases, and the name of the rule that found it.

        The first of `LIKENESS_RULES` that any option satisfies is used. Returns None unless exactly one option does.
        """
        said = list_stems(text) if len(text) < _LONG else []
        content_stems = self.option_stems.list_content_stems(said)
        if not content_stems or (_DENIAL.search(text) and not any(map(_DENIAL.search, self.texts))):
            return None
        alone = list_stems(_COMPOUND.sub(" ", text))
        for rule, fits in LIKENESS_RULES:
            if self._search_index.notes and rule in ("in_order", "inside", "fragment"):
                continue  # "a minor key" is no "A minor"
            hits = [i for i in self._distinct if fits(content_stems, said, self.option_stems[i])]
            if rule == "inside":
                hits = [i for i in hits if len(self.option_stems[i]) > 1 or self.option_stems[i][0] in alone]
            if len(hits) == 1:
                return hits[0], rule
            if hits:
                return None
        return self._match_quantity(text)

    def _match_quantity(self, text: str) -> tuple[int, str] | None:
        """Return the index of the one option with the same number as the text, and the name of this rule, `quantity`.

        For example, `132 BPM` matches `132.0`. The word "one" is not read as a number, since it is often a pronoun.
        """
        said = {
            float(number)
            for span, number in find_cardinal_numbers(text, (0, len(text))).items()
            if text[slice(*span)] != "one"
        }
        hits = [i for i in self._distinct if len(said) == 1 and self._option_numbers[i] == said]
        return (hits[0], "quantity") if len(hits) == 1 else None

    @cached_property
    def _option_numbers(self) -> list[set[float]]:
        """Numbers in each option's text."""
        return [
            {float(number) for number in find_cardinal_numbers(text, (0, len(text))).values()} for text in self.texts
        ]

    def find_option_combining(self, text: str, indices: Iterable[int]) -> int | None:
        """Return the index of the one option that combines all the options in `indices`, or None.

        "thunder and rain" selects "Rain and thunder"; a text with "or" or "either" selects nothing.
        """
        said, parts = set(list_stems(text)), {stem for i in indices for stem in self.option_stems[i]}
        hits = [i for i in self._distinct if parts <= set(self.option_stems[i]) <= said]
        return hits[0] if len(hits) == 1 and not said & {"or", "either"} else None


_FUNCTION_WORDS = frozenset(("no", "not", "none", "yes", "all", "both", "neither", "one"))


def _extend_denials(document: Document, mentions: list[Mention]) -> list[Mention]:
    """Extend a denial to all options of a list: "no rain, wind or hail", "rain and wind are not heard"."""
    if len(mentions) < 2 or not any(mention.denied for mention in mentions):
        return mentions
    denied = [mention.denied for mention in mentions]
    near = [are_list_neighbours(document.plain, a, b) for a, b in pairwise(mentions)]
    before = document.cues.compile_pattern(r"@denials_before")
    for number, joined in enumerate(near):
        if (
            joined
            and denied[number]
            and before.search(document.plain, max(0, mentions[number].span[0] - 90), mentions[number].span[0])
        ):
            denied[number + 1] = True
    after = document.cues.compile_pattern(r"[\s\"')\]>*.]*@denials_after")
    by_end = [
        denied[number] and after.match(document.plain, m.span[1]) is not None for number, m in enumerate(mentions)
    ]
    for number in reversed(range(len(near))):
        if near[number] and by_end[number + 1]:
            denied[number] = by_end[number] = True
    return [
        Mention(m.index, m.span, m.how, no, m.marked) if no != m.denied else m
        for m, no in zip(mentions, denied, strict=True)
    ]


def are_list_neighbours(plain: str, first: Mention, second: Mention) -> bool:
    """Return True if two mentions are adjacent items of a list."""
    between = plain[first.span[1] : second.span[0]]
    return len(between) < 30 and _JOINED.fullmatch(between) is not None and bool(between.strip())
