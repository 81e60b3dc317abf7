"""Reinforcement learning on the demo world: what GRPO gains over more supervised steps, what an order of difficulty
does, and whether a reward that only listening earns keeps a text shortcut from being learned (docs/reasoning.md).

    python benchmarks/grpo_experiment.py run gain choice few curriculum grounded --seeds 1 2 3 --out results/grpo
    python benchmarks/grpo_experiment.py table --out results/grpo

Each run is stored as a JSON file and not repeated. One thread computes; processes with other seeds can run beside it.
"""

import argparse
import json
import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alm_bench.audio import load, make_noise_like
from alm_bench.core import Decoding
from alm_bench.core.files import replace_atomically, write_atomically
from alm_bench.demo.root import create_training_root
from alm_bench.demo.training import MCQ
from alm_bench.mellow.checkpoint import load as load_network
from alm_bench.mellow.encoder import EncoderOutput
from alm_bench.mellow.logmel import LogMel
from alm_bench.mellow.model import Mellow
from alm_bench.mellow.prompt import select_protocol
from alm_bench.parsing import parse_choice
from alm_bench.scoring.intervals import compute_clustered_interval
from alm_bench.scoring.paired import compare_paired_scores
from alm_bench.tasks.mmau.demo import build_mmau_items
from alm_bench.train.config import TrainConfig, load_config
from alm_bench.train.features import encode_clips
from alm_bench.train.loop import Trainer
from alm_bench.train.rollouts import draw_groups
from alm_bench.train.setup import TrainingSetup, build_network, prepare_training

ITEMS = 480
"""Number of held-out items: the first ones of the demo data of the task mmau."""

WORLDS = {"plain": 0.0, "shortcut": 0.6, "misleading": -1.0}
"""Share of the items whose wording points to the right option (to a wrong one below 0), by world."""

CURVE_EVERY = 25
"""Number of steps between points of the learning curves."""


@dataclass(slots=True)
class Items:
    """Held-out items."""

    prompts: dict[str, list[list[int]]]
    """Token ids of the prompts, by world."""

    choices: dict[str, list[tuple[str, ...]]]
    """Options of each item, by world."""

    targets: list[int]
    """Index of the right option of each item."""

    encoded: dict[str, EncoderOutput]
    """Outputs of the frozen encoder for the items' clips: `clean`, and `noise` with the level of the clip."""


class Experiment:
    """Data and features that all runs share."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.worlds: dict[str, TrainingSetup] = {}
        self.items = self._load_items()

    def _load_items(self) -> Items:
        """Build the held-out items, and load or compute their features."""
        loaded = load_network("mini")
        layout, protocol = loaded.model.config.prompt, select_protocol(loaded.model.config.prompt.layout, None)
        rows = {name: build_mmau_items("test", ITEMS, shortcut=share) for name, share in WORLDS.items()}
        prompts, choices = {}, {}
        for name, world in rows.items():
            choices[name] = [tuple(row["choices"]) for row in world.rows]
            texts = [MCQ.render({"question": row["question"]}, row["choices"]) for row in world.rows]
            prompts[name] = [protocol.encode_prompt(text, loaded.tokenizer, layout) for text in texts]
        targets = [row["choices"].index(row["answer"]) for row in rows["plain"].rows]
        return Items(prompts, choices, targets, self._encode_items(loaded.model, rows["plain"], protocol))

    def _encode_items(self, model: Mellow, rows: Any, protocol: Any) -> dict[str, EncoderOutput]:
        """Load or compute the encoder's outputs for the items' clips and for noise of the same level."""
        path = self.out / "items.pt"
        if not path.is_file():
            root, front = create_training_root(rows), LogMel(model.config.encoder)
            policy = protocol.build_policy(model.config.encoder)
            found: dict[str, list[torch.Tensor]] = {"clean": [], "noise": []}
            for row in rows.rows:
                wave = load(root.audio(f"mmau/{row['audio_id'][2:]}"), policy).wave
                for name, changed in (("clean", wave), ("noise", make_noise_like(wave, "noise", row["id"]))):
                    with torch.inference_mode():
                        found[name].append(front(torch.from_numpy(np.array(changed))[None])[0])
            encoded = {name: tuple(_encode(model, torch.stack(logmels))) for name, logmels in found.items()}
            with replace_atomically(path) as temporary:
                torch.save(encoded, temporary)
        return {name: EncoderOutput(*parts) for name, parts in torch.load(path).items()}

    def load_world(self, config: TrainConfig) -> TrainingSetup:
        """Return the training data of a recipe with a new network. Data and encoded clips are shared by all runs."""
        key = json.dumps([vars_of(part) for part in config.data])
        if key not in self.worlds:
            self.worlds[key] = prepare_training(config, self.out / "features", lambda *_: None)
            corpus = self.worlds[key].corpus
            encoded = self.out / f"clips-{len(corpus.clips)}.pt"  # a shortcut changes texts, and no clip
            if not encoded.is_file():
                model = self.worlds[key].model
                outputs = encode_clips(
                    model.encoder, corpus.logmels, len(corpus.clips), 64, torch.autocast("cpu", enabled=False)
                )
                with replace_atomically(encoded) as temporary:
                    torch.save(tuple(part.clone() for part in outputs), temporary)
            self.worlds[key].encoded[False] = EncoderOutput(*torch.load(encoded))
        model, tokenizer = build_network(config.model, config.seed, config.trained_on)
        return replace(self.worlds[key], model=model, tokenizer=tokenizer)

    def answer(self, model: Mellow, world: str, clips: str) -> list[bool]:
        """Return True per item whose greedy answer is right."""
        items, right = self.items, []
        model = model.eval()
        encoded = items.encoded[clips]
        for start in range(0, ITEMS, 32):
            part = range(start, min(start + 32, ITEMS))
            with torch.inference_mode():
                outputs = EncoderOutput(*(each[list(part)] for each in encoded))
                tokens = model.mapper(model.encoder.compute_probabilities(outputs))
                contexts = model.build_sequences(tokens, [None] * len(part), [items.prompts[world][i] for i in part])
            drawn = draw_groups(model, contexts, [[str(i)] for i in part], Decoding(max_new_tokens=24))
            tokenizer = next(iter(self.worlds.values())).tokenizer
            for i, (answer,) in zip(part, drawn, strict=True):
                text = tokenizer.decode(list(answer.tokens), skip_special_tokens=True)
                right.append(parse_choice(text, items.choices[world][i]).index == items.targets[i])
        return right


def vars_of(part: Any) -> dict[str, str]:
    """Return the settings of a source as texts."""
    return {name: str(getattr(part, name)) for name in part.__slots__}


def _encode(model: Mellow, logmels: torch.Tensor) -> EncoderOutput:
    """Encode log-mels (clips, frames, mels)."""
    with torch.inference_mode():
        parts = [model.encoder.encode(logmel) for logmel in logmels.split(32)]
    return EncoderOutput(*(torch.cat(part).clone() for part in zip(*parts, strict=True)))


def train(
    experiment: Experiment,
    name: str,
    recipe: str,
    changes: Mapping[str, str],
    worlds: Sequence[tuple[str, str]] = (("plain", "clean"),),
) -> None:
    """Train a recipe, and store what it answers to the held-out items, and its curves, unless it is stored already.

    `worlds`: pairs of a world and clips on which it answers.
    """
    path = experiment.out / f"{name}.json"
    if path.is_file():
        return
    config = load_config(recipe, {"name": name, "out": str(experiment.out / "runs"), "validate_every": "0", **changes})
    setup = experiment.load_world(config)
    curve: list[dict[str, Any]] = []
    started = time.process_time()

    def observe(entry: dict[str, Any]) -> None:
        point = {key: entry[key] for key in ("step", "loss", "reward", "kl", "entropy", "answered") if key in entry}
        point |= {key: entry[key] for key in ("agreement_with_changed", "changed_reward") if key in entry}
        curve.append({**point, "cpu_seconds": round(time.process_time() - started, 1)})
        if (entry["step"] + 1) % CURVE_EVERY == 0 and entry["step"] + 1 < entry["total"]:
            for world, clips in worlds[:2]:
                right = experiment.answer(setup.model, world, clips)
                curve[-1][f"{world}/{clips}"] = float(np.mean(right))
            print(name, json.dumps(curve[-1]), flush=True)

    trainer = Trainer(config, setup, observe, fresh=(config.out / name / "config.json").is_file())
    trainer.run()
    seconds = time.process_time() - started
    answers = {f"{world}/{clips}": experiment.answer(trainer.model, world, clips) for world, clips in worlds}
    result = {
        "name": name,
        "recipe": recipe,
        "changes": dict(changes),
        "steps": len(curve),
        "cpu_seconds": round(seconds, 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "right": answers,
        "curve": curve,
    }
    write_atomically(path, json.dumps(result) + "\n")
    print(name, {key: round(float(np.mean(each)), 3) for key, each in answers.items()}, f"{seconds:.0f} s", flush=True)


EVERYWHERE = (
    ("shortcut", "clean"),
    ("shortcut", "noise"),
    ("plain", "clean"),
    ("plain", "noise"),
)
"""Pairs of a world and clips on which the models of the shortcut experiment answer."""

PLANTED_STEPS = 25
"""Number of supervised steps on multiple-choice questions with the shortcut, before GRPO."""

GROUNDED_STEPS = 40
"""Number of GRPO steps with and without draws on noise."""

GROUNDED = {"stage.0.batch": "24"}
"""Changes to the recipes of both."""

CHOICE = "{audiocaps_mcq = 1}"
"""Mixture of the rows on which GRPO trains."""

FEW_ROWS = 400
"""Number of rows of all kinds in the experiment with few rows, instead of 6,000."""


def run_seed(experiment: Experiment, parts: Sequence[str], seed: int, steps: int, changes: Mapping[str, str]) -> None:
    """Run the named parts of the experiment with one seed of rows and draws. All seeds start from one model."""
    seeded = {"seed": str(seed)}
    train(experiment, "base", "demo-sft", {}, EVERYWHERE)
    init = str(experiment.out / "runs" / "base" / "last")
    start = {**seeded, "model.init": init, "stage.0.steps": str(steps)}
    sft, rl = {**start, "model.reset": "[]"}, {**start, **changes}
    for part, choice, prefix, rows in (
        ("gain", "choice", "", {}),
        ("few", "few", "few-", {"data.0.rows": str(FEW_ROWS)}),
    ):
        if part in parts:
            train(experiment, f"{prefix}grpo-{seed}", "demo-grpo", {**rl, **rows})
            train(experiment, f"{prefix}sft-{seed}", "demo-sft", {**sft, **rows})
        if choice in parts:
            train(experiment, f"{prefix}sft-choice-{seed}", "demo-sft", {**sft, **rows, "stage.0.mix": CHOICE})
    if "curriculum" in parts:
        train(experiment, f"curriculum-{seed}", "demo-grpo", {**rl, "stage.0.curriculum": "0.6"})
    if "grounded" in parts:
        run_grounded(experiment, seed, sft, changes)


def run_grounded(experiment: Experiment, seed: int, sft: Mapping[str, str], changes: Mapping[str, str]) -> None:
    """Train on a world with a text shortcut: some supervised steps that begin to learn it, then GRPO without and with
    draws on noise."""
    planted = {"data.0.shortcut": str(WORLDS["shortcut"])}
    name = f"planted-{seed}"
    begun = {**sft, **planted, "stage.0.mix": CHOICE, "stage.0.steps": str(PLANTED_STEPS)}
    train(experiment, name, "demo-sft", begun, EVERYWHERE)
    init = str(experiment.out / "runs" / name / "last")
    rl = {"seed": str(seed), "model.init": init, "stage.0.steps": str(GROUNDED_STEPS), **GROUNDED, **changes}
    train(experiment, f"plain-{seed}", "demo-grpo", {**rl, **planted}, EVERYWHERE)
    train(experiment, f"grounded-{seed}", "demo-grpo-grounded", rl, EVERYWHERE)
    weight = {"stage.0.grpo.grounded.form": "weight"}
    train(experiment, f"weight-{seed}", "demo-grpo-grounded", {**rl, **weight}, EVERYWHERE)


# --- tables and curves ---


def read_results(out: Path) -> dict[str, dict[str, Any]]:
    """Return the stored results by name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(out.glob("*.json"))}


def compute_accuracy(result: Mapping[str, Any], answers: str) -> float:
    """Return the share of right answers in percent. `answers`: world and clips, such as `plain/clean`."""
    return 100 * float(np.mean(result["right"][answers]))


def print_gains(results: Mapping[str, Any], seeds: Sequence[int], prefix: str = "") -> None:
    """Print the accuracies and their paired differences from those of the continued supervised training.

    `prefix` is the beginning of the names of the runs: `few-` for those with few rows.
    """
    others = ["grpo", "sft-choice"] + ([] if prefix else ["curriculum"])
    print("| seed | start | sft | " + " | ".join(f"{name} | {name} - sft" for name in others) + " |")
    print("|---" * (3 + 2 * len(others)) + "|")
    for seed in seeds:
        if f"{prefix}sft-{seed}" not in results:
            continue
        sft = results[f"{prefix}sft-{seed}"]
        cells = [str(seed), f"{compute_accuracy(results['base'], 'plain/clean'):.1f}"]
        cells.append(f"{compute_accuracy(sft, 'plain/clean'):.1f}")
        for name in others:
            if (other := results.get(f"{prefix}{name}-{seed}")) is None:
                cells += ["-", "-"]
                continue
            rights = [list(map(float, result["right"]["plain/clean"])) for result in (sft, other)]
            found = compare_paired_scores(*rights, range(ITEMS)).difference
            cells.append(f"{compute_accuracy(other, 'plain/clean'):.1f}")
            cells.append(format_interval(found.value, found.low, found.high))
        print("| " + " | ".join(cells) + " |")


def format_interval(value: float | None, low: float | None, high: float | None) -> str:
    """Return a difference in points with its 95 % interval."""
    return f"{100 * (value or 0):+.1f} [{100 * (low or 0):+.1f}, {100 * (high or 0):+.1f}]"


class RetentionDifference:
    """Statistic: retention of the first model minus that of the second, from sums of right answers of the first on
    noise and on clips, and of the second on noise and on clips."""

    def __call__(self, sums: Any) -> Any:
        """Return the difference, shape (..., 1), for sums (..., 4)."""
        return (sums[..., 0] / sums[..., 1] - sums[..., 2] / sums[..., 3])[..., None]


def print_retention(results: Mapping[str, Any], seeds: Sequence[int]) -> None:
    """Print accuracies on clips and noise, their ratios, and the paired difference of the ratios."""
    print("| seed | model | shortcut world, clips | on noise | retention | plain world, clips | on noise |")
    print("|---|---|---|---|---|---|---|")
    differences = []
    for seed in seeds:
        counts = {}
        for name in ("base", "planted", "plain", "grounded", "weight"):
            if (result := results.get("base" if name == "base" else f"{name}-{seed}")) is None:
                continue
            found = [compute_accuracy(result, f"{world}/{clips}") for world, clips in EVERYWHERE]
            cells = [f"{each:.1f}" for each in found]
            retention = f"{100 * found[1] / found[0]:.1f} %"
            print(f"| {seed} | {name} | {cells[0]} | {cells[1]} | {retention} | {cells[2]} | {cells[3]} |")
            counts[name] = [np.array(result["right"][f"shortcut/{clips}"], float) for clips in ("noise", "clean")]
        for first, second in (("plain", "grounded"), ("plain", "weight"), ("plain", "planted")):
            if first in counts and second in counts:
                sums = np.stack([*counts[first], *counts[second]], axis=1)
                bounds = compute_clustered_interval(range(ITEMS), sums, RetentionDifference())
                value, low, high = (float(each[0]) for each in bounds)
                on_noise = [counts[name][0].tolist() for name in (second, first)]
                noise = compare_paired_scores(*on_noise, range(ITEMS)).difference
                cells = [format_interval(value, low, high), format_interval(noise.value, noise.low, noise.high)]
                differences.append(f"| {seed} | {first} - {second} | {' | '.join(cells)} |")
    print("\n| seed | difference | of the retentions, points | of the accuracies on noise, points |\n|---|---|---|---|")
    print("\n".join(differences))


def draw_curves(results: Mapping[str, Any], seeds: Sequence[int], path: Path) -> None:
    """Draw accuracy over steps of supervised training, GRPO in shuffled order and with a curriculum, a panel per
    seed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(seeds), figsize=(4.2 * len(seeds), 3.4), sharey=True, squeeze=False)
    lines = {
        "sft": "SFT",
        "sft-choice": "SFT, same questions",
        "grpo": "GRPO, shuffled",
        "curriculum": "GRPO, curriculum",
    }
    for panel, seed in zip(panels[0], seeds, strict=True):
        for name, label in lines.items():
            if (result := results.get(f"{name}-{seed}")) is None:
                continue
            points = [(0, compute_accuracy(results["base"], "plain/clean"))]
            points += [(p["step"] + 1, 100 * p["plain/clean"]) for p in result["curve"] if "plain/clean" in p]
            points.append((result["steps"], compute_accuracy(result, "plain/clean")))
            panel.plot(*zip(*points, strict=True), marker="o", markersize=3, label=label)
        panel.set(title=f"seed {seed}", xlabel="gradient steps")
    panels[0][0].set_ylabel("accuracy, %")
    panels[0][0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def print_costs(results: Mapping[str, Any]) -> None:
    """Print the processor time and the memory of each kind of run, averaged over seeds."""
    print("\n| run | steps | processor time, s | peak memory of the process, MB |\n|---|---|---|---|")
    for name in dict.fromkeys(each.rpartition("-")[0] or each for each in results):
        runs = [result for each, result in results.items() if (each.rpartition("-")[0] or each) == name]
        seconds, memory = (np.mean([run[key] for run in runs]) for key in ("cpu_seconds", "peak_memory_mb"))
        print(f"| {name} | {runs[0]['steps']} | {seconds:.0f} | {memory:.0f} |")


PARTS = ("run", "table", "base", "gain", "choice", "few", "curriculum", "grounded")
"""What to do: `run` with the names of parts, or `table`."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=PARTS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the GRPO recipe")
    parser.add_argument("--out", type=Path, default=Path("results/grpo"))
    asked = parser.parse_args()
    if "table" in asked.what:
        results = read_results(asked.out)
        print_gains(results, asked.seeds)
        print(f"\n{FEW_ROWS} rows")
        print_gains(results, asked.seeds, "few-")
        print()
        print_retention(results, asked.seeds)
        print_costs(results)
        draw_curves(results, asked.seeds, asked.out / "curves.png")
        return
    torch.set_num_threads(1)
    asked.out.mkdir(parents=True, exist_ok=True)
    changes = dict(pair.split("=", 1) for pair in asked.set)
    experiment = Experiment(asked.out)
    for seed in asked.seeds:
        run_seed(experiment, asked.what, seed, asked.steps, changes)


if __name__ == "__main__":
    main()
