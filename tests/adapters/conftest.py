"""A tiny CLAP; and torchvision and torchaudio from the package index, which are built for CUDA, beside a CPU torch.

The latter are in an environment of their own (hf_extra/README.md), never in the package. Without them nothing is done.
"""

import importlib.util
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_server import Server, serving
from tiny_clap import tiny_clap

DECLARED = []
"""Operators stay declared for as long as their library object lives."""


def built_for_cuda(package: str) -> bool:
    """Whether it is there and is of such a build, told without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return False
    version = Path(spec.origin).with_name("version.py")
    return version.is_file() and "+cu" in version.read_text(encoding="utf-8")


def beside_a_cpu_torch() -> None:
    vision, audio = built_for_cuda("torchvision"), built_for_cuda("torchaudio")
    if not vision and not audio:
        return
    import torch

    if torch.version.cuda is not None:
        return
    if vision and "torchvision" not in sys.modules:  # its compiled part declares what its Python part then describes
        DECLARED.append(torch.library.Library("torchvision", "DEF"))
        for name in ("nms", "qnms"):
            DECLARED[0].define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    if audio and "torchaudio" not in sys.modules:
        stub = types.ModuleType("torchaudio._extension")
        stub.__dict__.update(
            _IS_TORCHAUDIO_EXT_AVAILABLE=False, _IS_ALIGN_AVAILABLE=False, fail_if_no_align=lambda f: f
        )
        sys.modules[stub.__name__] = stub


beside_a_cpu_torch()


@pytest.fixture(scope="session")
def clap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clap(tmp_path_factory.mktemp("clap") / "tiny-clap")


@pytest.fixture
def server() -> Iterator[Server]:
    """A scripted OpenAI-compatible server that answers every question."""
    with serving() as started:
        yield started
