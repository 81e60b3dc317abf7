"""A network of the published shape to measure: SmolLM2-135M's weights, an untrained encoder, and things to ask it."""

import sys

import numpy as np

from alm_bench.core import CheckpointError, Wave
from alm_bench.mellow.checkpoint import LoadedNetwork
from alm_bench.mellow.config import PUBLISHED
from alm_bench.mellow.lm import load_smollm2, load_smollm2_tokenizer
from alm_bench.mellow.model import Mellow, build_untrained

TEXTS = (
    "the recording was made at the edge of a small town early in the morning, before the shops had opened and "
    "while the street was still wet from the rain of the night",
    "a woman walks along the river with two dogs and stops at the old bridge, where a boy has put his bicycle "
    "against the wall and is looking down into the water",
    "in the workshop behind the house an engine is started for the first time since the winter, coughs, runs "
    "for a moment and then falls silent again, to the laughter of those who stand around it",
    "the orchestra has tuned its instruments and the conductor raises his hand, but somewhere in the last rows "
    "of the hall a telephone begins to ring and does not stop for a long time",
    "far out at sea a ship sounds its horn three times, and from the harbour another one answers, deeper and "
    "longer, until the gulls rise from the roofs and fly in circles above the market",
    "children run across the yard of the school as soon as the bell has rung, some to the swings and some to "
    "the gate, where an old man sells roasted chestnuts from a cart with a broken wheel",
    "the train was late again, and the people on the platform looked at the clock, at the sky, and at each "
    "other, while a voice from the loudspeaker repeated an announcement that nobody could understand",
    "after the storm the farmer goes out to look at the fence, which the wind has thrown down along the whole "
    "length of the field, and at the cows, which stand together under the only tree",
)
"""Long enough to fill the prompt's 129 tokens when told twice: what is padded makes every answer the same."""


def network() -> LoadedNetwork:
    """Of random but fixed weights where SmolLM2 has none; in float32. Ends the program where SmolLM2 cannot be had."""
    model = build_untrained(PUBLISHED)
    try:
        model.lm, origin = load_smollm2()
        tokenizer = load_smollm2_tokenizer()
    except CheckpointError as error:
        sys.exit(f"SmolLM2's weights are needed: {error}")
    return LoadedNetwork(Mellow.eval(model), tokenizer, origin, "")


def prompt(number: int) -> str:
    """A different long one for every number."""
    first, second = TEXTS[number % len(TEXTS)], TEXTS[(number // len(TEXTS) + 3 * number + 1) % len(TEXTS)]
    return (
        f"story {number}: {first}. then: {second}. what happens next, and what can be heard? tell it in full. {first}."
    )


def clip(number: int) -> Wave:
    """10 s at 32 kHz: a tone that rises and falls, in noise; another one for every number."""
    time = np.arange(PUBLISHED.encoder.samples, dtype=np.float32) / PUBLISHED.encoder.rate
    noise = np.random.default_rng(number).standard_normal(time.size, dtype=np.float32)
    tone = np.sin(2 * np.pi * (200 + 37 * number) * time + 8 * np.sin(time * (1 + number % 5)))
    return (0.3 * tone + 0.03 * noise).astype(np.float32)
