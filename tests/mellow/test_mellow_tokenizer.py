import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from alm_bench.mellow.checkpoint import CONFIG, MINI, TOKENIZER, load
from alm_bench.train.mini import END, write_network

SHIPPED = Tokenizer.from_file(str(MINI / TOKENIZER))


@given(st.text())
def test_any_text_goes_through_and_back(text: str) -> None:
    ids = SHIPPED.encode(text, add_special_tokens=False).ids
    assert SHIPPED.decode(ids, skip_special_tokens=False) == text


@pytest.mark.parametrize("text", ["Où? 日本 🎉\n\t  12", "", "  two  blanks ", f"yes {END}", "a\u00a0b\r\n", "\x00"])
def test_odd_text_goes_through_and_back(text: str) -> None:
    ids = SHIPPED.encode(text, add_special_tokens=False).ids
    assert SHIPPED.decode(ids, skip_special_tokens=False) == text


def test_questions_about_sounds_are_short() -> None:
    text = "which sound is heard first? a) dog barking b) rain falling c) person whispering"
    assert len(SHIPPED.encode(text).ids) < 30


def test_the_shipped_files_are_what_the_script_makes(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("mini")
    write_network(folder)
    assert (folder / CONFIG).read_text() == (MINI / CONFIG).read_text()
    # Not the file's text: another release of the tokenizers library may write the same tokenizer in another way.
    assert Tokenizer.from_file(str(folder / TOKENIZER)).get_vocab() == SHIPPED.get_vocab()


def test_the_small_network_fits_its_tokenizer() -> None:
    loaded = load(None)
    assert loaded.tokenizer.get_vocab_size() == loaded.model.config.lm.vocabulary
    assert loaded.tokenizer.token_to_id(END) == 0
    assert loaded.model.count_parameters() < 5_000_000
