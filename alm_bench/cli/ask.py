"""`alm-bench ask`: send one prompt with up to two clips to a model, and print the answer only."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alm_bench.cli import common
from alm_bench.core import Adapter, AlmBenchError, AudioRef, Decoding, Request, UsageError
from alm_bench.core.escape import escape_lines, print_notice

if TYPE_CHECKING:
    from alm_bench.reports.explanation import Explanation


def ask(
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="The prompt, sent to the model unchanged.")],
    model: common.ModelOption,
    audio: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Audio file (up to two: repeat the option).")
    ] = None,
    model_arg: common.ModelArg = None,
    device: common.Device = "auto",
    dtype: common.Dtype = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, metavar="N", help="Token limit of the answer.")] = 128,
    explain: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png|FILE.html",
            help="Also write the spectrogram and the event curves of each clip, with the event words of the answer "
            "marked as present or absent (models with an event head).",
        ),
    ] = None,
    event_names: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Names of the event classes: AudioSet's class_labels_indices.csv."),
    ] = None,
    event_threshold: Annotated[
        float, typer.Option(min=0, max=1, metavar="P", help="Probability from which an event counts as present.")
    ] = 0.5,
    json_: common.Json = False,
) -> None:
    """Ask a model one question about up to two clips. Prints the answer alone (greedy decoding)."""
    from alm_bench.runner.inference import build_predict_function, predict_with_bisection
    from alm_bench.runner.loader import load_clips

    clips = audio or []
    if len(clips) > 2:
        raise UsageError(f"ask takes at most two --audio, found {len(clips)}")
    _check_explain_options(explain, event_names, len(clips))
    with common.open_model(model, model_arg, device, dtype) as adapter:
        if explain is not None and not adapter.abilities.event_presence:
            raise UsageError(
                f"--explain takes a model with an event head, which {adapter.identity.label} does not have"
            )
        request = Request("ask", prompt, tuple(AudioRef(clip.name, clip) for clip in clips))
        ready = load_clips(0, request, adapter.audio)
        if ready.audio_error is not None:
            raise UsageError(ready.audio_error)
        with common.redirect_model_output():
            predict = build_predict_function(adapter, Decoding(max_new_tokens=max_new_tokens))
            (output,) = predict_with_bisection(predict, [ready.request])
        if output.error is not None or output.text is None:
            raise AlmBenchError(output.error or output.refusal or f"{adapter.identity.label} returned no text")
        if adapter.identity.note:
            print_notice(f"{adapter.identity.label}: {adapter.identity.note}")
        found = {"model": adapter.identity.label, "text": output.text, "truncated": output.truncated}
        if explain is not None:
            with common.redirect_model_output():
                explanation = _build_explanation(adapter, ready.request, output.text, event_names, event_threshold)
            _write_explanation(explanation, explain)
            found |= {"explanation": str(explain), "clips": explanation.as_json()}
    if json_:
        common.print_json(found)
    else:
        print(escape_lines(output.text))


def _check_explain_options(explain: Path | None, event_names: Path | None, clips: int) -> None:
    """Raise UsageError if the options of explanations cannot be used. It is called before a model is loaded.

    `clips` is the number of clips that the command names.
    """
    from alm_bench.reports.explanation import check_explanation_path

    if explain is None:
        if event_names is not None:
            raise UsageError("--event-names goes with --explain FILE")
        return
    check_explanation_path(explain)
    if not clips:
        raise UsageError("--explain shows the events of clips: name one with --audio FILE")


def _build_explanation(
    adapter: Adapter, request: Request, answer: str, event_names: Path | None, threshold: float
) -> "Explanation":
    """Return the explanation of an answer. `event_names` is a file with names of the event classes, if any."""
    from alm_bench.core.wav import encode_wav
    from alm_bench.data.class_labels import read_class_labels
    from alm_bench.reports.event_curves import rename_classes
    from alm_bench.reports.explanation import ExplainedClip, Explanation

    assert adapter.audio is not None, "a model with an event head gets clips"
    waves = request.waves[: len(request.audio)]
    found = adapter.event_presence(waves)
    if event_names is not None:
        names = read_class_labels(event_names)
        found = [rename_classes(presence, names, str(event_names)) for presence in found]
    clips = [
        ExplainedClip(ref.id, presence, encode_wav(wave, adapter.audio.rate))
        for ref, presence, wave in zip(request.audio, found, waves, strict=True)
    ]
    return Explanation(adapter.identity.label, request.prompt, answer, clips, threshold)


def _write_explanation(explanation: "Explanation", path: Path) -> None:
    from alm_bench.reports.explanation import write_explanation

    write_explanation(explanation, path)
    if any(clip.presence.names is None for clip in explanation.clips):
        print_notice("the event classes have no names, so curves are numbered and no words marked: use --event-names")
    print_notice(f"explanation written to {path}")
