"""Built-in demo data: seeded random sound scenes, questions about them, and their synthesised audio.

Every task can be run and trained on without a download. Tasks write these questions to files in their own format
(`tasks/*/demo.py`). scipy is imported only when the first clip is synthesised.
"""

from alm_bench.demo.annotated_questions import annotated_questions
from alm_bench.demo.dataset import FIRST_VERSION, DatasetRows, Demo, DemoData, format_csv
from alm_bench.demo.describe import captions, difference
from alm_bench.demo.entailment import hypotheses
from alm_bench.demo.frame_targets import TARGET_COLUMNS, compute_frame_targets
from alm_bench.demo.mcq import questions
from alm_bench.demo.root import DemoRoot, create_training_root, demo_root, synthesise
from alm_bench.demo.scene import SECONDS, WORLD, Event, Scene, compute_frame_tags, scene
from alm_bench.demo.training import training_rows
from alm_bench.demo.vocabulary import EVENT_TYPES, FAMILIES, TAGS, EventType

__all__ = [
    "EVENT_TYPES",
    "FAMILIES",
    "FIRST_VERSION",
    "SECONDS",
    "TAGS",
    "TARGET_COLUMNS",
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
    "compute_frame_tags",
    "compute_frame_targets",
    "create_training_root",
    "demo_root",
    "difference",
    "event_types",
    "format_csv",
    "hypotheses",
    "questions",
    "scene",
    "synthesise",
    "training_rows",
]


def event_types() -> tuple[EventType, ...]:
    """Return all event types of the demo data."""
    return tuple(EVENT_TYPES.values())
