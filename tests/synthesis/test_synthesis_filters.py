"""Filters against rows of a scripted language model, whose faults are known, and against faults of real benchmarks."""

import json
from collections import Counter
from pathlib import Path

import pytest
from scripted_writer import ScriptedSolver, ScriptedWriter, find_fault_of_row

from alm_bench.core import Adapter, AudioRef, Decoding, Request, Runtime, Sample, Scored, UsageError
from alm_bench.data import LocalRoot
from alm_bench.data.inline_options import split_options
from alm_bench.demo import build_training_rows
from alm_bench.plugins import catalogue
from alm_bench.scoring.blind import FIRST, LONGEST, score_choice_baselines
from alm_bench.synthesis.calls import CallStore, Spending, TextModel
from alm_bench.synthesis.captions import read_captions
from alm_bench.synthesis.filters import FilterSettings, load_filter_classes
from alm_bench.synthesis.filters.unsupported import list_content_words
from alm_bench.synthesis.generate import WritingSettings, build_calls, build_rows
from alm_bench.synthesis.pipeline import parse_steps, run_filters
from alm_bench.synthesis.rows import QuestionRow, convert_sample_to_row, read_rows, set_options

CAPTIONS = 80


def make_row(name: str, *choices: str, answer: str = "", question: str = "Which sound is heard first?") -> QuestionRow:
    row = QuestionRow(name, (f"{name}.wav",), question, answer or (choices[0] if choices else "a dog barks"))
    return set_options(row, choices, row.answer) if choices else row


def find(name: str, rows: list[QuestionRow], settings: FilterSettings | None = None) -> dict[str, str]:
    """Return the reason of each faulty row by its id."""
    found = load_filter_classes().get(name)().check(rows, settings or FilterSettings())
    return {one.row: one.reason for one in found}


def ask_model(adapter: Adapter, tmp_path: Path) -> TextModel:
    return TextModel(adapter, Decoding(), CallStore(tmp_path / "calls.jsonl"), Spending(), batch=64)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> list[QuestionRow]:
    """Rows of the scripted writer."""
    calls = build_calls(read_captions(f"demo:{CAPTIONS}", "train"), WritingSettings(type=1))
    model = ask_model(ScriptedWriter(), tmp_path_factory.mktemp("written"))
    made = build_rows(calls, model.ask([call.request for call in calls]), WritingSettings(type=1), "scripted")
    assert (made.calls, made.missing, made.refused, made.empty) == (2 * CAPTIONS, 0, 0, 0)
    assert len(made.rows) == 10 * CAPTIONS
    assert made.unreadable == 0
    return made.rows


@pytest.mark.parametrize(
    "name",
    [
        *("text_solvable", "refused", "repetitive", "malformed", "ill_formed"),
        *("both_options", "longest_option", "unsupported"),
    ],
)
def test_a_filter_finds_the_rows_with_its_fault(written: list[QuestionRow], name: str, tmp_path: Path) -> None:
    rows = [row for row in written if find_fault_of_row(row.id) in (None, name)]
    truth = {row.id for row in rows if find_fault_of_row(row.id) == name}
    assert len(truth) > 15
    found = find(name, rows, FilterSettings(solver=ask_model(ScriptedSolver(), tmp_path).ask_text)).keys()
    assert len(found & truth) / len(found) >= 0.9, "precision"
    assert len(found & truth) / len(truth) >= 0.9, "recall"


def test_all_filters_together_leave_sound_rows(written: list[QuestionRow], tmp_path: Path) -> None:
    settings = FilterSettings(solver=ask_model(ScriptedSolver(), tmp_path).ask_text)
    result = run_filters(written, parse_steps("all,unsupported=drop"), settings)
    faults = Counter(find_fault_of_row(row.id) for row in result.rows)
    sound = sum(find_fault_of_row(row.id) is None for row in written)
    assert faults[None] >= 0.9 * sound
    del faults["letter_case"]  # repaired
    assert sum(faults.values()) - faults[None] <= 0.03 * len(result.rows)
    assert sum(step.dropped for step in result.steps) == len(written) - len(result.rows) == len(result.dropped)
    assert [step.rows for step in result.steps[1:]] == [step.rows - step.dropped for step in result.steps[:-1]]


def test_letter_case_is_repaired_where_it_is_mixed(written: list[QuestionRow]) -> None:
    rows = [row for row in written if row.choices and find_fault_of_row(row.id) in (None, "letter_case")]
    found = find("letter_case", rows)
    assert found.keys() == {row.id for row in rows if find_fault_of_row(row.id) == "letter_case"}
    assert set(found.values()) == {"mixed within the row"}
    repaired = run_filters(rows, parse_steps("letter_case"), FilterSettings()).rows
    assert all(choice == choice.lower() for row in repaired for choice in row.choices)
    assert all(row.answer == row.choices[row.target or 0] for row in repaired)


def test_the_classifier_finds_a_planted_shortcut() -> None:
    made = build_training_rows(900, shortcut=0.5)
    rows = [
        make_row(str(number), *split_options(row["input"], None).choices, answer=row["answer"])
        for number, row in enumerate(made.rows)
        if row["subtype"] == "AudioCaps_MCQ.json"
    ]
    truth = {str(number) for number, row in enumerate(made.rows) if row.get("leaks")}
    found = find("text_solvable", rows).keys()
    assert len(found & truth) / len(found) >= 0.9
    assert len(found & truth) / len(truth) >= 0.9


def test_questions_with_one_answer_under_all_clips_are_solvable() -> None:
    same = [make_row(f"same-{n}", answer="a sizzling sound", question="How does frying sound?") for n in range(6)]
    other = [make_row(f"other-{n}", answer=f"{n} times", question="How often does it ring?") for n in range(6)]
    assert find("text_solvable", [*same, *other]).keys() == {row.id for row in same}


def test_a_guess_is_right_in_all_draws_in_at_most_one_percent_of_the_questions() -> None:
    from alm_bench.synthesis.filters.text_solvable import count_solver_calls

    for options in range(2, 9):
        draws = count_solver_calls(options, FilterSettings())
        assert options**-draws <= 0.01 < options ** -(draws - 1) or draws == 1
    assert count_solver_calls(4, FilterSettings(draws=2)) == 2


def test_a_row_with_wrong_answers_is_not_asked_again(tmp_path: Path) -> None:
    class AlwaysFirst(ScriptedSolver):
        def _solve(self, request: Request) -> str:
            return request.choices[0]

    solver = AlwaysFirst()
    rows = [make_row(str(n), "dog", "cat", "cow", "pig", answer="cat") for n in range(50)]
    assert not find("text_solvable", rows, FilterSettings(solver=ask_model(solver, tmp_path).ask_text))
    assert Counter(name.split()[0].rpartition("/")[2] for name in solver.calls) == {"0": 50}


def test_an_answer_that_the_judge_accepts_is_supported(tmp_path: Path) -> None:
    class Judge(ScriptedSolver):
        def _solve(self, request: Request) -> str:
            return "Yes." if "outdoors" in request.prompt else "No, it does not."

    rows = [
        QuestionRow("place", ("a.wav",), "Where is it?", "outdoors", captions=("A dog barks and birds sing.",)),
        QuestionRow("wrong", ("a.wav",), "What is it?", "a violin", captions=("A dog barks and birds sing.",)),
        QuestionRow("right", ("a.wav",), "What is it?", "barking dogs", captions=("A dog barks and birds sing.",)),
    ]
    assert find("unsupported", rows).keys() == {"place", "wrong"}
    judge = Judge()
    found = find("unsupported", rows, FilterSettings(judge=ask_model(judge, tmp_path).ask_text))
    assert found.keys() == {"wrong"}
    assert sorted(judge.calls) == ["place/judge", "wrong/judge"]


def test_words_that_say_nothing_about_a_clip_need_no_support() -> None:
    assert list_content_words("several other sounds of a dog") == ("dog",)


def test_a_clip_stays_in_the_last_of_its_splits() -> None:
    rows = [
        QuestionRow(
            f"{split}-{clip}", (f"AudioCapsLarger/{split}/Y{clip.upper()}.wav",), "What is it?", "rain", split=split
        )
        for split, clips in {"train": "abcd", "val": "bc", "test": "c"}.items()
        for clip in clips
    ]
    found = find("split_overlap", rows, FilterSettings(held_out=frozenset({"clips/D.wav"})))
    assert found.keys() == {"train-b", "train-c", "val-c", "train-d"}
    assert found["train-d"] == "clip in held-out data"


def test_right_options_are_moved_to_every_position_equally_often() -> None:
    rows = [make_row(f"{n}", f"right {n}", "no", "nope", "never") for n in range(400)]
    result = run_filters(rows, parse_steps("option_position"), FilterSettings(seed=3))
    assert Counter(row.target for row in result.rows) == dict.fromkeys(range(4), 100)
    assert all(row.choices[row.target or 0] == f"right {row.id}" for row in result.rows)
    assert not find("option_position", result.rows)
    assert run_filters(rows, parse_steps("option_position"), FilterSettings(seed=3)).rows == result.rows


def test_the_surplus_of_longest_right_options_is_removed() -> None:
    wrong = ("wrong one", "false one", "other one")
    rows = [make_row(f"{n}", "a long right option" if n < 300 else "no", *wrong) for n in range(400)]
    kept = run_filters(rows, parse_steps("longest_option"), FilterSettings()).rows
    longest = sum(row.answer == "a long right option" for row in kept)
    assert abs(longest / len(kept) - 0.25) < 0.02
    assert len([row for row in kept if row.answer == "no"]) == 100


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (make_row("a", "dog", "cat", "", "pig"), "empty option"),
        (make_row("a", "dog", "cat", "Dog."), "repeated option"),
        (make_row("a", "dog"), "fewer than two options"),
        (make_row("a", "dog", "cat", answer="cow"), "answer not among the options"),
        (make_row("a", "dog", "cat", "..."), "placeholder as option"),
        (make_row("a", "dog", "option c"), "placeholder as option"),
        (make_row("a", "dog ", "cat"), "blanks around an option"),
        (make_row("a", "dog.", "cat."), "full stop after an option"),
        (make_row("a", "a) dog", "b) cat", answer="a) dog"), "letter within an option"),
        (QuestionRow("a", ("a.wav",), "What is it?", " "), "empty answer"),
    ],
)
def test_malformed_options(row: QuestionRow, reason: str) -> None:
    assert find("malformed", [row]) == {"a": reason}


def test_untidy_options_are_repaired() -> None:
    rows = [make_row("a", "a) dog. ", "b) cat.", answer="a) dog. "), make_row("b", "2", "10", answer="10")]
    first, second = run_filters(rows, parse_steps("malformed"), FilterSettings()).rows
    assert (first.choices, first.answer, first.target) == (("dog", "cat"), "dog", 0)
    assert second == rows[1]


@pytest.mark.parametrize("option", ["both a and b", "All of the above", "neither", "b) and c)", "dog barking and rain"])
def test_options_that_refer_to_others(option: str) -> None:
    assert find("both_options", [make_row("a", "dog barking", "rain", "wind", option)]) == {
        "a": "option combines others" if "rain" in option else "option refers to others"
    }


@pytest.mark.parametrize("option", ["salt and pepper", "all night long", "rock and roll", "a and a half"])
def test_options_that_only_look_like_references(option: str) -> None:
    assert not find("both_options", [make_row("a", "dog barking", "rain", "wind", option)])


def test_labels_of_a_task_are_not_refusals() -> None:
    labels = ("true", "false", "i cannot determine")
    rows = [make_row(str(n), *labels, answer=labels[n % 3]) for n in range(30)]
    assert not find("refused", rows)
    assert find("refused", rows[:6]).keys() == {"2", "5"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dull", "unknown filter 'dull'; known: "),
        ("refused=hide", "--filters refused=hide: 'hide' is unknown; known: drop, flag, repair"),
    ],
)
def test_unknown_filters_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as found:
        parse_steps(text)
    assert str(found.value).startswith(message)


def test_actions_are_chosen_per_filter() -> None:
    rows = [make_row("a", "dog", "cat", answer="unknown"), make_row("b", answer="unknown")]
    result = run_filters(rows, parse_steps("refused=flag,malformed=flag"), FilterSettings())
    assert [row.other["flags"] for row in result.rows] == [["malformed", "refused"], ["refused"]]
    assert parse_steps("none") == []


def read_annotations(shared: Path, name: str) -> list[QuestionRow]:
    """Return the rows of a real benchmark as its own file has them."""
    if name == "mmar":
        lines = (shared / "data/mmar/MMAR-meta.first700.jsonl").read_text(encoding="utf-8").splitlines()
        items = [json.loads(line) for line in lines]
        return [
            convert_sample_to_row(_make_sample(one["id"], one["question"], one["choices"], one["answer"]))
            for one in items
        ]
    items = json.loads((shared / "data/rul/RUL-MuchoMusic.json").read_text(encoding="utf-8"))
    options = {key: [one["correct_answer"], *one["distractors"]] for key, one in items.items()}
    return [
        convert_sample_to_row(_make_sample(key, items[key]["question"], texts, texts[0]))
        for key, texts in options.items()
    ]


def _make_sample(name: str, question: str, choices: list[str], answer: str) -> Sample:
    clip = AudioRef(f"{name}.wav", Path(f"{name}.wav"))
    return Sample(name, {"question": question}, (clip,), tuple(choices), choices.index(answer), answer)


def test_every_malformed_row_of_mmar_is_found(shared: Path) -> None:
    rows = read_annotations(shared, "mmar")
    found = find("malformed", rows)
    for faulty, count in (
        ({row.id for row in rows if "" in row.choices}, 3),
        ({row.id for row in rows if any(choice.endswith(".") for choice in row.choices)}, 25),
        ({row.id for row in rows if any(choice != choice.strip() for choice in row.choices)}, 2),
    ):
        assert len(faulty) == count
        assert faulty <= found.keys()
    nested = {
        row.id for row in rows for a in row.choices for b in row.choices if a != b and a.casefold() in b.casefold()
    }
    assert len(nested) == 30
    assert nested <= found.keys() | find("nested_options", rows).keys()
    assert len(found) == 30, "no other row is found"


def test_every_repeated_distractor_of_rul_is_found(shared: Path) -> None:
    found = find("malformed", read_annotations(shared, "rul"))
    assert {key for key, reason in found.items() if reason == "repeated option"} == {"1599", "1735", "741"}
    assert set(found.values()) == {"repeated option", "full stop after an option"}


@pytest.mark.parametrize(("name", "count"), [("AQA_MCQ", 76), ("AQA_Yes_No", 74), ("Classification_mini", 300)])
def test_the_full_stops_of_af_reasoning_are_found_and_removed(
    shared: Path, tmp_path: Path, name: str, count: int
) -> None:
    items = json.loads((shared / f"data/af_reasoning/{name}.json").read_text(encoding="utf-8"))["data"]
    path = tmp_path / "rows.json"
    prompts = [one["prompt"] for one in items.values()]
    (suffix,) = {prompt[prompt.rindex(". ") + 1 :] for prompt in prompts}  # the instruction that ends all prompts
    rows = [
        {"filepath1": one["name"], "input": one["prompt"].removesuffix(suffix), "answer": one["output"]}
        for one in items.values()
    ]
    path.write_text(json.dumps(rows), encoding="utf-8")
    rows_read = read_rows(path)
    assert len(rows_read) == count
    assert Counter(find("malformed", rows_read).values()) == {"full stop after an option": count}
    repaired = run_filters(rows_read, parse_steps("malformed"), FilterSettings()).rows
    assert all(row.answer in row.choices and not row.answer.endswith(".") for row in repaired)


@pytest.mark.parametrize(
    ("task", "file", "strategy", "percent"),
    [
        ("mmar", "mmar/MMAR-meta.first700.jsonl", "first", 27.6),
        ("mmar", "mmar/MMAR-meta.first700.jsonl", "longest", 30.0),
        ("rul-muchomusic", "rul/RUL-MuchoMusic.json", "longest", 10.1),
    ],
)
def test_flags_of_a_text_only_model_agree_with_the_baselines(
    shared: Path, tmp_path: Path, task: str, file: str, strategy: str, percent: float
) -> None:
    made = catalogue().get_task(task).create({"annotations": str(shared / "data" / file)} if task == "mmar" else {})
    samples = list(made.samples(LocalRoot(shared / "data"), made.card.splits[0]))
    solver = catalogue().get_adapter("blind").create({"strategy": strategy}, Runtime())
    rows = [convert_sample_to_row(sample) for sample in samples]
    assert all(row.target is not None for row in rows)
    settings = FilterSettings(solver=ask_model(solver, tmp_path).ask_text, draws=1)
    found = find("text_solvable", rows, settings).keys()
    values = score_choice_baselines([Scored(sample, "error", None, None, {}) for sample in samples])
    baseline = values[FIRST if strategy == "first" else LONGEST]
    assert found == {row.id for row, right in zip(rows, baseline, strict=True) if right}
    lengths = {row.id: [len(choice) for choice in row.choices] for row in rows}
    counted = found if task == "mmar" else [name for name in found if lengths[name].count(max(lengths[name])) == 1]
    assert round(100 * len(counted) / len(rows), 1) == percent
