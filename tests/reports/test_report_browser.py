"""The HTML report in a real browser, from a file and without a network: figures, links, players, marks, accessibility.

Chromium is the system's (Debian: `apt-get install chromium`). Where there is none, these tests are skipped, unless
ALM_BENCH_NEEDS_CHROMIUM is set, as the project's own checks do.
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import small_world
from report_page import EVENT_HEAD, HOSTILE, build_long_run, checked_runs, hostile_runs, measured_runs

import alm_bench as ab
from alm_bench.html_report import ReportOptions, write_report, write_report_page

REQUIRED = "ALM_BENCH_NEEDS_CHROMIUM"
AXE = Path(__file__).parents[1] / "vendor/axe-core/axe.min.js"
ITEMS = 20_000


def _find_chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None and os.environ.get(REQUIRED):
        pytest.fail(f"{REQUIRED} is set, and there is no chromium on this machine")
    if found is None:
        pytest.skip("no chromium on this machine (Debian: apt-get install chromium)")
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    executable = _find_chromium()
    if not os.environ.get(REQUIRED):
        pytest.importorskip("playwright", reason="playwright is not installed (an extra of dev)")
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--mute-audio"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield opened
        opened.close()


class Opened:
    """A page in a context without network, with everything that the browser complained about."""

    def __init__(self, browser: Any, path: Path, **settings: Any) -> None:
        self.context = browser.new_context(offline=True, accept_downloads=True, **settings)
        self.page = self.context.new_page()
        self.page.set_default_timeout(300_000)  # a slow machine fails no test
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on("request", lambda request: self._note(request.url))
        self.requested: list[str] = []
        self.page.goto(path.as_uri())

    def _note(self, url: str) -> None:
        if not url.startswith(("data:", "blob:")):
            self.requested.append(url)

    def go(self, address: str) -> None:
        self.page.evaluate("address => { location.hash = address; }", address)
        self.page.wait_for_function("address => decodeURI(location.hash).length > 0", arg=address)
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def count(self) -> str:
        return str(self.page.inner_text("#item-count"))

    def find_violations(self, rules: list[str] | None = None) -> list[str]:
        """Return the serious violations of accessibility rules (default: all) that axe-core finds in what is shown."""
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(AXE.read_text(encoding="utf-8"))  # evaluated by the browser's tools: no policy applies
        options = {"resultTypes": ["violations"], **({} if rules is None else {"runOnly": rules})}
        found = self.page.evaluate("(options) => axe.run(document, options)", options)
        return [
            f"{one['id']}: {one['nodes'][0]['html'][:200]}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
        ]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of two models, one with noise, silence, exchanged clips and no clips."""
    folder = tmp_path_factory.mktemp("report")
    out = measured_runs(folder)
    folders = sorted(out.glob("*/"), key=lambda path: (path / "run.json").stat().st_mtime)
    write_report(folders, folder / "report.html", ReportOptions(clips="all"))
    return folder / "report.html"


@pytest.fixture(scope="module")
def opened(browser: Any, report: Path) -> Iterator[Opened]:
    page = Opened(browser, report, viewport={"width": 1280, "height": 860})
    yield page
    assert page.complaints == []
    assert set(page.requested) == {report.as_uri()}
    page.context.close()


def test_a_figure_leads_to_the_items_behind_it(opened: Opened) -> None:
    opened.go("view=overview")
    opened.page.evaluate("() => document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    row = opened.page.locator("#view-overview table tr", has=opened.page.locator("th", has_text="easy")).first
    number = row.locator("td").first.inner_text()
    row.locator("th a").click()
    assert opened.count().startswith(f"{number} items of ")
    assert "difficulty=easy" in opened.page.url


def test_a_clip_plays_and_seeks(opened: Opened) -> None:
    opened.go("view=items")
    opened.page.locator(".row a").first.click()
    play = "() => { const audio = document.querySelector('#item audio'); audio.loop = true; audio.play(); }"
    opened.page.evaluate(play)
    opened.page.wait_for_function("() => document.querySelector('#item audio').currentTime > 0.02")
    opened.page.select_option("#item .deck select", "0.5")
    assert opened.page.evaluate("() => document.querySelector('#item audio').playbackRate") == 0.5
    opened.page.click("#item .deck button:has-text('Loop')")
    assert opened.page.get_attribute("#item .deck button:has-text('Loop')", "aria-pressed") == "true"
    opened.page.click("#item .switch")
    opened.page.wait_for_function("() => !document.querySelectorAll('#item audio')[1].paused")
    assert opened.page.evaluate("() => document.querySelector('#item audio').paused"), "only one of two clips plays"
    image = opened.page.locator("#item .spectrogram img").first
    assert image.evaluate("(image) => image.naturalWidth") > 10


def test_the_answer_shows_what_was_parsed_and_the_other_models(opened: Opened) -> None:
    opened.go("view=items")
    opened.page.locator(".row a").first.click()
    raw = opened.page.locator("#item pre[aria-label='Raw text']").first
    assert raw.inner_text().startswith("The answer is ")
    assert raw.locator("mark").inner_text() in raw.inner_text()
    assert opened.page.locator("#item h3", has_text="Other models").count() == 1
    assert opened.page.locator("#item .condition").count() == 4


def test_the_run_is_switched_and_compared(opened: Opened) -> None:
    opened.go("view=items")
    opened.page.select_option("#filter-run", index=2)
    assert opened.count().startswith("12 items of 72")
    opened.go("view=compare")
    pair = opened.page.locator("[data-pair]").first
    cells = pair.locator("tbody tr").first.locator("td, th").all_inner_texts()
    gained, lost = cells[6].split(" / ")
    pair.locator("a.button", has_text="gained").click()
    assert opened.count().split()[0] == gained
    opened.go("view=compare")
    pair.locator("a.button", has_text="lost").click()
    assert opened.count().split()[0] == lost
    assert int(gained) + int(lost) > 0


def test_every_condition_of_an_ablation_is_heard(opened: Opened) -> None:
    opened.go("view=conditions")
    names = opened.page.locator("#view-conditions .condition h4").all_inner_texts()
    assert {name.split()[0] for name in names} == {"clean", "gaussian", "silence", "swap", "none"}
    sections = opened.page.locator("#view-conditions .condition")
    sources = [section.locator("audio").count() for section in sections.all()]
    assert sources == [0 if name.startswith("none") else 1 for name in names]
    ready = "() => [...document.querySelectorAll('#view-conditions audio')].every((one) => one.duration > 0.2)"
    opened.page.wait_for_function(ready)


def test_an_open_item_leaves_the_list_as_it_is(opened: Opened) -> None:
    """The list of all runs stays one, whatever the run of the item that is opened."""
    opened.go("view=items")
    titles = opened.page.locator(".row .small").all_inner_texts()
    opened.page.locator(".row a").nth(2).click()
    opened.page.wait_for_selector(".row a[aria-current]")
    assert opened.page.locator(".row .small").all_inner_texts() == titles, "each row names its run"
    opened.page.locator("#item .button", has_text="Next").click()
    opened.page.select_option("#filter-result", "wrong")
    wrong = opened.count()
    opened.go("view=items&result=wrong")
    assert opened.count() == wrong
    assert wrong.endswith(" of 72")
    assert opened.page.locator("#filter-run").input_value() == ""
    opened.page.evaluate("() => { document.getElementById('item-list').scrollTop = 300; }")
    opened.page.locator(".row a").nth(6).click()
    opened.page.evaluate("() => { location.hash = document.querySelector('#item .back').hash; }")
    opened.page.wait_for_function("() => !document.querySelector('.row a[aria-current]')")
    assert opened.count() == wrong
    assert opened.page.evaluate("() => document.getElementById('item-list').scrollTop") == 300


@pytest.fixture(scope="module")
def checked(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """Yield the report of two ablations of a model whose audio delivery was checked."""
    folder = tmp_path_factory.mktemp("checked")
    write_report_page(checked_runs(folder), folder / "checked.html", ReportOptions(clips="all"))
    page = Opened(browser, folder / "checked.html", viewport={"width": 1280, "height": 860})
    yield page
    assert page.complaints == []
    page.context.close()


def test_the_sounds_of_the_audio_check_play_one_at_a_time(checked: Opened) -> None:
    checked.go("view=overview")
    sounds = checked.page.locator("[data-check] figure")
    assert sounds.locator("strong").all_inner_texts() == ["tone", "noise", "silence"]
    ready = "() => [...document.querySelectorAll('[data-check] audio')].every((one) => one.duration > 1)"
    checked.page.wait_for_function(ready)
    pictures = sounds.locator("img").evaluate_all("(images) => images.map((image) => image.naturalWidth)")
    assert min(pictures) > 10
    checked.page.locator("button", has_text="Loop").first.click()
    for number in (0, 1):
        sounds.locator("audio").nth(number).evaluate("(audio) => { audio.play(); }")
        checked.page.wait_for_function(f"() => !document.querySelectorAll('[data-check] audio')[{number}].paused")
    playing = "() => [...document.querySelectorAll('audio')].map((one) => !one.paused)"
    assert checked.page.evaluate(playing)[:3] == [False, True, False]
    checked.go("view=marks")
    assert not any(checked.page.evaluate(playing)), "nothing plays in a view that is not shown"


def test_the_clips_of_every_ablation_play(checked: Opened) -> None:
    checked.go("view=conditions")
    boxes = checked.page.locator("[data-ablation]")
    assert [box.locator("audio").count() > 0 for box in boxes.all()] == [True, True]
    ready = "() => [...document.querySelectorAll('[data-ablation] audio')].every((one) => one.duration > 0.2)"
    checked.page.wait_for_function(ready)


def test_event_curves_share_the_time_axis_of_the_spectrogram(browser: Any, tmp_path: Path) -> None:
    data = small_world.mmau(tmp_path / "data", 2)
    names = "('dog barking', 'rain falling')"
    body = EVENT_HEAD.replace("NAMES", names).replace("[[0.9, 0.1]]", "[[0.1, 0.2], [0.9, 0.3]]")
    head = small_world.model(tmp_path / "head.py", body, audio="AudioPolicy(rate=8000, seconds=1.0)")
    (run,) = ab.evaluate(head, "mmau", data=data, out=tmp_path / "runs")
    write_report([run.folder], tmp_path / "r.html", ReportOptions(clips="all", events=True))
    opened = Opened(browser, tmp_path / "r.html", viewport={"width": 1280, "height": 860})
    opened.go("view=items")
    opened.page.locator(".row a").first.click()
    picture = opened.page.locator("#item .spectrogram img").first.bounding_box()
    curves = opened.page.locator("#item .spectrogram svg.curves").first.bounding_box()
    assert picture
    assert curves
    assert (curves["x"], curves["width"]) == (picture["x"], picture["width"])
    assert curves["y"] >= picture["y"] + picture["height"] - 1, "below the spectrogram"
    events = opened.page.locator("#item .events li").all_inner_texts()
    assert [text.strip() for text in events] == ["dog barking 0.90: 0.5–1.0 s", "rain falling 0.30"]
    assert opened.find_violations() == []
    assert opened.complaints == []
    opened.page.context.close()


def test_marks_are_stored_and_saved(opened: Opened) -> None:
    opened.go("view=items")
    opened.page.locator(".row a").first.click()
    identity = opened.page.inner_text("#item h2")
    opened.page.select_option("#mark-kind", "reference-wrong")
    opened.page.select_option("#mark-answer", index=2)
    opened.page.fill("#mark-note", "a <b>cat</b>")
    opened.page.click(".marks button[type=submit]")
    assert opened.page.inner_text(".marks ul").startswith("reference wrong")
    opened.page.reload()  # what the browser stored
    opened.go("view=marks")
    with opened.page.expect_download() as download:
        opened.page.click("#save-marks")
    saved = json.loads(Path(download.value.path()).read_text())
    (mark,) = saved["marks"]
    assert saved["alm_bench_marks"] == 1
    assert (mark["id"], mark["kind"], mark["task"]) == (identity, "reference-wrong", "mmau")
    assert mark["note"] == "a <b>cat</b>"
    assert mark["answer"] in ("Cat", "Wind", "Dog", "Rain")
    assert set(mark) == {"run", "task", "id", "kind", "answer", "note"}


@pytest.mark.parametrize(("scheme", "rules"), [("light", None), ("dark", ["color-contrast"])], ids=["light", "dark"])
def test_no_serious_violation_of_accessibility_rules(
    browser: Any, report: Path, scheme: str, rules: list[str] | None
) -> None:
    """Dark colours are tested for their contrast alone: all else is the same in both schemes."""
    page = Opened(browser, report, viewport={"width": 390, "height": 844}, color_scheme=scheme)
    views = ["view=overview", "view=items&q=clip+1", "view=compare", "view=conditions", "view=marks"]
    for view in views if rules is None else views[:2]:
        page.go(view)
        if "q=" in view:
            page.page.locator(".row a").first.click()
        assert page.find_violations(rules) == [], view
        assert page.page.evaluate("() => document.documentElement.scrollWidth") <= 390, f"{view} is too wide"
    page.context.close()


@pytest.mark.slow
def test_twenty_thousand_items_are_filtered_with_few_rows(browser: Any, tmp_path: Path) -> None:
    write_report_page([build_long_run(ITEMS)], tmp_path / "long.html", ReportOptions(clips="none"))
    page = Opened(browser, tmp_path / "long.html", viewport={"width": 1280, "height": 2000})
    for address, expected in (
        ("view=items", ITEMS),
        ("view=items&result=wrong", ITEMS // 4),
        ("view=items&q=clip+1999", 11),  # 1999 and 19990 to 19999
        ("view=items&g.difficulty=hard&result=wrong", 1666),
    ):
        page.go(address)
        assert page.count().startswith(f"{expected:,} items of 20,000"), address
        assert page.page.locator(".row").count() <= 200
    page.go("view=items")
    page.page.evaluate("() => { const box = document.getElementById('item-list'); box.scrollTop = box.scrollHeight; }")
    page.page.wait_for_selector(f".row[aria-posinset='{ITEMS}']")
    assert page.page.locator(".row").count() <= 200
    page.go("view=items&item=item-12345")
    assert page.page.inner_text("#item h2") == "item-12345"
    assert page.complaints == []
    page.context.close()


def test_hostile_text_is_shown_as_text(browser: Any, tmp_path: Path) -> None:
    folders = sorted(hostile_runs(tmp_path).glob("*/"))
    write_report(folders, tmp_path / "hostile.html")
    page = Opened(browser, tmp_path / "hostile.html", viewport={"width": 1280, "height": 860})
    visible = HOSTILE.split("\u2028")[0]
    for view in ("view=overview", "view=items", "view=compare", "view=marks"):
        page.go(view)
        assert page.page.evaluate("() => document.querySelectorAll('main img').length") == 0
    page.go("view=items")
    for index in range(4):
        page.page.locator(".row a").nth(index).click()
        assert visible in page.page.inner_text("#item pre[aria-label='Prompt']")
        assert "\\u001b[2J\\u0000\\u202e" in page.page.inner_text("#item pre[aria-label='Prompt']")
    page.page.locator("#item .facts a").first.click()
    assert page.page.evaluate("() => [window.owned, document.title.length < 2000]") == [None, True]
    assert page.complaints == []
    policy = page.page.get_attribute("meta[http-equiv]", "content")
    assert "unsafe" not in policy
    add = "one.text = 'window.owned = 2'; document.body.append(one);"
    page.page.evaluate(f"() => {{ const one = document.createElement('script'); {add} }}")
    assert page.page.evaluate("() => window.owned") is None, "the policy refuses scripts that are not the page's own"
    page.context.close()


def test_clips_in_the_folder_beside_the_page_play(browser: Any, report: Path) -> None:
    runs = [path for path in (report.parent / "runs").glob("*/") if "gaussian" in path.name]
    written = write_report(runs, report.parent / "beside.html", ReportOptions(clips="none", folder=True))
    assert (written.embedded, written.beside, written.left_out) == (0, 12, 0)
    page = Opened(browser, written.path, viewport={"width": 1280, "height": 860})
    page.go("view=items")
    page.page.locator(".row a").first.click()
    page.page.wait_for_function("() => document.querySelector('#item audio').duration > 0.2")
    page.page.wait_for_function("() => document.querySelector('#item .spectrogram img').naturalWidth > 10")
    assert page.complaints == []
    page.context.close()
