"""Measured difficulty of training rows: the share of a model's sampled answers that are right.

Answers are stored as they are drawn, by model, decoding and row. An interrupted measurement therefore resumes, and a
repeated one does not call the model.
"""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from alm_bench.core import Adapter, AlmBenchError, AudioRef, DataError, Decoding, Request, UsageError
from alm_bench.core.disk_cache import DiskCache
from alm_bench.core.escape import escape_csv
from alm_bench.core.files import hash_json, write_atomically
from alm_bench.data import read_csv
from alm_bench.runner.inference import build_predict_function, predict_with_bisection
from alm_bench.runner.loader import AudioPipeline, load_batches
from alm_bench.train.features import build_audio_key
from alm_bench.train.objectives.grpo import format_prompt
from alm_bench.train.rewards import build_question, create_reward
from alm_bench.train.sources import Row

OUT = Path("results/difficulty")
"""Default folder of tables of pass rates."""

COLUMNS = ("key", "pass_rate", "right", "draws", "part", "prompt", "answer", "clips")
"""Columns of a table of pass rates."""

Progress = Callable[[int, int], None]
"""Called with the number of rows that are done, and their total."""


@dataclass(frozen=True, slots=True)
class RowMeasurement:
    """Number of right answers among the answers that a model drew to one row."""

    key: str
    """Key of the row, see `compute_row_key`."""

    right: int
    """Number of draws with a right answer."""

    draws: int
    """Number of draws."""

    row: Row
    """The row."""

    @property
    def pass_rate(self) -> float:
        """Share of the draws with a right answer, 0 to 1."""
        return self.right / self.draws


def compute_row_key(row: Row) -> str:
    """Return a hash of a row's prompt, answer and clips, by which tables of pass rates name rows. Clips are named by
    id, not by path, so that a table fits the same data on another machine."""
    return hash_json([row.prompt, row.answer, [clip.id for clip in row.clips]])[:16]


class DrawnAnswerStore:
    """Answers that a model has drawn, on disk, by model, decoding, row and seed of the draw."""

    def __init__(self, path: Path, adapter: Adapter, decoding: Decoding) -> None:
        identity = adapter.identity
        self._model = hash_json(
            [identity.label, identity.family, identity.weights, identity.dtype, dict(identity.settings)]
        )
        self._decoding = hash_json(
            [decoding.method, decoding.temperature, decoding.top_p, decoding.top_k, decoding.max_new_tokens]
        )
        self._cache = DiskCache(path, "draws")

    def build_key(self, prompt: str, clips: Sequence[AudioRef], seed: int) -> str:
        """Return the key of the answer that is drawn to a prompt about clips with a seed."""
        return hash_json([self._model, self._decoding, prompt, [build_audio_key(clip) for clip in clips], seed])

    def load(self, keys: Sequence[str]) -> dict[str, str]:
        """Return the answers that were drawn before, by key. Raises StoreError."""
        return {key: str(value) for key, value in self._cache.get_many(keys).items()}

    def save(self, answers: Mapping[str, str]) -> None:
        """Store answers by key. Raises StoreError."""
        self._cache.put_many(answers)


def measure_pass_rates(
    rows: Sequence[Row],
    adapter: Adapter,
    decoding: Decoding,
    draws: int,
    store: DrawnAnswerStore,
    batch: int,
    progress: Progress,
    reward: str = "parsed",
    template: str = "",
) -> list[RowMeasurement]:
    """Draw `draws` answers of a model to each row, and return how many are right: those whose reward is at least 1.

    `template`: template of the prompts, as in `[stage.grpo] prompt`; "" for the prompts of the rows.

    Draw number k is sampled with the seed `decoding.seed` + k, and each row has a random generator of its own, so that
    results do not depend on the batch size. Raises AlmBenchError if the model fails at a row, and UsageError if it
    cannot sample.
    """
    if decoding.method not in adapter.abilities.decodings:
        raise UsageError(
            f"{adapter.identity.label} does not support {decoding.method} sampling, without which all draws are equal; "
            f"supported: {', '.join(adapter.abilities.decodings)}"
        )
    questions = [build_question(row.prompt, row.answer) for row in rows]
    prompts = [format_prompt(template, row.prompt, question) for row, question in zip(rows, questions, strict=True)]
    keys = [
        [store.build_key(prompt, row.clips, decoding.seed + draw) for draw in range(draws)]
        for prompt, row in zip(prompts, rows, strict=True)
    ]
    answers = store.load([key for own in keys for key in own])
    missing = [index for index, own in enumerate(keys) if not answers.keys() >= set(own)]
    done = len(rows) - len(missing)
    progress(done, len(rows))
    requests = [Request(compute_row_key(row), prompt, row.clips) for row, prompt in zip(rows, prompts, strict=True)]
    for part, last in _draw_answers(requests, missing, keys, answers.keys(), adapter, decoding, batch):
        store.save(part)
        answers |= part
        done += last
        progress(done, len(rows))
    graded = create_reward(reward)
    graded.prepare(questions)
    measured = []
    for row, question, own in zip(rows, questions, keys, strict=True):
        counts = Counter(answers[key] for key in own)  # equal answers are graded once
        values = graded.compute(question, list(counts))
        right = sum(count for count, value in zip(counts.values(), values, strict=True) if value >= 1)
        measured.append(RowMeasurement(compute_row_key(row), right, draws, row))
    return measured


def _draw_answers(
    requests: Sequence[Request],
    missing: Sequence[int],
    keys: Sequence[Sequence[str]],
    stored_keys: Collection[str],
    adapter: Adapter,
    decoding: Decoding,
    batch: int,
) -> Iterator[tuple[dict[str, str], int]]:
    """Draw the missing answers, and yield them in parts: for each batch of requests, one part per draw.

    A part is a tuple: the new answers by key, and the number of requests that this part completes (all requests of the
    batch with its last draw, else 0). `missing`: indices of the requests that lack answers. `keys[i]`: keys of the
    answers to request i, one per draw. `stored_keys`: keys of the answers that exist. Clips are decoded once for all
    draws.
    """
    draws = len(keys[0]) if keys else 0
    stored_keys = set(stored_keys)
    for loaded in load_batches(requests, missing, AudioPipeline.from_adapter(adapter), lambda: batch, workers=2):
        for one in loaded:
            if (reason := one.audio_error or one.error) is not None:
                raise DataError(f"row {one.request.prompt!r:.80}: {reason}")
        for draw in range(draws):
            asked = [one for one in loaded if keys[one.index][draw] not in stored_keys]
            predict = build_predict_function(adapter, replace(decoding, seed=decoding.seed + draw))
            drawn = {}
            for one, output in zip(asked, predict_with_bisection(predict, [one.request for one in asked]), strict=True):
                if output.text is None and output.refusal is None:
                    raise AlmBenchError(
                        f"{adapter.identity.label} failed at {one.request.prompt!r:.80}: {output.error}; the draws so "
                        "far are stored, and the same command resumes"
                    )
                drawn[keys[one.index][draw]] = output.text or ""
            yield drawn, len(loaded) if draw + 1 == draws else 0


def build_pass_rates_path(recipe: str, label: str) -> Path:
    """Return the default path of the table of pass rates. `recipe`: name of the recipe that has the rows. `label`:
    label of the model that answered them."""
    return OUT / f"{recipe}-{re.sub(r'[^A-Za-z0-9.]+', '-', label).strip('-')}.csv"


def write_pass_rates(measured: Sequence[RowMeasurement], path: Path) -> None:
    """Write a table of pass rates as CSV. Raises StoreError."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in measured:
        row = one.row
        clips = json.dumps([clip.id for clip in row.clips], ensure_ascii=False)
        texts = [escape_csv(value) for value in (row.subtype, row.prompt, row.answer, clips)]
        writer.writerow([one.key, f"{one.pass_rate:g}", one.right, one.draws, *texts])
    write_atomically(path, text.getvalue(), "--to")


def read_pass_rates(path: Path) -> Mapping[str, float]:
    """Read a table of pass rates as shares by row key. Raises DataError."""
    if not path.is_file():
        raise DataError(f"pass_rates {path}: no such file (alm-bench train difficulty writes one)")
    rates = {}
    for number, row in enumerate(read_csv(path, COLUMNS[:2]), start=2):
        try:
            rates[row["key"]] = float(row["pass_rate"])
        except ValueError:
            raise DataError(f"{path}: line {number}: pass_rate is {row['pass_rate']!r}, expected a number") from None
    return rates


def count_rows_by_right_draws(measured: Sequence[RowMeasurement]) -> list[int]:
    """Return a list whose item i is the number of rows with i right draws."""
    draws = max((one.draws for one in measured), default=0)
    return [sum(one.right == count for one in measured) for count in range(draws + 1)]
