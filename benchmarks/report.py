"""The HTML report: its size and time with 200 clips of 10 s, and its filters with 20,000 items in Chromium.

The CPU time of the report, of all its threads, is also given as a ratio to that of decoding its clips; the times of
filters are given as ratios to the time to open the page.
"""

import json
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

import alm_bench as ab
from alm_bench.audio import load
from alm_bench.core import AudioPolicy, AudioRef
from alm_bench.core.wav import encode_wav
from alm_bench.html_report import ReportOptions, write_report

ITEMS, CLIPS, MANY = 1_000, 200, 20_000
RATE, SECONDS = 32_000, 10
FILTERS = ("view=items", "view=items&result=wrong", "view=items&q=clip+777", "view=items&g.difficulty=hard&q=7")

MEASURE = """async (address) => {
  const start = performance.now();
  location.hash = address;
  await new Promise((done) => addEventListener("hashchange", () => requestAnimationFrame(done), { once: true }));
  const rows = document.querySelectorAll(".row").length;
  return [performance.now() - start, rows, document.getElementById("item-count").textContent];
}"""


def write_questions(root: Path, count: int, clips: int) -> Path:
    """Write `count` questions in MMAU's layout about `clips` different clips, without the clips."""
    rows = [
        {
            "id": f"item-{n}",
            "audio_id": f"./test-mini-audios/{n % clips}.wav",
            "question": f"Which of these is heard in clip {n}?",
            "choices": ["a dog", "a cat", "rain", "wind"],
            "answer": ("a dog", "a cat", "rain", "wind")[n % 4],
            "task": ("sound", "music", "speech")[n % 3],
            "difficulty": ("easy", "medium", "hard")[n % 3],
            "sub-category": f"skill {n % 8}",
        }
        for n in range(count)
    ]
    (root / "mmau/test-mini-audios").mkdir(parents=True)
    (root / "mmau/mmau-test-mini.json").write_text(json.dumps(rows), encoding="utf-8")
    return root


def write_clips(folder: Path) -> None:
    """Write the clips: tones in noise, of 10 s at 32 kHz."""
    at = np.arange(RATE * SECONDS, dtype=np.float32) / RATE
    for number in range(CLIPS):
        noise = np.random.default_rng(number).standard_normal(at.size, dtype=np.float32)
        wave = 0.3 * np.sin(2 * np.pi * (200 + 20 * number) * at) + 0.03 * noise
        (folder / f"{number}.wav").write_bytes(encode_wav(wave, RATE))


def measure_clips(home: Path) -> None:
    """Print size and time of a report of 1,000 items with 200 clips."""
    data = write_questions(home / "data", ITEMS, CLIPS)
    write_clips(data / "mmau/test-mini-audios")
    (run,) = ab.evaluate("blind", "mmau", data=data, out=home / "runs")
    start = time.process_time()
    for number in range(CLIPS):
        path = data / f"mmau/test-mini-audios/{number}.wav"
        load(AudioRef(path.name, path), AudioPolicy())
    decoding = time.process_time() - start
    start = time.process_time()
    written = write_report([run.folder], home / "clips.html", ReportOptions(clips="all"))
    whole = time.process_time() - start
    print("| items | clips | size, MB | CPU time, s | times decoding alone |\n|---|---|---|---|---|")
    print(f"| {ITEMS:,} | {written.embedded} | {written.size / 1e6:.1f} | {whole:.1f} | {whole / decoding:.1f} |\n")


def measure_filters(home: Path) -> None:
    """Print the times of filters of 20,000 items."""
    from playwright.sync_api import sync_playwright

    data = write_questions(home / "many", MANY, MANY)
    (run,) = ab.evaluate("blind", "mmau", data=data, out=home / "runs")
    written = write_report([run.folder], home / "many.html", ReportOptions(clips="none"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        start = time.perf_counter()
        page.goto(written.path.as_uri())
        opening = time.perf_counter() - start
        print(f"{MANY:,} items, {written.size / 1e6:.1f} MB, opened in {opening:.2f} s.\n")
        print("| address | items | rows in the document | ms | ratio to opening |\n|---|---|---|---|---|")
        for address in FILTERS:
            taken, rows, shown = page.evaluate(MEASURE, address)
            print(f"| `{address}` | {shown.split()[0]} | {rows} | {taken:.0f} | {taken / 1e3 / opening:.2f} |")
        browser.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        measure_clips(Path(folder))
        measure_filters(Path(folder))
