"""Replay: the stored outputs of someone else's run, read and scored as if the model had answered here."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alm_bench.core import AdapterIdentity, AudioPolicy, Decoding, Output, Request, Runtime
from alm_bench.core.errors import DataError
from alm_bench.data import file_sha256, read_outputs


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """`outputs`: a JSON list, JSONL or CSV with ids. `column` names the text's column where it has another name."""

    outputs: Path
    column: str | None = None


class ReplayAdapter:
    """answers that another run produced: outputs=FILE (JSON, JSONL or CSV, matched by id)"""

    Options = ReplayOptions
    prompts = "letters"
    stored = True  # its answers are to the options in the order of the file
    audio: AudioPolicy | None = None  # opens no clip

    def __init__(self, options: ReplayOptions, runtime: Runtime) -> None:
        self._file = options.outputs
        if not self._file.is_file():
            raise DataError(f"outputs={self._file} is not a file")
        self._outputs = read_outputs(self._file, options.column)
        self.identity = AdapterIdentity(
            label=f"replay[{self._file.stem}]",
            family="replay",
            weights=file_sha256(self._file),
            settings={"column": options.column or "auto"},
            note=f"outputs read from {self._file.name}, not produced here",
        )

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        return [self._replayed(request.id) for request in batch]

    def _replayed(self, item: str) -> Output:
        if item not in self._outputs:
            return Output(None, error=f"{self._file.name} has no output for this id")
        text = self._outputs[item]
        return Output(text) if text is not None else Output(None, error=f"{self._file.name} has a null for this id")


ADAPTERS = {"replay": ReplayAdapter}
