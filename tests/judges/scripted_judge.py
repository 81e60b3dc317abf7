"""Judges that follow a script: a module for `--judge FILE:Class`, and answers by what stands in the prompt."""

import json
from pathlib import Path

JUDGE = '''"""A judge whose replies are the lines of a file, by a word in the prompt."""

import json
from dataclasses import dataclass
from pathlib import Path

from alm_bench.core import AdapterIdentity, BaseAdapter, Estimate, Output


@dataclass(frozen=True)
class Options:
    script: str
    label: str = "scripted"
    weights: str = "1"


class Scripted(BaseAdapter):
    Options = Options
    audio = None

    def __init__(self, options, runtime):
        super().__init__(options, runtime)
        self.identity = AdapterIdentity(label=options.label, family="scripted", weights=options.weights)
        self._log = Path(options.script).with_suffix(".log")

    def generate(self, batch, decoding):
        assert decoding.method == "greedy"
        script = json.loads(Path(self.options.script).read_text())
        return [self._reply(request.prompt, script) for request in batch]

    def _reply(self, prompt, script):
        with self._log.open("a") as log:
            log.write(json.dumps(prompt) + "\\n")
        said = next((value for key, value in script.items() if key in prompt), script.get("default"))
        if isinstance(said, list):  # one reply after the other: it changes its mind
            before = self._log.read_text().splitlines().count(json.dumps(prompt))
            said = said[(before - 1) % len(said)]
        if isinstance(said, dict):
            if said.get("raise"):
                raise RuntimeError(said["raise"])
            return Output(**said)
        return Output(said, extra={"prompt_tokens": 10, "completion_tokens": 2, "cost": 0.001})

    def estimate(self, request, seconds, decoding):
        return Estimate(10, 2, cost=0.001)
'''


def write_judge(folder: Path, script: str = "{}") -> tuple[str, Path]:
    """Write the judge and its script; return the value of `--judge` and the file of the script."""
    (folder / "judge.py").write_text(JUDGE, encoding="utf-8")
    path = folder / "script.json"
    path.write_text(script, encoding="utf-8")
    return f"{folder / 'judge.py'}:Scripted:script={path}", path


def write_own_judge(folder: Path, script: str) -> tuple[str, Path]:
    """Write a judge with an identity of its own, whose replies no other test has cached."""
    judge, path = write_judge(folder, script)
    return f"{judge},weights={folder.name}", path


def read_prompts(script: Path) -> list[str]:
    """Return the prompts that the judge has got, in order."""
    log = script.with_suffix(".log")
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def verdict(word: str, reason: str = "as the reference") -> str:
    return f'{{"reason": "{reason}", "verdict": "{word}"}}'
