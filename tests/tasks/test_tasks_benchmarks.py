"""The multiple-choice benchmarks on the files of their repositories: baselines, clips, prompts, official rules."""

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from benchmark_rows import INVENTED, REAL, Written, mmau_pro_rows, mmsu_parquet, mmsu_rows
from small_world import Ran, alm, only_run, outputs, refusal, replay, stored, tone

from alm_bench.core import Sample
from alm_bench.core.prompt import render
from alm_bench.data import LocalRoot
from alm_bench.plugins import catalogue
from alm_bench.scoring.mmau_match import is_officially_correct

GIVEN_AWAY = ("thinking", "cue", "rubric", "transcription", "question", "context")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "tone.wav"
    tone(path, 440, 0.1)
    return path


@pytest.fixture(params=[*REAL, *INVENTED])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def written(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> Written:
    """The benchmark's files below `tmp_path / "data"`."""
    if name in REAL:
        return REAL[name](tmp_path / "data", request.getfixturevalue("shared"))
    return INVENTED[name](tmp_path / "data", Path())


def put_clips(root: Path, names: Sequence[str], clip: Path) -> None:
    """One synthesised clip per file name."""
    for path in {root / name for name in names}:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(clip, path)


def run(root: Path, task: str, *arguments: object) -> Ran:
    return alm("run", "--tasks", task, "--data", root, "--out", root / "runs", "--json", *arguments)


def samples(root: Path, task: str) -> list[Sample]:
    entry = catalogue().get_task(task)
    return list(entry.create().samples(LocalRoot(root), entry.card.default_split))


def same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def plain_baselines(questions: Sequence[tuple[list[str], str]]) -> dict[str, float]:
    """Accuracies in percent, computed from the rows without the package."""
    letter = Counter(options.index(right) for options, right in questions).most_common(1)[0][0]
    picks = {
        "first option": [0 for _ in questions],
        "longest option": [[*map(len, options)].index(max(map(len, options))) for options, _ in questions],
        "most frequent letter": [letter if letter < len(options) else 0 for options, _ in questions],
    }
    found = {
        name: sum(same(options[i], right) for i, (options, right) in zip(chosen, questions, strict=True))
        for name, chosen in picks.items()
    }
    chance = sum(sum(same(option, right) for option in options) / len(options) for options, right in questions)
    return {name: 100 * count / len(questions) for name, count in {**found, "uniform guess (expected)": chance}.items()}


def test_blind_has_the_baselines_of_a_plain_computation(name: str, written: Written, tmp_path: Path) -> None:
    found = run(tmp_path / "data", name, "--model", "blind").run
    assert (found["n"], found["skipped"]) == (len(written.questions), written.skipped)
    accuracies = {row: 100 * metrics["accuracy"]["value"] for row, metrics in found["baselines"].items()}
    plain = plain_baselines(written.questions)
    assert {row: accuracies[row] for row in plain} == pytest.approx(plain)
    assert 100 * found["metrics"]["accuracy"]["value"] == pytest.approx(plain["first option"])


def test_echo_hears_one_clip_per_file_name(name: str, written: Written, tmp_path: Path, clip: Path) -> None:
    root = tmp_path / "data"
    put_clips(root, written.clips, clip)
    arguments = ("--model", "echo", "--model-arg", "rate=8000", "--model-arg", "seconds=0.1", "--max-new-tokens", "3")
    found = run(root, name, *arguments).run
    assert found["status"]["error"] == 0
    assert found["items"] == len(written.questions) + written.skipped
    heard = {ref["path"] for row in stored(only_run(root / "runs")) for ref in row["audio"]}
    assert heard == {str(root / path) for path in written.clips}


def test_prompts_hold_the_question_and_its_options_alone(name: str, written: Written, tmp_path: Path) -> None:
    prompts = catalogue().get_task(name).load_prompts()
    assert {"native", "letters", "bare"} <= set(prompts)
    for sample in samples(tmp_path / "data", name):
        for template in prompts.values():
            prompt = render(sample, template).prompt
            assert sample.fields["question"].lower() in prompt.lower()
            assert "<SUMMARY>" not in prompt
            hidden = [sample.metadata[key] for key in GIVEN_AWAY if key in sample.metadata]
            shown = " ".join([sample.fields["question"], *sample.choices])
            assert not [text for text in hidden if str(text) in prompt and str(text) not in shown]
            if template.name in ("native", "letters", "official"):
                assert all(option.lower() in prompt.lower() for option in sample.choices)


def test_figures_of_the_real_parts(shared: Path, tmp_path: Path) -> None:
    """Figures counted on these files by others. A guess among repeated options is right more often than 1 of n."""
    rows = {task: REAL[task](tmp_path / task, shared).questions for task in ("mmar", "speechr")}
    plain = {task: plain_baselines(questions) for task, questions in rows.items()}
    chance = {task: 100 * sum(1 / len(options) for options, _ in each) / len(each) for task, each in rows.items()}
    assert {task: round(value, 1) for task, value in chance.items()} == {"mmar": 29.3, "speechr": 38.1}
    assert plain["speechr"]["uniform guess (expected)"] == pytest.approx(chance["speechr"], abs=0.05)
    assert [round(plain[task]["first option"], 1) for task in rows] == [27.6, 44.2]
    assert round(plain["mmar"]["longest option"], 1) == 30.0
    assert round(plain["mmar"]["most frequent letter"], 1) == 28.9


def test_every_part_of_af_reasoning_is_a_group(shared: Path, tmp_path: Path) -> None:
    REAL["af-reasoning"](tmp_path, shared)
    found = run(tmp_path, "af-reasoning", "--model", "blind").run
    parts = {
        key: (m["accuracy"]["n"], round(100 * m["accuracy"]["value"], 1)) for key, m in found["groups"]["part"].items()
    }
    assert parts == {"AQA-MCQ": (76, 32.9), "AQA-Yes_No": (74, 47.3), "Classification-mini": (300, 26.0)}
    assert found["revision"] == "75477c5"
    (tmp_path / "af-reasoning/AQA_Yes_No.json").unlink()
    assert run(tmp_path, "af-reasoning", "--model", "blind").run["revision"].startswith("part: 376 of 450 items (")


def test_traces_and_rubrics_are_stored_but_never_asked(shared: Path, tmp_path: Path) -> None:
    REAL["mmar"](tmp_path, shared)
    run(tmp_path, "mmar", "--model", "blind", "--limit", 5)
    rows = stored(only_run(tmp_path / "runs"))
    assert all({"thinking", "rubric"} <= row["metadata"].keys() for row in rows)
    assert all(row["metadata"]["thinking"] not in row["prompt"] for row in rows)
    assert len(rows[0]["metadata"]["rubric"]) == 5
    again = alm("score", only_run(tmp_path / "runs"), "--json")
    assert again.status == 0, again.err
    assert stored(only_run(tmp_path / "runs"))[0]["metadata"] == rows[0]["metadata"]


def test_mmars_groups(shared: Path, tmp_path: Path) -> None:
    REAL["mmar"](tmp_path, shared)
    found = samples(tmp_path, "mmar")
    counts = {name: len({s.groups[name] for s in found if name in s.groups}) for name in ("modality", "category")}
    assert counts == {"modality": 7, "category": 4}
    assert sum("language" not in sample.groups for sample in found) == 228
    assert "kr" not in {sample.groups.get("language") for sample in found}


def test_a_json_list_is_read_as_json_lines_are(tmp_path: Path) -> None:
    root = catalogue().get_task("mmar").load_demo().build(24)
    rows = [json.loads(line) for line in root.files["mmar/MMAR-meta.jsonl"].splitlines()]
    for folder, text in (("a", "\n".join(map(json.dumps, rows))), ("b", json.dumps(rows))):
        file = tmp_path / folder / "mmar" / ("MMAR-meta.jsonl" if folder == "a" else "MMAR-meta.json")
        file.parent.mkdir(parents=True)
        file.write_text(text)
    one, other = samples(tmp_path / "a", "mmar"), samples(tmp_path / "b", "mmar")
    assert len(one) == 24
    assert [replace(sample, audio=()) for sample in one] == [replace(sample, audio=()) for sample in other]


def test_a_shorter_file_is_a_part_and_has_its_own_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = catalogue().get_task("mmar").load_demo().build(24).files["mmar/MMAR-meta.jsonl"].splitlines()
    for folder, count in (("whole", 24), ("part", 20)):
        (tmp_path / folder / "mmar").mkdir(parents=True)
        (tmp_path / folder / "mmar/MMAR-meta.jsonl").write_text("\n".join(lines[:count]))
    entry = catalogue().get_task("mmar")
    monkeypatch.setitem(catalogue().tasks, "mmar", replace(entry, card=replace(entry.card, items={"test": 24})))
    common = ("run", "--tasks", "mmar", "--model", "blind", "--out", "runs", "--json", "--data")
    revisions = [alm(*common, folder).run["revision"] for folder in ("whole", "part")]
    assert revisions[0].startswith("unknown (")
    assert revisions[1].startswith("part: 20 of 24 items (")
    board = alm("leaderboard", "--out", "runs").out
    assert board.count("## mmar ") == 2
    info = alm("data", "info", "mmar", "--data", "part")
    assert "part: 20 of 24 items" in info.out
    assert alm("data", "info", "mmar", "--data", "part", "--json").json["tasks"][0]["part"] == "part: 20 of 24 items"
    assert alm("data", "info", "mmar", "--data", "whole", "--json").json["tasks"][0]["part"] is None


def test_a_named_file_of_questions(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, mmsu_rows())))
    ran = run(tmp_path, "mmsu", "--model", "blind", "--task-arg", f"mmsu.annotations={tmp_path / 'mine.jsonl'}")
    assert ran.run["n"] == 20
    ran = run(tmp_path, "mmsu", "--model", "blind", "--task-arg", "mmsu.annotations=absent.jsonl")
    assert "annotations=absent.jsonl is not a file" in refusal(ran)


def test_names_with_underscores_are_those_with_hyphens(tmp_path: Path) -> None:
    INVENTED["mmau-pro"](tmp_path, Path())
    assert run(tmp_path, "mmau_pro", "--model", "blind").run["task"] == "mmau-pro"


# --- MMAR's rule ---


def bag_of_words(text: str, right: str, options: Sequence[str]) -> bool:
    """The published rule, written again from its description."""

    def words(of: str) -> set[str]:
        return set("".join(c if c.isalnum() or c == "_" else " " for c in of.lower()).split())

    said, wanted = words(text), words(right)
    others = set().union(*(words(option) - wanted for option in options if words(option) != wanted))
    return bool(said) and wanted <= said and not said & others


def test_mmars_bag_of_words_on_letters_texts_and_negations(shared: Path, tmp_path: Path) -> None:
    """As in the column of MMAU's string match: letters earn almost nothing, negations almost everything."""
    REAL["mmar"](tmp_path, shared)
    task = catalogue().get_task("mmar").create()
    forms = {
        "letter": lambda s: "ABCDEFGH"[s.target],
        "(A) text": lambda s: f"({'ABCDEFGH'[s.target]}) {s.choices[s.target]}",
        "negation": lambda s: f"It is not {s.choices[s.target]}.",
    }
    found = {}
    questions = samples(tmp_path, "mmar")
    for form, say in forms.items():
        official = [task.is_officially_correct(sample, say(sample)) for sample in questions]
        assert official == [bag_of_words(say(sample), sample.gold or "", sample.choices) for sample in questions]
        found[form] = 100 * sum(official) / len(official)
    assert found["letter"] < 5
    assert found["(A) text"] > 90
    assert found["negation"] > 85
    few = questions[::25]
    denied = [task.parse(sample, forms["negation"](sample)).index for sample in few]
    assert not [1 for sample, index in zip(few, denied, strict=True) if index == sample.target]


def test_mmar_wants_a_word() -> None:
    task = catalogue().get_task("mmar").create()
    sample = Sample("1", {}, choices=("?", "!"), target=0, gold="?")
    assert is_officially_correct("...", "?", sample.choices)
    assert not task.is_officially_correct(sample, "...")


# --- MMSU and AIR-Bench: first or second-last character ---


def test_mmsus_rule_on_one_right_two_empty_one_refusal(tmp_path: Path) -> None:
    rows = mmsu_rows()[:4]
    for row in rows:
        row["answer_gt"] = row["choice_a"]
    (tmp_path / "mmsu").mkdir()
    (tmp_path / "mmsu/mmsu.jsonl").write_text("\n".join(map(json.dumps, rows)))
    texts = dict(zip((row["id"] for row in rows), ("A", "", " ", "I cannot hear it"), strict=True))
    found = run(tmp_path, "mmsu", *replay(outputs(tmp_path / "said.json", texts))).run
    official = found["metrics"]["official_accuracy"]
    assert (official["value"], official["n"]) == (0.25, 4)
    assert found["metrics"]["accuracy"]["value"] == 0.25
    remark = found["tables"]["official_script"]
    assert "33.33 % of 3 answers, since it leaves out 1 in another format" in remark
    assert (
        "first version: 100.00 % of 3 answers, since it also gives 2 empty ones the letter of the answer before"
        in remark
    )
    card = alm("score", only_run(tmp_path / "runs")).out
    assert "33.33 % of 3 answers" in card


@pytest.mark.parametrize(
    ("text", "right"),
    [
        *(("B", True), ("B. Thunder", True), ("The answer is B.", True), ("(B)", True), ("B\n", True)),
        *(("The answer is B", False), ("b", False), ("A", False), ("", False), ("D", False)),
    ],
)
def test_the_letter_is_the_first_or_the_second_last_character(text: str, right: bool) -> None:
    sample = Sample("1", {}, choices=("Rain", "Thunder"), target=1, gold="Thunder")
    for task in ("mmsu", "air-bench-foundation"):
        assert catalogue().get_task(task).create().is_officially_correct(sample, text) is right


def test_options_keep_their_letters(tmp_path: Path) -> None:
    """An option without text in the middle stays, one at the end is none."""
    row = {
        **mmsu_rows()[1],
        "choice_a": "Rain",
        "choice_b": None,
        "choice_c": "Hail",
        "choice_d": "",
        "answer_gt": "Hail",
    }
    (tmp_path / "mmsu").mkdir()
    (tmp_path / "mmsu/mmsu.jsonl").write_text(json.dumps(row))
    (sample,) = samples(tmp_path, "mmsu")
    assert (sample.choices, sample.target) == (("Rain", "", "Hail"), 2)
    assert catalogue().get_task("mmsu").create().is_officially_correct(sample, "C")


def test_air_benchs_script_leaves_out_what_has_no_letter(tmp_path: Path) -> None:
    INVENTED["air-bench-foundation"](tmp_path, Path())
    texts = {str(number): "A" if number < 15 else "" for number in range(20)}
    found = run(tmp_path, "air-bench-foundation", *replay(outputs(tmp_path / "said.json", texts))).run
    assert found["metrics"]["official_accuracy"]["n"] == 20
    assert "of 15 answers, since it leaves out 5 without a letter" in found["tables"]["official_script"]


def test_the_hubs_parquet_of_mmsu(tmp_path: Path, clip: Path) -> None:
    written = mmsu_parquet(tmp_path, clip.read_bytes())
    found = run(tmp_path, "mmsu", "--model", "echo").run
    assert (found["n"], found["status"]["error"]) == (20, 0)
    read = samples(tmp_path, "mmsu")
    assert [(list(s.choices), s.gold) for s in read] == written.questions
    assert read[3].audio[0].id == "mmsu/audio/mmsu_0003.wav"
    assert read[3].audio[0].read is not None


# --- MMAU-Pro ---


def test_mmau_pro_asks_everything_and_scores_closed_questions(tmp_path: Path, clip: Path) -> None:
    written = INVENTED["mmau-pro"](tmp_path, Path())
    put_clips(tmp_path, written.clips, clip)
    found = run(tmp_path, "mmau-pro", "--model", "echo").run
    assert found["status"] == {**found["status"], "skipped": 3, "error": 0}
    assert found["reasons"]["open answer: needs a judge"] == 2
    assert found["reasons"]["instruction following: needs a judge"] == 1
    assert "not comparable" in found["metrics"]["official_accuracy"]["reason"]
    rows = {row["id"]: row for row in stored(only_run(tmp_path / "runs"))}
    assert rows["pro-4"]["text"]
    assert rows["pro-4"]["gold"] == "Rain falls on a roof."
    assert "letter of the correct option" not in rows["pro-4"]["prompt"]
    assert rows["pro-9"]["metadata"]["kwargs"] == '{"N": 10}'
    assert len(rows["pro-6"]["audio"]) == 3
    closed = [row for row in mmau_pro_rows() if row["choices"]]
    skills = {skill: metrics["accuracy"]["n"] for skill, metrics in found["groups"]["skill"].items()}
    of_rows = Counter(skill for row in closed for skill in row["perceptual_skills"] + row["reasoning_skills"])
    assert skills == {**of_rows}


# --- SpeechR ---


@pytest.mark.parametrize(
    ("text", "choices", "reference", "selected"),
    [
        ("Answer: B", ("x", "y", "z"), 0, 1),
        ("the answer is c", ("x", "y", "z"), 0, 2),
        ("Answer: E", ("x", "y", "z"), 0, None),  # no such option
        ("I pick b)", ("x", "y", "z"), 0, 1),  # `I` is no letter of three options
        ("a or b", ("rain", "hail"), 0, None),
        ("It was hail.", ("rain", "hail"), 0, 1),
        ("rain, not hail", ("rain", "hail"), 1, 0),  # the first option that occurs
        ("yes", ("True", "False"), 0, 0),
        ("yes", ("True", "False"), 1, None),  # the reference is no
        ("no", ("True", "False"), 1, 1),
        ("", ("True", "False"), 1, None),
    ],
)
def test_speechrs_rule(text: str, choices: tuple[str, ...], reference: int, selected: int | None) -> None:
    from alm_bench.tasks.speechr.official import select_option

    assert select_option(text, choices, reference) == selected


def write_speechr(root: Path, **changes: Any) -> Path:
    row = {"id": "moral-easy-3", "audio_path": "a/b_Reasoning/c/x.wav", "options": [True, False], "label": 2}
    (root / "speechr").mkdir()
    (root / "speechr/speechr_multi-choice.jsonl").write_text(json.dumps({**row, "instruction": "Choose.", **changes}))
    return root


def test_a_label_of_speechr_counts_from_one(tmp_path: Path) -> None:
    (sample,) = samples(write_speechr(tmp_path), "speechr")
    assert (sample.choices, sample.target, sample.gold) == (("True", "False"), 1, "False")
    assert sample.groups == {**sample.groups, "set": "moral-easy", "reasoning": "b_Reasoning"}


@pytest.mark.parametrize("label", [0, 3, True, "2"])
def test_a_label_that_is_no_option_is_refused_with_its_row(tmp_path: Path, label: object) -> None:
    ran = run(write_speechr(tmp_path, label=label), "speechr", "--model", "blind")
    assert f"row 1: label is {label!r}, expected a number from 1 to 2" in refusal(ran)


# --- TREA ---


def test_trea_warns_of_the_spelling_that_gives_answers_away(tmp_path: Path) -> None:
    INVENTED["trea"](tmp_path, Path())
    ran = run(tmp_path, "trea", "--model", "blind")
    assert "7 items have one option in raw form" in ran.err
    order = [row for row in samples(tmp_path, "trea") if row.groups["part"] == "order"]
    spelled = catalogue().get_task("trea").create().blind_scores(ran_rows(tmp_path))["option in raw form"]
    assert spelled[: len(order)] == [1.0] * len(order)
    plain = run(tmp_path, "trea-normalised", "--model", "blind")
    assert "raw form" not in plain.err
    assert "option in raw form" not in plain.run["baselines"]
    options = {text for sample in samples(tmp_path, "trea-normalised") for text in sample.choices}
    assert not [text for text in options if "_" in text or text != text.lower()]


def ran_rows(root: Path) -> list[Any]:
    from alm_bench.records.store import read_records

    records, _ = read_records(only_run(root / "runs"))
    return [record.to_scored() for record in sorted(records, key=lambda record: record.index)]


@pytest.mark.parametrize("letter", ["", "E", "AB", "b"])
def test_a_letter_of_trea_that_is_no_option_is_refused(letter: str) -> None:
    from alm_bench.tasks.trea.plugin import read_letter

    assert read_letter(" C ") == 2
    with pytest.raises(ValueError, match="expected one of A, B, C, D"):
        read_letter(letter)


def test_class_names_and_labels_become_one(tmp_path: Path) -> None:
    from alm_bench.tasks.trea.plugin import normalise_class_name

    pairs = {"Insects (flying)": "insects", "Door knock": "door_wood_knock", "Drinking, sipping": "drinking_sipping"}
    assert all(normalise_class_name(name) == normalise_class_name(label) for name, label in pairs.items())


# --- bad rows ---


@pytest.mark.parametrize(
    ("task", "file", "row", "said"),
    [
        ("mmar", "mmar/MMAR-meta.jsonl", {"id": "1"}, "row 1: no 'audio_path'; it has id"),
        ("mmau-pro", "mmau-pro/test.jsonl", {"audio_path": []}, "row 1: audio_path is [], expected one or more paths"),
        ("mmau-pro", "mmau-pro/test.jsonl", {"choices": "a;b"}, "choices is 'a;b', expected a list of options"),
        ("mmsu", "mmsu/mmsu.jsonl", {"audio_path": ""}, "audio_path is '', expected a text"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, task: str, file: str, row: dict[str, Any], said: str) -> None:
    base: dict[str, Any] = {"mmar": {}, "mmau-pro": mmau_pro_rows()[0], "mmsu": mmsu_rows()[0]}[task]
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_text(json.dumps({**base, **row}))
    assert said in refusal(run(tmp_path, task, "--model", "blind"))


def test_an_answer_that_is_no_option_is_skipped_with_its_reason(tmp_path: Path) -> None:
    rows = mmsu_rows()
    rows[2]["answer_gt"] = "Hail"
    (tmp_path / "mmsu").mkdir()
    (tmp_path / "mmsu/mmsu.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = run(tmp_path, "mmsu", "--model", "blind").run
    assert (found["n"], found["skipped"], found["metrics"]["official_accuracy"]["n"]) == (19, 1, 20)
    assert found["reasons"] == {"gold not among the options": 1}
