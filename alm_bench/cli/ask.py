"""`alm-bench ask`: send one prompt with up to two clips to a model, and print the answer only."""

from pathlib import Path
from typing import Annotated

import typer

from alm_bench.cli import common
from alm_bench.core import AlmBenchError, AudioRef, Decoding, Request, UsageError
from alm_bench.core.escape import escape_lines, print_notice


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
    json_: common.Json = False,
) -> None:
    """Ask a model one question about up to two clips. Prints the answer alone (greedy decoding)."""
    from alm_bench.runner.inference import make_predict, predict_bisecting
    from alm_bench.runner.loader import load_clips

    clips = audio or []
    if len(clips) > 2:
        raise UsageError(f"ask takes at most two --audio, found {len(clips)}")
    with common.open_model(model, model_arg, device, dtype) as adapter:
        request = Request("ask", prompt, tuple(AudioRef(clip.name, clip) for clip in clips))
        ready = load_clips(0, request, adapter.audio)
        if ready.audio_error is not None:
            raise UsageError(ready.audio_error)
        with common.redirect_model_output():
            predict = make_predict(adapter, Decoding(max_new_tokens=max_new_tokens))
            (output,) = predict_bisecting(predict, [ready.request])
        if output.error is not None or output.text is None:
            raise AlmBenchError(output.error or output.refusal or f"{adapter.identity.label} returned no text")
        if adapter.identity.note:
            print_notice(f"{adapter.identity.label}: {adapter.identity.note}")
        if json_:
            common.print_json({"model": adapter.identity.label, "text": output.text, "truncated": output.truncated})
        else:
            print(escape_lines(output.text))
