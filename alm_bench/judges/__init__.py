"""Judges: language models that grade answers in free text, with prompts and scales from presets (docs/judges.md).

A judge is an adapter that answers text, together with a preset. A preset is a `JudgePreset`: the built-in ones are in
the modules of `alm_bench.judges.presets`, an installed package adds one through the entry point group
`alm_bench.judges`.
"""

from functools import cache

from alm_bench.core.options import parse_pairs
from alm_bench.core.registry import Registry, load_registry, make_instance_check
from alm_bench.judges.preset import JudgeItem, JudgePreset, Verdict

__all__ = ["JudgeItem", "JudgePreset", "Verdict", "get_preset", "load_presets"]

GROUP = "alm_bench.judges"
"""Entry point group of presets in installed packages."""


@cache
def load_presets() -> Registry[JudgePreset]:
    """Return the registry of built-in and installed presets."""
    return load_registry(
        "judge preset",
        f"{__name__}.presets",
        "PRESETS",
        GROUP,
        lambda preset: preset.name,
        make_instance_check(JudgePreset),
    )


def get_preset(text: str) -> JudgePreset:
    """Return a preset by `NAME` or `NAME:option=value`. Raises UsageError for an unknown name or option."""
    name, colon, options = text.partition(":")
    preset = load_presets().get(name)
    return preset.configure(parse_pairs(options.split(","), "--judge-preset")) if colon else preset
