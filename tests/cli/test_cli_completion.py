"""What the shell completes, asked for as a shell asks."""

from pathlib import Path

import pytest
from small_world import Ran, alm, mmau, only_run


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> object:
    """Return what bash offers for a line, the last word of which is being typed."""

    def ask(line: str) -> list[str]:
        words = line.split(" ")
        monkeypatch.setenv("_ALM_BENCH_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        ran: Ran = alm()
        assert ran.status == 0
        assert ran.err == ""
        return ran.out.split()

    return ask


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("alm-bench leaderb", ["leaderboard"]),
        ("alm-bench run --tasks mmau", ["mmau", "mmau-pro"]),
        ("alm-bench run --tasks mmau,cld-", ["mmau,cld-1", "mmau,cld-2", "mmau,cld-3"]),
        ("alm-bench run --tasks mmau,mmau-pro,mmau", []),
        (
            "alm-bench run --tasks cl",
            [
                "cld",
                "cld-1",
                "cld-2",
                "cld-3",
                "cle",
                "clotho",
                "clotho-detail",
                "clotho-mcq",
                "clotho-retrieval",
                "clotho_aqa",
            ],
        ),
        ("alm-bench run --model mellow", ["mellow", "mellow-probe"]),
        ("alm-bench noise-ablation --model ech", ["echo"]),
        ("alm-bench noise-ablation --conditions swap,si", ["swap,silence"]),
        ("alm-bench check bli", ["blind"]),
        ("alm-bench data get mma", ["mmar", "mmau", "mmau-pro"]),
        ("alm-bench data get sp", ["speechr", "spice"]),
        ("alm-bench score --metrics cider,ro", ["cider,rouge_l"]),
        ("alm-bench train --config mellow-mini-", ["mellow-mini-text-only"]),
        ("alm-bench run --answer-by l", ["likelihood"]),
        ("alm-bench ls me", ["metrics"]),
        ("alm-bench show --status un", ["unparsed"]),
    ],
)
def test_names_are_completed(offered: object, line: str, expected: list[str]) -> None:
    assert sorted(offered(line)) == expected  # type: ignore[operator]


def test_runs_are_completed_by_name_and_files_by_path(offered: object, tmp_path: Path) -> None:
    mmau(Path("data"), 3, clips=False)
    assert alm("run", "--model", "blind", "--tasks", "mmau").status == 0
    name = only_run(Path("results/runs")).name
    for command in ("show", "score", "compare x", "leaderboard", "submit mmau", "run --solvable-by"):
        assert offered(f"alm-bench {command} mma") == [name]  # type: ignore[operator]
    assert offered("alm-bench show l") == ["latest"]  # type: ignore[operator]
    assert offered("alm-bench show --out elsewhere l") == []  # type: ignore[operator]
    Path("suites").mkdir()
    for file in ("suites/small.toml", "suites/notes.txt", "model.py"):
        Path(file).touch()
    assert offered("alm-bench run --config sui") == ["suites/"]  # type: ignore[operator]
    assert offered("alm-bench run --config suites/") == ["suites/small.toml"]  # type: ignore[operator]
    assert offered("alm-bench run --model ./mo") == ["./model.py"]  # type: ignore[operator]
    assert offered("alm-bench run --config nowhere/x") == []  # type: ignore[operator]


def test_completion_opens_no_log_file(offered: object) -> None:
    assert offered("alm-bench --log-file log.txt ls ta") == ["tasks"]  # type: ignore[operator]
    assert not Path("log.txt").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_for_shells_are_printed(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typer.completion._get_shell_name", lambda: shell)
    ran = alm("--show-completion")
    assert ran.status == 0, ran.err
    assert "_ALM_BENCH_COMPLETE" in ran.out
    assert "alm-bench" in ran.out


def test_models_of_other_packages_are_completed_without_importing_them(
    offered: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "site/acme_models-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-models\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[alm_bench.adapters]\nacme-ears = acme_models_of_nobody:Ears\n")
    monkeypatch.syspath_prepend(info.parent)
    assert offered("alm-bench run --model acme") == ["acme-ears"]  # type: ignore[operator]
