"""The built-in demo world: seeded sound scenes, the questions that can be asked about them, and their sound.

A fresh machine can run every task and train on it with no download. Tasks turn these questions into files of their own
format (`tasks/*/demo.py`). Nothing is imported from scipy before the first clip is synthesised.
"""

from alm_bench.demo.annotated_questions import annotated_questions
from alm_bench.demo.dataset import FIRST_VERSION, DatasetRows, Demo, DemoData, format_csv
from alm_bench.demo.describe import captions, difference
from alm_bench.demo.entailment import hypotheses
from alm_bench.demo.frame_targets import CUES, frame_cues
from alm_bench.demo.mcq import questions
from alm_bench.demo.root import DemoRoot, demo_root, synthesise, training_root
from alm_bench.demo.scene import SECONDS, WORLD, Event, Scene, frame_tags, scene
from alm_bench.demo.training import training_rows
from alm_bench.demo.vocabulary import EVENT_TYPES, FAMILIES, TAGS, EventType

__all__ = [
    "CUES",
    "EVENT_TYPES",
    "FAMILIES",
    "FIRST_VERSION",
    "SECONDS",
    "TAGS",
    "WORLD",
    "DatasetRows",
    "Demo",
    "DemoData",
    "DemoRoot",
    "Event",
    "EventType",
    "Scene",
    "annotated_questions",
    "captions",
    "demo_root",
    "difference",
    "event_types",
    "format_csv",
    "frame_cues",
    "frame_tags",
    "hypotheses",
    "questions",
    "scene",
    "synthesise",
    "training_root",
    "training_rows",
]


def event_types() -> tuple[EventType, ...]:
    """Every kind of event the world has."""
    return tuple(EVENT_TYPES.values())
