"""Prompt templates: versioned data of a task, rendered in the same way for evaluation and for training."""

import string
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from alm_bench.core.errors import UsageError, format_similar_names
from alm_bench.core.files import hash_json
from alm_bench.core.languages import ItemLanguages, format_language_name, normalise_language
from alm_bench.core.types import Request, Sample


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A versioned prompt template."""

    id: str
    """Task and name of the prompt set."""

    version: int
    """Version, to be raised whenever the text is changed."""

    template: str
    """Text with the placeholders {field} for the fields of a sample and, for multiple choice, {options}."""

    option: str = "{letter}) {text}"
    """Format of one option, with the placeholders {letter}, {LETTER}, {text} and {repr} (the text as Python writes a
    string, in quotation marks)."""

    join: str = " "
    """Text between options."""

    lowercase: bool = False
    """True to convert the whole prompt to lower case, in which Mellow was trained."""

    name: str = ""
    """Name of the prompt set, without the task. It is not part of the hash."""

    open_template: str | None = None
    """Template for a question with fewer than two options; default: `template`."""

    format: str | None = None
    """Form that outputs are asked to have: the tags in their order, with text between an opening tag and its closing
    tag, such as `<think> </think> <answer> </answer>`. None if the prompt asks for no tags. It is not part of the
    hash."""

    max_new_tokens: int | None = None
    """Token limit that outputs of this form need, if it is higher than the task's. It is not part of the hash, since
    the limit is part of the decoding."""

    translations: Mapping[str, str] = field(default_factory=dict)
    """Text in other languages, by code; empty for a prompt set in one language."""

    translate_by: Literal["question", "answer"] = "question"
    """Language of the item by which its text is chosen from `translations`."""

    output_format: str = ""
    """Format of answers in several parts that the prompt asks for (`parsing.parts`); "" for answers in one piece."""

    @property
    def hash(self) -> str:
        """First 12 hexadecimal digits of the sha256 of everything that changes a rendered prompt."""
        parts = asdict(self)
        for name in ("name", "format", "max_new_tokens"):
            del parts[name]
        if self.open_template is None:  # hashes are those of templates from before the field
            del parts["open_template"]
        if not self.output_format:
            del parts["output_format"]
        if not self.translations:  # the hashes of prompt sets in one language are those of version 0.1
            del parts["translations"], parts["translate_by"]
        return hash_json(parts)[:12]

    def select_language(self, languages: ItemLanguages | None) -> "PromptTemplate":
        """Return the template in the language of an item; itself for a prompt set in one language. Raises UsageError if
        the set has no text in that language."""
        language = None if languages is None else getattr(languages, self.translate_by)
        if not self.translations or language is None:
            return self
        if (text := self.translations.get(normalise_language(language))) is None:
            raise UsageError(
                f"prompt set {self.id} has no text in {format_language_name(language)}; it has "
                f"{', '.join(sorted(self.translations))}: name another one with --prompt"
            )
        return replace(self, template=text)

    def format_options(self, choices: Sequence[str]) -> str:
        """Return the options as they are listed in the prompt: each by the template `option`, joined by `join`."""
        letters = string.ascii_lowercase
        return self.join.join(
            self.option.format(letter=letters[i], LETTER=letters[i].upper(), text=choice, repr=repr(choice))
            for i, choice in enumerate(choices)
        )

    def render(self, fields: Mapping[str, str], choices: Sequence[str] = ()) -> str:
        """Return the prompt for the fields and options of a sample."""
        template = self.template if self.open_template is None or len(choices) > 1 else self.open_template
        text = template.format(**fields, options=self.format_options(choices))
        return text.lower() if self.lowercase else text


def load_prompts(path: Path, task: str) -> dict[str, PromptTemplate]:
    """Return the prompt templates of a task's `prompts.toml` by name.

    The file has one table per prompt set. Its key `base` names another such file, by a path relative to this one. The
    prompt sets of that file are added, unless this file has a set of the same name.
    """
    sets = tomllib.loads(path.read_text(encoding="utf-8"))
    base = sets.pop("base", None)
    shared = {} if base is None else load_prompts(path.parent / base, task)
    own = {name: PromptTemplate(id=f"{task}/{name}", name=name, **table) for name, table in sets.items()}
    return {**shared, **own}


def pick_prompt(prompts: Mapping[str, PromptTemplate], name: str, task: str) -> PromptTemplate:
    """Return the template of a prompt set. Raises UsageError if the task has no such set."""
    if name not in prompts:
        raise UsageError(f"task {task} has no prompt set {name!r}; known: {format_similar_names(name, prompts)}")
    return prompts[name]


def render(sample: Sample, template: PromptTemplate) -> Request:
    """Return the request for a sample, with its prompt, clips and options, and without the reference answer."""
    return Request(
        id=sample.id,
        prompt=template.select_language(sample.languages).render(sample.fields, sample.choices),
        audio=sample.audio,
        choices=sample.choices,
    )
