"""Paraphrases of prompts: six fixed prompts (`input`) of ReasonAQA are replaced by a random paraphrase at each use."""

import random
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PARAPHRASES = Path(__file__).parent / "paraphrases.toml"
"""File of the bundled paraphrases."""


@dataclass(frozen=True, slots=True)
class Paraphrases:
    """Paraphrases of fixed prompts."""

    prompts: Mapping[str, tuple[str, ...]]
    """Paraphrases by prompt. The first one is used in evaluation."""

    @staticmethod
    @cache
    def load_bundled() -> "Paraphrases":
        """Load the bundled paraphrases."""
        table = tomllib.loads(PARAPHRASES.read_text(encoding="utf-8"))
        return Paraphrases({key: tuple(paraphrases) for key, paraphrases in table.items()})

    def rewrite(self, prompt: str, answer: str, generator: random.Random) -> tuple[str, str]:
        """Return prompt and answer in lower case. The prompt is replaced by a random one of its paraphrases, if it has
        any.

        If the prompt asks for a caption of the first or the second clip, the answer becomes `the audio 1 is <answer>.`
        or `the audio 2 is <answer>.`, as in Mellow's published code. `generator`: random generator.
        """
        key = prompt.strip().lower().rstrip(".")
        paraphrases = self.prompts.get(key)
        text = generator.choice(paraphrases) if paraphrases else prompt.lower()
        answer = answer.strip().lower()
        if key in ("caption the audio", "caption first audio"):
            answer = f"the audio 1 is {answer.rstrip('.')}."
        elif key == "caption second audio":
            answer = f"the audio 2 is {answer.rstrip('.')}."
        return text, answer
