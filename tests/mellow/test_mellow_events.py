"""The event head: the bundled network's curves on scenes whose events are known, and the names of its classes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from alm_bench.adapters.mellow import MellowAdapter, MellowOptions
from alm_bench.core import EventPresence, Runtime, Wave
from alm_bench.core.errors import CheckpointError
from alm_bench.core.forwarding import ForwardingAdapter
from alm_bench.demo import EVENT_TYPES, SECONDS, TARGET_COLUMNS, Scene, build_scene, synthesise
from alm_bench.mellow.checkpoint import EVENTS, SHIPPED, load, save_folder
from alm_bench.mellow.model import Mellow
from alm_bench.reports.event_curves import build_event_curves, mark_event_words
from alm_bench.train.mini import format_events

SCENES = 6


@dataclass(frozen=True)
class Heard:
    """Scenes with what the bundled network's event head gives for their clips."""

    adapter: MellowAdapter
    scenes: Sequence[Scene]
    waves: Sequence[Wave]
    found: Sequence[EventPresence]


@pytest.fixture(scope="module")
def heard() -> Heard:
    adapter = MellowAdapter(MellowOptions(), Runtime(device="cpu"))
    scenes = [build_scene("of the event head", number) for number in range(SCENES)]
    waves = [synthesise(one) for one in scenes]
    return Heard(adapter, scenes, waves, adapter.event_presence(waves))


def test_the_events_of_a_scene_are_among_the_top_three_curves_where_they_sound(heard: Heard) -> None:
    checked = 0
    for one, presence in zip(heard.scenes, heard.found, strict=True):
        curves = build_event_curves(presence, None)
        assert {curve.name for curve in curves} == {kind.label for kind in EVENT_TYPES.values()}
        for event in one.events:
            steps = len(curves[0].values)
            start, end = int(event.onset / SECONDS * steps), max(int(event.end / SECONDS * steps), 1)
            there = {curve.name: np.mean(curve.values[start : max(end, start + 1)]) for curve in curves}
            ranked = sorted(there, key=lambda name: -there[name])
            assert EVENT_TYPES[event.type].label in ranked[:3], (one, ranked[:5])
            checked += 1
    assert checked >= SCENES


def test_the_top_curves_of_a_clip_are_its_events_and_words_are_marked_by_them(heard: Heard) -> None:
    for one, presence in zip(heard.scenes, heard.found, strict=True):
        labels = {EVENT_TYPES[event.type].label for event in one.events}
        top = build_event_curves(presence, len(labels))
        assert {curve.name for curve in top} == labels
        present, absent = next(iter(labels)), "xylophone" if not any("xylo" in name for name in labels) else "siren"
        states = {part.text: part.state for part in mark_event_words(f"{present}. {absent}", [presence]) if part.state}
        assert states[present.split()[0]] == "present"
        assert states[absent] == "absent"


def test_the_curves_are_the_networks_own_framewise_output(heard: Heard) -> None:
    network = load(None).model.encoder
    with torch.inference_mode():
        expected = network(torch.from_numpy(np.stack(heard.waves[:2]))).framewise.numpy()
    for presence, values in zip(heard.found, expected, strict=False):
        np.testing.assert_allclose(presence.probabilities, values, atol=1e-5)
        assert presence.seconds == SECONDS
        assert presence.logmel.shape[1] == network.config.mels


def test_an_adapter_around_another_has_its_event_head(heard: Heard) -> None:
    assert heard.adapter.abilities.event_presence
    around = ForwardingAdapter(heard.adapter)
    assert around.abilities.event_presence
    (found,) = around.event_presence(heard.waves[:1])
    assert np.array_equal(found.probabilities, heard.found[0].probabilities)


def test_the_bundled_folders_name_their_classes() -> None:
    for folder in SHIPPED.values():
        assert (folder / EVENTS).read_text() == format_events(), "python -m alm_bench.train.mini network writes it"
    names = json.loads(format_events())
    assert len(names) == len(TARGET_COLUMNS)
    assert [name for name in names if name is not None] == [kind.label for kind in EVENT_TYPES.values()]


def test_a_folder_may_name_its_classes(tiny: Mellow, tokenizer: Tokenizer, tmp_path: Path) -> None:
    save_folder(tmp_path, tiny, tokenizer)
    assert load(str(tmp_path)).events is None
    classes = tiny.config.encoder.classes
    names = [*(f"event {number}" for number in range(classes - 1)), None]
    (tmp_path / EVENTS).write_text(json.dumps(names))
    assert load(str(tmp_path)).events == tuple(names)
    for content, message in (
        ("[1]", "expected a list of names and nulls"),
        ('["one"]', f"names 1 classes, but the encoder has {classes}"),
        ("{", "is no JSON"),
    ):
        (tmp_path / EVENTS).write_text(content)
        with pytest.raises(CheckpointError, match=message):
            load(str(tmp_path))
