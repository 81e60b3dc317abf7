"""Options of the model `serve`: the command that starts the server, and all options of `openai` but the address."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from alm_bench.adapters.openai.options import OpenAIOptions
from alm_bench.core import UsageError

LOOPBACK = "http://127.0.0.1/v1"
PRESETS: Mapping[str, str] = {
    "vllm": "vllm serve {model} --host 127.0.0.1 --port {port}",
    "transformers": "transformers serve {model} --host 127.0.0.1 --port {port}",
}


@dataclass(frozen=True, slots=True)
class ServeOptions(OpenAIOptions):
    """Options of models behind a server that is started for the run."""

    base_url: str = LOOPBACK
    """Not an option here: the address is chosen when the server is started."""

    command: str | None = None
    """Command that starts the server in the foreground on 127.0.0.1. `{port}` and `{model}` are replaced by their
    values.
    """

    preset: Literal["vllm", "transformers"] | None = None
    """Name of a predefined command."""

    start_timeout: float = 1800.0
    """Seconds that the server has to become healthy, loading its model included."""

    def __post_init__(self) -> None:
        """Raise UsageError for invalid values."""
        OpenAIOptions.__post_init__(self)
        if self.base_url != LOOPBACK:
            raise UsageError(
                "model serve: the address is chosen when the server is started, found base_url=; for a server that "
                "runs already use --model openai"
            )
        if (self.command is None) == (self.preset is None):
            both = "neither" if self.command is None else "both"
            raise UsageError(f"model serve takes command= or preset={'|'.join(PRESETS)}, found {both}")
        if "{port}" not in self.command_template:
            raise UsageError(f"model serve: command must hold {{port}}, found {self.command!r}")
        if not self.start_timeout > 0:
            raise UsageError(f"model serve: option start_timeout takes a number above 0, found {self.start_timeout}")
        self.build_arguments(0)

    @property
    def command_template(self) -> str:
        """Command before `{port}` and `{model}` are replaced: the option `command`, or the preset's command."""
        return self.command if self.command is not None else PRESETS[str(self.preset)]

    def build_openai_options(self, port: int) -> OpenAIOptions:
        """Return the `openai` options for a server on this port."""
        calls = {field.name: getattr(self, field.name) for field in fields(OpenAIOptions)}
        return OpenAIOptions(**{**calls, "base_url": f"http://127.0.0.1:{port}/v1"})

    def build_arguments(self, port: int) -> Sequence[str]:
        """Return the arguments that start the server on this port. Raises UsageError if the command cannot be split."""
        try:
            words = shlex.split(self.command_template)
        except ValueError as error:
            raise UsageError(f"model serve: command cannot be split into words: {error}") from error
        words = [word.replace("{port}", str(port)).replace("{model}", self.model) for word in words]
        # look for a preset's program beside this interpreter first: its environment may not be the active one
        beside = Path(sys.executable).with_name(words[0]) if self.preset is not None else None
        return [str(beside) if beside is not None and beside.is_file() else words[0], *words[1:]]
