"""Write a checkpoint in the published layout whose weights follow from their names alone.

    python tests/parity/make_checkpoint.py OUT.ckpt

The file has every tensor of the published v0.ckpt that training changes, in its shape; constants are left out. Its
values are random, but the same everywhere, and the reference network's outputs on them are known: it shows that an
installation computes what the published code computes, without the published weights.
"""

import argparse
import json
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

MANIFEST = Path(__file__).resolve().parents[3] / "shared" / "parity" / "checkpoint_manifest.json"


def weight(key: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Values for one tensor, seeded by its name; scaled by its kind so that activations stay in a sane range."""
    n = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(shape, dtype=np.float32)
    last = key.rpartition(".")[2]
    if last == "running_var":
        n = 1 + 0.1 * np.abs(n)
    elif last == "running_mean":
        n = -30 + 5 * n
    elif last in ("bias", "relative_position_bias_table"):
        n = 0.02 * n
    elif len(shape) == 1:
        n = 1 + 0.1 * n
    elif "embed_tokens" in key:
        n = 0.05 * n
    else:
        n = n / math.sqrt(math.prod(shape[1:]))
    return np.asarray(n, dtype=np.float32)


def state(manifest: Mapping[str, Mapping[str, Any]]) -> dict[str, torch.Tensor]:
    """Everything that is not constant; the output layer is the embedding itself (tied), stored once."""
    tensors: dict[str, torch.Tensor] = {}
    for key, entry in manifest.items():
        if not entry["constant"]:
            embedding = key.replace("lm_head.weight", "model.embed_tokens.weight")
            shared = tensors.get(embedding)
            tensors[key] = torch.from_numpy(weight(embedding, tuple(entry["shape"]))) if shared is None else shared
    return tensors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--manifest", type=Path, default=MANIFEST, help="names and shapes (default: %(default)s)")
    arguments = parser.parse_args()
    torch.save(state(json.loads(arguments.manifest.read_text())), arguments.out)


if __name__ == "__main__":
    main()
