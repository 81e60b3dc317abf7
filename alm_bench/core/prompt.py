"""Prompt templates: versioned data of a task, rendered the same way for evaluation and for training."""

import string
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from alm_bench.core.errors import UsageError, known_first
from alm_bench.core.files import hash_json
from alm_bench.core.types import Request, Sample


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A versioned prompt."""

    id: str
    """Task and name of the prompt set."""

    version: int
    """Version, raised with every change of the text."""

    template: str
    """Text with {field} names of the sample and, for multiple choice, {options}."""

    option: str = "{letter}) {text}"
    """Format of one option, from {letter}, {LETTER} and {text}."""

    join: str = " "
    """Text between options."""

    lowercase: bool = False
    """Convert the whole prompt to lower case, as Mellow was trained."""

    @property
    def hash(self) -> str:
        """First 12 hex digits of the sha256 over everything that changes a rendered prompt."""
        return hash_json(asdict(self))[:12]

    def options(self, choices: Sequence[str]) -> str:
        letters = string.ascii_lowercase
        return self.join.join(
            self.option.format(letter=letters[i], LETTER=letters[i].upper(), text=choice)
            for i, choice in enumerate(choices)
        )

    def render(self, fields: Mapping[str, str], choices: Sequence[str] = ()) -> str:
        text = self.template.format(**fields, options=self.options(choices))
        return text.lower() if self.lowercase else text


def load_prompts(path: Path, task: str) -> dict[str, PromptTemplate]:
    """Read a task's `prompts.toml`: one table a prompt set."""
    sets = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: PromptTemplate(id=f"{task}/{name}", **table) for name, table in sets.items()}


def pick_prompt(prompts: Mapping[str, PromptTemplate], name: str, task: str) -> PromptTemplate:
    if name not in prompts:
        raise UsageError(f"task {task} has no prompt set {name!r}; known: {known_first(name, prompts)}")
    return prompts[name]


def render(sample: Sample, template: PromptTemplate) -> Request:
    """Render a sample as a request: everything but the reference."""
    return Request(
        id=sample.id,
        prompt=template.render(sample.fields, sample.choices),
        audio=sample.audio,
        choices=sample.choices,
    )
