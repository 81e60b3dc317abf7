"""Prompt templates: files of prompt sets, and files that add to others."""

from pathlib import Path

from alm_bench.core.prompt import PromptTemplate, load_prompts


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


def test_questions_without_options_and_options_as_python_writes_them() -> None:
    template = PromptTemplate(
        "t/r", 1, "{question} One of [{options}].", option="{repr}", join=", ", open_template="{question} Say it."
    )
    choices = ["a dog", 'it\'s a "cat"']
    assert template.render({"question": "What?"}, choices) == f"What? One of {choices}."
    assert template.render({"question": "What?"}) == "What? Say it."
    assert PromptTemplate("t/r", 1, "{question}{options}").render({"question": "What?"}) == "What?"


def test_what_changes_no_prompt_is_not_in_the_hash() -> None:
    plain = PromptTemplate("t/r", 1, "{question}")
    assert plain.hash == PromptTemplate("t/r", 1, "{question}", format="<a> </a>", max_new_tokens=9, name="r").hash
    assert plain.hash != PromptTemplate("t/r", 1, "{question}", open_template="{question}").hash
