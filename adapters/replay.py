"""Model `replay`: returns outputs that another program stored, to parse and score them like a run's answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alm_bench.core import Abilities, AdapterIdentity, AudioPolicy, BaseAdapter, Decoding, Output, Request, Runtime
from alm_bench.core.errors import DataError
from alm_bench.data import Duplicates, OutputColumns, compute_cached_sha256, read_stored_outputs


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """Options of the model replay."""

    outputs: Path
    """File of stored outputs, in one of the formats of docs/replay.md."""

    column: str | None = None
    """Key or dotted path of the output text in an entry of the file."""

    id: str | None = None
    """Key or dotted path of the item's id in an entry of the file."""

    duplicates: Duplicates = "error"
    """Rule for ids that occur more than once in the file."""

    label: str | None = None
    """Name of the model in tables."""


class ReplayAdapter(BaseAdapter):
    """answers that another run produced: outputs=FILE (JSON, JSONL, CSV, TSV, xlsx, parquet, .eval; matched by id)"""

    Options = ReplayOptions
    abilities = Abilities(is_replay=True)  # stored answers refer to the options in the order of the data file
    audio: AudioPolicy | None = None  # opens no clip

    def __init__(self, options: ReplayOptions, runtime: Runtime) -> None:
        self._file = options.outputs
        if not self._file.is_file():
            raise DataError(f"outputs={self._file} is not a file")
        self.outputs = read_stored_outputs(self._file, OutputColumns(options.column, options.id, options.duplicates))
        found_by = {"id": options.id, "duplicates": None if options.duplicates == "error" else options.duplicates}
        self.identity = AdapterIdentity(
            label=options.label or f"replay[{self._file.stem}]",
            family="replay",
            weights=compute_cached_sha256(self._file),
            settings={"column": options.column or "auto", **{key: told for key, told in found_by.items() if told}},
            note=f"outputs read from {self.outputs.label}, not produced here",
        )

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        return [self._find_output(request.id) for request in batch]

    def _find_output(self, item_id: str) -> Output:
        if item_id not in self.outputs.items:
            return Output(None, error=f"{self._file.name} has no output for this id")
        stored = self.outputs.items[item_id]
        text, outcome = stored.text, stored.outcome
        if outcome is not None:
            # An item that does not count has no text if its clip could not be used: an empty one fails no call.
            text = "" if text is None and outcome.skip is not None else text
            if outcome.refusal is not None or outcome.error is not None:
                return Output(text, error=outcome.error, refusal=outcome.refusal)
        if text is None:
            return Output(None, error=f"{self._file.name} has a null for this id")
        return Output(text, truncated=outcome is not None and outcome.truncated)


ADAPTERS = {"replay": ReplayAdapter}
