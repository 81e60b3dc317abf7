"""Generation, and log-likelihoods of given answers, with a loaded checkpoint."""

import contextlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from alm_bench.adapters._shared.decoding import build_generate_arguments
from alm_bench.adapters.hf.load import LoadedCheckpoint
from alm_bench.adapters.hf.prompt import EncodedBatch, Row
from alm_bench.core import AdapterError, Decoding
from alm_bench.core.errors import get_first_line, is_out_of_memory

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class GeneratedText:
    """Tokens of a generated answer."""

    tokens: tuple[int, ...]
    """Token ids before the stop token."""

    truncated: bool
    """True if the token limit ended the answer, False if a stop token did."""


@torch.inference_mode()
def generate_answers(
    loaded: LoadedCheckpoint,
    encoded: EncodedBatch,
    decoding: Decoding,
    encode_rows: Callable[[Sequence[Row]], EncodedBatch],
) -> list[GeneratedText]:
    """Generate one answer per row. Penalties in the checkpoint's configuration are not applied.

    `encode_rows` encodes rows as one batch; beam search needs it for the rows of the beams.
    """
    arguments = build_generate_arguments([row.request.id for row in encoded.rows], decoding)
    length = encoded.inputs["input_ids"].shape[1]
    with contextlib.ExitStack() as stack:
        if decoding.method == "beam":
            copies = encode_rows([row for row in encoded.rows for _ in range(decoding.beams)])
            stack.enter_context(_give_beams_their_clips(loaded.model, copies))
        sequences = loaded.model.generate(**encoded.inputs, **arguments)
    return [_cut_at_stop(tokens, loaded.stops) for tokens in sequences[:, length:].tolist()]


@contextlib.contextmanager
def _give_beams_their_clips(model: Any, copies: EncodedBatch) -> Iterator[None]:
    """Context manager in which beam search gives each beam the clips of its own row.

    To get one row per beam, `generate` repeats every tensor element by element along its first axis. That is wrong for
    features of clips wherever a row has several of them: clips A and B of a row become A, A, B, B in place of A, B, A,
    B. The features in `copies`, in which the processor has encoded each row once per beam, replace them.
    """
    expand = model._expand_inputs_for_generation

    def expand_rows(**arguments: Any) -> tuple[Any, dict[str, Any]]:
        """Return the token ids and the network inputs with one row per beam."""
        ids, inputs = expand(**arguments)
        features = {name: value for name, value in copies.inputs.items() if name not in ("input_ids", "attention_mask")}
        return ids, inputs | {name: value for name, value in features.items() if name in inputs}

    model._expand_inputs_for_generation = expand_rows
    try:
        yield
    finally:
        del model._expand_inputs_for_generation


def _cut_at_stop(tokens: Sequence[int], stops: Sequence[int]) -> GeneratedText:
    """Return the tokens before the first stop token; the tokens after it are padding."""
    end = next((place for place, token in enumerate(tokens) if token in stops), None)
    return GeneratedText(tuple(tokens[:end]), end is None)


@dataclass(frozen=True, slots=True)
class SequencePlan:
    """Token sequences to compute after a prompt so that all tokens of all answers are predicted.

    To predict an answer, the network must read all its tokens but the last. If these are the beginning of another
    sequence, the answer needs no sequence of its own. The letter of an option, for example, shares the sequence of the
    option's text.
    """

    rows: tuple[tuple[int, ...], ...]
    """Token sequences, each of which is computed after its own copy of the prompt."""

    owner: tuple[int, ...]
    """Index of the sequence that predicts each answer: answer `j` is predicted along `rows[owner[j]]`."""


def plan_sequences(answers: Sequence[Sequence[int]]) -> SequencePlan:
    """Return the token sequences that the network has to process in order to score all `answers`.

    Each answer is a list of token ids: the text of an option, or its letter.
    """
    rows: list[tuple[int, ...]] = []
    for needed in sorted({tuple(answer[:-1]) for answer in answers}, key=len, reverse=True):
        if not any(row[: len(needed)] == needed for row in rows):
            rows.append(needed)
    owner = [next(i for i, row in enumerate(rows) if row[: len(a) - 1] == tuple(a[:-1])) for a in answers]
    return SequencePlan(tuple(rows), tuple(owner))


@torch.inference_mode()
def compute_next_token_log_probs(
    loaded: LoadedCheckpoint, encoded: EncodedBatch, rows: Sequence[Sequence[int]]
) -> list[Tensor]:
    """Compute next-token log-probabilities after the prompt and after each token of each row.

    `rows` are token sequences that follow the prompt; `encoded` contains one copy of the prompt per row. Returns one
    tensor per row, shape (len(row) + 1, vocabulary). Rows are padded at the end, where causal attention does not reach.
    """
    ids = encoded.inputs["input_ids"]
    longest = max(map(len, rows))
    fed = torch.zeros((len(rows), longest), dtype=ids.dtype, device=ids.device)
    seen = torch.zeros_like(fed)
    for i, row in enumerate(rows):
        fed[i, : len(row)] = torch.tensor(row, dtype=ids.dtype, device=ids.device)
        seen[i, : len(row)] = 1
    inputs: dict[str, Any] = dict(encoded.inputs)
    for name, more in (("input_ids", fed), ("attention_mask", seen)):
        inputs[name] = torch.cat([inputs[name], more.to(inputs[name].dtype)], dim=1)
    for name in ("token_type_ids", "mm_token_type_ids"):
        if name in inputs:  # 0 is text
            inputs[name] = torch.cat([inputs[name], torch.zeros_like(fed).to(inputs[name].dtype)], dim=1)
    keeps = "logits_to_keep" in inspect.signature(loaded.model.forward).parameters
    logits = loaded.model(**inputs, use_cache=False, **({"logits_to_keep": longest + 1} if keeps else {})).logits
    scores = logits[:, -(longest + 1) :].double().log_softmax(dim=-1)
    return [score[: len(row) + 1] for score, row in zip(scores, rows, strict=True)]


def free_memory_on_error(call: Callable[[], T]) -> T:
    """Call `call`; if GPU memory runs out, free the cached memory and raise AdapterError.

    The runner then tries the two halves of the batch.
    """
    try:
        return call()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        said = get_first_line(error)
    # Outside of the handler, so that the failed call's tensors are freed with its traceback.
    torch.cuda.empty_cache()
    raise AdapterError(f"out of memory ({said}): take a smaller --batch-size") from torch.OutOfMemoryError(said)
