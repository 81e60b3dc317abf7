"""Built-in demo data: seeded random sound scenes, questions about them, and their synthesised audio.

Every task can be run and trained on without a download. Tasks write these questions to files in their own format
(`tasks/*/demo.py`). scipy is imported only when the first clip is synthesised.
"""

from alm_bench.demo.annotated_questions import iterate_annotated_questions
from alm_bench.demo.chains import INSTRUCTIONS, build_chain_rows
from alm_bench.demo.dataset import FIRST_VERSION, DatasetRows, Demo, DemoData, format_csv
from alm_bench.demo.describe import describe_difference, write_captions
from alm_bench.demo.entailment import iterate_hypotheses
from alm_bench.demo.frame_targets import TARGET_COLUMNS, compute_frame_targets
from alm_bench.demo.mcq import iterate_questions
from alm_bench.demo.root import DemoRoot, create_demo_root, create_training_root, synthesise
from alm_bench.demo.scene import SECONDS, WORLD, Event, Scene, build_scene, compute_frame_tags
from alm_bench.demo.training import build_training_rows
from alm_bench.demo.vocabulary import EVENT_TYPES, FAMILIES, TAGS, EventType

__all__ = [
    "EVENT_TYPES",
    "FAMILIES",
    "FIRST_VERSION",
    "INSTRUCTIONS",
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
    "build_chain_rows",
    "build_scene",
    "build_training_rows",
    "compute_frame_tags",
    "compute_frame_targets",
    "create_demo_root",
    "create_training_root",
    "describe_difference",
    "format_csv",
    "iterate_annotated_questions",
    "iterate_hypotheses",
    "iterate_questions",
    "list_event_types",
    "synthesise",
    "write_captions",
]


def list_event_types() -> tuple[EventType, ...]:
    """Return all event types of the demo data."""
    return tuple(EVENT_TYPES.values())
