"""The HTML report without a browser: its figures, its escaping, its clips, and the command that writes it."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import small_world
import soundfile
from PIL import Image
from report_page import EVENT_HEAD, HOSTILE, TableReader, guess, read_tables
from small_world import alm, refusal

import alm_bench as ab
from alm_bench.audio.mp3 import RATE, encode_mp3
from alm_bench.audio.spectrogram import MAX_FRAMES, MELS, compute_log_mel, draw_log_mel
from alm_bench.core import AudioPolicy, AudioRef, UsageError
from alm_bench.html_report import ReportOptions, build_task_charts, read_report_run, write_report
from alm_bench.html_report.clips import ClipLibrary
from alm_bench.html_report.selection import ClipChoice, select_embedded_items
from alm_bench.records.models import RunSummary
from alm_bench.reports.blocks import Table, convert_to_cell
from alm_bench.reports.breakdowns import build_group_table, build_metric_table
from alm_bench.reports.html.page import ASSETS, SCRIPTS, embed_json, hash_source
from alm_bench.reports.plots.charts import BarChart
from alm_bench.runner.conditions import create_condition

TIER = "explain the difference in few words"
AQA_HEADER = ["file_name", "QuestionText", "answer", "confidence"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run of 12 questions with clips."""
    folder = tmp_path_factory.mktemp("run")
    (found,) = ab.evaluate(guess, "mmau", data=small_world.mmau(folder / "data"), out=folder / "runs")
    return found.folder


def list_tables(summary: RunSummary) -> list[Table]:
    return [
        build_metric_table(summary),
        *(build_group_table(summary, name) for name, keys in summary.groups.items() if keys),
    ]


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with a few questions of each family of tasks."""
    root = tmp_path_factory.mktemp("families")
    small_world.cle(small_world.mmau(root, 6), 3, development=0)
    for name in ("a.wav", "b.wav"):
        small_world.tone(root / name, 300)
    aqa = [["a.wav", "Is it loud?", answer, "yes"] for answer in ("yes", "yes", "no")]
    small_world.write_csv(root / "clotho_aqa/clotho_aqa_test.csv", aqa, AQA_HEADER)
    captions = [["a.wav", *(f"a dog barks {n} times" for n in range(5))], ["b.wav", *(f"rain {n}" for n in range(5))]]
    header = ["file_name", *(f"caption_{n}" for n in range(1, 6))]
    small_world.write_csv(root / "captions/clotho_captions_evaluation.csv", captions, header)
    clip = {
        "filepath1": "a.wav",
        "filepath2": "b.wav",
        "caption1": "a dog",
        "caption2": "rain",
        "taskname": "clothov21",
    }
    rows = [
        {**clip, "subtype": "Clotho_MCQ.json", "input": "what? a) rain b) wind", "answer": "a) rain"},
        {**clip, "subtype": "Clotho_MCQ.json", "input": "who? a) a dog b) a fox", "answer": "b) a fox"},
        {**clip, "subtype": "CLD-1.json", "input": TIER, "answer": "a dog, and rain"},
        {**clip, "subtype": "CLD-1.json", "input": TIER, "answer": "a dog in the first"},
    ]
    (root / "reasonaqa").mkdir()
    (root / "reasonaqa/test.json").write_text(json.dumps(rows), encoding="utf-8")
    return root


@pytest.mark.parametrize("task", ["mmau", "cle", "clotho-mcq", "clotho_aqa", "cld-1", "clotho"])
def test_the_figures_are_those_of_the_tables(task: str, families: Path, tmp_path: Path) -> None:
    """One task of each family, with the model that repeats its question."""
    metrics = {"metrics": "rouge_l"} if task in ("cld-1", "clotho") else {}
    (found,) = ab.evaluate("echo", task, data=families, out=tmp_path / "runs", **metrics)
    write_report([found.folder], tmp_path / "r.html", ReportOptions(clips="none"))
    rows = read_tables((tmp_path / "r.html").read_text(encoding="utf-8"))
    for table in list_tables(found.summary):
        assert [column.title for column in table.columns] in rows
        for row in table.rows:
            assert [convert_to_cell(cell).text for cell in row] in rows
    figures = [metric.value for metric in found.summary.metrics.values() if metric.value is not None]
    assert figures, "there is something to compare"


def read_data(page: str) -> dict[str, object]:
    """Return the JSON of a page as a browser reads it: the text up to the first `</script`."""
    text = page.partition('<script type="application/json" id="report-data">')[2]
    return dict(json.loads(re.split(r"</script", text, flags=re.IGNORECASE)[0]))


def test_embedded_json_holds_no_markup() -> None:
    text = str(embed_json({HOSTILE: [HOSTILE, "\ud800", "&lt;"]}))
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {HOSTILE: [HOSTILE, "\ud800", "&lt;"]}
    text.encode()


def test_the_policy_allows_the_pages_own_script_and_style_alone(run: Path, tmp_path: Path) -> None:
    write_report([run], tmp_path / "r.html", ReportOptions(clips="none"))
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    policy = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[0]
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 1, "all other script elements hold data"
    assert f"script-src {hash_source(scripts[0])};" in policy
    assert f"style-src {hash_source(re.findall(r'<style>(.*?)</style>', page, re.DOTALL)[0])};" in policy
    assert policy.startswith("default-src 'none';")
    assert "img-src data:;" in policy
    assert not re.findall(r"unsafe|https?:", policy)
    assert not re.findall(r"""(?:src|href)=(?!["']#)""", page.partition("<script")[0])
    assert not re.findall(r' (?:on\w+|style)="', page.partition("<script")[0])


def test_scripts_never_parse_text_as_markup() -> None:
    for name in SCRIPTS:
        text = (ASSETS / name).read_text(encoding="utf-8")
        assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(", text), name


def test_a_clip_survives_the_mp3_encoder() -> None:
    time = np.arange(2 * RATE, dtype=np.float32) / RATE
    wave = (0.4 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    content = encode_mp3(wave)
    assert 0.9 < len(content) / 8_000 < 1.2, "32 kb/s"
    decoded, rate = soundfile.read(io.BytesIO(content))
    assert rate == RATE
    spectrum = np.abs(np.fft.rfft(decoded[4000:20_000]))
    assert np.argmax(spectrum) == 440
    assert soundfile.info(io.BytesIO(encode_mp3(wave[:10]))).duration > 0


def test_a_spectrogram_shows_the_tone_at_its_frequency() -> None:
    time = np.arange(RATE, dtype=np.float32) / RATE
    low, high = (compute_log_mel(np.sin(2 * np.pi * hertz * time), RATE).mean(axis=1) for hertz in (300, 3000))
    assert np.argmax(low) < np.argmax(high)
    assert low.shape == (MELS,)
    long = compute_log_mel(np.zeros(40 * RATE, np.float32), RATE)
    assert long.shape[1] <= MAX_FRAMES
    picture = Image.open(io.BytesIO(draw_log_mel(np.zeros(RATE, np.float32), RATE)))
    assert (picture.format, picture.getextrema()) == ("PNG", (0, 0)), "silence is dark"


def test_clips_are_embedded_once_and_within_the_budget(run: Path, tmp_path: Path) -> None:
    twice = tmp_path / "same-run-again"
    twice.mkdir()
    for path in run.iterdir():
        if path.suffix in (".json", ".jsonl"):
            (twice / path.name).write_bytes(path.read_bytes())
    all_clips = write_report([run, twice], tmp_path / "all.html", ReportOptions(clips="all"))
    page = (tmp_path / "all.html").read_text(encoding="utf-8")
    assert (all_clips.embedded, all_clips.left_out) == (12, 0)
    assert page.count('<script type="text/plain" id="a-') == 12
    few = write_report([run], tmp_path / "few.html", ReportOptions(clips="all", mb=0.01))
    assert 0 < few.embedded < 12
    assert few.embedded + few.left_out == 12
    text = (tmp_path / "few.html").read_text(encoding="utf-8")
    assert f"{few.embedded} clips embedded" in text
    assert f"{few.left_out} left out" in text
    media = re.findall(r'<script type="text/plain" id="[ai]-[0-9a-f]+">([^<]*)<', text)
    assert len(media) == 2 * few.embedded, "a sound and a picture of each"
    assert 0 < sum(map(len, media)) <= 10_000


def test_a_missing_clip_is_named_with_its_reason(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "moved"
    folder.mkdir()
    for path in run.glob("*.json*"):
        text = path.read_text(encoding="utf-8")
        (folder / path.name).write_text(text.replace(str(run.parents[1] / "data"), str(tmp_path / "gone")))
    missing = write_report([folder], tmp_path / "r.html", ReportOptions(clips="all", data=str(tmp_path)))
    assert missing.embedded == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "file is not there" in json.dumps(read_data(page)["clips"])
    found = write_report([folder], tmp_path / "r.html", ReportOptions(clips="all", data=str(run.parents[1] / "data")))
    assert found.embedded == 12, "clips are found in the data folder that is named"


def test_the_choice_of_clips() -> None:
    assert ClipChoice.read("wrong, sample:3").kinds == ("wrong", "sample")
    assert ClipChoice.read("none").kinds == ()
    for text in ("", "sample", "sample:x", "right", "wrong,", "sample:-1"):
        with pytest.raises(UsageError, match="--clips"):
            ClipChoice.read(text)


def test_wrong_items_come_first_and_a_sample_is_the_same_each_time(run: Path) -> None:
    report = read_report_run(run)
    wrong = [record.sample.id for record in report.records if record.scores["accuracy"] == 0]
    assert 0 < len(wrong) < 12
    items = [item for _, item in select_embedded_items([report], ClipChoice.read("wrong,all"))]
    assert items[: len(wrong)] == wrong
    assert len(items) == 12
    assert select_embedded_items([report], ClipChoice.read("sample:4")) == select_embedded_items(
        [report], ClipChoice.read("sample:4")
    )
    assert len(select_embedded_items([report], ClipChoice.read("sample:4"))) == 4


def test_a_condition_is_heard_as_the_model_got_it(tmp_path: Path) -> None:
    """The clips of a run with exchanged clips are those that the model was sent."""
    sent = {}

    def note(request: "ab.Request") -> str:
        sent[request.id] = request.waves[0]
        return request.choices[0]

    data = small_world.mmau(tmp_path / "data", 5)
    (found,) = ab.evaluate(note, "mmau", data=data, out=tmp_path / "runs", conditions=["swap"])
    report, library = read_report_run(found.folder), ClipLibrary("auto")
    library.add_run(report)
    from alm_bench.audio import load

    for record in report.records:
        (index,) = library.list_clips(report, record)
        clip = library.clips[index]
        assert clip.name != record.sample.audio[0].id
        heard = load(clip.ref, clip.policy, clip.change).wave
        assert np.allclose(heard, sent[record.sample.id], atol=1e-6)


def test_noise_of_a_condition_is_the_draw_of_the_run(tmp_path: Path) -> None:
    data = small_world.mmau(tmp_path / "data", 3)
    (found,) = ab.evaluate(guess, "mmau", data=data, out=tmp_path / "runs", conditions=["snr:0"], seed=7)
    report, library = read_report_run(found.folder), ClipLibrary("auto")
    library.add_run(report)
    clip = library.clips[0]
    assert clip.change is not None
    from alm_bench.audio import load

    change = create_condition("snr:0", 7, 0).change(clip.name)
    expected = load(AudioRef(clip.name, clip.ref.path), AudioPolicy(), change).wave
    assert np.array_equal(load(clip.ref, clip.policy, clip.change).wave, expected)


def test_the_command_prints_the_path_last(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = alm("report", run, "--clips", "none")
    assert (ran.status, ran.out) == (0, "report.html\n")
    assert "0 clips embedded, 12 left out" in ran.err
    found = alm("report", run, "--to", "b.html", "--clips", "sample:2", "--json").json
    assert (found["report"], found["embedded"], found["left_out"]) == ("b.html", 2, 10)
    assert found["bytes"] == Path("b.html").stat().st_size
    again = alm("run", "--model", "blind", "--tasks", "mmau", "--data", run.parents[1] / "data", "--report", "c.html")
    assert again.out.splitlines()[-1] == "c.html"
    assert "blind[first]" in Path("c.html").read_text(encoding="utf-8")
    results = ab.load_run(run)
    assert results.report("d.html", clips="none") == Path("d.html")
    assert Path("d.html").is_file()


def test_misuse_is_one_line(run: Path) -> None:
    assert "ends in .html" in refusal(alm("report", run, "--to", "report.pdf"))
    assert "--clips" in refusal(alm("report", run, "--clips", "loud"))
    assert "no run 'nothing'" in refusal(alm("report", "nothing"))
    assert "--format gif" in refusal(alm("plot", run, "--format", "gif"))


def test_pictures_are_written_as_svg_and_png(run: Path, tmp_path: Path) -> None:
    ran = alm("plot", run, "--to", tmp_path / "plots")
    assert ran.status == 0, ran.err
    written = [Path(line) for line in ran.out.splitlines()]
    names = {path.stem for path in written}
    assert {"mmau-difficulty", "mmau-skill", "mmau-lengths"} <= names
    for path in written:
        content = path.read_bytes()
        assert content.startswith(b"<svg " if path.suffix == ".svg" else b"\x89PNG")
    difficulty = (tmp_path / "plots/mmau-difficulty.svg").read_text(encoding="utf-8")
    summary = ab.load_run(run).runs[0].summary
    easy = summary.groups["difficulty"]["easy"]["accuracy"]
    assert f"easy: {100 * (easy.value or 0):.1f} [" in difficulty
    assert "best text-only baseline" in difficulty
    assert "var(" not in difficulty, "colours are written out"
    assert "<a " not in difficulty


def test_a_metric_of_captions_is_drawn_as_a_histogram(families: Path, tmp_path: Path) -> None:
    (found,) = ab.evaluate("echo", "clotho", data=families, out=tmp_path / "runs", metrics="rouge_l")
    run = read_report_run(found.folder)
    ((_, charts),) = build_task_charts([run])
    (chart,) = (one for one in charts if one.name == "clotho-rouge-l")
    assert isinstance(chart, BarChart)
    (series,) = chart.series
    for label, point in zip(chart.categories, series.points, strict=True):
        low, high = map(float, label.split("-"))
        share = sum(low <= 100 * one["rouge_l"] < high for one in run.scores.values()) / len(run.scores)
        assert point is not None
        assert point.value == pytest.approx(100 * share)
    assert sum(point.value for point in series.points if point is not None) == pytest.approx(100)


def test_tables_of_a_page_are_read_back() -> None:
    reader = TableReader()
    reader.feed("<table><tr><th>a</th><td>1 &amp; 2</td></tr></table>")
    assert reader.rows == [["a", "1 & 2"]]


def test_the_events_of_clips_and_the_event_words_of_sentences_are_shown(families: Path, tmp_path: Path) -> None:
    file = tmp_path / "head.py"
    names = "('dog barking', 'rain falling')"
    head = small_world.model(file, EVENT_HEAD.replace("NAMES", names), audio="AudioPolicy(rate=8000, seconds=1.0)")
    runs = [
        one.folder for one in ab.evaluate(head, "clotho,mmau", data=families, out=tmp_path / "runs", metrics="rouge_l")
    ]
    page = tmp_path / "r.html"
    write_report(runs, page, ReportOptions(clips="all"))
    plain = read_data(page.read_text(encoding="utf-8"))
    assert [one["events"] for one in plain["runs"]] == [None, None]
    alm("report", *map(str, runs), "--to", str(page), "--clips", "all", "--events")
    data = read_data(page.read_text(encoding="utf-8"))
    captions, choices = sorted((one for one in data["runs"]), key=lambda one: one["task"])
    assert captions["events"]["clips"].keys() == {str(n) for one in captions["answers"] for n in one["clips"]}
    (first, second) = captions["events"]["clips"]["0"]["curves"]
    assert first == {"name": "dog barking", "values": [90], "peak": 0.9, "spans": [[0.0, 1.0]]}
    assert (second["name"], second["spans"]) == ("rain falling", [])
    text = "A dog barks, and it rains."
    for words in captions["events"]["words"].values():
        assert [(text[start:end], state) for start, end, state in words] == [
            ("dog", "present"),
            ("barks", "present"),
            ("rains", "absent"),
        ]
    assert len(captions["events"]["words"]) == len(captions["answers"])
    assert choices["events"]["words"] == {}, "options are words of the question"
    file.write_text(file.read_text().replace("0.9", "0.8"))
    alm("report", *map(str, runs), "--to", str(page), "--events")
    changed = page.read_text(encoding="utf-8")
    assert [one["events"] for one in read_data(changed)["runs"]] == [None, None]
    assert "weights are not those of the run any more" in changed
    file.unlink()
    alm("report", *map(str, runs), "--to", str(page), "--events")
    assert "no event curves: the model cannot be loaded" in page.read_text(encoding="utf-8")
    message = refusal(alm("report", str(runs[0]), "--to", str(page), "--event-names", "names.csv"))
    assert "--event-names goes with --events" in message
