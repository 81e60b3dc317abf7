import json
from collections.abc import Callable
from pathlib import Path

import pytest

from alm_bench.core import DataError
from alm_bench.train.config import DataConfig
from alm_bench.train.paraphrase import Paraphrases
from alm_bench.train.sources import read_source

Rows = list[dict[str, object]]


def rewritten(folder: Path, change: Callable[[Rows], object]) -> DataConfig:
    """The file with its rows changed in place, or with what `change` returns in their place."""
    rows = json.loads((folder / "train.json").read_text())
    changed = change(rows)
    file = folder / "changed.json"
    file.write_text(json.dumps(rows if changed is None else changed))
    return DataConfig(str(file), root=folder)


def without_answer(rows: Rows) -> None:
    del rows[3]["answer"]


def with_empty_path(rows: Rows) -> None:
    rows[2]["filepath1"] = ""


def with_text_between(rows: Rows) -> object:
    return [rows[0], "text"]


def test_rows_and_parts(reasonaqa: Path) -> None:
    whole = read_source(DataConfig(f"{reasonaqa}/train.json", root=reasonaqa), "error")
    assert len(whole.rows) == 12
    assert [len(row.clips) for row in whole.rows[:3]] == [2, 2, 1]
    part = read_source(DataConfig(f"{reasonaqa}/train.json", root=reasonaqa, subtypes=("acd-1",)), "error")
    assert len(part.rows) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_answer, "row 3: field 'answer' is None, expected text"),
        (with_empty_path, "row 2: field 'filepath1' is empty"),
        (with_text_between, 'row 1 is "text", expected an object'),
        (lambda rows: {"rows": rows}, "found dict, expected a list of rows"),
        (lambda rows: [], "no rows"),
    ],
)
def test_a_malformed_file_is_one_line(reasonaqa: Path, change: Callable[[Rows], object], said: str) -> None:
    config = rewritten(reasonaqa, change)
    with pytest.raises(DataError) as error:
        read_source(config, "error")
    assert said in str(error.value)


def test_missing_clips_are_an_error_or_listed(reasonaqa: Path) -> None:
    config = rewritten(reasonaqa, lambda rows: rows[5].update(filepath1="AudioCapsLarger/train/Y9.wav"))
    with pytest.raises(DataError, match=r"1 clips are missing .* the first is AudioCapsLarger/train/Y9.wav"):
        read_source(config, "error")
    source = read_source(config, "skip")
    assert source.missing == ["AudioCapsLarger/train/Y9.wav"]
    assert len(source.rows) == 11


def test_an_unknown_part_names_the_known_ones(reasonaqa: Path) -> None:
    config = DataConfig(f"{reasonaqa}/train.json", root=reasonaqa, subtypes=("wavcaps",))
    with pytest.raises(DataError, match="no rows of wavcaps; parts there: acd-1, audiocaps_mcq"):
        read_source(config, "error")


def test_keys_are_asked_in_other_words_and_captions_answered_as_published() -> None:
    import random

    phrasing = Paraphrases.load_bundled()
    asked = {phrasing.rewrite("caption the audio", "A dog barks.", random.Random(seed)) for seed in range(40)}
    assert {answer for _, answer in asked} == {"the audio 1 is a dog barks."}
    assert len({prompt for prompt, _ in asked}) == len(phrasing.prompts["caption the audio"])
    assert phrasing.rewrite("Is it a DOG?", "Yes", random.Random(0)) == ("is it a dog?", "yes")
