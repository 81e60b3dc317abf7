"""The built-in demo world: seeded sound scenes, and questions on them in every task's own schema.

A fresh machine can run every task and train on it with no download. Nothing is imported from scipy before the first
clip is synthesised.
"""

from alm_bench.demo.clotho_aqa import aqa_rows
from alm_bench.demo.dataset import DatasetRows
from alm_bench.demo.describe import captions, difference
from alm_bench.demo.entailment import entailment_rows
from alm_bench.demo.files import Sizes
from alm_bench.demo.frame_targets import CUES, frame_cues
from alm_bench.demo.mcq import mmau_items
from alm_bench.demo.root import DemoRoot, demo_root, synthesise
from alm_bench.demo.scene import SECONDS, WORLD, Event, Scene, frame_tags, scene
from alm_bench.demo.training import training_rows
from alm_bench.demo.vocabulary import EVENT_TYPES, FAMILIES, TAGS, EventType

__all__ = [
    "CUES",
    "EVENT_TYPES",
    "FAMILIES",
    "SECONDS",
    "TAGS",
    "WORLD",
    "DatasetRows",
    "DemoRoot",
    "Event",
    "EventType",
    "Scene",
    "Sizes",
    "aqa_rows",
    "captions",
    "demo_root",
    "difference",
    "entailment_rows",
    "event_types",
    "frame_cues",
    "frame_tags",
    "mmau_items",
    "scene",
    "synthesise",
    "training_rows",
]


def event_types() -> tuple[EventType, ...]:
    """Every kind of event the world has."""
    return tuple(EVENT_TYPES.values())
