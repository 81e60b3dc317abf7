"""Loading of judges by their names, and refusal of a model as the judge of its own answers."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from alm_bench.core import Runtime, UsageError
from alm_bench.core.options import parse_pairs
from alm_bench.judges import get_preset
from alm_bench.judges.judge import Judge
from alm_bench.plugins import catalogue

_OPTIONS = re.compile(r":(?=[A-Za-z_][\w.]*=)")
_SEPARATOR = re.compile(r"[,:](?=[A-Za-z_][\w.]*=)")

MOST_REPEATS = 20
"""Largest number of repeats."""


@dataclass(frozen=True, slots=True)
class JudgeOptions:
    """Options `--judge`, `--judge-preset` and `--judge-repeats`, as the user gave them."""

    models: tuple[str, ...]
    """Judge models, each as `MODEL` or `MODEL:option=value,option=value`."""

    preset: str = "qa"
    """Name of the preset."""

    repeats: int = 1
    """Number of times that each prompt is asked."""

    def check(self) -> None:
        """Raise UsageError for unknown names and invalid values. No model is loaded."""
        get_preset(self.preset)
        if not 1 <= self.repeats <= MOST_REPEATS:
            raise UsageError(f"--judge-repeats takes a whole number from 1 to {MOST_REPEATS}, found {self.repeats}")
        if len(set(self.models)) < len(self.models):
            raise UsageError(f"--judge names a model twice: {', '.join(self.models)}")
        for model in self.models:
            name, _ = split_judge(model)
            abilities = catalogue().get_adapter(name).abilities
            if abilities.choices_only or abilities.is_replay:
                raise UsageError(f"--judge {name}: a judge writes text of its own, which this model does not")


def split_judge(text: str) -> tuple[str, dict[str, str]]:
    """Split a value of `--judge` into the name of the model and its options.

    Options follow a colon and are separated by commas: `openai:base_url=http://127.0.0.1:8000/v1,model=NAME`. Raises
    UsageError for an empty name.
    """
    parts = _OPTIONS.split(text, maxsplit=1)
    if not parts[0].strip():
        raise UsageError(f"--judge takes MODEL or MODEL:option=value,..., found {text!r}")
    pairs = _SEPARATOR.split(parts[1]) if len(parts) > 1 else []
    return parts[0].strip(), parse_pairs(pairs, "--judge")


@contextmanager
def open_judges(options: JudgeOptions, runtime: Runtime) -> Iterator[list[Judge]]:
    """Provide the loaded judges, and close their models at the end of the block. Raises UsageError."""
    options.check()
    preset = get_preset(options.preset)
    judges: list[Judge] = []
    try:
        for model in options.models:
            name, pairs = split_judge(model)
            adapter = catalogue().get_adapter(name).create(_add_judge_defaults(name, pairs), runtime)
            judges.append(Judge(adapter, preset, options.repeats))
            if "greedy" not in adapter.abilities.decodings:
                raise UsageError(f"--judge {name}: a judge decodes greedily, which this model does not support")
        yield judges
    finally:
        for judge in judges:
            judge.adapter.close()


def _add_judge_defaults(name: str, pairs: dict[str, str]) -> dict[str, str]:
    """Return the options of the judge model `name`: those of the user (`pairs`) and defaults for judges.

    The default for a model behind a server is `audio=none`, since judges get text only.
    """
    return {"audio": "none", **pairs} if name == "openai" else pairs


class ModelIdentity(Protocol):
    """Identity of a loaded model, or of a model in a stored run. `core.AdapterIdentity` describes the properties."""

    @property
    def label(self) -> str: ...
    @property
    def family(self) -> str | None: ...
    @property
    def weights(self) -> str | None: ...


def refuse_own_judge(judges: Sequence[Judge], evaluated: ModelIdentity) -> None:
    """Raise UsageError if a judge is the evaluated model, or a part of it.

    Two models are the same if they have the same weights, or if a name occurs in both of their labels: the name of the
    model itself or of one of its parts (`_list_names`).
    """
    for judge in judges:
        if _is_same_model(judge.adapter.identity, evaluated):
            raise UsageError(
                f"--judge {judge.label} is the evaluated model ({evaluated.label}): a model does not judge its own "
                "answers; name another judge"
            )


def _is_same_model(judge: ModelIdentity, evaluated: ModelIdentity) -> bool:
    if judge.weights is not None and judge.weights == evaluated.weights:
        return True
    return bool(set(_list_names(judge)) & set(_list_names(evaluated)))


def _list_names(identity: ModelIdentity) -> Iterable[str]:
    """Yield the names of a model and of its parts, as in its label, in lower case and without the organisation.

    The label `openai/gpt-x[text-only]` has the name `gpt-x`; `cascade[mellow+gpt-x,strong]` has the names `mellow` and
    `gpt-x`. Words that are no model's name, such as `text` in `text[smollm2]`, are left out.
    """
    for part in re.split(r"[\[\]+,\s]+", identity.label.lower()):
        name = part.rpartition("/")[2].partition("@")[0]
        if name and "=" not in name and name not in _NO_NAMES:
            yield name


_NO_NAMES = frozenset(
    (
        *("cascade", "clap", "exec", "function", "hf", "openai", "replay", "serve", "text"),
        *("text-only", "joined", "s", "between", "strong", "plain", "caption-first"),
    )
)
"""Words in labels that are kinds of models or settings, not names of models."""
