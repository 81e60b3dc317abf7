"""Demo data of MMAU: multiple-choice questions in the official JSON format."""

import json
from itertools import islice

from alm_bench.demo.dataset import FIRST_VERSION, DatasetRows, Demo, DemoData
from alm_bench.demo.mcq import iterate_questions
from alm_bench.demo.shortcut import plant_shortcut


def build_mmau_items(split: str = "test", n: int = 960, seed: int = 0, shortcut: float = 0.0) -> DatasetRows:
    """Return `n` questions as rows of the official JSON format. With a `shortcut`, the share of questions whose wording
    points to an option (`plant_shortcut`), rows have the key `leaks`."""
    dataset = DatasetRows()
    for drawn in islice(iterate_questions(split, seed), n):
        item, leaks = plant_shortcut(drawn, shortcut, split, seed)
        audio = f"test-mini-audios/{item.id}.wav"
        dataset.scenes[f"mmau/{audio}"] = item.scene
        dataset.rows.append(
            {
                "id": item.id,
                "audio_id": f"./{audio}",
                "question": item.question,
                "choices": list(item.choices),
                "answer": item.choices[item.gold],
                "dataset": "demo",
                "task": item.domain,
                "split": "test-mini",
                "category": item.category,
                "sub-category": item.skill,
                "difficulty": item.difficulty,
                **({"leaks": leaks} if shortcut else {}),
            }
        )
    return dataset


def build(items: int = 960, shortcut: float = 0.0) -> DemoData:
    """Build the file, with `items` questions. See `build_mmau_items` for `shortcut`."""
    data, dataset = DemoData(), build_mmau_items("test", items, shortcut=shortcut)
    data.add("mmau/mmau-test-mini.json", json.dumps(dataset.rows, indent=1), dataset)
    return data


DEMO = Demo("mmau", FIRST_VERSION, build, ("shortcut",))
