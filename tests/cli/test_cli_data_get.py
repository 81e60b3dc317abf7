"""`data get` from a server of this machine's own: what it brings, what it says, and that a run goes on from there."""

import csv
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from file_server import Server, serving
from small_world import HEADER, alm, hypotheses, mmau, questions, refusal, tone

from alm_bench.data.corenlp import RESOURCES
from alm_bench.plugins import catalogue
from alm_bench.scoring.metrics import is_computable
from alm_bench.scoring.weights import SOURCES, get_default_folder

GITHUB = "/microsoft/AudioEntailment/HEAD/data/CLE"
CLOTHO = "/records/4783391/files/clotho_audio_evaluation.7z"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.chdir(tmp_path)
    with serving() as server:
        hosts = ("https://raw.githubusercontent.com", "https://zenodo.org", "https://nlp.stanford.edu")
        monkeypatch.setenv("ALM_BENCH_MIRROR", " ".join(f"{host}={server.url}" for host in hosts))
        yield server


def table(rows: list[list[str]], header: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    return text.getvalue()


def clip(number: int, folder: Path) -> bytes:
    tone(folder / "made.wav", 300 + 50 * number)
    return (folder / "made.wav").read_bytes()


def zipped(files: dict[str, bytes]) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return body.getvalue()


def sevened(files: dict[str, bytes]) -> bytes:
    py7zr = pytest.importorskip("py7zr")
    body = io.BytesIO()
    with py7zr.SevenZipFile(body, "w") as archive:
        for name, content in files.items():
            archive.writef(io.BytesIO(content), name)
    return body.getvalue()


def cle_annotations(server: Server) -> None:
    server.put(f"{GITHUB}/clotho_entailment_evaluation.csv", table(hypotheses(5), HEADER))
    server.put(f"{GITHUB}/clotho_entailment_validation.csv", table(hypotheses(12), HEADER))


def cle_clips(server: Server, folder: Path, checksum: str | None = None) -> None:
    body = sevened({f"evaluation/clip {n}.wav": clip(n, folder) for n in range(3)})
    server.put(CLOTHO, body)
    server.record(4783391, {"clotho_audio_evaluation.7z": checksum or f"md5:{hashlib.md5(body).hexdigest()}"})


def states(ran: Any) -> dict[str, str]:
    return {row["place"]: row["state"] for row in ran.json["files"]}


def test_cle_comes_whole_is_found_complete_and_runs(server: Server, tmp_path: Path) -> None:
    cle_annotations(server)
    cle_clips(server, tmp_path)
    folder = tmp_path / "got"
    first = alm("data", "get", "cle", "--to", folder, "--json")
    assert first.status == 0, first.err
    assert set(states(first).values()) == {"fetched"}
    notes = [row["note"] for row in first.json["files"]]
    assert notes[0] == "a revision that is not known here; no published checksum"
    assert notes[2] == "3 files"
    assert not list(folder.rglob("*.7z")) + list(folder.rglob("*.part*"))

    (report,) = alm("data", "info", "cle", "--data", folder, "--json").json["tasks"]
    assert report["complete"]
    assert report["clips"]["present"] == report["clips"]["total"] == 3
    assert alm("data", "verify", "cle", "--data", folder).status == 0
    ran = alm("run", "--model", "blind", "--tasks", "cle", "--data", folder, "--json")
    assert (ran.status, ran.run["n"], ran.run["data"]) == (0, 15, "real")

    asked = len(server.asked)
    second = alm("data", "get", "cle", "--to", folder, "--json")
    assert set(states(second).values()) == {"there"}
    assert len(server.asked) == asked
    assert "nothing was downloaded: every public file is present" in alm("data", "get", "cle", "--to", folder).out


def test_real_annotations_are_known_by_their_revision(server: Server, tmp_path: Path, shared: Path) -> None:
    for name in ("evaluation", "validation"):
        body = (shared / f"data/entailment/clotho_entailment_{name}.csv").read_bytes()
        server.put(f"{GITHUB}/clotho_entailment_{name}.csv", body)
    ran = alm("data", "get", "cle", "--json")
    assert ran.status == 1
    evaluation, development, clips = ran.json["files"]
    assert evaluation["note"].startswith("revision AudioEntailment CLE")
    assert evaluation["path"] == "data/entailment/clotho_entailment_evaluation.csv"
    assert development["state"] == "fetched"
    assert clips["state"] == "failed"
    assert "clotho_audio_evaluation.7z" in clips["note"]
    assert Path("data").is_dir()


def test_ctrl_c_and_the_same_command_again(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cle_annotations(server)
    cle_clips(server, tmp_path)
    from alm_bench.cli.progress import DownloadProgress

    def stop(self: DownloadProgress, name: str, done: int, total: int | None) -> None:
        if name.startswith("unpacking"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(DownloadProgress, "show_file", stop)
        ran = alm("data", "get", "cle")
    assert (ran.status, ran.err.splitlines()[-1]) == (130, "alm-bench: interrupted")
    again = alm("data", "get", "cle", "--keep-archives", "--json")
    assert states(again)["ClothoV21/evaluation"] == "fetched"
    assert server.count(CLOTHO) == 1, "the archive was there already"
    assert Path("data/ClothoV21/clotho_audio_evaluation.7z").is_file()


def test_an_archive_that_the_user_has_is_unpacked_and_stays(server: Server, tmp_path: Path) -> None:
    cle_annotations(server)
    cle_clips(server, tmp_path)
    archive = Path("data/ClothoV21/clotho_audio_evaluation.7z")
    archive.parent.mkdir(parents=True)
    archive.write_bytes(server.files[CLOTHO].body)
    assert states(alm("data", "get", "cle", "--json"))["ClothoV21/evaluation"] == "fetched"
    assert archive.read_bytes() == server.files[CLOTHO].body
    assert server.count(CLOTHO) == 0


def test_an_archive_that_was_fetched_before_an_interruption_is_removed(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cle_annotations(server)
    cle_clips(server, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("alm_bench.data.get.unpack", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert alm("data", "get", "cle").status == 130
    assert states(alm("data", "get", "cle", "--json"))["ClothoV21/evaluation"] == "fetched"
    assert [path.name for path in Path("data/ClothoV21").iterdir() if path.is_file()] == []


def test_a_clip_that_was_removed_is_fetched_again(server: Server, tmp_path: Path) -> None:
    cle_annotations(server)
    cle_clips(server, tmp_path)
    alm("data", "get", "cle")
    Path("data/ClothoV21/evaluation/clip 1.wav").unlink()
    assert states(alm("data", "get", "cle", "--json"))["ClothoV21/evaluation"] == "fetched"
    assert Path("data/ClothoV21/evaluation/clip 1.wav").is_file()


def test_clips_that_the_archive_lacks_are_counted_not_fetched_for_ever(server: Server, tmp_path: Path) -> None:
    cle_annotations(server)
    server.put(CLOTHO, sevened({"evaluation/clip 0.wav": clip(0, tmp_path)}))
    checksum = hashlib.md5(server.files[CLOTHO].body).hexdigest()
    server.record(4783391, {"clotho_audio_evaluation.7z": f"md5:{checksum}"})
    for state in ("fetched", "there"):
        clips = alm("data", "get", "cle", "--json").json["files"][2]
        assert clips["state"] == state
        assert "2 of the task's clips are not among them" in clips["note"]
    assert server.count(CLOTHO) == 1


def test_ones_own_clips_are_not_fetched_again(server: Server, tmp_path: Path) -> None:
    cle_annotations(server)
    for n in range(3):
        tone(tmp_path / f"data/anywhere/clip {n}.wav", 300)
    ran = alm("data", "get", "cle", "--json")
    assert (ran.status, ran.json["files"][2]["state"]) == (0, "there")
    assert server.count(CLOTHO) == 0


def test_a_checksum_that_does_not_fit(server: Server, tmp_path: Path) -> None:
    cle_annotations(server)
    cle_clips(server, tmp_path, checksum="md5:" + "0" * 32)
    ran = alm("data", "get", "cle", "--json")
    clips = ran.json["files"][2]
    assert (ran.status, clips["state"]) == (1, "failed")
    assert "its makers publish md5:00000000" in clips["note"]
    assert not list(Path("data/ClothoV21").glob("clotho*"))


def test_one_file_that_is_gone_does_not_stop_the_others(server: Server) -> None:
    base = "/soham97/ADIFF/HEAD/data/ACD/acd_test_adiff"
    server.put(f"{base}_fewwords_answer.csv", "a,b\n")
    server.put(f"{base}_detail_answer.csv", "a,b\n")
    ran = alm("data", "get", "acd")
    assert ran.status == 1
    lines = [line for line in ran.out.splitlines() if "failed:" in line]
    (line,) = lines
    assert "acd_test_adiff_sentence_answer.csv: the server answers 404" in line
    assert "GitHub soham97/ADIFF" in line
    assert Path("data/difference/acd_test_adiff_detail_answer.csv").is_file()
    assert "get the clips from your own copy of AudioCaps" in ran.out


def test_an_archive_of_another_split_is_not_fetched(server: Server, tmp_path: Path) -> None:
    cle_annotations(server)
    cle_clips(server, tmp_path)
    ran = alm("data", "get", "cle", "--split", "validation", "--json")
    assert ran.status == 0
    clips = ran.json["files"][-1]
    assert (clips["role"], clips["state"], server.count(CLOTHO)) == ("clips", "elsewhere", 0)
    assert clips["note"].startswith("get 3 clips from Zenodo record 4783391 (Clotho v2.1; validation clips")
    assert clips["note"].endswith("put them below data as ClothoV21/validation/<name>.wav")


def test_alternatives_come_where_they_are_asked_for(server: Server) -> None:
    for tier in ("fewwords", "sentence", "detail"):
        server.put(f"/soham97/ADIFF/HEAD/data/ACD/acd_val_adiff_{tier}_answer.csv", "a,b\n")
    server.put("/records/15036628/files/val.json", "[]")
    server.record(15036628, {"val.json": f"md5:{hashlib.md5(b'[]').hexdigest()}"})
    places = states(alm("data", "get", "acd", "--split", "val", "--json"))
    assert "reasonaqa/val.json" not in places
    ran = alm("data", "get", "acd", "--split", "val", "--alternatives", "--json")
    rows = [row for row in ran.json["files"] if row["place"] == "reasonaqa/val.json"]
    assert [row["state"] for row in rows] == ["fetched", "there", "there"]
    assert rows[0]["note"] == "md5 as published"
    assert server.count("/records/15036628/files/val.json") == 1


def test_all_are_the_tasks_that_have_the_split(server: Server) -> None:
    ran = alm("data", "get", "all", "--split", "val", "--json")
    assert ran.status == 1
    places = {row["task"]: row["state"] for row in ran.json["files"] if row["role"] == "annotations"}
    reasonaqa = ("audiocaps-detail", "audiocaps-mcq", "clotho-detail", "clotho-mcq")
    assert places == dict.fromkeys(("acd-1", "acd-2", "acd-3", "clotho_aqa", *reasonaqa), "failed")


def test_clotho_aqa_comes_as_a_zip(server: Server, tmp_path: Path) -> None:
    base = "/records/6473207/files"
    rows = [["clip 0.wav", "Is it loud?", "yes", "yes"]] * 3
    server.put(f"{base}/clotho_aqa_test.csv", table(rows, ["file_name", "QuestionText", "answer", "confidence"]))
    server.put(f"{base}/audio_files.zip", zipped({"audio_files/clip 0.wav": clip(0, tmp_path)}))
    ran = alm("data", "get", "clotho_aqa", "--json")
    assert set(states(ran).values()) == {"fetched"}
    assert alm("data", "verify", "clotho_aqa", "--data", "data").status == 0


def test_what_there_is_of_audiocaps(server: Server) -> None:
    server.put("/cdjkim/audiocaps/HEAD/dataset/test.csv", "audiocap_id,youtube_id,start_time,caption\n1,abc,30,A dog\n")
    ran = alm("data", "get", "audiocaps", "--json")
    assert ran.status == 0
    annotations, clips = ran.json["files"]
    assert annotations["path"] == "data/captions/audiocaps_test.csv"
    assert clips["state"] == "elsewhere"
    assert clips["note"].startswith("get 1 clips from your own copy of AudioCaps")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("mmua",), "unknown task 'mmua'"),
        ((",",), "data get names no task"),
        (("cle,spice",), "spice cannot be combined with tasks"),
        (("cle", "--split", "tset"), "cle: --split 'tset' is unknown; known: evaluation"),
        (("all", "--split", "tset"), "--split 'tset' is unknown; known: test"),
        (("cle", "--mirror", "https://a"), "--mirror takes key=value, found 'https://a'"),
        (("noise_grounding",), "is an ablation of other tasks"),
    ],
)
def test_misuse(server: Server, arguments: tuple[str, ...], says: str) -> None:
    assert says in refusal(alm("data", "get", *arguments))
    assert server.asked == []


def test_a_mirror_of_the_command_line_goes_before_the_environments(server: Server, tmp_path: Path) -> None:
    cle_annotations(server)
    with serving() as other:
        cle_annotations(other)
        for n in range(3):
            tone(tmp_path / f"data/clip {n}.wav", 300)
        alm("data", "get", "cle", "--mirror", f"https://raw.githubusercontent.com={other.url}")
        assert len(other.asked) == 2
    assert server.asked == []


def test_another_process_is_not_run_into(server: Server) -> None:
    from alm_bench.data import lock_folder

    with lock_folder(Path("data")):
        ran = alm("data", "get", "cle")
    assert (ran.status, server.asked) == (1, [])
    assert "another process fetches into data" in ran.err
    assert list(Path("data").iterdir()) == []


def test_every_card_says_where_its_files_come_from() -> None:
    for entry in catalogue().tasks.values():
        for file in entry.card.files:
            assert file.fetch is not None, (entry.card.name, file.role)
        sources = [entry.card.audio_fetch, *(file.fetch for file in entry.card.files)]
        for url in (source.url for source in sources if source is not None and source.url is not None):
            hosts = ("raw.githubusercontent.com/", "zenodo.org/records/", "huggingface.co/datasets/")
            assert url.startswith(tuple(f"https://{host}" for host in hosts))


def test_mmar_comes_with_its_clips_from_the_hub(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub's copy as parquet is an alternative, which does not keep the archive of clips from being fetched."""
    hosts = ("https://raw.githubusercontent.com", "https://huggingface.co")
    monkeypatch.setenv("ALM_BENCH_MIRROR", " ".join(f"{host}={server.url}" for host in hosts))
    questions = catalogue().get_task("mmar").load_demo().build(3).files["mmar/MMAR-meta.jsonl"]
    server.put("/ddlBoJack/MMAR/HEAD/MMAR-meta.jsonl", questions)
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as archive:
        for number, row in enumerate(map(json.loads, questions.splitlines())):
            sound = clip(number, tmp_path)
            info = tarfile.TarInfo(f"audio/{row['id']}.wav")
            info.size = len(sound)
            archive.addfile(info, io.BytesIO(sound))
    server.put("/datasets/BoJack/MMAR/resolve/main/mmar-audio.tar.gz", body.getvalue())
    ran = alm("data", "get", "mmar", "--json")
    assert ran.status == 0, ran.err
    assert states(ran) == {"mmar/MMAR-meta.jsonl": "fetched", "mmar/audio": "fetched"}
    (report,) = alm("data", "info", "mmar", "--data", "data", "--json").json["tasks"]
    assert (report["clips"]["present"], report["part"]) == (3, "part: 3 of 1,000 items")


# --- SPICE ---


RELEASE = "/software/stanford-corenlp-full-2015-12-09.zip"
JARS = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")


def release(resources: tuple[str, ...] = RESOURCES, models: bytes | None = None) -> bytes:
    """The release archive in small: the real one's names, other contents."""
    big = {**{name: name.encode() * 50 for name in resources}, "edu/stanford/nlp/models/srparser/big.ser.gz": b"0" * 99}
    home = "stanford-corenlp-full-2015-12-09"
    return zipped(
        {
            f"{home}/{JARS[0]}": zipped({"edu/stanford/nlp/Code.class": b"code"}),
            f"{home}/{JARS[1]}": zipped(big) if models is None else models,
            f"{home}/stanford-corenlp-3.6.0-sources.jar": b"sources",
            f"{home}/README.txt": b"read me",
        }
    )


def test_spice_keeps_what_it_loads(server: Server, tmp_path: Path) -> None:
    server.put(RELEASE, release(), plan=[("cut", 3_000)])
    ran = alm("data", "get", "spice", "--to", tmp_path / "spice", "--json")
    assert ran.status == 0, ran.err
    code, models = ran.json["files"]
    assert code["note"].partition(": ")[2] == "a build that is not known here, whole and with all that SPICE loads"
    assert models["note"].endswith("; cut to what SPICE loads")
    assert models["sha256"] == hashlib.sha256((tmp_path / "spice" / JARS[1]).read_bytes()).hexdigest()
    assert models["sha256"] not in models["note"]
    assert sorted(path.name for path in (tmp_path / "spice").iterdir()) == sorted(JARS)
    with zipfile.ZipFile(tmp_path / "spice" / JARS[1]) as jar:
        assert sorted(jar.namelist()) == sorted(RESOURCES)
        assert jar.read(RESOURCES[0]) == RESOURCES[0].encode() * 50
    again = alm("data", "get", "spice", "--to", tmp_path / "spice", "--json")
    assert [row["state"] for row in again.json["files"]] == ["there", "there"]
    assert server.count(RELEASE) == 2


def test_a_folder_beside_spice_is_left_alone(server: Server, tmp_path: Path) -> None:
    (tmp_path / "unpacked").mkdir()
    (tmp_path / "unpacked/mine.txt").write_text("mine")
    server.put(RELEASE, release())
    assert alm("data", "get", "spice", "--to", tmp_path).status == 0
    assert (tmp_path / "unpacked/mine.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted((*JARS, "unpacked"))


def test_spice_goes_where_it_is_looked_for(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from alm_bench.scoring.spice import find_spice_folder

    monkeypatch.setenv("ALM_BENCH_CACHE", str(tmp_path / "cache"))
    with pytest.raises(Exception, match="`alm-bench data get spice` fetches them"):
        find_spice_folder()
    server.put(RELEASE, release())
    assert alm("data", "get", "spice").status == 0
    assert find_spice_folder() == tmp_path / "cache/spice"
    assert "nothing was downloaded" in alm("data", "get", "spice").out


def test_models_that_lack_something_stay_whole(server: Server, tmp_path: Path) -> None:
    server.put(RELEASE, release(RESOURCES[1:]))
    models = alm("data", "get", "spice", "--to", tmp_path, "--json").json["files"][1]
    assert "cut to" not in models["note"]
    with zipfile.ZipFile(tmp_path / JARS[1]) as jar:
        assert "edu/stanford/nlp/models/srparser/big.ser.gz" in jar.namelist()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<html>", "cannot be unpacked"),
        (zipped({"a/b.jar": b"x"}), "holds no stanford-corenlp-3.6.0.jar among its 1 files"),
        (release(models=b"no jar"), "is no whole jar"),
    ],
)
def test_a_release_that_is_none(server: Server, tmp_path: Path, body: bytes, says: str) -> None:
    server.put(RELEASE, body)
    ran = alm("data", "get", "spice", "--to", tmp_path)
    assert ran.status == 1
    assert says in ran.err.splitlines()[-1]
    assert not (tmp_path / JARS[1]).exists()


def test_the_resources_are_those_of_the_jar_that_was_measured(shared: Path) -> None:
    with zipfile.ZipFile(shared / "spice" / JARS[1]) as jar:
        assert set(jar.namelist()) - {"META-INF/MANIFEST.MF"} == set(RESOURCES)


# --- the hub ---


HUB = "/datasets/gamma-lab-umd/MMAU-test-mini/resolve"
SHA = "a" * 40


def parquet(rows: list[dict[str, Any]], folder: Path) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    cells = [
        {
            "context": {"bytes": clip(number, folder), "path": None},
            "instruction": row["question"],
            "choices": row["choices"],
            "answer": row["answer"],
            "other_attributes": json.dumps({"id": row["id"], "task": row["task"], "difficulty": row["difficulty"]}),
        }
        for number, row in enumerate(rows)
    ]
    body = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(cells), body)
    return body.getvalue()


def hub(server: Server, body: bytes, digest: str | None = None) -> None:
    """The few answers of the hub that fetching a data set takes."""
    name = "data/test-00000-of-00001.parquet"
    digest = digest or hashlib.sha256(body).hexdigest()
    lfs = {"sha256": digest, "oid": digest, "size": len(body), "pointerSize": 134}
    api = "/api/datasets/gamma-lab-umd/MMAU-test-mini"
    listed = {"rfilename": name, "size": len(body), "blobId": "b" * 40, "lfs": lfs}
    info = {"id": "gamma-lab-umd/MMAU-test-mini", "sha": SHA, "siblings": [listed, {"rfilename": "README.md"}]}
    tree = [{"type": "file", "path": name, "size": len(body), "oid": "b" * 40, "lfs": lfs}]
    for path in (api, f"{api}/revision/{SHA}"):
        server.put(path, json.dumps(info), type="application/json")
    server.put(f"{api}/tree/{SHA}", json.dumps(tree), type="application/json")
    file = server.put(f"{HUB}/{SHA}/{name}", body, etag=f'"{digest}"')
    file.headers = {"X-Repo-Commit": SHA, "X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(body))}


def test_mmaus_questions_and_the_hubs_clips_are_one(server: Server, tmp_path: Path) -> None:
    rows = questions(4)
    server.put("/Sakshi113/MMAU/HEAD/mmau-test-mini.json", json.dumps(rows))
    hub(server, parquet(rows[::-1], tmp_path))
    command = ("data", "get", "mmau", "--mirror", f"https://huggingface.co={server.url}", "--json")
    ran = alm(*command)
    assert ran.status == 0, (ran.out, ran.err)
    assert [row["state"] for row in ran.json["files"]] == ["fetched", "fetched"]
    assert ran.json["files"][1]["note"] == "1 files of gamma-lab-umd/MMAU-test-mini at aaaaaaaaaaaa"
    (report,) = alm("data", "verify", "mmau", "--data", "data", "--json").json["tasks"]
    assert report["complete"]
    assert report["clips"]["present"] == 4
    ran = alm("run", "--model", "echo", "--tasks", "mmau", "--data", "data", "--json")
    assert (ran.run["n"], ran.run["status"]["error"]) == (4, 0)
    asked = len(server.asked)
    assert [row["state"] for row in alm(*command).json["files"]] == ["there", "there"]
    assert len(server.asked) == asked


def test_the_hubs_clips_are_paired_by_id(tmp_path: Path) -> None:
    rows = questions(3)
    mmau(tmp_path, rows=rows, clips=False)
    (tmp_path / "mmau/data").mkdir()
    (tmp_path / "mmau/data/test-0.parquet").write_bytes(parquet(rows[::-1][:2], tmp_path))
    from alm_bench.data import LocalRoot

    samples = list(catalogue().get_task("mmau").create().samples(LocalRoot(tmp_path), "test-mini"))
    first, second, third = (sample.audio[0] for sample in samples)
    assert first.read is None
    assert second.read is not None
    assert third.read is not None
    assert third.read() == clip(0, tmp_path)
    assert second.read() == clip(1, tmp_path)
    assert [ref.id for ref in (first, second)] == [f"mmau/test-mini-audios/item-00{n}.wav" for n in (0, 1)]


def test_another_content_than_the_hub_lists(server: Server, tmp_path: Path) -> None:
    hub(server, parquet(questions(2), tmp_path), digest="0" * 64)
    ran = alm("data", "get", "mmau", "--mirror", f"https://huggingface.co={server.url}", "--json")
    copy = ran.json["files"][1]
    assert (ran.status, copy["state"]) == (1, "failed")
    assert "came with another sha256 than listed; it was removed" in copy["note"]


def test_a_hub_that_says_no(server: Server) -> None:
    ran = alm("data", "get", "mmau", "--mirror", f"https://huggingface.co={server.url}", "--json")
    copy = ran.json["files"][1]
    assert (ran.status, copy["state"]) == (1, "failed")
    assert "hub data set gamma-lab-umd/MMAU-test-mini cannot be had" in copy["note"]


# --- weights of metrics ---


def test_weights_of_a_metric_are_fetched_on_request(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALM_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ALM_BENCH_MIRROR", f"https://huggingface.co={server.url} https://github.com={server.url}")
    for part in ("sbert", "fluency"):
        for file in SOURCES[part].files:
            server.put(urlsplit(file.url).path, f"content of {file.name}")
    ran = alm("data", "get", "metric", "sbert_similarity", "--json")
    assert ran.status == 0, ran.err
    assert "about 270 MB, licence Apache-2.0" in ran.err, "size and licence before the download"
    assert {row["state"] for row in ran.json["files"]} == {"fetched"}
    folder = get_default_folder("sbert")
    assert (folder / "1_Pooling/config.json").read_text() == "content of 1_Pooling/config.json"
    assert is_computable("sbert_similarity")
    again = alm("data", "get", "metric", "sbert_similarity", "--json")
    assert {row["state"] for row in again.json["files"]} == {"there"}
    fense = alm("data", "get", "metric", "fense", "--json")
    assert fense.status == 1
    bad = [row for row in fense.json["files"] if row["state"] == "failed"]
    assert [row["place"] for row in bad] == ["echecker_clotho_audiocaps_base.ckpt"]
    assert "its makers publish sha256:1a719f09" in bad[0]["note"]


def test_only_metrics_with_weights_can_be_fetched(server: Server) -> None:
    for arguments in (("metric",), ("metric", "cider")):
        assert "takes a metric with weights, found" in refusal(alm("data", "get", *arguments))
    assert "found a second name, 'cle'" in refusal(alm("data", "get", "mmau", "cle"))
