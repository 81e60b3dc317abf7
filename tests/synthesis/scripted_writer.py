"""A scripted language model that writes questions about captions of the demo data, with faults at known rates, and a
scripted text-only model that has general knowledge and otherwise guesses."""

import random
import re
from collections.abc import Mapping, Sequence

from alm_bench.core import AdapterIdentity, AudioPolicy, BaseAdapter, Decoding, NoOptions, Output, Request, Runtime
from alm_bench.demo import EVENT_TYPES, EventType

RATE = 0.06
"""Share of the questions of a form that have each fault; twice as many for a fault that is listed twice."""

FAULTS: Mapping[str, tuple[str, ...]] = {
    "choice": (
        *("text_solvable", "refused", "repetitive", "malformed", "ill_formed"),
        *("both_options", "letter_case", "longest_option", "longest_option", "unsupported"),
    ),
    "detail": ("text_solvable", "refused", "repetitive", "ill_formed", "unsupported"),
}
"""Faults by form, named as the filters that find them."""

KNOWLEDGE = {
    "Which animal gives milk on a farm?": ("the cow", "the hen", "the fox", "the owl"),
    "What do firefighters put out?": ("flames", "lamps", "radios", "taps"),
    "Which instrument has black and white keys?": ("the piano", "the drum", "the flute", "the horn"),
    "What falls from dark clouds?": ("rain", "sand", "leaves", "glass"),
    "Where do trains stop for passengers?": ("stations", "harbours", "airports", "meadows"),
}
"""Questions that need no audio: the right answer first."""

DETAILS = {question: f"It is {answers[0]}, as everybody learns at school." for question, answers in KNOWLEDGE.items()}


def list_heard(caption: str) -> list[EventType]:
    """Return the event types that a caption names, in its order."""
    found = [(caption.lower().find(kind.caption.lower()), kind) for kind in EVENT_TYPES.values()]
    return [kind for place, kind in sorted(found, key=lambda pair: pair[0]) if place >= 0]


def find_fault(name: str, number: int, form: str) -> str | None:
    """Return the fault of question `number` in the answer to the request `name`; None for a sound one."""
    faults = FAULTS[form]
    draw = random.Random(f"fault/{name}/{number}").random()
    return faults[int(draw / RATE)] if draw < RATE * len(faults) else None


def find_fault_of_row(row: str) -> str | None:
    """Return the fault of the row with this id."""
    name, _, number = row.rpartition("/")
    return find_fault(name, int(number), name.rpartition("/")[2])


class ScriptedWriter(BaseAdapter):
    """Writes five questions per call in the form that the prompts ask for. `calls` counts its requests."""

    audio: AudioPolicy | None = None

    def __init__(self, stop_after: int | None = None) -> None:
        super().__init__(NoOptions(), Runtime())
        self.identity = AdapterIdentity("scripted writer", "scripted", weights="1")
        self.calls: list[str] = []
        self._stop_after = stop_after

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> list[Output]:
        if self._stop_after is not None and len(self.calls) >= self._stop_after:
            raise KeyboardInterrupt
        self.calls += [request.id for request in batch]
        return [Output(self._write(request)) for request in batch]

    def _write(self, request: Request) -> str:
        form = request.id.rpartition("/")[2]
        heard = list_heard(request.prompt.rpartition("Description: ")[2])
        blocks = []
        for number in range(5):
            rng = random.Random(f"text/{request.id}/{number}")
            fault = find_fault(request.id, number, form)
            write = write_choice if form == "choice" else write_detail
            blocks.append(write(rng, heard, fault))
        return "\n\n".join(blocks)


def draw_absent(rng: random.Random, heard: Sequence[EventType], count: int) -> list[EventType]:
    """Draw event types that share no word with those that are heard."""
    words = {word for kind in heard for word in re.findall(r"\w+", f"{kind.label} {kind.caption} {kind.source}")}
    known = [kind for kind in EVENT_TYPES.values() if not words & set(re.findall(r"\w+", kind.label))]
    return rng.sample(known, count)


def draw_wrong_options(rng: random.Random, heard: Sequence[EventType], right: str) -> list[str]:
    """Draw four wrong options. The right one is the longest of it and the first three in about a quarter of the
    questions."""
    absent = [kind.label for kind in draw_absent(rng, heard, 12)]
    shorter = [label for label in absent if len(label) < len(right)]
    others = [label for label in absent if len(label) >= len(right)]
    first = shorter[:3] if rng.random() < 0.28 and len(shorter) >= 3 else [*others[:1], *shorter[:2]]
    first += [label for label in absent if label not in first][: 3 - len(first)]
    return [*first, next(label for label in absent if label not in first)]


def write_question(rng: random.Random, heard: Sequence[EventType], fault: str | None) -> str:
    """Write a question that many rows share only if that is its fault."""
    if fault == "repetitive":
        noun = rng.choice(("audio", "recording", "clip", "audio clip"))
        return rng.choice(("What can be heard in the {}?", "What can you hear in this {}?")).format(noun)
    other, third = rng.sample(list(EVENT_TYPES.values()), 2)
    place = rng.choice(("near", "beside", "far from", "close to", "behind", "in front of", "to the left of"))
    scene = rng.choice(("street", "kitchen", "harbour", "forest", "workshop", "stable", "attic", "market", "garage"))
    text = f"Which of these happens {place} the {scene}, unlike {other.label} or {third.label}?"
    return f"According to the caption, {text[0].lower()}{text[1:]}" if fault == "ill_formed" else text


def write_choice(rng: random.Random, heard: Sequence[EventType], fault: str | None) -> str:
    """Write a multiple-choice question, whose right option is a sound that is heard."""
    right = rng.choice(heard).label
    wrong = draw_wrong_options(rng, heard, right)
    question = write_question(rng, heard, fault)
    if fault == "text_solvable":
        question = rng.choice(list(KNOWLEDGE))
        right, *wrong = KNOWLEDGE[question]
        question = question.replace("?", f" near the {rng.choice(heard).label}?")
    if fault == "refused":
        right = rng.choice(("unknown", "It is not specified", "It cannot be determined", "not mentioned in the audio"))
    if fault == "unsupported":
        right = wrong[3]
    if fault == "longest_option":
        right = f"{right} going on and on in the way that was to be expected of {right} all the time"
    choices = [right, *wrong[:3]]
    if fault == "both_options":
        choices[3] = rng.choice((f"both {choices[1]} and {choices[2]}", "all of the above", "Both a) and b)"))
    order = rng.sample(range(4), 4)
    target = order.index(0)
    shown = [choices[index] for index in order]
    answer = f"{'abcd'[target]}) {shown[target]}"
    if fault == "letter_case":
        shown[target] = rng.choice((str.upper, str.capitalize))(shown[target])
        answer = f"{'abcd'[target]}) {shown[target]}"
    if fault == "malformed":
        kind = rng.randrange(4)
        if kind == 0:
            shown[(target + 1) % 4] = ""
        elif kind == 1:
            shown[(target + 1) % 4] = shown[target]
        elif kind == 2:
            answer = wrong[3]
        else:
            shown, answer = [right], "a"
    lines = [f"{letter}) {text}" for letter, text in zip("abcd", shown, strict=False)]
    return "\n".join([f"Question: {question}", *lines, f"Answer: {answer}"])


def write_detail(rng: random.Random, heard: Sequence[EventType], fault: str | None) -> str:
    """Write a question with an answer in a sentence."""
    question = write_question(rng, heard, fault).replace("Which of these happens", "What happens")
    answer = f"{' and then '.join(kind.caption for kind in heard)} in the recording."
    if fault == "text_solvable":
        question = rng.choice(list(DETAILS))
        answer = DETAILS[question]
    if fault == "refused":
        answer = "The recording does not say; this information is not provided."
    if fault == "unsupported":
        answer = f"{' and then '.join(kind.caption for kind in draw_absent(rng, heard, 2))} in the recording."
    return f"Question: {question}\nAnswer: {answer[0].upper()}{answer[1:]}"


class ScriptedSolver(BaseAdapter):
    """Answers questions of general knowledge rightly, and guesses otherwise. `calls` has the ids of its requests, with
    their options."""

    audio: AudioPolicy | None = None

    def __init__(self, stop_after: int | None = None) -> None:
        super().__init__(NoOptions(), Runtime())
        self.identity = AdapterIdentity("scripted solver", "scripted", weights="1")
        self.calls: list[str] = []
        self._stop_after = stop_after

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> list[Output]:
        if self._stop_after is not None and len(self.calls) >= self._stop_after:
            raise KeyboardInterrupt
        self.calls += [" ".join([request.id, *request.choices]) for request in batch]
        return [Output(self._solve(request)) for request in batch]

    def _solve(self, request: Request) -> str:
        known = next((question for question in KNOWLEDGE if question.rstrip("?") in request.prompt), None)
        if not request.choices:
            return "I think that it is quiet." if known is None else DETAILS[known]
        if known is not None and KNOWLEDGE[known][0] in request.choices:
            return KNOWLEDGE[known][0]
        return random.Random(f"guess/{request.id}").choice(request.choices)
