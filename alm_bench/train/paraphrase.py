"""Prompt paraphrases: six `input` keys of ReasonAQA are rewritten, each time in other words."""

import random
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PARAPHRASES = Path(__file__).parent / "paraphrases.toml"
CAPTION_KEYS = ("caption the audio", "caption first audio", "caption second audio", "caption both audios")


@dataclass(frozen=True, slots=True)
class Paraphrases:
    """Paraphrases of prompts."""

    prompts: Mapping[str, tuple[str, ...]]
    """Paraphrases by `input` key; the first is the one used in evaluation."""

    @staticmethod
    @cache
    def load_shipped() -> "Paraphrases":
        table = tomllib.loads(PARAPHRASES.read_text(encoding="utf-8"))
        return Paraphrases({key: tuple(ways) for key, ways in table.items()})

    def rewrite(self, prompt: str, answer: str, draw: random.Random) -> tuple[str, str]:
        """All in lower case; captions answered as `the audio 1 is <caption>.`, as published."""
        key = prompt.strip().lower().rstrip(".")
        ways = self.prompts.get(key)
        text = draw.choice(ways) if ways else prompt.lower()
        answer = answer.strip().lower()
        if key in ("caption the audio", "caption first audio"):
            answer = f"the audio 1 is {answer.rstrip('.')}."
        elif key == "caption second audio":
            answer = f"the audio 2 is {answer.rstrip('.')}."
        return text, answer
