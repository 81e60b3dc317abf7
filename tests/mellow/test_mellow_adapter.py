import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from alm_bench.adapters.mellow import ADAPTERS, MellowAdapter, MellowOptions
from alm_bench.core import Abilities, Adapter, Runtime
from alm_bench.core.errors import UsageError
from alm_bench.core.files import compute_sha256
from alm_bench.core.options import fill_options
from alm_bench.core.prompt import render
from alm_bench.core.types import AudioRef, Decoding, Request, Wave
from alm_bench.mellow.checkpoint import MINI, get_published_name, save_folder
from alm_bench.mellow.inference import Question, use_one_thread
from alm_bench.mellow.model import Mellow
from alm_bench.mellow.prompt import select_clip_pair
from alm_bench.parsing import parse_choice
from alm_bench.plugins import catalogue
from alm_bench.resolve import get_demo_root
from alm_bench.runner.inference import build_predict_function, predict_with_bisection
from alm_bench.runner.loader import load_clips

DECODING = Decoding(max_new_tokens=8)
SAMPLED = Decoding(method="nucleus", max_new_tokens=8, seed=1)


@pytest.fixture(scope="module")
def folder(tiny: Mellow, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose answers depend on what it hears and reads."""
    path = tmp_path_factory.mktemp("checkpoints") / "mine"
    save_folder(path, tiny, tokenizer)
    return path


@pytest.fixture(scope="module")
def paper(folder: Path) -> MellowAdapter:
    return MellowAdapter(MellowOptions(str(folder)), Runtime(device="cpu"))


@pytest.fixture(scope="module")
def wrapper(folder: Path) -> MellowAdapter:
    return MellowAdapter(MellowOptions(str(folder), protocol="wrapper"), Runtime(device="cpu"))


@pytest.fixture(scope="module")
def bundled() -> MellowAdapter:
    return MellowAdapter(MellowOptions(), Runtime(device="cpu"))


def clip(name: str) -> AudioRef:
    return AudioRef(name, Path(name))


def ask(waves: Sequence[Wave], item: str = "q", prompt: str = "What is it? a) Dog b) rain", clips: int = 1) -> Request:
    return Request(item, prompt, tuple(clip(f"{i}.wav") for i in range(clips)), waves=tuple(waves))


def texts(adapter: MellowAdapter, *requests: Request, decoding: Decoding = DECODING) -> list[str | None]:
    outputs = adapter.generate(requests, decoding)
    assert [output.error for output in outputs] == [None] * len(requests)
    return [output.text for output in outputs]


def test_it_continues_a_given_beginning_of_its_answer(
    bundled: MellowAdapter, paper: MellowAdapter, waves: list[Wave], tokenizer: Tokenizer
) -> None:
    """The beginning follows the prompt, and its padding in the fixed layout, as the tokens of an answer do."""
    requests = [ask(waves[n : n + 1], f"q{n}") for n in range(2)]
    for request, whole in zip(requests, texts(bundled, *requests), strict=True):
        assert whole is not None
        prefix, space, rest = whole.partition(" ")
        begun = replace(request, id="begun", prefix=prefix)
        assert texts(bundled, request, begun) == [whole, space + rest]
        assert rest
    prefix = "<think>a dog</think>"
    questions = [Question("q", "What is it?", waves[0], None, prefix=text) for text in ("", prefix)]
    plain, begun_context = (context.prompt for context in paper.answerer._build_contexts(questions))
    added = paper.answerer.engine.embed(tokenizer.encode(prefix, add_special_tokens=False).ids)
    assert torch.equal(begun_context, torch.cat([plain, added]))
    assert paper.abilities.continuation


def test_it_is_in_the_catalogue_under_its_name(paper: MellowAdapter) -> None:
    assert {"mellow": MellowAdapter} == ADAPTERS
    assert MellowAdapter.prompts == "native"
    adapter: Adapter = paper
    assert adapter.abilities == Abilities(
        loglikelihood=True,
        prepare=True,
        max_clips=2,
        event_presence=True,
        continuation=True,
        decodings=("greedy", "nucleus", "top-k", "beam"),
    )


def test_importing_it_is_light() -> None:
    code = "import sys, alm_bench.adapters.mellow; print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_identity_of_the_bundled_network(bundled: MellowAdapter) -> None:
    identity = bundled.identity
    weights = compute_sha256(MINI / "model.safetensors")
    assert identity.label == f"mellow[mini@{weights[:8]}]"
    assert identity.weights == weights
    assert (identity.dtype, identity.device) == ("float32", "cpu")
    assert identity.trained_on == ("sound", "music", "speech")
    assert identity.parameters == bundled.answerer.model.count_parameters()
    assert identity.settings["crop"] == "random"


def test_the_bundled_weights_are_small() -> None:
    assert sum(file.stat().st_size for file in MINI.iterdir()) <= 16_000_000


def test_identity_of_a_folder(folder: Path, wrapper: MellowAdapter) -> None:
    options = fill_options(MellowOptions, {"checkpoint": str(folder), "crop": "centre"}, "model mellow")
    adapter = MellowAdapter(options, Runtime(device="cpu", dtype="bfloat16"))
    identity = adapter.identity
    assert identity.weights == compute_sha256(folder / "model.safetensors")
    assert identity.label == f"mellow[mine@{identity.weights[:8]},paper,crop=centre]"
    assert wrapper.identity.label == f"mellow[mine@{identity.weights[:8]},wrapper]"
    assert identity.settings["crop"] == "centre"
    assert identity.dtype == "bfloat16"
    assert identity.settings["head"] == "float32"
    assert identity.note is None
    assert adapter.audio is not None
    assert adapter.audio.crop == "centre"
    assert adapter.generate([ask([np.zeros(320_000, np.float32)])], DECODING)[0].text is not None


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ({"protocol": "papers"}, "one of paper, wrapper"),
        ({"crop": "middle"}, "one of first, centre, random"),
        ({"checkpont": "v0"}, "known: checkpoint"),
    ],
)
def test_wrong_options(pairs: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fill_options(MellowOptions, pairs, "model mellow")


@pytest.mark.parametrize(
    ("runtime", "message"),
    [
        (Runtime(device="tpu"), "auto, cpu, cuda or cuda:NUMBER"),
        (Runtime(device="cpu", dtype="int8"), "float32, bfloat16, float16"),
    ],
)
def test_wrong_runtime(runtime: Runtime, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        MellowAdapter(MellowOptions(), runtime)


def test_requests_that_cannot_be_answered(paper: MellowAdapter, waves: list[Wave]) -> None:
    wave = waves[0]
    requests = [
        Request("blind", "what is it?"),
        ask([wave], "good"),
        ask([wave], "undecoded", clips=2),
        ask([wave[:1000]], "short"),
        ask([wave, wave, wave], "three", clips=3),
    ]
    outputs = paper.generate(requests, DECODING)
    assert [output.text is None for output in outputs] == [True, False, True, True, True]
    assert [bool(output.error) for output in outputs] == [True, False, True, True, True]
    assert "has none" in (outputs[0].error or "")
    assert "shape (1000,), expected (320000,)" in (outputs[3].error or "")
    assert outputs[1].text == texts(paper, ask([wave], "good"), decoding=DECODING)[0]


def test_the_same_answers_from_run_to_run(bundled: MellowAdapter, waves: list[Wave]) -> None:
    again = MellowAdapter(MellowOptions(), Runtime(device="cpu"))
    requests = [ask([wave], f"q{i}") for i, wave in enumerate(waves)]
    for decoding in (DECODING, SAMPLED):
        assert texts(bundled, *requests, decoding=decoding) == texts(again, *requests, decoding=decoding)


def test_batch_of_four_equals_batches_of_one(paper: MellowAdapter, waves: list[Wave]) -> None:
    requests = [ask([wave], f"q{i}", f"question {i}?") for i, wave in enumerate(waves)]
    for decoding in (DECODING, SAMPLED):
        alone = [texts(paper, request, decoding=decoding)[0] for request in requests]
        assert texts(paper, *requests, decoding=decoding) == alone
    assert len(set(alone)) == 4


def test_prompt_case_matters_to_the_wrapper_only(
    paper: MellowAdapter, wrapper: MellowAdapter, waves: list[Wave]
) -> None:
    upper, lower = ask(waves[:1], prompt="IS IT RAIN?"), ask(waves[:1], prompt="is it rain?")
    assert texts(paper, upper) == texts(paper, lower)
    assert texts(wrapper, upper) != texts(wrapper, lower)


def test_second_clip(paper: MellowAdapter, waves: list[Wave]) -> None:
    """The item's own, else the spare one, else the first again."""
    one, two = waves[:2]
    own = ask([one, two], clips=2)
    spare = Request("q", own.prompt, (clip("0.wav"),), spare=clip("1.wav"), waves=(one, two))
    assert texts(paper, own) == texts(paper, spare)
    assert texts(paper, ask([one])) == texts(paper, ask([one, one], clips=2))
    # An untrained network may write the same after some pairs, and tells more of them apart in more words.
    pairs = [ask([wave, other], clips=2) for wave in waves for other in waves]
    assert len(set(texts(paper, *pairs, decoding=Decoding(max_new_tokens=48)))) > len(waves)


def test_each_distinct_clip_is_encoded_once(folder: Path, waves: list[Wave], monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = without(folder, 64)
    heard = encoded(adapter, monkeypatch)
    texts(adapter, ask(waves[:1], "1"), ask(waves[:1], "2", "other?"), ask(waves[:2], "3", clips=2))
    assert heard == [2]
    # The same reference with other samples (noise on it) is another clip; that of before is kept.
    quiet = 0.25 * waves[0]
    texts(adapter, ask(waves[:1], "1"), ask([quiet], "2"))
    assert heard == [2, 1]


def encoded(adapter: MellowAdapter, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many clips are encoded, call by call, from now on."""
    heard: list[int] = []
    encoder = adapter.answerer.model.encoder
    encode = encoder.encode
    monkeypatch.setattr(encoder, "encode", lambda x: (heard.append(len(x)), encode(x))[1])
    return heard


def without(folder: Path, cache_mb: int) -> MellowAdapter:
    return MellowAdapter(MellowOptions(str(folder)), Runtime(device="cpu", cache_mb=cache_mb))


def questions(waves: Sequence[Wave]) -> list[Request]:
    """Some share a clip, some a pair; of different length."""
    pairs = [[0], [0], [0], [1], [1], [0, 1], [0, 1], [1, 0], [2, 3], [2]]
    return [
        ask(
            [waves[i] for i in pair],
            f"q{number}",
            f"{'what is it that sounds? ' * (number % 3 + 1)}{number}",
            len(pair),
        )
        for number, pair in enumerate(pairs)
    ]


@pytest.mark.parametrize("decoding", [DECODING, SAMPLED])
def test_answers_do_not_depend_on_batch_order_or_reuse(folder: Path, waves: list[Wave], decoding: Decoding) -> None:
    asked = questions(waves)
    alone = without(folder, 0)
    wanted = {request.id: texts(alone, request, decoding=decoding)[0] for request in asked}
    assert len(set(wanted.values())) > 5
    shared = without(folder, 64)
    order = shared.order(asked)
    assert sorted(order) == list(range(len(asked)))
    for adapter, sizes in ((alone, (3,)), (shared, (1, 4, 10)), (without(folder, 1), (4,))):
        for places in (range(len(asked)), order, reversed(range(len(asked)))):
            turned = [asked[place] for place in places]
            for size in sizes:
                for start in range(0, len(turned), size):
                    part = turned[start : start + size]
                    prepared = [replace(r, features=tuple(map(adapter.prepare, r.waves))) for r in part[:2]] + part[2:]
                    assert texts(adapter, *prepared, decoding=decoding) == [wanted[request.id] for request in part]


def test_what_questions_share_is_computed_once(
    folder: Path, waves: list[Wave], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    for cache_mb in (64, 0):
        adapter = without(folder, cache_mb)
        engine = adapter.answerer.engine
        prefixes = engine.compute_prefixes
        read.clear()
        monkeypatch.setattr(engine, "compute_prefixes", lambda rows, of=prefixes: (read.append(len(rows)), of(rows))[1])
        found = encoded(adapter, monkeypatch)
        monkeypatch.setattr(adapter.answerer, "_clips_per_batch", 99)
        asked = questions(waves)[:7]
        texts(adapter, *asked[:3], *asked[3:5])
        texts(adapter, *asked[5:], ask(waves[2:], "last", clips=2))
        assert sum(found) == (4 if cache_mb else 16)
        assert sum(read) == (4 if cache_mb else 0), "what nothing shares is read in one pass with its prompt"


def test_deterministic_algorithms_answer_the_same(folder: Path, waves: list[Wave]) -> None:
    asked = questions(waves)
    wanted = texts(without(folder, 64), *asked)
    try:
        exact = MellowAdapter(MellowOptions(str(folder), deterministic=True), Runtime(device="cpu"))
        assert torch.are_deterministic_algorithms_enabled()
        assert texts(exact, *asked) == wanted
    finally:
        torch.use_deterministic_algorithms(False)


def test_what_is_kept_is_bounded(folder: Path, waves: list[Wave]) -> None:
    adapter = without(folder, 1)
    kept = adapter.answerer._kept
    for part in range(1, 16):
        texts(adapter, ask([waves[0] * (part / 16)]))
        assert 0 < kept.currsize <= 1_000_000
        assert kept.currsize == sum(value.nbytes for value in kept.values())
    assert len(kept) < 2 * 15  # each clip, and the keys and values after it


def test_what_is_kept_holds_no_more_than_is_counted(folder: Path, waves: list[Wave]) -> None:
    adapter = without(folder, 100)
    texts(adapter, *(ask([wave], f"q{i}") for i, wave in enumerate(waves)))
    for value in adapter.answerer._kept.values():
        parts = [value] if isinstance(value, torch.Tensor) else [value.keys, value.values]
        assert sum(part.untyped_storage().nbytes() for part in parts) == value.nbytes


def test_a_clip_far_beyond_full_scale_fails_alone(bundled: MellowAdapter, waves: list[Wave]) -> None:
    asked = [ask([wave], f"q{i}", "What is it?" + " a) dog b) rain" * i) for i, wave in enumerate(waves[:3])]
    wanted = texts(bundled, *asked)
    broken = ask([np.float32(1e30) * waves[0]], "broken", "What is it?" + " a) dog b) rain" * 5)
    outputs = predict_with_bisection(build_predict_function(bundled, DECODING), [asked[0], broken, *asked[1:]])
    assert [output.text for output in outputs] == [wanted[0], None, *wanted[1:]]
    assert "samples lie far beyond -1..1" in (outputs[1].error or "")
    assert texts(bundled, *asked) == wanted


def test_listening_leaves_torch_its_threads() -> None:
    """What a thread that is new to torch begins with is the same for all of a process: two that listen at a time."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        first, second = use_one_thread(2), use_one_thread(2)
        first.__enter__()
        second.__enter__()
        assert torch.get_num_threads() == 1
        first.__exit__(None, None, None)
        second.__exit__(None, None, None)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_truncated_and_token_counts(paper: MellowAdapter, waves: list[Wave]) -> None:
    output = paper.generate([ask(waves[:1])], DECODING)[0]
    assert output.truncated
    assert output.extra == {"tokens": 8}


def test_text_ends_before_the_stop_token(waves: list[Wave], monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = MellowAdapter(MellowOptions(), Runtime(device="cpu"))
    words = adapter.answerer.tokenizer.encode("a) dog ", add_special_tokens=False).ids
    script = iter([*words, adapter.answerer.model.config.prompt.stop])
    monkeypatch.setattr("alm_bench.mellow.generate.choose_tokens", lambda *_: torch.tensor([next(script)]))
    output = adapter.generate([ask(waves[:1])], DECODING)[0]
    assert output.text == "a) dog "  # raw, the published model's last blank included
    assert not output.truncated


def test_order_puts_shared_clips_together(paper: MellowAdapter) -> None:
    """Groups by their longest question, the longest first; in a group the same."""
    names, prompts = ["b", "a", "b", "a"], ["short", "somewhat longer", "long, long, long question", "q"]
    requests = [Request(str(i), p, (clip(name),)) for i, (name, p) in enumerate(zip(names, prompts, strict=True))]
    assert list(paper.order([*requests, Request("4", "?")])) == [2, 0, 1, 3, 4]
    chosen = [replace(request, choices=("x" * i, "y")) for i, request in enumerate(requests)]
    assert list(paper.order([*chosen, requests[0]])) == [4, 2, 0, 3, 1]


def test_published_names_cover_every_tensor(tiny: Mellow) -> None:
    names = [get_published_name(name) for name in tiny.state_dict()]
    assert len(set(names)) == len(names)
    assert {name.partition(".")[0] for name in names} == {"audio_encoder", "caption_decoder"}


def test_options_are_scored_as_they_are_written(paper: MellowAdapter, waves: list[Wave]) -> None:
    """One option after the other, each in a pass of its own, gives the same as all at once."""
    options = ("A Dog", "rain", "a car horn that is far away")
    asked = [replace(ask([waves[i]], item=f"q{i}"), choices=options[: 3 - i]) for i in range(2)]
    found = paper.loglikelihood(asked)
    assert [one.error for one in found] == [None, None]
    for request, scores in zip(asked, found, strict=True):
        written = [f"{letter}) {text.lower()}" for letter, text in zip("abc", request.choices, strict=False)]
        for form, texts in (("text", written), ("letter", [text[:2] for text in written])):
            assert len(scores.forms[form]) == len(request.choices)
            for (total, tokens), text in zip(scores.forms[form], texts, strict=True):
                question = Question("alone", request.prompt, *select_clip_pair(request.waves, "fixed"))
                ((alone,),) = paper.answerer.compute_likelihoods([question], [[text]])
                assert tokens == alone.tokens == len(paper.answerer.tokenizer.encode(text).ids)
                assert total == pytest.approx(alone.total, abs=1e-4)


def test_the_likeliest_option_is_the_one_that_it_writes(bundled: MellowAdapter) -> None:
    demo = get_demo_root(catalogue().get_task("mmau"))
    samples = list(islice(catalogue().get_task("mmau").create().samples(demo, "test-mini"), 16))
    prompt = catalogue().get_task("mmau").load_prompts()["native"]
    assert bundled.audio is not None
    asked = [load_clips(i, render(sample, prompt), bundled.audio).request for i, sample in enumerate(samples)]
    said = texts(bundled, *asked, decoding=Decoding(max_new_tokens=32))
    agreed = 0
    for request, text, scores in zip(asked, said, bundled.loglikelihood(asked), strict=True):
        totals = [total for total, _ in scores.forms["text"]]
        agreed += parse_choice(text or "", request.choices).index == totals.index(max(totals))
    assert agreed >= 14


def test_what_cannot_be_heard_cannot_be_scored(paper: MellowAdapter, waves: list[Wave]) -> None:
    good, bad = (replace(ask(waves[:1]), choices=("a", "b")), replace(ask([]), choices=("a", "b")))
    found = paper.loglikelihood([bad, good])
    assert found[0].error == "1 clips but 0 decoded waves"
    assert found[1].error is None
