"""Spoken questions (`--speak`): the prompt of each request becomes a clip, after the item's own clips."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from alm_bench.audio.speech import Synthesiser
from alm_bench.core import Adapter, Request, Sample, UsageError
from alm_bench.core.languages import format_language_name


@dataclass(frozen=True, slots=True)
class SpokenQuestions:
    """Requests whose questions are spoken, with a description of the speech."""

    requests: Sequence[Request]
    """The requests, with the clip of the question as the last one."""

    description: str
    """Synthesiser, voices and treatment of the written question, for tables."""

    identity: Sequence[str]
    """Texts that identify the synthesiser, its voices and the treatment of the written question, for the run's
    fingerprint."""


def speak_questions(
    synthesiser: Synthesiser, samples: Sequence[Sample], requests: Sequence[Request], also_written: bool
) -> SpokenQuestions:
    """Add a clip with the spoken prompt to each request, and remove the written prompt unless `also_written`.

    A spare second clip is removed, since the question is the second clip. Raises UsageError if the synthesiser cannot
    speak a language of the questions.
    """
    languages = [None if sample.languages is None else sample.languages.question for sample in samples]
    for language in dict.fromkeys(languages):
        synthesiser.check_voice(language)
    spoken = [
        replace(
            request,
            audio=(*request.audio, synthesiser.build_ref(request.prompt, language)),
            prompt=request.prompt if also_written else "",
            spare=None,
        )
        for request, language in zip(requests, languages, strict=True)
    ]
    voices = ", ".join(dict.fromkeys(map(synthesiser.pick_voice, languages)))
    written = "also written" if also_written else "not written"
    identity = [*synthesiser.list_identity_parts(), voices, written]
    return SpokenQuestions(spoken, f"{synthesiser.describe(voices)}; {written}", identity)


def check_speech_support(
    adapter: Adapter, samples: Sequence[Sample], synthesiser: Synthesiser | None, also_written: bool
) -> None:
    """Raise UsageError if the model cannot get spoken questions, or does not understand a language that is spoken in
    the clips.

    Without `synthesiser`, questions are not spoken, and only the languages of the items' own clips are checked. With
    `also_written`, prompts keep the written question, so that a model without audio input is accepted.
    """
    label = adapter.identity.label
    if synthesiser is not None and adapter.abilities.is_replay:
        raise UsageError(f"--speak: {label} gives stored answers, expected a model")
    if synthesiser is not None and adapter.audio is None and not also_written:
        raise UsageError(
            f"--speak: {label} takes no audio and would not get the questions: name a model that listens, or add "
            "--also-written"
        )
    known = adapter.abilities.spoken_languages
    if known is None or adapter.audio is None:
        return
    for sample in samples:
        own = sample.languages
        spoken = [None if own is None else own.audio]
        if synthesiser is not None:
            spoken.append(synthesiser.get_voice_language(None if own is None else own.question))
        for language in spoken:
            if language is not None and language not in known:
                names = ", ".join(map(format_language_name, known))
                raise UsageError(
                    f"{label} understands speech in {names} only, the clips speak {format_language_name(language)}: "
                    "name a model for this language"
                )
