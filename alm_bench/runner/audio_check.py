"""Does the audio reach the model at all? Servers, templates and processors drop it silently, and the model answers
fluently all the same (ollama#17730, vllm#41284, llama.cpp#14963)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from alm_bench.audio.probes import SOUNDS, probe, probe_sequence
from alm_bench.core import Adapter, AdapterError, AudioRef, Decoding, OptionScores, Output, Request
from alm_bench.runner.inference import asking, predict_bisecting
from alm_bench.runner.length_check import LONG, SHORT, LengthCheck, applies, judge_length
from alm_bench.runner.length_check import SECONDS as LENGTHS
from alm_bench.runner.loader import load_clips

Verdict = Literal["delivered", "no reaction", "audio_not_delivered", "not checked"]

QUESTION = "Describe the sound in a few words."
NATIVE = "caption the audio"
"""What adapters of native prompts are asked: a model that was trained on few prompts answers no others."""

CLIP, OTHER, SILENCE, NONE = "tone", "noise", "silence", "no clip"
AGAIN = "tone, again"
TOKENS = ("prompt_tokens", "audio_tokens")
MAX_NEW_TOKENS = 32

PLACEHOLDER = 10
"""Prompt tokens up to which a clip of 3 s may be a mere placeholder in the text, such as `<audio>`. Encoders make 3
tokens a second at the least."""


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """What the model made of one sound. `tokens` are those of the prompt that it counted, by name."""

    sound: str
    text: str | None
    error: str | None
    tokens: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class AudioCheck:
    """`delivered`: the model's token counts differ with and without a clip, its answers or likelihoods react to which
    clip it is, or its waves are put into it by construction. `no reaction`: delivered, but nothing reacts.
    `audio_not_delivered`: neither. `not checked`: the question could not be asked, or not without a clip.
    """

    verdict: Verdict
    reason: str
    answers: Sequence[ProbeAnswer] = ()

    length: LengthCheck | None = None
    """Whether a clip of 45 s is heard to its end; None where the adapter itself crops, or the check ended before."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def needs_audio_check(adapter: Adapter) -> bool:
    """Whether something that may drop a clip stands between the adapter and its model (`delivery = "to be shown"`)."""
    return adapter.audio is not None and adapter.abilities.delivery == "to be shown"


def find_listener(adapter: Adapter) -> Adapter:
    """The part of a model of several that gets the clips (its `listener`), else the adapter itself. What stands around
    it, or keeps what was heard once, would answer in its place."""
    return adapter if adapter.listener is None else find_listener(adapter.listener)


def question(adapter: Adapter, prompts: str | None = None) -> str:
    """In the prompt set `prompts`, the adapter's own where none is named."""
    return NATIVE if (prompts or adapter.prompts) == "native" else QUESTION


def check_audio(adapter: Adapter, asked: str | None = None, sounds: Sequence[str] = (CLIP, OTHER)) -> AudioCheck:
    """Ask one question (`asked`, else `question`) about plainly different sounds, and about none. `sounds` holds the
    tone and the noise.

    The tone is put twice: a model that answers the same prompt in two ways reacts to nothing by answering in two ways.
    A model that refuses the question without a clip is asked about silence. Two long clips show whether the end of a
    clip is heard. Raises UnreachableError where no call can succeed.
    """
    adapter = find_listener(adapter)
    if adapter.audio is None:
        return AudioCheck("not checked", f"{adapter.identity.label} takes no audio")
    prompt = asked or question(adapter)
    requests = {name: _request(adapter, prompt, name, name) for name in sounds}
    requests[AGAIN] = _request(adapter, prompt, AGAIN, CLIP)
    requests[NONE] = Request(f"probe-{NONE}", prompt)
    outputs = _outputs(adapter, requests)
    if NONE in outputs and outputs[NONE].text is None and SILENCE not in outputs:
        outputs |= _outputs(adapter, {SILENCE: _request(adapter, prompt, SILENCE, SILENCE)})
    verdict, reason = _verdict(adapter, outputs, prompt)
    length = None
    if verdict == "delivered" and applies(adapter):
        long = {name: _load(adapter, prompt, name, probe_sequence(name, parts)) for name, parts in LENGTHS.items()}
        outputs |= _outputs(adapter, long)
        length = judge_length(outputs[SHORT], outputs[LONG], _counted(outputs[CLIP], outputs[NONE]) is not None)
    return AudioCheck(verdict, reason, [_said(name, output) for name, output in outputs.items()], length)


def require_audio(adapter: Adapter, prompts: str | None = None) -> AudioCheck:
    """Check, and raise AdapterError where the audio is not delivered: what follows would be a text model's score."""
    found = check_audio(adapter, question(adapter, prompts))
    if found.verdict == "audio_not_delivered":
        raise AdapterError(
            f"audio_not_delivered: {adapter.identity.label} {found.reason}; nothing was scored (see `alm-bench check`)"
        )
    return found


def _request(adapter: Adapter, prompt: str, name: str, sound: str) -> Request:
    return _load(adapter, prompt, name, probe(sound))


def _load(adapter: Adapter, prompt: str, name: str, clip: AudioRef) -> Request:
    assert adapter.audio is not None
    spare = probe("clicks") if adapter.audio.spare else None
    request = Request(f"probe-{name}", prompt, (clip,), spare=spare)
    return load_clips(0, request, adapter.audio).request


def _outputs(adapter: Adapter, requests: Mapping[str, Request]) -> dict[str, Output]:
    """One call a request: that batches do not matter is what is to be shown, too.

    Where something is to be shown and the first is not answered, nothing will be: the others are not asked, each of
    which may cost a restart or a deadline's wait.
    """
    ask = asking(adapter, Decoding(max_new_tokens=MAX_NEW_TOKENS))
    outputs: dict[str, Output] = {}
    for name, request in requests.items():
        (outputs[name],) = predict_bisecting(ask, [request])
        if outputs[name].text is None and name == CLIP and needs_audio_check(adapter):
            break
    return outputs


def _said(sound: str, output: Output) -> ProbeAnswer:
    tokens = {name: output.extra[name] for name in TOKENS if isinstance(output.extra.get(name), int)}
    return ProbeAnswer(sound, output.text, output.error or output.refusal, tokens)


def _verdict(adapter: Adapter, outputs: Mapping[str, Output], prompt: str) -> tuple[Verdict, str]:
    constructed = not needs_audio_check(adapter)
    first = outputs[CLIP]
    if first.text is None and not constructed:
        return "not checked", f"the question could not be asked: {first.error or first.refusal or 'no text'}"
    counted = _counted(first, outputs[NONE])
    reaction, unmoved = _reaction(adapter, outputs, prompt), _unmoved(outputs)
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
    if (few := _placeholder(first, outputs[NONE])) is not None:
        return "audio_not_delivered", f"{few}, and {unmoved}"
    told = any(isinstance(first.extra.get(name), int) for name in TOKENS)
    same = "counts as many prompt tokens with a clip as without" if told else "tells no prompt tokens"
    return "audio_not_delivered", f"{same}, and {unmoved}"


def _unmoved(outputs: Mapping[str, Output]) -> str:
    """What shows no reaction."""
    if outputs[CLIP].text != outputs[AGAIN].text:
        return "its two answers to one tone differ, so that others that differ show nothing"
    if outputs[NONE].text is None:
        heard = "a tone, to noise and to silence" if SILENCE in outputs else "a tone and to noise"
        return f"the answers to {heard} are the same"
    return "the answers to a tone, to noise and to no clip are the same"


def _counted(clip: Output, none: Output) -> str | None:
    """How the token counts tell a prompt with a clip from one without; a placeholder's tokens tell nothing."""
    for name, ours, theirs in _counts(clip, none):
        if abs(ours - theirs) > PLACEHOLDER:
            return f"{name.replace('_', ' ')}: {ours} with a clip, {theirs} without"
    return None


def _placeholder(clip: Output, none: Output) -> str | None:
    """How the token counts differ by so little that the clip may be a placeholder in the text."""
    for name, ours, theirs in _counts(clip, none):
        if ours != theirs:
            counts = f"{name.replace('_', ' ')}: {ours} with a clip, {theirs} without"
            return f"a clip of 3 s counts as {abs(ours - theirs)} tokens, as a placeholder does ({counts})"
    return None


def _counts(clip: Output, none: Output) -> Iterator[tuple[str, int, int]]:
    """Yield the names of token counts that both outputs have, and the counts with and without a clip."""
    for name in TOKENS:
        ours, theirs = clip.extra.get(name), none.extra.get(name, 0 if name == "audio_tokens" else None)
        if isinstance(ours, int) and isinstance(theirs, int):
            yield name, ours, theirs


def _reaction(adapter: Adapter, outputs: Mapping[str, Output], prompt: str) -> str | None:
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
        return _preference(adapter, prompt)
    return None


def _preference(adapter: Adapter, prompt: str) -> str | None:
    """Whether the likelihoods of the sounds' names move by more than they do for the same clip."""
    choices = tuple(SOUNDS)
    scores = []
    for name, sound in ((CLIP, CLIP), (AGAIN, CLIP), (OTHER, OTHER)):
        (found,) = adapter.loglikelihood([replace(_request(adapter, prompt, name, sound), choices=choices)])
        if found.error is not None:
            return None
        scores.append(found)
    moved, still = _distance(scores[0], scores[2]), _distance(scores[0], scores[1])
    return "likelihoods of answers to a tone and to noise differ" if moved > 1e-3 + 10 * still else None


def _distance(one: OptionScores, other: OptionScores) -> float:
    """In nats."""
    pairs = zip(one.forms["text"], other.forms["text"], strict=True)
    return max(abs(a - b) for (a, _), (b, _) in pairs)
