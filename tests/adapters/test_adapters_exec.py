"""Models in a process of their own: what they answer, and that each of their failures is one item's alone."""

import ast
import base64
import hashlib
import io
import json
import shlex
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from small_world import Ran, alm, mmau, only_run, questions, soon, stored

from alm_bench.adapters.exec.wire import encode_request, read_hello
from alm_bench.core import AdapterError, AudioRef, Decoding, Request, Runtime, UsageError
from alm_bench.plugins import catalogue

GOLDS = {row["id"]: row["answer"] for row in questions(12)}
TEMPLATE = Path(__file__).resolve().parents[2] / "alm_bench/templates/worker.py.tmpl"

HEAD = f"""
import json, os, signal, sys, time
GOLDS = {GOLDS!r}

def say(**reply):
    print(json.dumps(reply), flush=True)

def hello(**more):
    say(**{{"alm_bench": 1, "name": "tester", "audio": None, **more}})

def mark(name):  # one more line in a file beside this one
    with open(os.path.join(os.path.dirname(__file__), name), "a") as file:
        print(os.getpid(), file=file)
"""


def worker(tmp_path: Path, body: str) -> tuple[str, ...]:
    """A worker's file with `body` behind HEAD; the options that name it as the model."""
    (tmp_path / "worker.py").write_text(HEAD + body)
    return "--model", "exec", "--model-arg", f"command={command(tmp_path / 'worker.py')}"


def command(file: Path) -> str:
    return shlex.join([sys.executable, "-I", "-S", str(file)])


def loop(trouble: str = "pass", after: str = "pass", **hello: Any) -> str:
    """Right answers, but for what `trouble` does before a reply and `after` does after it."""
    return f"""
hello(**{hello!r})
mark("started")
for line in sys.stdin:
    item = json.loads(line)["id"]
    {trouble}
    say(id=item, text=GOLDS[item])
    {after}
"""


def run(tmp_path: Path, model: tuple[str, ...], *arguments: object) -> Ran:
    if not (tmp_path / "data").exists():
        mmau(tmp_path / "data", clips=False)
    where = ("--tasks", "mmau", "--data", tmp_path / "data", "--out", tmp_path / "runs", "--json")
    return alm("run", *model, *where, *arguments)


def rows(tmp_path: Path) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in stored(only_run(tmp_path / "runs"))}


def starts(tmp_path: Path) -> int:
    return len((tmp_path / "started").read_text().split())


def arg(**options: object) -> tuple[str, ...]:
    return tuple(part for key, value in options.items() for part in ("--model-arg", f"{key}={value}"))


def test_answers_reach_their_items_and_the_worker_starts_once(tmp_path: Path) -> None:
    ran = run(tmp_path, worker(tmp_path, loop(weights="abc", parameters=7, trained_on=["sound"])))
    assert ran.status == 0, ran.err
    assert ran.run["metrics"]["accuracy"]["value"] == 1
    assert (ran.run["model"], starts(tmp_path)) == ("tester", 1)
    identity = ran.run["identity"]
    assert (identity["weights"], identity["parameters"], identity["trained_on"]) == ("abc", 7, ["sound"])
    code = hashlib.sha256((tmp_path / "worker.py").read_bytes()).hexdigest()[:12]
    assert identity["settings"] == {"worker": code}


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("sys.stderr.write('CUDA error\\nno luck\\n'); os._exit(3)", "the worker ended with status 3 (no luck)"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "the worker was killed by SIGSEGV"),
        ("print('Loading shards', flush=True)", "the worker wrote 'Loading shards' on its standard output, expected"),
        ("sys.stdout.buffer.write(b'\\xff\\xfe\\n'); sys.stdout.flush()", "on its standard output, expected one JSON"),
        ("say(id=item, text='x', extra={'cost': float('nan')})", "on its standard output, expected one JSON object"),
        ("say(text='x')", "a reply without the id of its request"),
        ("say(id='item-999', text='x')", "the worker replied to 'item-999', expected"),
        ("time.sleep(600)", "the worker gave no reply for 4 s"),
        ("os.close(1); time.sleep(600)", "the worker closed its standard output"),
    ],
)
def test_a_worker_that_fails_on_an_item_fails_on_it_alone(
    tmp_path: Path, trouble: str, reason: str, batch: int
) -> None:
    model = worker(tmp_path, loop(f"if item == 'item-005': {trouble}", batch=batch))
    ran = run(tmp_path, model, *arg(timeout=4 if "gave no reply" in reason else 300))
    assert ran.status == 1
    assert ran.run["status"]["error"] == 1, ran.run["reasons"]
    found = rows(tmp_path)
    assert reason in found["item-005"]["reason"]
    assert "\n" not in found["item-005"]["reason"]
    assert all(row["text"] == GOLDS[item] for item, row in found.items() if item != "item-005")
    assert starts(tmp_path) <= 4


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("error='out of memory'", "out of memory"),
        ("tekst='x'", "the worker's reply has an unknown 'tekst'; known: text"),
        ("text=None", "the worker's reply has no text, expected one of text, error and refusal"),
        ("text='x', error='y'", "the worker's reply has text and error, expected one of"),
        ("text=5", "the worker's reply has text 5, expected a text"),
        ("text='x', truncated=1", "the worker's reply has truncated 1, expected true or false"),
        ("text='x', extra=[1]", "the worker's reply has extra [1], expected an object"),
    ],
)
def test_a_reply_that_is_no_answer_costs_no_restart(tmp_path: Path, reply: str, reason: str) -> None:
    ran = run(tmp_path, worker(tmp_path, loop(f"if item == 'item-005': say(id=item, {reply}); continue")))
    assert ran.run["status"]["error"] == 1
    assert rows(tmp_path)["item-005"]["reason"].startswith(reason)
    assert starts(tmp_path) == 1


def test_what_else_a_reply_may_say(tmp_path: Path) -> None:
    replies = {
        "item-000": {"text": "(a", "truncated": True},
        "item-001": {"refusal": "violence"},
        "item-002": {"text": "b", "extra": {"prompt_tokens": 12, "reasoning": "it barks"}},
        "item-003": {"text": "\ud800 Dog \u2028 é"},
    }
    body = (
        f"\nhello()\nfor line in sys.stdin:\n    item = json.loads(line)['id']\n    say(id=item, **{replies!r}[item])\n"
    )
    ran = run(tmp_path, worker(tmp_path, body), "--limit", 4)
    found = rows(tmp_path)
    assert found["item-001"]["status"] == "refused"
    assert found["item-002"]["extra"] == {"prompt_tokens": 12, "reasoning": "it barks"}
    assert "Dog \u2028 é" in found["item-003"]["text"]
    assert ran.run["status"]["error"] == 0


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("after", ["os._exit(0)", "print('done', flush=True)", "say(id=item, text='again')"])
def test_what_a_worker_does_between_requests_is_no_items_fault(tmp_path: Path, after: str, batch: int) -> None:
    ran = run(tmp_path, worker(tmp_path, loop(after=after, batch=batch)), "--limit", 6)
    assert ran.status == 0, ran.run["reasons"]
    assert ran.run["metrics"]["accuracy"]["value"] == 1


def test_an_item_that_was_asked_again_says_why(tmp_path: Path) -> None:
    once = "if item == 'item-002' and not os.path.exists(__file__ + '.1'): open(__file__ + '.1', 'w'); os._exit(9)"
    ran = run(tmp_path, worker(tmp_path, loop(once)))
    assert ran.status == 0
    told = {item: row["extra"] for item, row in rows(tmp_path).items() if row["extra"]}
    assert told == {"item-002": {"asked_again": "the worker ended with status 9"}}


def test_replies_may_come_in_any_order_while_several_are_open(tmp_path: Path) -> None:
    body = """
import select
hello(batch=4)
while True:
    held = []
    while len(held) < 4 and (not held or select.select([0], [], [], 0.2)[0]):
        line = os.read(0, 1 << 20)
        if not line:
            sys.exit()
        held += [json.loads(one)["id"] for one in line.splitlines()]
    print(len(held), file=open(__file__ + ".sizes", "a"))
    for item in reversed(held):
        say(id=item, text=GOLDS[item])
"""
    ran = run(tmp_path, worker(tmp_path, body))
    assert (ran.status, ran.run["metrics"]["accuracy"]["value"]) == (0, 1)
    sizes = [int(size) for size in (tmp_path / "worker.py.sizes").read_text().split()]
    assert sum(sizes) == 12
    assert 1 < max(sizes) <= 4


def test_a_worker_that_never_answers_ends_the_run_which_can_be_gone_on_with(tmp_path: Path) -> None:
    trouble = "if item > 'item-006' and not os.path.exists(__file__ + '.fixed'): os._exit(1)"
    model = (*worker(tmp_path, loop(trouble)), *arg(restarts=3))
    ran = run(tmp_path, model)
    assert (ran.status, ran.out) == (1, "")
    assert "the worker failed 4 times in a row, the last time it ended with status 1" in ran.err.splitlines()[-1]
    kept = rows(tmp_path)
    assert sum(row["status"] == "ok" for row in kept.values()) == 7
    assert "it is started again" in (only_run(tmp_path / "runs") / "worker.log").read_text()
    assert "it is started again" not in ran.err, "no word of the worker's"
    (tmp_path / "worker.py.fixed").touch()
    assert run(tmp_path, model).run["metrics"]["accuracy"]["value"] == 1


FIRST = "the worker: its first line has "


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ("import no_such_thing", 1, "did not start: it ended with status 1 (ModuleNotFoundError: No module named 'no_"),
        ("print('Welcome!')\ninput()", 1, "did not start: it wrote 'Welcome!' on its standard output, expected its fi"),
        ("time.sleep(60)", 1, "did not start: it gave no reply for 0.5 s"),
        ("sys.exit()", 1, "did not start: it ended with status 0"),
        ("hello(alm_bench=2)", 2, FIRST + '"alm_bench": 2, expected the protocol\'s version 1'),
        ("hello(nmae='x')", 2, FIRST + "an unknown 'nmae'; known: name"),
        ("hello(name='')", 2, FIRST + "no 'name'; expected what tables are to call the model"),
        ("say(alm_bench=1, name='x')", 2, FIRST + "no 'audio'; expected {\"rate\": ..."),
        ("hello(audio=16000)", 2, FIRST + "audio 16000; expected"),
        ("hello(audio={'rat': 1})", 2, "the worker: its audio has no option 'rat'; known: rate"),
        ("hello(audio={'rate': 'fast'})", 2, "its audio: option rate takes a whole number, found 'fast'"),
        ("hello(audio={'rate': 0})", 2, "a rate above 0, found 0"),
        ("hello(parameters='7B')", 2, FIRST + "parameters '7B', expected a whole number"),
        ("hello(batch=True)", 2, FIRST + "batch True, expected a whole number above 0"),
        ("hello(decodings='beam')", 2, FIRST + "decodings 'beam', expected a list of some of greedy, nucleus, top-k, "),
        ("hello(delivery=1)", 2, FIRST + "delivery 1, expected 'by construction' or 'to be shown'"),
    ],
)
def test_a_worker_that_does_not_start_is_one_line(tmp_path: Path, body: str, status: int, told: str) -> None:
    quick = arg(start_timeout=0.5) if "sleep" in body else ()
    ran = run(tmp_path, (*worker(tmp_path, body), *quick))
    assert (ran.status, ran.out, len(ran.err.splitlines())) == (status, "", 1), ran.err
    assert ran.err.startswith("alm-bench: model exec: the worker")
    assert told in ran.err
    if "import" in body:
        log = Path(ran.err.rpartition("its standard error is in ")[2].strip())
        assert "Traceback" in log.read_text()
        log.unlink()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"command": "/no/such/python worker.py"}, "cannot start /no/such/python: No such file or directory"),
        ({"command": "python 'worker.py"}, "command cannot be split as a shell would: No closing quotation"),
        ({"command": " "}, "command is empty, expected"),
        ({"command": "true", "env": "=A"}, "env takes A=1 B=2, or the name of a variable, found '=A'"),
        ({"command": "true", "env": "NO_SUCH_NAME"}, "env names NO_SUCH_NAME, which is not in the environment"),
        ({"command": "true", "timeout": 0}, "timeout takes a number from 0.001"),
        ({"command": "true", "timeout": "nan"}, "timeout takes a number from 0.001"),
        ({"command": "true", "batch": 0}, "batch takes a number from 1"),
        ({"command": "true", "audio": "flac"}, "option audio takes one of paths, base64, found 'flac'"),
        ({}, "needs the option command=..."),
    ],
)
def test_bad_options_are_one_line(tmp_path: Path, options: dict[str, object], told: str) -> None:
    ran = run(tmp_path, ("--model", "exec", *arg(**options)))
    assert (ran.status, ran.out, len(ran.err.splitlines())) == (2, "", 1), ran.err
    assert told in ran.err


HEARD = """
import base64, hashlib
hello(audio={"rate": 8000, "seconds": 0.5, "short": "zeros", "spare": True})
for line in sys.stdin:
    asked = json.loads(line)
    def opened(clip):
        return open(clip, "rb").read() if len(clip) < 999 else base64.b64decode(clip)
    clips = [clip for clip in (*asked["audio"], asked["spare"]) if clip is not None]
    paths = [clip for clip in clips if len(clip) < 999]
    said = [asked[key] for key in ("choices", "decoding", "prompt")]
    text = [len(asked["audio"]), asked["spare"] is not None, paths, *said]
    say(id=asked["id"], text=json.dumps(text), extra={"files": [base64.b64encode(opened(c)).decode() for c in clips]})
"""


@pytest.mark.parametrize("how", ["paths", "base64"])
@pytest.mark.parametrize("samples", ["float32", "int16"])
def test_a_worker_hears_what_was_decoded(tmp_path: Path, how: str, samples: str) -> None:
    worker(tmp_path, HEARD)
    options = {"command": command(tmp_path / "worker.py"), "audio": how, "samples": samples}
    adapter = catalogue().get_adapter("exec").create(options, Runtime())
    assert adapter.audio is not None
    assert (adapter.audio.rate, adapter.audio.seconds, adapter.audio.spare) == (8000, 0.5, True)
    rng = np.random.default_rng(0)
    own, spare = (rng.uniform(-1, 1, 4000).astype(np.float32) for _ in range(2))
    refs = AudioRef("a", Path("a")), AudioRef("b", Path("b"))
    request = Request("é 1", "what\nis «that»?", refs[:1], ("Dög", "Cat"), refs[1], (own, spare))
    (output,) = adapter.generate([request], Decoding(max_new_tokens=7))
    clips, spared, paths, choices, decoding, prompt = json.loads(output.text or "")
    assert (clips, spared, choices, prompt) == (1, True, ["Dög", "Cat"], "what\nis «that»?")
    assert (decoding["method"], decoding["max_new_tokens"]) == ("greedy", 7)
    for file, sent in zip(output.extra["files"], (own, spare), strict=True):
        content = base64.b64decode(file)
        heard, rate = soundfile.read(io.BytesIO(content), dtype="float32")
        assert (rate, heard.shape) == (8000, (4000,))
        if samples == "float32":
            assert (heard == sent).all()
            assert (np.frombuffer(content, "<f4", offset=44) == sent).all()
        else:
            assert np.abs(heard - sent).max() < 1.6e-4
            with wave.open(io.BytesIO(content)) as told:
                assert (told.getnframes(), told.getsampwidth(), told.getframerate()) == (4000, 2, 8000)
    assert len(paths) == (2 if how == "paths" else 0)
    assert not [path for path in paths if Path(path).exists()], "files go with their reply"
    assert not [path for path in paths if list(Path(path).parent.iterdir())]


def test_a_worker_that_reads_nothing_does_not_block(tmp_path: Path) -> None:
    """A line is longer than a pipe holds."""
    worker(tmp_path, "\nhello(audio={'rate': 8000})\ntime.sleep(60)\n")
    options = {"command": command(tmp_path / "worker.py"), "audio": "base64", "timeout": "0.5"}
    adapter = catalogue().get_adapter("exec").create(options, Runtime())
    request = Request("1", "?", (AudioRef("a", Path("a")),), waves=(np.zeros(100_000, np.float32),))
    (output,) = adapter.generate([request], Decoding())
    assert output.error == "the worker gave no reply for 0.5 s"


def test_its_standard_error_is_kept_with_the_run(tmp_path: Path) -> None:
    body = "print('loading', file=sys.stderr)\n" + loop("print('asked', item, file=sys.stderr, flush=True)")
    run(tmp_path, worker(tmp_path, body), "--limit", 3)
    log, said = only_run(tmp_path / "runs") / "worker.log", ["loading", *(f"asked item-00{n}" for n in range(3))]
    assert soon(lambda: log.exists() and log.read_text().splitlines() == said), "it is read by a thread of its own"


@pytest.mark.parametrize("within", ["caption-first", "cascade"])
def test_a_worker_within_another_model_is_proven_and_heard(tmp_path: Path, within: str) -> None:
    """The proof is of the worker itself, and its standard error is kept with the run."""
    mmau(tmp_path / "data")
    said = f"say(id=item, text='x', extra={COUNTED}); continue"
    body = "print('loading', file=sys.stderr)\n" + listening(said)
    options = worker(tmp_path, body)
    if within == "cascade":
        named = options[-1]
        model = ("--model", "cascade", *arg(captioner="exec", llm="blind"), "--model-arg", f"captioner.{named}")
    else:
        model = (*options, "--strategy", within)
    ran = run(tmp_path, model, "--limit", 2)
    assert ran.status == 0, ran.err
    assert ran.run["audio_check"]["verdict"] == "no reaction"
    log = only_run(tmp_path / "runs") / "worker.log"
    assert soon(lambda: log.exists() and log.read_text() == "loading\n")


def test_no_log_where_nothing_is_said(tmp_path: Path) -> None:
    run(tmp_path, worker(tmp_path, loop()), "--limit", 3)
    assert not (only_run(tmp_path / "runs") / "worker.log").exists()


def test_the_environment_tells_what_was_asked_for(tmp_path: Path) -> None:
    body = """
hello(settings={key: os.environ.get(key, "-") for key in ("ALM_BENCH_DEVICE", "ALM_BENCH_DTYPE", "A", "B")})
for line in sys.stdin:
    say(id=json.loads(line)["id"], text="a")
"""
    asked = (*worker(tmp_path, body), *arg(env="A=1,2 B='two words'"))
    settings = run(tmp_path, asked, "--device", "cpu", "--limit", 1).run["identity"]["settings"]
    del settings["worker"]
    assert settings == {"ALM_BENCH_DEVICE": "cpu", "ALM_BENCH_DTYPE": "-", "A": "1,2", "B": "two words"}


def test_another_model_after_a_restart_is_refused(tmp_path: Path) -> None:
    body = loop("os._exit(1)").replace("hello(**{})", "hello(weights=str(os.getpid()))")
    worker(tmp_path, body)
    adapter = catalogue().get_adapter("exec").create({"command": command(tmp_path / "worker.py")}, Runtime())
    with pytest.raises(AdapterError, match="another model after it was started again"):
        adapter.generate([Request("item-001", "?"), Request("item-002", "?")], Decoding())


def test_requests_of_one_name_get_their_own_answers(tmp_path: Path) -> None:
    body = """
hello(batch=4)
for line in sys.stdin:
    asked = json.loads(line)
    say(id=asked["id"], text=asked["prompt"])
"""
    worker(tmp_path, body)
    adapter = catalogue().get_adapter("exec").create({"command": command(tmp_path / "worker.py")}, Runtime())
    outputs = adapter.generate([Request("clip", prompt) for prompt in "abc"], Decoding())
    assert [output.text for output in outputs] == ["a", "b", "c"]


def test_ask_goes_through_a_worker(tmp_path: Path) -> None:
    body = "\nhello()\nfor line in sys.stdin:\n    say(id=json.loads(line)['id'], text='a dog')\n"
    assert alm("ask", "what?", *worker(tmp_path, body)).out == "a dog\n"


def test_scores_of_options_are_not_to_be_had(tmp_path: Path) -> None:
    ran = run(tmp_path, worker(tmp_path, loop()), "--answer-by", "likelihood")
    assert (ran.status, "tester does not score options" in ran.err) == (2, True)


def test_the_worker_that_is_written_for_users(tmp_path: Path) -> None:
    source = TEMPLATE.read_text()
    ast.parse(source, feature_version=(3, 8))
    assert len(source.splitlines()) <= 37
    (tmp_path / "worker.py").write_text(source)
    mmau(tmp_path / "data")
    model = ("--model", "exec", "--model-arg", f"command={command(tmp_path / 'worker.py')}")
    ran = run(tmp_path, model)
    assert ran.status == 0, ran.err
    assert {item: row["text"] for item, row in rows(tmp_path).items()} == {
        row["id"]: row["choices"][0] for row in questions(12)
    }


def test_a_worker_that_is_written_for_users_survives_a_bad_item(tmp_path: Path) -> None:
    source = TEMPLATE.read_text().replace("    return choices[0]", "    print('noise')\n    return choices[len(clips)]")
    (tmp_path / "worker.py").write_text(source.replace("choices[len(clips)]", "choices[2 * len(clips)]"))
    mmau(tmp_path / "data")
    ran = run(tmp_path, ("--model", "exec", "--model-arg", f"command={command(tmp_path / 'worker.py')}"))
    assert ran.run["reasons"] == {"IndexError: list index out of range": 3}, "questions with two options"
    assert "noise" in (only_run(tmp_path / "runs") / "worker.log").read_text()


COUNTED = "{'prompt_tokens': 9 + 75 * len(clips)}"
"""What a worker tells of a prompt: a clip counts as 75 tokens."""


def listening(trouble: str = "pass", answer: str = "'a dog'", **hello: Any) -> str:
    """A worker with ears: right answers, and `answer` to the probe questions, before which it does `trouble`."""
    return f"""
hello(**{dict(audio={"rate": 8000}, **hello)!r})
mark("started")
for line in sys.stdin:
    asked = json.loads(line)
    item, clips = asked["id"], [open(path, "rb").read()[44:] for path in asked["audio"]]
    if item.startswith("probe-"):
        mark("probed")
        {trouble}
    say(id=item, text=GOLDS[item] if item in GOLDS else {answer})
"""


@pytest.mark.parametrize(
    ("body", "verdict", "probed", "started"),
    [
        (listening(answer="str(sum(clips[0])) if clips else 'nothing'"), "delivered", 6, 1),
        (listening(f"say(id=item, text='x', extra={COUNTED}); continue"), "no reaction", 4, 1),
        (listening(delivery="by construction"), None, 0, 1),
        (listening("say(id=item, error='no such prompt'); continue"), "not checked", 1, 1),
        (listening("os._exit(3)"), "not checked", 1, 2),
        (listening("time.sleep(600)"), "not checked", 1, 2),
        # without a clip asked twice, since it had answered before; then about silence, and about two long clips
        (listening("if 'no clip' in item: os._exit(3)", answer="str(sum(clips[0]))"), "delivered", 8, 3),
    ],
)
def test_a_run_begins_with_the_question_whether_clips_arrive(
    tmp_path: Path, body: str, verdict: str | None, probed: int, started: int
) -> None:
    mmau(tmp_path / "data")
    ran = run(tmp_path, (*worker(tmp_path, body), *arg(timeout=4 if "sleep" in body else 300, restarts=2)))
    assert ran.status == 0, ran.err
    assert ran.run["metrics"]["accuracy"]["value"] == 1
    assert (ran.run["audio_check"] and ran.run["audio_check"]["verdict"]) == verdict
    assert starts(tmp_path) == started
    assert (len((tmp_path / "probed").read_text().split()) if probed else 0) == probed


def test_a_worker_whose_model_hears_nothing_is_stopped_unless_it_says_better(tmp_path: Path) -> None:
    mmau(tmp_path / "data")
    ran = run(tmp_path, worker(tmp_path, listening()))
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.splitlines()[-1].startswith("alm-bench: audio_not_delivered: tester tells no prompt tokens")
    assert not rows(tmp_path), "no question was asked"


def test_a_worker_is_told_how_to_decode_if_it_can() -> None:
    first = {"alm_bench": 1, "name": "tester", "audio": None}
    hello = read_hello(json.dumps({**first, "decodings": ["greedy", "beam"]}).encode())
    assert hello.decodings == ("greedy", "beam")
    assert read_hello(json.dumps(first).encode()).decodings == ("greedy", "nucleus")
    for decoding, own in (
        (Decoding("beam", beams=3), {"beams": 3, "length_penalty": 1.0}),
        (Decoding("top-k", top_k=7), {"top_k": 7}),
        (Decoding(), {}),
    ):
        told = json.loads(encode_request(Request("a", "What?"), [], decoding))["decoding"]
        assert told == {
            "method": decoding.method, "max_new_tokens": 64, "top_p": 0.8, "temperature": 1.0, "seed": 0, **own
        }  # fmt: skip


def test_a_worker_is_given_a_beginning_if_it_can_continue_one() -> None:
    first = {"alm_bench": 1, "name": "tester", "audio": None}
    assert read_hello(json.dumps({**first, "continuation": True}).encode()).continuation
    assert not read_hello(json.dumps(first).encode()).continuation
    with pytest.raises(UsageError, match="has continuation 'yes', expected true or false"):
        read_hello(json.dumps({**first, "continuation": "yes"}).encode())
    lines = [encode_request(Request("a", "What?", prefix=prefix), [], Decoding()) for prefix in ("", "<think>")]
    assert [json.loads(line).get("prefix") for line in lines] == [None, "<think>"]


def test_the_options_object_is_refused_early() -> None:
    with pytest.raises(UsageError, match="restarts takes a number from 0"):
        catalogue().get_adapter("exec").create({"command": "true", "restarts": "-1"}, Runtime())


SECRET = "sesame-0123456789"


def stored_bytes(tmp_path: Path) -> bytes:
    files = [path for path in only_run(tmp_path / "runs").rglob("*") if path.is_file()]
    assert len(files) >= 4
    return b"".join(path.read_bytes() for path in files)


LEAKY = """
token = os.environ["HF_TOKEN"]
hello(settings={"token": token, "greeting": "I am " + token}, note=token)
sys.stderr.write("logged in as " + token[:5]); sys.stderr.flush()
sys.stderr.write(token[5:] + "\\n"); sys.stderr.flush()
for line in sys.stdin:
    item = json.loads(line)["id"]
    mark("asked")
    if item == "item-002":
        say(id=item, error="denied for " + token)
    elif item == "item-003":
        sys.exit("denied for " + token)
    else:
        say(id=item, text=GOLDS[item], extra={"header": ["Bearer " + token]})
"""


@pytest.mark.parametrize("how", ["HF_TOKEN={}", "A=1 'HF_TOKEN={}'", "HF_TOKEN"])
def test_a_secret_of_the_environment_is_stored_nowhere(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET if how == "HF_TOKEN" else "")
    ran = run(tmp_path, (*worker(tmp_path, LEAKY), *arg(env=how.format(SECRET))), "--max-failures", 2)
    assert ran.status == 0, ran.err
    assert [row["reason"] for row in rows(tmp_path).values() if row["status"] == "error"] == [
        "denied for [set]",
        "the worker ended with status 1 (denied for [set])",
    ]
    assert ran.run["identity"]["settings"]["greeting"] == "I am [set]"
    log = only_run(tmp_path / "runs") / "worker.log"
    assert soon(lambda: "logged in as [set]\n" in log.read_text())
    assert SECRET.encode() not in stored_bytes(tmp_path)
    assert SECRET not in ran.out + ran.err
    asked = len((tmp_path / "asked").read_text().split())
    monkeypatch.setenv("HF_TOKEN", "another-9876543210")
    again = run(tmp_path, (*worker(tmp_path, LEAKY), *arg(env=how.format("another-9876543210"))), "--max-failures", 2)
    assert again.status == 0, again.err
    only_run(tmp_path / "runs")  # another token is no other run
    assert len((tmp_path / "asked").read_text().split()) <= asked + 4, "answers are kept"
    assert b"another-9876543210" not in stored_bytes(tmp_path)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ('\'{"id": "\' + item + \'", "text": "x", "extra": {"cost": 1e999}}\'', "reply has cost inf, expected US"),
        (
            "json.dumps({'id': item, 'text': 'x', 'extra': {'cost': 'much'}})",
            "reply has cost 'much', expected US dollars",
        ),
        (
            "json.dumps({'id': item, 'text': 'x', 'extra': {'prompt_tokens': 10**400}})",
            "prompt_tokens of about 400 digits",
        ),
        ("json.dumps({'id': item, 'text': 'x', 'extra': {'prompt_tokens': []}})", "reply has prompt_tokens []"),
        ('\'{"id": "\' + item + \'", "text": "x", "extra": {"a": [1e999]}}\'', "an extra that is no JSON"),
        (
            '\'{"id": "\' + item + \'", "text": "x", "extra": {"a": \' + \'[\' * 10**5 + \']\' * 10**5 + \'}}\'',
            "expected one",
        ),
        ("'[' + item + ']'", "expected one JSON object a reply"),
        ("'x' * (17 << 20)", "the worker wrote more than 16 MiB without the end of a line"),
    ],
)
def test_an_odd_reply_fails_its_item(tmp_path: Path, reply: str, reason: str) -> None:
    trouble = f"if item == 'item-002': print({reply}, flush=True); continue"
    ran = run(tmp_path, worker(tmp_path, loop(trouble)), "--limit", 5)
    assert (ran.status, ran.run["status"]["error"], ran.run["status"]["ok"]) == (1, 1, 4), ran.err
    assert reason in rows(tmp_path)["item-002"]["reason"]
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("hello(parameters=10**400)", "its first line has parameters 1000"),
        ("hello(batch=10**9)", "its first line has batch 1000000000, expected a whole number above 0, 10^6 at most"),
        ("print('[' * 10**5, flush=True)", "expected its first line"),
    ],
)
def test_an_odd_first_line_is_one_line(tmp_path: Path, body: str, told: str) -> None:
    ran = run(tmp_path, worker(tmp_path, body))
    assert (ran.out, len(ran.err.splitlines())) == ("", 1), ran.err
    assert told in ran.err


def test_a_name_of_half_a_surrogate_pair(tmp_path: Path) -> None:
    body = loop().replace("hello(**{})", r"hello(name='a \ud800')")
    ran = run(tmp_path, worker(tmp_path, body), "--limit", 2)
    assert (ran.status, ran.run["model"]) == (0, "a ?")
