"""Explanation of one answer: log-mel spectrogram and event curves of each clip, and the event words of the answer.

It is written as a picture (PNG) or as a page (HTML) that needs no network.
"""

import base64
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alm_bench.core import EventPresence, UsageError
from alm_bench.core.escape import escape_lines, escape_terminal
from alm_bench.core.files import write_atomically
from alm_bench.reports.event_curves import CURVES, THRESHOLD, EventCurve, TextPart, build_event_curves, mark_event_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".html")
"""File name endings of the forms of an explanation."""

_STYLE_COLOURS = {"present": "#0b5fa5", "absent": "#b34700", None: "black"}
"""Colours of words: distinguishable for the colour-blind, and readable on white."""

_CURVE_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9")
"""Colours of curves: the palette of Okabe and Ito."""

_LINE_STYLES = ("-", "--", ":", "-.", (0, (5, 1)))

_COLUMNS = 96
"""Characters per line of the texts below the curves."""

_MAX_LINES = 40
"""Largest number of lines of a text in the picture; the page has all of it."""


@dataclass(frozen=True, slots=True)
class ExplainedClip:
    """One clip of a question with the output of the model's event head."""

    name: str
    """Name of the clip."""

    presence: EventPresence
    """Output of the event head."""

    audio: bytes
    """Encoded audio as the model gets it (WAV)."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One answer of a model with the events of its clips."""

    model: str
    """Label of the model."""

    prompt: str
    """Prompt as it was sent."""

    answer: str
    """Raw text of the answer."""

    clips: Sequence[ExplainedClip]
    """Clips of the question."""

    threshold: float = THRESHOLD
    """Probability from which an event counts as present."""

    def list_curves(self, clip: ExplainedClip) -> list[EventCurve]:
        return build_event_curves(clip.presence, CURVES)

    def split_answer(self) -> list[TextPart]:
        """Return the answer in parts, in which each word that names a sound event has the state of that event."""
        return mark_event_words(self.answer, [clip.presence for clip in self.clips], self.threshold)

    def as_json(self) -> list[dict[str, Any]]:
        """Return the sound events of each clip as JSON values: peak probability and times, but not the curve."""
        return [
            {
                "clip": clip.name,
                "events": [_convert_curve_to_json(curve, self.threshold) for curve in self.list_curves(clip)],
            }
            for clip in self.clips
        ]


def _convert_curve_to_json(curve: EventCurve, threshold: float) -> dict[str, Any]:
    spans = [[round(start, 2), round(end, 2)] for start, end in curve.list_spans(threshold)]
    return {"class": curve.index, "name": curve.name, "peak": round(curve.peak, 4), "present": spans}


def check_explanation_path(path: Path) -> None:
    """Raise UsageError unless the file name has one of `SUFFIXES`."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--explain takes a file {' or '.join(f'NAME{suffix}' for suffix in SUFFIXES)}, found {path}")


def write_explanation(explanation: Explanation, path: Path) -> None:
    """Write an explanation as a picture or a page, depending on the suffix of `path`. Raises StoreError."""
    check_explanation_path(path)
    if path.suffix.lower() == ".png":
        write_atomically(path, _draw_picture(explanation), "--explain")
    else:
        write_atomically(path, render_page(explanation), "--explain")


def _draw_picture(explanation: Explanation) -> bytes:
    """Return a PNG with two panels per clip, log-mel and curves, above the prompt and the marked answer."""
    texts = [("prompt", [TextPart(explanation.prompt)]), ("answer", explanation.split_answer())]
    blocks = [(title, _wrap_parts(parts)[:_MAX_LINES]) for title, parts in texts]
    lines = sum(len(block) + 2 for _, block in blocks) + 3
    panels = 2 * len(explanation.clips)
    heights = [1.6, 2.0] * len(explanation.clips) + [0.19 * lines]
    figure = _make_figure(sum(heights) + 0.55 * (panels + 1))
    axes = figure.subplots(panels + 1, 1, squeeze=False, height_ratios=heights)[:, 0]
    for number, clip in enumerate(explanation.clips):
        _draw_panels(axes[2 * number], axes[2 * number + 1], clip, explanation)
    _draw_texts(axes[-1], blocks, lines, explanation)
    figure.suptitle(_shorten(explanation.model, 80), parse_math=False)
    return _encode_png(figure)


def draw_clip_picture(clip: ExplainedClip, explanation: Explanation) -> bytes:
    """Return a PNG of one clip: its log-mel, and below it the curves of its sound events."""
    figure = _make_figure(4.4)
    upper, lower = figure.subplots(2, 1, height_ratios=[1.6, 2.0])
    _draw_panels(upper, lower, clip, explanation)
    return _encode_png(figure)


def _make_figure(height: float) -> "Figure":
    """Return an empty figure of this height in inches. Without pyplot, it has no window that would have to be
    closed."""
    from matplotlib.figure import Figure

    return Figure(figsize=(10.0, height), layout="constrained")


def _encode_png(figure: "Figure") -> bytes:
    out = io.BytesIO()
    figure.savefig(out, dpi=110, format="png")
    return out.getvalue()


def _draw_panels(upper: Any, lower: Any, clip: ExplainedClip, explanation: Explanation) -> None:
    """Draw the log-mel of a clip, and its event curves below on the same time axis."""
    seconds = clip.presence.seconds
    upper.imshow(clip.presence.logmel.T, origin="lower", aspect="auto", extent=(0, seconds, 0, 1), cmap="viridis")
    upper.set_yticks([])
    upper.set_ylabel("log-mel")
    upper.set_xlim(0, seconds)
    upper.set_title(_shorten(clip.name, 80), loc="left", fontsize="medium", parse_math=False)
    for number, curve in enumerate(explanation.list_curves(clip)):
        count = len(curve.values)
        edges = [seconds * step / count for step in range(count + 1)]
        style, colour = _LINE_STYLES[number % len(_LINE_STYLES)], _CURVE_COLOURS[number % len(_CURVE_COLOURS)]
        name = _shorten(curve.name, 36).replace("$", r"\$").lstrip("_")
        values = [*curve.values, curve.values[-1]]
        lower.plot(edges, values, drawstyle="steps-post", color=colour, linestyle=style, label=name)
    lower.axhline(explanation.threshold, color="0.6", linewidth=0.8)
    lower.set_xlim(0, seconds)
    lower.set_ylim(-0.03, 1.03)
    lower.set_ylabel("probability")
    lower.set_xlabel("time in the clip as the model gets it (s)")
    lower.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _shorten(text: str, characters: int) -> str:
    """Return a name in one line of at most `characters` characters: a longer one would leave no room for the curves."""
    shown = escape_terminal(text)
    return shown if len(shown) <= characters else shown[: characters - 1] + "…"


def _wrap_parts(parts: Sequence[TextPart]) -> list[list[TextPart]]:
    """Return the parts of a text in lines of at most `_COLUMNS` characters, broken between words where possible."""
    lines: list[list[TextPart]] = [[]]
    width = 0
    for part in parts:
        for piece in _split_words(escape_lines(part.text)):
            if piece == "\n":
                lines.append([])
                width = 0
                continue
            if width + len(piece.rstrip()) > _COLUMNS and width:
                lines.append([])
                width, piece = 0, piece.lstrip()
            lines[-1].append(TextPart(piece, part.state))
            width += len(piece)
    return lines


def _split_words(text: str) -> list[str]:
    """Return the words of a text with the space that follows each, and each newline by itself. Words longer than a
    line are cut."""
    pieces: list[str] = []
    for number, line in enumerate(text.expandtabs(4).split("\n")):
        pieces += ["\n"] if number else []
        for word in line.split(" "):
            cut = [word[start : start + _COLUMNS - 1] for start in range(0, len(word), _COLUMNS - 1)] or [""]
            pieces += [*cut[:-1], cut[-1] + " "]
        if pieces and pieces[-1].endswith(" "):
            pieces[-1] = pieces[-1][:-1]
    return [piece for piece in pieces if piece]


def _draw_texts(
    axes: Any, blocks: Sequence[tuple[str, list[list[TextPart]]]], lines: int, explanation: Explanation
) -> None:
    """Draw wrapped texts below their titles, and a legend of the marked words.

    The font has a fixed width, so that the position of a part follows from the number of characters before it. `lines`
    is the height of the axes in lines.
    """
    axes.set_axis_off()
    axes.set_xlim(0, _COLUMNS + 2)
    axes.set_ylim(lines, 0)
    font = {"family": "monospace", "fontsize": 9, "va": "top", "parse_math": False}
    row = 0.0
    for title, block in blocks:
        axes.text(0, row, title, weight="bold", **font)
        for line in block:
            row += 1
            column = 0
            for part in line:
                weight = "bold" if part.state else "normal"
                axes.text(column, row, part.text, color=_STYLE_COLOURS[part.state], weight=weight, **font)
                column += len(part.text)
        row += 2
    if any(clip.presence.names for clip in explanation.clips):
        for state in ("present", "absent"):
            axes.text(0, row, describe_state(state, explanation.threshold), color=_STYLE_COLOURS[state], **font)
            row += 1


def describe_state(state: str, threshold: float) -> str:
    """Return the legend entry that explains how words with the state `present` or `absent` are marked."""
    reach = "an event of this name reaches" if state == "present" else "no event of this name reaches"
    return f"{state}: {reach} a probability of {threshold:g} in a clip"


def render_page(explanation: Explanation) -> str:
    """Return an HTML page without references to other files. Texts of the model are escaped."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(loader=PackageLoader("alm_bench.reports", "templates"), autoescape=True)
    clips = [
        {
            "name": clip.name,
            "picture": base64.b64encode(draw_clip_picture(clip, explanation)).decode(),
            "audio": base64.b64encode(clip.audio).decode(),
            "curves": [
                (curve.name, f"{curve.peak:.2f}", _format_spans(curve, explanation.threshold))
                for curve in explanation.list_curves(clip)
            ],
        }
        for clip in explanation.clips
    ]
    style = environment.loader.get_source(environment, "explanation.css.tmpl")[0]  # type: ignore[union-attr]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    states = {state: describe_state(state, explanation.threshold) for state in ("present", "absent")}
    return environment.get_template("explanation.html.tmpl").render(
        explanation=explanation,
        parts=explanation.split_answer(),
        clips=clips,
        style=style,
        digest=digest,
        states=states if any(clip.presence.names for clip in explanation.clips) else {},
    )


def _format_spans(curve: EventCurve, threshold: float) -> str:
    """Return the times at which an event is present, such as `0.3-2.1, 5.0-5.6`; `-` if it never is."""
    return ", ".join(f"{start:.1f}-{end:.1f}" for start, end in curve.list_spans(threshold)) or "-"
