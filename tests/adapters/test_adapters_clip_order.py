"""Clips before or after the text behind a server: as a known checkpoint was trained, or as an option says."""

from typing import Any

from alm_bench.adapters.hf.families import find_clip_order, get_family_settings, list_checkpoints
from alm_bench.adapters.openai.options import OpenAIOptions
from alm_bench.core import Runtime
from alm_bench.plugins import catalogue

TEXT_FIRST = next(known for known in list_checkpoints().values() if get_family_settings(known.family).text_first)
CLIP_FIRST = next(known for known in list_checkpoints().values() if not get_family_settings(known.family).text_first)


def openai(model: str, **options: str) -> Any:
    named = {"base_url": "http://127.0.0.1:1/v1", "model": model, **options}
    return catalogue().get_adapter("openai").create(named, Runtime())


def test_a_server_of_a_known_checkpoint_gets_the_order_of_its_training() -> None:
    name = TEXT_FIRST.path.partition("/")[2]
    for model in (TEXT_FIRST.path, TEXT_FIRST.path.lower(), name):
        assert find_clip_order(model) == OpenAIOptions(model).clip_order == "text-first"
        assert openai(model).identity.settings["order"] == "text-first"
    for model in (CLIP_FIRST.path, "gpt-4o-audio-preview", f"another/{name}", ""):
        assert find_clip_order(model) == "clip-first"
    assert "order" not in openai(CLIP_FIRST.path).identity.settings


def test_the_option_overrides_the_checkpoint() -> None:
    assert OpenAIOptions(TEXT_FIRST.path, order="clip-first").clip_order == "clip-first"
    assert OpenAIOptions(CLIP_FIRST.path, order="text-first").clip_order == "text-first"
    assert "order" not in openai(TEXT_FIRST.path, order="clip-first").identity.settings
    assert openai(CLIP_FIRST.path, order="text-first").identity.settings["order"] == "text-first"
