"""What the filter of text-solvable rows is worth: the bundled network, fine-tuned on rows with a planted shortcut.

OMP_NUM_THREADS=1 nice python benchmarks/synthesis_shortcut.py FOLDER [--rows 600] [--steps 100] [--items 96]

In 60 % of the training rows the wording of the right option tells the answer (docs/training.md). One network is trained
on all rows, one on those that `data filter --filters text_solvable` leaves, for as many steps, with three seeds. They
answer held-out items whose wording points to the right option, to none, and to a wrong one, each with its clip and with
silence. The same command resumes; FOLDER holds the rows, clips, runs and results.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import alm_bench as ab
from alm_bench.core.files import get_cache_folder, write_atomically
from alm_bench.demo import build_training_rows
from alm_bench.demo.root import encode_scene
from alm_bench.synthesis.pipeline import parse_steps
from alm_bench.synthesis.service import Models, SynthesisOptions, filter_files
from alm_bench.train.config import load_config
from alm_bench.train.loop import Trainer
from alm_bench.train.setup import prepare_training

SHARE = 0.6
SEEDS = (1, 2, 3)
ROWS = ("all rows", "filtered rows")
WORLDS = {"the right option": "1", "no option": "0", "a wrong option": "-1"}
CONDITIONS = ("clean", "silence")

RECIPE = """
name = "{name}"
seed = {seed}
out = "{out}"
precision = "no"
save_every = 1000

[model]
init = "mini"

[[data]]
file = "{file}"
root = "{root}"

[[stage]]
name = "tune"
objective = "answers"
train = ["mapper", "lm"]
steps = {steps}
batch = 16
lr = 1e-3
warmup = 0.1
"""


def write_rows(folder: Path, count: int) -> dict[str, Path]:
    """Write the training rows with their clips, and the filtered rows; return the files by the rows' name."""
    made = build_training_rows(4 * count, shortcut=SHARE)
    rows = [row for row in made.rows if row["subtype"] == "AudioCaps_MCQ.json"][:count]
    for name in {row["filepath1"] for row in rows}:
        path = folder / "audio" / name
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, encode_scene(made.scenes[name]))
    write_atomically(folder / "rows.json", json.dumps(rows))
    options = SynthesisOptions(folder / "filtered", parse_steps("text_solvable"))
    filter_files([folder / "rows.json"], "train", Models(), options)
    return {"all rows": folder / "rows.json", "filtered rows": folder / "filtered" / "train.json"}


def train_network(folder: Path, rows: Path, name: str, seed: int, steps: int) -> Path:
    """Fine-tune the bundled network on rows, unless it is done; return the folder with its weights."""
    out = folder / "training"
    if not (out / name / "last").is_dir():
        text = RECIPE.format(name=name, seed=seed, out=out, file=rows, root=folder / "audio", steps=steps)
        write_atomically(folder / f"{name}.toml", text)
        recipe = load_config(str(folder / f"{name}.toml"))
        prepared = prepare_training(recipe, get_cache_folder("features"), lambda *_: None)
        Trainer(recipe, prepared, lambda _: None).run()
    return out / name / "last"


def measure_accuracy(folder: Path, checkpoint: str, items: int) -> dict[str, float]:
    """Return the accuracy in % of a network (a folder, or the bundled `mini`) on the items of each world under each
    condition, by `world, condition`."""
    found = {}
    for world, share in WORLDS.items():
        results = ab.evaluate(
            "mellow",
            "mmau",
            data="demo",
            model_arg={"checkpoint": checkpoint},
            task_arg={"mmau.shortcut": share},
            conditions=CONDITIONS,
            limit=items,
            out=folder / "runs",
        )
        for run in results.runs:
            found[f"{world}, {run.summary.condition}"] = 100 * run.summary.metrics["accuracy"].value
    return found


def format_values(values: Sequence[float]) -> str:
    return f"{statistics.mean(values):.1f} ({', '.join(f'{value:.1f}' for value in values)})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=600)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--items", type=int, default=96)
    asked = parser.parse_args()
    folder = asked.folder.resolve()
    files = write_rows(folder, asked.rows)
    accuracies = {"bundled network": [measure_accuracy(folder, "mini", asked.items)]}
    for seed in SEEDS:
        for name in ROWS:
            run = f"{name.split()[0]}-{seed}"
            checkpoint = train_network(folder, files[name], run, seed, asked.steps)
            accuracies.setdefault(name, []).append(measure_accuracy(folder, str(checkpoint), asked.items))
            print(run, accuracies[name][-1], file=sys.stderr)
    counts = {name: len(json.loads(path.read_text(encoding="utf-8"))) for name, path in files.items()}
    print("| wording points to | audio | " + " | ".join(accuracies) + " |")
    print("|---|---|" + "---|" * len(accuracies))
    for key in next(iter(accuracies.values()))[0]:
        world, condition = key.split(", ")
        cells = [format_values([one[key] for one in found]) for found in accuracies.values()]
        print(f"| {world} | {condition} | " + " | ".join(cells) + " |")
    print(f"\nRows: {counts}; {asked.steps} steps, {asked.items} items.")


if __name__ == "__main__":
    main()
