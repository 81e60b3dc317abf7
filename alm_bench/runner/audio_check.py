"""Check that audio reaches the model at all.

Servers, chat templates and processors may drop audio silently, and the model still answers fluently (ollama#17730,
vllm#41284, llama.cpp#14963).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from alm_bench.audio.probes import SOUNDS, build_probe, build_probe_sequence
from alm_bench.core import Adapter, AdapterError, AudioRef, Decoding, OptionScores, Output, Request
from alm_bench.runner.inference import build_predict_function, predict_with_bisection
from alm_bench.runner.length_check import LONG, SHORT, LengthCheck, can_check_length, compare_clip_lengths
from alm_bench.runner.length_check import SECONDS as LENGTHS
from alm_bench.runner.loader import load_clips

Verdict = Literal["delivered", "no reaction", "audio_not_delivered", "not checked"]
"""Result of the audio check; `AudioCheck` explains the values."""

QUESTION = "Describe the sound in a few words."
"""Question of the check."""

NATIVE_QUESTION = "caption the audio"
"""Question for adapters with native prompts: a model that was trained on a few prompts answers no others."""

CLIP, OTHER, SILENCE, NONE = "tone", "noise", "silence", "no clip"
AGAIN = "tone, again"
TOKENS = ("prompt_tokens", "audio_tokens")
"""Token counts that an output may report."""

MAX_NEW_TOKENS = 32
"""Token limit of an answer."""

MAX_PLACEHOLDER_TOKENS = 10
"""Largest number of prompt tokens that a clip of 3 s may add as a mere placeholder in the text, such as `<audio>`.
Audio encoders produce at least 3 tokens per second."""


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """Answer of the model to one test sound."""

    sound: str
    """Name of the sound."""

    text: str | None
    """Generated text; None after a failed or refused call."""

    error: str | None
    """Reason of a failure or refusal."""

    tokens: Mapping[str, int]
    """Token counts that the model reported, by name."""


@dataclass(frozen=True, slots=True)
class AudioCheck:
    """Result of the audio check."""

    verdict: Verdict
    """- `delivered`: the answers or the option likelihoods depend on the sound.
    - `no reaction`: they do not, but the audio is delivered: the prompt has more tokens with a clip than without, or
      the adapter itself passes the waveforms to the model.
    - `audio_not_delivered`: neither can be shown.
    - `not checked`: the question could not be asked with or without a clip, or the adapter takes no audio.
    """

    reason: str
    """Evidence for the verdict, in one line."""

    answers: Sequence[ProbeAnswer] = ()
    """Answers to all test sounds."""

    length: LengthCheck | None = None
    """Check that a clip of 45 s reaches the model to its end; None if the adapter itself crops clips, or if the
    verdict is not `delivered`."""

    def as_json(self) -> dict[str, Any]:
        """Return the result as a JSON object for the run header."""
        return asdict(self)


def needs_audio_check(adapter: Adapter) -> bool:
    """Return True if a component between the adapter and its model may drop clips (`delivery = "to be shown"`)."""
    return adapter.audio is not None and adapter.abilities.delivery == "to be shown"


def find_audio_adapter(adapter: Adapter) -> Adapter:
    """Return the part of a composite adapter that receives the clips (`Adapter.listener`), else the adapter itself.

    The check calls this part directly. Otherwise, answers could come from other parts or from cached descriptions.
    """
    return adapter if adapter.listener is None else find_audio_adapter(adapter.listener)


def build_question(adapter: Adapter, prompts: str | None = None) -> str:
    """Return the question of the check for the prompt set `prompts`, by default the adapter's own."""
    return NATIVE_QUESTION if (prompts or adapter.prompts) == "native" else QUESTION


def check_audio(adapter: Adapter, question: str | None = None, sounds: Sequence[str] = (CLIP, OTHER)) -> AudioCheck:
    """Ask the model one question about clearly different sounds and without a clip, and compare the answers.

    `question` is the question, by default `build_question(adapter)`. `sounds` holds the names of two sounds, tone and
    noise. The tone is sent twice: if the two answers differ, differences between other answers prove nothing. If the
    model does not answer the question without a clip, it is also asked about silence. If the audio is delivered, two
    long clips show whether the end of a clip reaches the model. Raises UnreachableError if no call can succeed.
    """
    adapter = find_audio_adapter(adapter)
    if adapter.audio is None:
        return AudioCheck("not checked", f"{adapter.identity.label} takes no audio")
    prompt = question or build_question(adapter)
    requests = {name: _make_request(adapter, prompt, name, name) for name in sounds}
    requests[AGAIN] = _make_request(adapter, prompt, AGAIN, CLIP)
    requests[NONE] = Request(f"probe-{NONE}", prompt)
    outputs = _ask_model(adapter, requests)
    if NONE in outputs and outputs[NONE].text is None and SILENCE not in outputs:
        outputs |= _ask_model(adapter, {SILENCE: _make_request(adapter, prompt, SILENCE, SILENCE)})
    verdict, reason = _judge_outputs(adapter, outputs, prompt)
    length = None
    if verdict == "delivered" and can_check_length(adapter):
        long = {
            name: _build_decoded_request(adapter, prompt, name, build_probe_sequence(name, parts))
            for name, parts in LENGTHS.items()
        }
        outputs |= _ask_model(adapter, long)
        length = compare_clip_lengths(
            outputs[SHORT], outputs[LONG], _describe_token_difference(outputs[CLIP], outputs[NONE]) is not None
        )
    return AudioCheck(verdict, reason, [_make_probe_answer(name, output) for name, output in outputs.items()], length)


def require_audio(adapter: Adapter, prompts: str | None = None) -> AudioCheck:
    """Check the audio and return the result. Raises AdapterError if the audio does not reach the model.

    Without audio, the score of the run would be the score of a text model.
    """
    found = check_audio(adapter, build_question(adapter, prompts))
    if found.verdict == "audio_not_delivered":
        raise AdapterError(
            f"audio_not_delivered: {adapter.identity.label} {found.reason}; nothing was scored (see `alm-bench check`)"
        )
    return found


def _make_request(adapter: Adapter, prompt: str, name: str, sound: str) -> Request:
    """Return a request of the check with the question `prompt` about one sound. `name` identifies the request."""
    return _build_decoded_request(adapter, prompt, name, build_probe(sound))


def _build_decoded_request(adapter: Adapter, prompt: str, name: str, clip: AudioRef) -> Request:
    """Return a request of the check with a decoded clip, and a second clip if the adapter needs one."""
    assert adapter.audio is not None
    spare = build_probe("clicks") if adapter.audio.spare else None
    request = Request(f"probe-{name}", prompt, (clip,), spare=spare)
    return load_clips(0, request, adapter.audio).request


def _ask_model(adapter: Adapter, requests: Mapping[str, Request]) -> dict[str, Output]:
    """Return the outputs of the model by request name, with one call per request.

    Requests are not batched, since the check must not rely on correct batching. If the first request (a tone) fails and
    the adapter needs the check (`needs_audio_check`), the other requests are not sent: they would prove nothing, and
    each could cost a server restart or a timeout.
    """
    ask = build_predict_function(adapter, Decoding(max_new_tokens=MAX_NEW_TOKENS))
    outputs: dict[str, Output] = {}
    for name, request in requests.items():
        (outputs[name],) = predict_with_bisection(ask, [request])
        if outputs[name].text is None and name == CLIP and needs_audio_check(adapter):
            break
    return outputs


def _make_probe_answer(sound: str, output: Output) -> ProbeAnswer:
    """Convert the output of the model for a test sound to a `ProbeAnswer`."""
    tokens = {name: output.extra[name] for name in TOKENS if isinstance(output.extra.get(name), int)}
    return ProbeAnswer(sound, output.text, output.error or output.refusal, tokens)


def _judge_outputs(adapter: Adapter, outputs: Mapping[str, Output], prompt: str) -> tuple[Verdict, str]:
    """Return the verdict of the audio check and its reason. `outputs` holds the model's outputs by request name."""
    constructed = not needs_audio_check(adapter)
    first = outputs[CLIP]
    if first.text is None and not constructed:
        return "not checked", f"the question could not be asked: {first.error or first.refusal or 'no text'}"
    counted = _describe_token_difference(first, outputs[NONE])
    reaction, unmoved = _describe_reaction(adapter, outputs, prompt), _describe_no_reaction(outputs)
    if reaction is not None and (constructed or counted is None):
        return "delivered", reaction
    if counted is not None:
        return ("delivered", counted) if reaction is not None else ("no reaction", f"{counted}, but {unmoved}")
    if constructed:
        return "no reaction", f"its waves are put into the model, but {unmoved}"
    failed = next((name for name in (AGAIN, OTHER) if outputs[name].text is None), None)
    if failed is not None:
        why = outputs[failed].error or outputs[failed].refusal or "no text"
        return "not checked", f"the question about {failed} could not be asked: {why}"
    if outputs[NONE].text is None:  # refused: that tokens and answers are alike with and without a clip is not shown
        why = outputs[NONE].error or outputs[NONE].refusal or "no text"
        return "not checked", f"the question without a clip was refused ({why}), and {unmoved}"
    if (few := _describe_placeholder_tokens(first, outputs[NONE])) is not None:
        return "audio_not_delivered", f"{few}, and {unmoved}"
    told = any(isinstance(first.extra.get(name), int) for name in TOKENS)
    same = "counts as many prompt tokens with a clip as without" if told else "tells no prompt tokens"
    return "audio_not_delivered", f"{same}, and {unmoved}"


def _describe_no_reaction(outputs: Mapping[str, Output]) -> str:
    """Return the evidence that the answers do not depend on the sound, as part of a sentence."""
    if outputs[CLIP].text != outputs[AGAIN].text:
        return "its two answers to one tone differ, so that others that differ show nothing"
    if outputs[NONE].text is None:
        heard = "a tone, to noise and to silence" if SILENCE in outputs else "a tone and to noise"
        return f"the answers to {heard} are the same"
    return "the answers to a tone, to noise and to no clip are the same"


def _describe_token_difference(with_clip: Output, without_clip: Output) -> str | None:
    """Return a sentence with the token counts if they show that the prompt contains the clip, else None.

    `with_clip` is the output of the model for the question with a clip, `without_clip` the one for the question alone.
    The difference must exceed `MAX_PLACEHOLDER_TOKENS`, since a mere placeholder in the text also adds tokens.
    """
    for name, ours, theirs in _iterate_count_pairs(with_clip, without_clip):
        if abs(ours - theirs) > MAX_PLACEHOLDER_TOKENS:
            return f"{name.replace('_', ' ')}: {ours} with a clip, {theirs} without"
    return None


def _describe_placeholder_tokens(with_clip: Output, without_clip: Output) -> str | None:
    """Return a sentence with the token counts if they differ only as a placeholder for the clip in the text would make
    them differ; None if all counts are equal.

    The arguments are the outputs for the question with and without a clip. The caller has excluded larger differences,
    by `_find_token_difference`.
    """
    for name, ours, theirs in _iterate_count_pairs(with_clip, without_clip):
        if ours != theirs:
            counts = f"{name.replace('_', ' ')}: {ours} with a clip, {theirs} without"
            return f"a clip of 3 s counts as {abs(ours - theirs)} tokens, as a placeholder does ({counts})"
    return None


def _iterate_count_pairs(with_clip: Output, without_clip: Output) -> Iterator[tuple[str, int, int]]:
    """Yield the name of each token count that both outputs report, its value with a clip, and its value without."""
    for name in TOKENS:
        ours, theirs = with_clip.extra.get(name), without_clip.extra.get(name, 0 if name == "audio_tokens" else None)
        if isinstance(ours, int) and isinstance(theirs, int):
            yield name, ours, theirs


def _describe_reaction(adapter: Adapter, outputs: Mapping[str, Output], prompt: str) -> str | None:
    """Return a sentence that names the answers or likelihoods by which the model shows a reaction to the sound; None if
    there is no reaction."""
    clip, again, other, none = (outputs[name].text for name in (CLIP, AGAIN, OTHER, NONE))
    if clip == again and clip is not None:
        if other is not None and other != clip:
            return "answers to a tone and to noise differ"
        if none is not None and none != clip:
            return "answers with and without a clip differ"
        silence = outputs[SILENCE].text if SILENCE in outputs else None
        if silence is not None and silence != clip:
            return "answers to a tone and to silence differ"
    if adapter.abilities.loglikelihood:
        return _compare_likelihoods(adapter, prompt)
    return None


def _compare_likelihoods(adapter: Adapter, prompt: str) -> str | None:
    """Return a sentence if the option likelihoods depend on the sound, else None.

    The options are the names of the sounds. The likelihoods must differ clearly more between a tone and noise than
    between two calls with the same tone.
    """
    choices = tuple(SOUNDS)
    scores = []
    for name, sound in ((CLIP, CLIP), (AGAIN, CLIP), (OTHER, OTHER)):
        (found,) = adapter.loglikelihood([replace(_make_request(adapter, prompt, name, sound), choices=choices)])
        if found.error is not None:
            return None
        scores.append(found)
    moved, still = _compute_distance(scores[0], scores[2]), _compute_distance(scores[0], scores[1])
    return "likelihoods of answers to a tone and to noise differ" if moved > 1e-3 + 10 * still else None


def _compute_distance(first: OptionScores, second: OptionScores) -> float:
    """Return the largest absolute difference of the log-likelihoods of two results over all options, in nats."""
    pairs = zip(first.forms["text"], second.forms["text"], strict=True)
    return max(abs(a - b) for (a, _), (b, _) in pairs)
