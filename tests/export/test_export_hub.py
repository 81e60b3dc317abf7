"""Results for the hub: the documented layout of eval results, model cards, and uploads to a stand-in for the hub."""

import base64
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas
import pytest
import yaml
from huggingface_hub import parse_eval_result_entries
from small_world import alm, mmau, only_run, refusal


class Hub:
    """Answers the requests with which huggingface_hub creates a repository and commits files, and keeps the files."""

    def __init__(self) -> None:
        self.created: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.paths: list[str] = []
        self.tokens: set[str | None] = set()
        self.refuse: int | None = None
        self.url = ""

    def answer(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        self.paths.append(path)
        if path == "/api/repos/create":
            self.created.append(json.loads(body))
            return 200, {"url": f"{self.url}/datasets/me/{self.created[-1]['name']}"}
        if self.refuse is not None:
            return self.refuse, {"error": "You do not have write access"}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if "/preupload/" in path:
            asked = json.loads(body)["files"]
            return 200, {
                "files": [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in asked]
            }
        assert "/commit/" in path, path
        for entry in map(json.loads, body.splitlines()):
            if entry["key"] == "file":
                self.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
        return 200, {
            "success": True, "commitOid": "abc", "commitUrl": f"{self.url}/datasets/me/runs/commit/abc",
            **({"pullRequestUrl": f"{self.url}/me/model/discussions/1"} if "create_pr" in path else {}),
        }  # fmt: skip


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    found = Hub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found.tokens.add(self.headers.get("Authorization"))
            status, value = found.answer(self.path, body)
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", found.url)
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, one of whose clips is missing."""
    home = tmp_path_factory.mktemp("home")
    data = mmau(home / "data")
    (data / "mmau/test-mini-audios/item-003.wav").unlink()
    alm("run", "--model", "echo", "--tasks", "mmau", "--data", data, "--out", home / "runs", "--max-failures", 1)
    return home


@pytest.fixture
def run(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the run, in the default folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(home / "runs", "results/runs")
    return only_run(Path("results/runs"))


def test_the_result_for_the_hub_has_the_documented_layout(run: Path) -> None:
    assert alm("export", run, "--to", "hf-eval").status == 0
    (entry,) = yaml.safe_load((run / ".eval_results/mmau.yaml").read_text())
    assert set(entry) == {"dataset", "value", "date", "notes"}
    assert set(entry["dataset"]) == {"id", "task_id"}
    (summary,) = json.loads((run / "summary.json").read_text())["runs"]
    assert entry["value"] == round(100 * summary["metrics"]["accuracy"]["value"], 1)
    for part in ("accuracy %, 95 % CI [", "n = 12", "prompt mmau/", "greedy", "parsed by mcq@", "1 error"):
        assert part in entry["notes"], part
    asked = ("--dataset", "acme/bench", "--task-id", "hard", "--source", "https://example.org/runs")
    assert alm("export", run, "--to", "hf-eval", "--file", "x.yaml", *asked).status == 0
    (read,) = parse_eval_result_entries(yaml.safe_load(Path("x.yaml").read_text()))
    assert (read.dataset_id, read.task_id, read.source_url) == ("acme/bench", "hard", "https://example.org/runs")
    assert len(read.date or "") == 10


def test_what_is_no_result_is_not_for_the_hub(run: Path) -> None:
    alm("run", "--model", "blind", "--tasks", "mmau", "--data", "demo", "--limit", 2, "--out", "demo")
    line = refusal(alm("export", "latest", "--out", "demo", "--to", "hf-eval"))
    assert "is a run on the built-in demo data, which is no benchmark of the hub" in line
    card = alm("export", "latest", "--out", "demo", "--to", "model-card", "--file", "card.md")
    assert card.status == 0
    assert "These are synthetic demo data, not the benchmark." in Path("card.md").read_text()
    summary = run / "summary.json"
    summary.write_text(summary.read_text().replace('"split": "test-mini"', '"split": "x"'))
    assert "names no data set of the hub for split x: name the benchmark's" in refusal(
        alm("export", run, "--to", "hf-eval")
    )


def test_a_model_card_tells_figures_and_settings(run: Path) -> None:
    assert alm("export", run, "--to", "model-card").status == 0
    text = (run / "model-card.md").read_text()
    assert text.startswith("## Evaluation\n\nMeasured by alm-bench ")
    assert "| mmau   | echo" in text
    assert "revision " in text.splitlines()[-1]


def test_push_uploads_items_without_paths_of_this_machine(run: Path, hub: Hub, home: Path) -> None:
    dry = alm("push", run, "me/runs", "--dry-run", "--json").json
    assert (dry["dry_run"], dry["url"], dry["repository"], dry["type"]) == (True, None, "me/runs", "dataset")
    assert hub.paths == [], "a dry run asks nobody"
    ran = alm("push", run, "me/runs")
    assert ran.status == 0, ran.err
    assert ran.err == f"uploaded: {hub.url}/datasets/me/runs/commit/abc\n"
    assert sorted(hub.files) == [file["path"] for file in dry["files"]] == [
        "README.md", f"data/{run.name}.parquet", f"summaries/{run.name}.json",
    ]  # fmt: skip
    assert hub.created[0]["type"] == "dataset"
    assert hub.created[0].get("private") is True or hub.created[0]["visibility"] == "private"  # by its version
    assert hub.tokens == {"Bearer hf_of_a_test"}
    assert all(str(home).encode() not in body for body in hub.files.values())
    Path("items.parquet").write_bytes(hub.files[f"data/{run.name}.parquet"])
    items = pandas.read_parquet("items.parquet")
    assert "clips" not in items
    assert items["reason"][3].endswith("item-003.wav: the file is missing (item-003.wav)")
    assert len(items) == 12
    assert yaml.safe_load(hub.files["README.md"].decode().split("---")[1])["tags"] == ["alm-bench"]
    assert alm("push", run, "me/more", "--public").status == 0
    assert not hub.created[-1].get("private")
    assert hub.created[-1].get("visibility") in (None, "public")


def test_push_proposes_a_result_to_a_models_repository(run: Path, hub: Hub) -> None:
    ran = alm("push", run, "me/model", "--to", "hf-eval", "--json")
    assert ran.json["url"] == f"{hub.url}/me/model/discussions/1"
    assert list(hub.files) == [".eval_results/mmau.yaml"]
    assert hub.created == [], "a model's repository is not created"
    assert hub.paths[-1] == "/api/models/me/model/commit/main?create_pr=1"


def test_a_refused_upload_is_one_line(run: Path, hub: Hub) -> None:
    hub.refuse = 403
    ran = alm("push", run, "me/runs")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("alm-bench: me/runs: nothing was uploaded (")
    assert ran.err.count("\n") == 1
    assert "push takes a repository ORG/NAME, found 'runs'" in refusal(alm("push", run, "runs"))
    assert "--to 'model' is unknown" in refusal(alm("push", run, "me/runs", "--to", "model"))
