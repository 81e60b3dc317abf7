"""`alm-bench check`: test that audio reaches a model and that the model reacts to it."""

from typing import Annotated

import typer

from alm_bench.cli import common
from alm_bench.cli.completion import complete_models
from alm_bench.cli.output import print_blocks, print_text


def check(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=common.NAMES_OF_MODELS, autocompletion=complete_models)],
    model_arg: common.ModelArg = None,
    device: common.Device = "auto",
    dtype: common.Dtype = None,
    json_: common.Json = False,
) -> None:
    """Check that audio reaches a model. Exits 1 if it does not.

    The model is asked about a tone, noise, silence, clicks and no clip.

    Runs of models behind a server, chat template or processor begin with a short form of this check.
    """
    from alm_bench.audio.probes import SOUNDS
    from alm_bench.reports.audio_check import build_audio_check
    from alm_bench.runner.audio_check import build_question, check_audio

    with common.open_model(model, model_arg, device, dtype) as adapter:
        with common.redirect_model_output():
            found = check_audio(adapter, sounds=tuple(SOUNDS))
        if json_:
            common.print_json({"model": adapter.identity.label, "question": build_question(adapter), **found.as_json()})
        else:
            # a verdict alone is a line of plain text, in pipes too
            show = print_blocks if found.answers else print_text
            show(build_audio_check(adapter.identity.label, build_question(adapter), found.as_json()))
    if found.verdict == "audio_not_delivered":
        raise typer.Exit(1)
