"""Prompt templates: files of prompt sets, and files that add to others."""

from pathlib import Path

from alm_bench.core.prompt import load_prompts


def write_set(name: str, template: str) -> str:
    return f'[{name}]\nversion = 1\ntemplate = "{template}"\n'


def test_a_file_adds_its_prompt_sets_to_those_of_its_base(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/prompts.toml").write_text(write_set("native", "{question}") + write_set("bare", "first"))
    own = tmp_path / "birds/prompts.toml"
    own.parent.mkdir()
    own.write_text('base = "../shared/prompts.toml"\n' + write_set("bare", "second") + write_set("official", "third"))
    found = load_prompts(own, "birds")
    assert {name: (each.id, each.template) for name, each in found.items()} == {
        "native": ("birds/native", "{question}"),
        "bare": ("birds/bare", "second"),
        "official": ("birds/official", "third"),
    }
    assert set(load_prompts(tmp_path / "shared/prompts.toml", "birds")) == {"native", "bare"}
