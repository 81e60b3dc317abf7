"""The bundled Mellow behind `--model exec`: what a worker for a real model looks like, with nothing left out.

alm-bench run --model exec --model-arg command="python docs/examples/mellow_worker.py" --tasks mmau --prompt native
"""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

replies = os.fdopen(os.dup(1), "w")  # for replies alone:
os.dup2(2, 1)  # whatever a library prints goes to standard error

import numpy as np  # noqa: E402  what may print is imported below the lines above
import torch  # noqa: E402

from alm_bench.core import Decoding  # noqa: E402
from alm_bench.core.device import pick_device, pick_dtype  # noqa: E402
from alm_bench.mellow.checkpoint import load  # noqa: E402
from alm_bench.mellow.inference import Answerer, Question  # noqa: E402
from alm_bench.mellow.prompt import select_clip_pair, select_protocol  # noqa: E402


def say(**reply: object) -> None:
    print(json.dumps(reply), file=replies, flush=True)


def wave(path: str) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    return np.frombuffer(Path(path).read_bytes(), dtype="<f4", offset=44)


loaded = load(None)
config = loaded.model.config
protocol = select_protocol(config.prompt.layout, None, config.lm.kind)
device, dtype = pick_device(os.environ["ALM_BENCH_DEVICE"]), pick_dtype(os.environ.get("ALM_BENCH_DTYPE"), "mellow")
answerer = Answerer(loaded, protocol, device, dtype)
torch.set_num_threads(int(os.environ.get("WORKER_THREADS", torch.get_num_threads())))

say(
    alm_bench=1,
    name=f"mellow[{loaded.name}] in a worker",
    weights=loaded.sha256,
    dtype=str(dtype).removeprefix("torch."),
    device=device.type,
    parameters=loaded.model.count_parameters(),
    trained_on=list(config.trained_on),
    settings={"protocol": protocol.name},
    audio=asdict(protocol.build_policy(config.encoder)),
    delivery="by construction",  # waves go straight into the encoder
)
for line in sys.stdin:
    asked = json.loads(line)
    try:
        clips = [wave(path) for path in [*asked["audio"], asked["spare"]] if path is not None]
        question = Question(asked["id"], asked["prompt"], *select_clip_pair(tuple(clips), config.prompt.layout))
        (answer,) = answerer.answer([question], Decoding(**asked["decoding"]))
        say(id=asked["id"], text=answer.text, truncated=answer.truncated, extra={"tokens": answer.tokens})
    except Exception as error:  # noqa: BLE001  this request has failed, the next one need not
        say(id=asked["id"], error=f"{type(error).__name__}: {error}")
