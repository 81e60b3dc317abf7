"""Prompts of `data synthesize` and of the models that its filters ask."""

from functools import cache
from pathlib import Path
from typing import Literal

from alm_bench.core.prompt import PromptTemplate, load_prompts

PROMPTS = Path(__file__).parent / "prompts.toml"
"""File of the prompts."""

Form = Literal["choice", "detail"]
"""Form of questions: multiple choice with four options, or with an answer in one or two sentences."""

FORMS: tuple[Form, ...] = ("choice", "detail")
"""All forms."""

STYLES = {1: "general", 2: "expert", 3: "expert"}
"""Style of the prompt of each type of ReasonAQA's data. Types 2 and 3 differ in the language model only: the paper
wrote types 1 and 2 with Llama 3 8B and type 3 with Llama 3.1 8B. Type 4 is a mix of the rows of types 1 and 2 or 3."""


@cache
def load_synthesis_prompts() -> dict[str, PromptTemplate]:
    """Return the bundled prompts by name."""
    return load_prompts(PROMPTS, "synthesis")


def get_prompt(question_type: int, form: Form) -> PromptTemplate:
    """Return the prompt that writes questions of a type (1, 2 or 3) and a form."""
    return load_synthesis_prompts()[f"{STYLES[question_type]}_{form}"]
