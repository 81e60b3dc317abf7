"""Curves of events and marked words: from made-up event heads, as a picture and as a page."""

import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_page import EVENT_HEAD
from small_world import alm, model, refusal, tone

from alm_bench.core import EventPresence, UsageError
from alm_bench.reports.event_curves import build_event_curves, mark_event_words, rename_classes
from alm_bench.reports.explanation import ExplainedClip, Explanation, write_explanation


def presence(names: tuple[str | None, ...] | None, peaks: list[float], steps: int = 8) -> EventPresence:
    """An event head whose classes reach their peaks in the second quarter of 10 s."""
    values = np.full((steps, len(peaks)), 0.01, np.float32)
    values[steps // 4 : steps // 2] = peaks
    return EventPresence(values, np.zeros((50, 16), np.float32), 10.0, names)


def marked(text: str, *clips: EventPresence, **settings: Any) -> dict[str, str]:
    parts = mark_event_words(text, clips, **settings)
    assert "".join(part.text for part in parts) == text
    return {part.text: part.state for part in parts if part.state is not None}


def test_the_highest_curves_come_first_and_only_events_have_one() -> None:
    found = presence(("dog barking", None, "rain falling", "bell"), [0.4, 1.0, 0.9, 0.1])
    curves = build_event_curves(found, 2)
    assert [(curve.index, curve.name) for curve in curves] == [(2, "rain falling"), (0, "dog barking")]
    assert curves[0].values == tuple(found.probabilities[:, 2])
    assert curves[0].list_spans() == [(2.5, 5.0)]
    assert curves[1].list_spans() == []
    assert curves[1].list_spans(0.4) == [(2.5, 5.0)], "the threshold itself counts"
    assert len(build_event_curves(found, None)) == 3


def test_two_parts_of_an_event_are_two_spans() -> None:
    values = np.array([[0.9], [0.1], [0.8], [0.7]], np.float32)
    (curve,) = build_event_curves(EventPresence(values, np.zeros((4, 2)), 8.0))
    assert curve.list_spans() == [(0.0, 2.0), (4.0, 8.0)]


def test_classes_without_names_are_numbered_and_named_by_a_file() -> None:
    found = presence(None, [0.2, 0.7])
    assert [curve.name for curve in build_event_curves(found)] == ["class 1", "class 0"]
    assert marked("a class of dogs", found) == {}, "a number names no event"
    named = rename_classes(found, ["Bark", "Rain on surface"], "names.csv")
    assert [curve.name for curve in build_event_curves(named)] == ["Rain on surface", "Bark"]
    with pytest.raises(UsageError, match=r"names.csv names 3 classes, but the model's event head has 2"):
        rename_classes(found, ["a", "b", "c"], "names.csv")


def test_words_that_name_events_are_marked_in_any_form() -> None:
    found = presence(("dog barking", "rain falling", "person speaking", "Sound effect"), [0.9, 0.2, 0.6, 0.0])
    words = marked("The dogs barked while Rain fell; a person's speech, no sounds.", found)
    assert words == {"dogs": "present", "barked": "present", "Rain": "absent", "person's": "present"}
    assert marked("rain", found, threshold=0.2) == {"rain": "present"}
    other = presence(("dog barking", "rain falling", "person speaking", "Sound effect"), [0.0, 0.8, 0.0, 0.0])
    assert marked("dog and rain", found, other) == {"dog": "present", "rain": "present"}, "in any of the clips"


def test_a_word_of_several_events_is_present_if_any_of_them_is() -> None:
    found = presence(("violin playing", "flute playing"), [0.9, 0.1])
    assert marked("a flute plays", found) == {"flute": "absent", "plays": "present"}


EVIL = "</script><img src=x onerror=alert(1)> $x$ \\u202e \x1b[1m " + "long" * 80


def explanation(text: str) -> Explanation:
    names = (f"dog {text}", "rain", None)
    clips = [ExplainedClip(f"{text}.wav", presence(names, [0.9, 0.1, 0.2]), b"RIFF")]
    return Explanation(f"model {text}", f"Ask {text}", f"A dog in the rain. {text}\n\nEnd", clips)


@pytest.mark.filterwarnings("error::UserWarning")  # matplotlib's, that there is no room for the curves
def test_a_picture_and_a_page_are_written_whatever_the_texts_are(tmp_path: Path) -> None:
    write_explanation(explanation(EVIL), tmp_path / "x.png")
    head = (tmp_path / "x.png").read_bytes()[:24]
    (width,) = struct.unpack(">I", head[16:20])
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert width > 800
    write_explanation(explanation(EVIL), tmp_path / "x.html")
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert len(re.findall("<img ", page)) == 1
    assert re.findall("<img[^>]*onerror", page) == []
    assert '<mark class="present" title="present">dog</mark>' in page
    assert '<mark class="absent" title="absent">rain</mark>' in page
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; img-src data:; media-src data:; style-src 'sha256-")
    assert "http" not in re.sub(r'http-equiv|base64,[^"]*', "", page), "it refers to nothing outside"
    assert "2.5-5.0" in page


def test_ask_explains_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tone(tmp_path / "a.wav", 300)
    listens = model(tmp_path / "head.py", EVENT_HEAD.replace("NAMES", "('dog barking', 'rain falling')"))
    asked = ("ask", "--audio", "a.wav", "What happens?", "--model")
    ran = alm(*asked, listens, "--explain", "out.html", "--json")
    assert ran.json["explanation"] == "out.html"
    assert ran.json["clips"] == [
        {
            "clip": "a.wav",
            "events": [
                {"class": 0, "name": "dog barking", "peak": 0.9, "present": [[0.0, 1.0]]},
                {"class": 1, "name": "rain falling", "peak": 0.1, "present": []},
            ],
        }
    ]
    assert ">barks</mark>" in Path("out.html").read_text()
    nameless = model(tmp_path / "nameless.py", EVENT_HEAD.replace("NAMES", "None"))
    numbered = alm(*asked, nameless, "--explain", "o.png")
    assert numbered.out == "A dog barks, and it rains.\n"
    assert "curves are numbered and no words marked: use --event-names" in numbered.err
    assert numbered.err.endswith("\nexplanation written to o.png\n")
    Path("names.csv").write_text("index,mid,display_name\n1,/m/r,Rain\n0,/m/d,Dog\n")
    ran = alm(*asked, nameless, "--explain", "o.png", "--event-names", "names.csv", "--event-threshold", 0.05, "--json")
    assert [event["name"] for event in ran.json["clips"][0]["events"]] == ["Dog", "Rain"]
    assert ran.json["clips"][0]["events"][1]["present"] == [[0.0, 1.0]]
    deaf = model(tmp_path / "deaf.py", "    def answer(self, request):\n        return 'a'\n")
    for tail, message in (
        ((deaf, "--explain", "o.png"), "--explain takes a model with an event head, which Model does not have"),
        ((listens, "--explain", "o.pdf"), "--explain takes a file NAME.png or NAME.html, found o.pdf"),
        ((listens, "--event-names", "names.csv"), "--event-names goes with --explain FILE"),
    ):
        assert message in refusal(alm(*asked, *tail))
    assert "name one with --audio" in refusal(alm("ask", "x", "--model", listens, "--explain", "o.png"))
    Path("names.csv").write_text("index,mid,display_name\n0,/m/r,Rain\n0,/m/d,Dog\n")
    broken = alm(*asked, nameless, "--explain", "o.png", "--event-names", "names.csv")
    assert "line 3 repeats the index 0" in broken.err
