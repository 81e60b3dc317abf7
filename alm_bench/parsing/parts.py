"""Answers in several parts, of which the last is the answer, and the parts before it are the chain of thought.

The functions split a text into its parts, join parts to a text, and shorten the chain. The delimiters are data
(`part_formats.toml`). A chain is semi-implicit if sentences of it are shortened to their first word groups and an
ellipsis.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

from alm_bench.core import UsageError
from alm_bench.core.errors import format_similar_names

FORMATS = Path(__file__).with_name("part_formats.toml")
"""File of the bundled formats."""

PartsStatus = Literal["ok", "reordered", "missing", "unclosed", "repeated", "direct", "no_answer"]
"""Result of reading a text. In the first three, and in `direct` (no delimiter at all: the whole text is the answer),
the answer was read. `unclosed`: the text ends within the answer. `repeated`: a part occurs twice, so that it is not
clear which one counts. `no_answer`: there are parts, but the answer is not among them."""

PartsForm = Literal["full", "semi", "partial", "direct"]
"""All parts in full; all parts, of which some are shortened; some parts are missing; the answer alone."""

READ = ("ok", "reordered", "missing", "direct")
"""Statuses under which the answer was read."""

_SENTENCE = re.compile(r".+?(?:[.!?]+(?=\s|$)|[。！？]+|$)\s*", re.DOTALL)
_UNSPACED_GROUP = re.compile(
    "[\u4e00-\u9fff\u3400-\u4dbf\u30a0-\u30ff]*[\u3040-\u309f]+|[\u4e00-\u9fff\u3400-\u4dbf]{1,2}|[\u30a0-\u30ff]+|[^\\s]"
)
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True)
class Parts:
    """Parts that were read from a text in a `PartsFormat`, by name, and whether the text has all of them, in full or
    shortened (`form`)."""

    status: PartsStatus
    """Result of reading."""

    form: PartsForm
    """Form of the text."""

    texts: Mapping[str, str] = field(default_factory=dict)
    """Text of each part that was read, by name."""

    shortened: tuple[str, ...] = ()
    """Names of the parts with a shortened sentence."""

    answer: str | None = None
    """Text of the answer; None unless the status is one of `READ`."""

    answer_start: int = 0
    """Index of the answer's first character in the text."""


@dataclass(frozen=True)
class PartsFormat:
    """Format of texts in several parts."""

    name: str
    """Name of the format."""

    version: int
    """Version, to be raised with every change of the delimiters."""

    parts: tuple[str, ...]
    """Names of the parts, in the order of the text; the last one is the answer."""

    open: tuple[str, ...]
    """Delimiters that begin the parts."""

    close: tuple[str, ...] = ()
    """Delimiters that end the parts; empty if a part ends where the next one begins."""

    line_start: bool = False
    """True if a delimiter counts only at the beginning of a line."""

    ellipses: tuple[str, ...] = ("...", "…")
    """Marks that end a shortened sentence."""

    def __post_init__(self) -> None:
        """Raise UsageError unless every part has its delimiters."""
        if len(self.parts) < 2 or len(self.open) != len(self.parts) or len(self.close) not in (0, len(self.parts)):
            raise UsageError(
                f"format {self.name}: {len(self.parts)} parts, {len(self.open)} `open` and {len(self.close)} `close`; "
                "expected at least two parts and one delimiter per part (or no `close`)"
            )

    @property
    def answer(self) -> str:
        """Name of the part that holds the answer."""
        return self.parts[-1]

    @property
    def chain(self) -> tuple[str, ...]:
        """Names of the parts before the answer."""
        return self.parts[:-1]

    @cached_property
    def _opening_pattern(self) -> re.Pattern[str]:
        """Pattern of the delimiters in `open`, in which the group `p0` stands for the first delimiter, and so on."""
        edge = r"^[ \t*#>-]*" if self.line_start else ""
        options = "|".join(f"(?P<p{index}>{re.escape(mark)})" for index, mark in enumerate(self.open))
        return re.compile(f"{edge}(?:{options})", re.IGNORECASE | re.MULTILINE)

    def split_into_parts(self, text: str) -> Parts:
        """Split a text at the delimiters. No exception is raised for any text: see `Parts.status`."""
        found = list(self._opening_pattern.finditer(text))
        if not found:
            return Parts("direct", "direct", {}, (), text.strip())
        names = [self.parts[int((match.lastgroup or "p0")[1:])] for match in found]
        texts: dict[str, str] = {}
        unclosed = False
        starts: dict[str, int] = {}
        for place, (name, match) in enumerate(zip(names, found, strict=True)):
            end = found[place + 1].start() if place + 1 < len(found) else len(text)
            body, closed = self._cut_at_delimiter(text[match.end() : end], self.parts.index(name))
            texts.setdefault(name, body)
            starts.setdefault(name, match.end())
            unclosed = unclosed or (not closed and place + 1 == len(found))
        status = self._determine_status(names, unclosed)
        shortened = tuple(name for name in self.chain if any(mark in texts.get(name, "") for mark in self.ellipses))
        complete = set(names) == set(self.parts)
        form: PartsForm = "partial" if not complete else "semi" if shortened else "full"
        answer = texts[self.answer] if status in READ else None
        return Parts(status, form, texts, shortened, answer, starts.get(self.answer, 0))

    def _cut_at_delimiter(self, body: str, part: int) -> tuple[str, bool]:
        """Return `body` up to the delimiter that ends the part with index `part`, and True if that delimiter was found.

        Without end delimiters in the format, returns the whole `body` and True.
        """
        if not self.close:
            return body.strip(), True
        end = body.lower().find(self.close[part].lower())
        return (body if end < 0 else body[:end]).strip(), end >= 0

    def _determine_status(self, names: Sequence[str], unclosed: bool) -> PartsStatus:
        """Return the status of a text whose parts are `names`, in this order. `unclosed`: True if the end delimiter of
        the last part is missing."""
        if len(set(names)) < len(names):
            return "repeated"
        if self.answer not in names:
            return "no_answer"
        if unclosed and names[-1] == self.answer:
            return "unclosed"
        if len(names) < len(self.parts):
            return "missing"
        return "ok" if list(names) == list(self.parts) else "reordered"

    def write_parts(self, texts: Mapping[str, str]) -> str:
        """Return a text in this format. Parts that `texts` does not have are left out."""
        written = []
        for index, name in enumerate(self.parts):
            if name in texts:
                blank = " " if not self.close else ""
                written.append(f"{self.open[index]}{blank}{texts[name]}{self.close[index] if self.close else ''}")
        return "\n".join(written)

    def shorten_chain(self, texts: Mapping[str, str], sentences: int, groups: int) -> dict[str, str]:
        """Return the parts with the first `sentences` sentences of the chain shortened to `groups` word groups each.

        `texts` maps the names of parts to their texts. See `shorten_sentence` for word groups. Sentences are counted
        over all parts of the chain. The answer is not changed.
        """
        left, found = sentences, dict(texts)
        for name in self.chain:
            parts = split_sentences(texts.get(name, ""))
            kept = [
                shorten_sentence(sentence, groups, self.ellipses[0]) if index < left else sentence
                for index, sentence in enumerate(parts)
            ]
            if parts:
                found[name] = " ".join(kept)
            left = max(0, left - len(parts))
        return found

    def count_sentences(self, texts: Mapping[str, str]) -> int:
        """Return the number of sentences in all parts of the chain. `texts` maps the names of parts to their texts."""
        return sum(len(split_sentences(texts.get(name, ""))) for name in self.chain)


def split_sentences(text: str) -> list[str]:
    """Return the sentences of a text, without white space around them."""
    return [sentence.strip() for sentence in _SENTENCE.findall(text) if sentence.strip()]


def shorten_sentence(sentence: str, groups: int, ellipsis: str) -> str:
    """Return the first word groups of a sentence and an ellipsis; the sentence itself if it has no more groups.

    A group is a word; in Chinese and Japanese, which have no spaces, up to two characters, or characters with the kana
    that follow them.
    """
    if _UNSPACED.search(sentence):
        found = _UNSPACED_GROUP.findall(sentence)
        return sentence if len(found) <= groups else "".join(found[:groups]) + ellipsis
    words = sentence.split()
    return sentence if len(words) <= groups else " ".join(words[:groups]) + ellipsis


@cache
def load_formats() -> Mapping[str, PartsFormat]:
    """Return the bundled formats by name."""
    return read_formats(FORMATS)


def read_formats(path: Path) -> dict[str, PartsFormat]:
    """Return the formats of a TOML file by name. Raises UsageError for an incomplete format."""
    tables: dict[str, dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))
    found = {}
    for name, table in tables.items():
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
        }
        try:
            found[name] = PartsFormat(name=name, **values)
        except TypeError as error:
            raise UsageError(f"{path}: format {name}: {error}; expected version, parts, open, close") from error
    return found


def get_format(name: str) -> PartsFormat:
    """Return a format. `name` is the name of a bundled format, or `FILE.toml:NAME` for the format NAME of a file.
    Raises UsageError for an unknown name."""
    file, colon, own = name.rpartition(":")
    known = load_formats() if not colon else _read_formats_once(file)
    if own not in known:
        raise UsageError(
            f"unknown format {name!r} of answers in parts; known: {format_similar_names(own, list(known))}"
        )
    return known[own]


@cache
def _read_formats_once(file: str) -> Mapping[str, PartsFormat]:
    path = Path(file).expanduser()
    if not path.is_file():
        raise UsageError(f"{file}: no such file of formats of answers in parts")
    return read_formats(path)
