"""Listening pays: a linear listener, taught on a few hundred tagged scenes, answers questions that no text answers."""

from collections.abc import Callable, Sequence
from itertools import islice

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from alm_bench.demo import EVENT_TYPES, TAGS, Scene, build_scene, compute_frame_tags, synthesise
from alm_bench.demo.mcq import BLOCK, Question, iterate_questions

STEPS = 31
COLUMNS = {
    name.lower(): TAGS.index(kind.key)
    for kind in EVENT_TYPES.values()
    for name in (kind.label, kind.source, kind.place)
}


LogMel = Callable[[np.ndarray], np.ndarray]


def steps(log_mel: LogMel, known: Scene) -> np.ndarray:
    """A third of a second at a time: mean, peak, spread and flutter of every log-mel band. Shape (31, 160)."""
    mel = log_mel(synthesise(known))[: STEPS * 16].reshape(STEPS, 16, -1)
    return np.concatenate([mel.mean(1), mel.max(1), mel.std(1), np.abs(np.diff(mel, axis=1)).mean(1)], 1)


@pytest.fixture(scope="module")
def listener(log_mel: LogMel) -> Pipeline:
    scenes = [build_scene("train", index) for index in range(250)]
    heard = np.concatenate([steps(log_mel, known) for known in scenes])
    on = np.concatenate([compute_frame_tags(known, STEPS) for known in scenes])
    return make_pipeline(StandardScaler(), Ridge(30.0)).fit(heard, on)


def share_right(listener: Pipeline, log_mel: LogMel, items: Sequence[Question]) -> float:
    right = []
    for item in items:
        evidence = np.sort(listener.predict(steps(log_mel, item.scene)), axis=0)[-4:].mean(0)
        chosen = max(range(len(item.choices)), key=lambda i: evidence[COLUMNS[item.choices[i].lower()]])
        right.append(chosen == item.gold)
    return float(np.mean(right))


@pytest.mark.parametrize("skill", ["Event Presence", "Source Inference", "Loudness Comparison"])
def test_a_linear_listener_beats_chance_by_far(listener: Pipeline, log_mel: LogMel, skill: str) -> None:
    items = [item for item in islice(iterate_questions("test"), 4 * BLOCK) if item.skill == skill]
    assert share_right(listener, log_mel, items) >= 0.5  # of four options
