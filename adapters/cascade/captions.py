"""Captions of clips by any model that listens, each asked for once: kept in the process and on disk."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from alm_bench.audio import content
from alm_bench.core import Adapter, Decoding, Output, Request, StoreError
from alm_bench.core.escape import print_notice
from alm_bench.core.files import atomic_write

VERSION = 1
"""Of the files on disk. Raise it with any change of what a caption is."""


@dataclass(frozen=True, slots=True)
class CaptionPrompt:
    """Prompt for captions."""

    version: int
    """Version of this prompt."""

    prompt: str
    """Text of the prompt."""

    openings: tuple[str, ...]
    """Phrases with which a model was trained to begin a caption; they are removed."""

    max_new_tokens: int
    """Token limit of a caption."""

    @property
    def hash(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]

    @property
    def decoding(self) -> Decoding:
        return Decoding(max_new_tokens=self.max_new_tokens)

    def caption(self, text: str) -> str:
        found = text.strip()
        for opening in self.openings:
            if found.lower().startswith(opening):
                return found[len(opening) :].strip()
        return found


class Captions:
    """A captioner's captions. `folder` keeps them between runs; None keeps them in the process alone.

    A caption is known by what the captioner is, what it was asked and what it heard, never by a clip's name.
    """

    def __init__(self, captioner: Adapter, wanted: CaptionPrompt, folder: Path | None) -> None:
        self._captioner, self._wanted, self._folder = captioner, wanted, folder
        self._known: dict[str, str] = {}
        told = [VERSION, asdict(captioner.identity), wanted.hash]
        self._owner = json.dumps(told, sort_keys=True, default=str)

    def of(self, batch: Sequence[Request]) -> list[tuple[str, ...] | str]:
        """Return the captions of each request's clips, in order, or the reason why there are none."""
        problems = [_problem(request) for request in batch]
        asked = [
            [] if problem else [(self._key(one), one) for one in self._requests(request)]
            for request, problem in zip(batch, problems, strict=True)
        ]
        fresh = {key: one for row in asked for key, one in row if not self._is_known(key)}
        failed = self._ask(fresh) if fresh else {}
        return [
            problem or next((failed[key] for key, _ in row if key in failed), None) or self._get_captions(row)
            for row, problem in zip(asked, problems, strict=True)
        ]

    def _get_captions(self, row: Sequence[tuple[str, Request]]) -> tuple[str, ...]:
        return tuple(self._known[key] for key, _ in row)

    def _ask(self, fresh: Mapping[str, Request]) -> dict[str, str]:
        """Ask for captions and keep them; why those that there are none of failed, by key."""
        outputs = self._captioner.generate(list(fresh.values()), self._wanted.decoding)
        failed = {}
        for (key, request), output in zip(fresh.items(), outputs, strict=True):
            text = None if output.text is None else self._wanted.caption(output.text)
            if text:
                self._keep(key, text)
            else:
                failed[key] = f"captioner, on {request.audio[0].id}: {_failure(output)}"
        return failed

    def _requests(self, request: Request) -> list[Request]:
        """Build one request per clip. A captioner that always takes two clips gets the item's spare one, or its other
        clip."""
        spares = self._captioner.audio is not None and self._captioner.audio.spare
        heard = [*request.audio, *(() if request.spare is None else (request.spare,))]
        found = []
        for place, ref in enumerate(request.audio):
            places = [place]
            if spares and request.spare is not None:
                places.append(len(request.audio))
            elif spares and len(request.audio) > 1:
                places.append(1 - place)
            one = Request(
                ref.id,
                self._wanted.prompt,
                (ref,),
                spare=heard[places[1]] if len(places) > 1 else None,
                waves=tuple(request.waves[place] for place in places),
                features=tuple(request.features[place] for place in places) if request.features else (),
            )
            found.append(one)
        return found

    def _key(self, request: Request) -> str:
        return hashlib.sha256(f"{self._owner}\n{content(request.waves)}".encode()).hexdigest()

    def _is_known(self, key: str) -> bool:
        if key not in self._known and self._folder is not None:
            found = _read_caption(_file(self._folder, key))
            if found is not None:
                self._known[key] = found
        return key in self._known

    def _keep(self, key: str, text: str) -> None:
        self._known[key] = text
        if self._folder is None:
            return
        entry = {"caption": text, "captioner": self._captioner.identity.label, "prompt": self._wanted.prompt}
        try:
            atomic_write(_file(self._folder, key), json.dumps(entry, ensure_ascii=False) + "\n")
        except StoreError as error:  # a run is worth more than its cache
            print_notice(f"captions are not kept on disk: {error}")
            self._folder = None


def _file(folder: Path, key: str) -> Path:
    return folder / key[:2] / f"{key}.json"


def _read_caption(file: Path) -> str | None:
    """Read the caption of a file; None if it is missing or incomplete."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))["caption"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) and found else None


def _failure(output: Output) -> str:
    if output.error is not None or output.refusal is not None:
        return output.error or f"refused: {output.refusal}"
    return "it wrote no caption"


def _problem(request: Request) -> str | None:
    """Return the reason why the clips of a request cannot be captioned."""
    if not 1 <= len(request.audio) <= 2:
        return f"a cascade describes the one or two clips of an item, this one has {len(request.audio) or 'none'}"
    if len(request.waves) < len(request.audio):
        return f"{len(request.audio)} clips but {len(request.waves)} decoded waves"
    return None
