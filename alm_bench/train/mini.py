"""Bundled small network. Its config and tokenizer are created from the demo data; its weights are exported from a run.

python -m alm_bench.train.mini network           # write alm_bench/mellow/mini/{config,tokenizer,events}.json
python -m alm_bench.train.mini export RUN mini   # export the weights of a run, in half precision
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from alm_bench.core import UsageError
from alm_bench.core.files import write_atomically
from alm_bench.demo import TARGET_COLUMNS, build_training_rows
from alm_bench.demo.vocabulary import DOMAINS, EVENT_TYPES
from alm_bench.mellow.checkpoint import CONFIG, EVENTS, SHIPPED, TOKENIZER, load_folder, save_folder
from alm_bench.mellow.config import EncoderConfig, LanguageModelConfig, MapperConfig, MellowConfig, PromptConfig

VOCABULARY = 1024
"""Number of tokens of the tokenizer."""
END = "<|endoftext|>"
"""Token that ends an answer."""


def train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Train a byte-level BPE tokenizer on `texts`. It can encode and decode any text.

    As in SmolLM2's tokenizer, `<|endoftext|>` is token 0, each digit is a separate token, and merges do not cross word
    boundaries.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def list_demo_texts(rows: int = 6000) -> list[str]:
    """Return the questions and answers of `rows` training rows of the demo data, in lower case, as in prompts."""
    generated = build_training_rows(rows)
    return [row[key].lower() for row in generated.rows for key in ("input", "answer")]


def build_mini_config(tokenizer: Tokenizer) -> MellowConfig:
    """Return the config of the bundled network, which has about 2.6M parameters. The encoder has one class per sound
    cue of the demo data. The mapper returns one audio token per time step of the encoder."""
    vocabulary = tokenizer.get_vocab()
    encoder = EncoderConfig(
        n_fft=2048, hop=1250, image=128, embed=48, depths=(2, 4), heads=(2, 4), classes=len(TARGET_COLUMNS)
    )
    return MellowConfig(
        encoder=encoder,
        mapper=MapperConfig(dropout=0.0, pool=encoder.frames // (encoder.grid * encoder.time_segments), positions=True),
        lm=LanguageModelConfig(
            vocabulary=len(vocabulary),
            width=192,
            layers=4,
            heads=4,
            kv_heads=4,
            mlp=512,
            positions=1024,
            rope_theta=1_000_000.0,
        ),
        prompt=PromptConfig(layout="compact", tokens=160, pad=vocabulary["!"], separator=0, stop=vocabulary[END]),
        trained_on=DOMAINS,
    )


def format_events() -> str:
    """Return the content of the bundled networks' events.json: the label of each event type, null for the other cues
    (ambiguous sounds, loudness, pitch, tempo)."""
    names = [EVENT_TYPES[column].label if column in EVENT_TYPES else None for column in TARGET_COLUMNS]
    return json.dumps(names, indent=1) + "\n"


def write_network(folder: Path) -> None:
    """Write the tokenizer, config and class names of the bundled network."""
    tokenizer = train_tokenizer(list_demo_texts())
    write_atomically(folder / TOKENIZER, tokenizer.to_str())
    write_atomically(folder / CONFIG, build_mini_config(tokenizer).to_json())
    write_atomically(folder / EVENTS, format_events())


def export_mini_network(run: Path, folder: Path) -> None:
    """Save the weights in a Mellow folder of a run (`best` or `last`) to `folder`, in half precision, with the names of
    the encoder's classes."""
    model, tokenizer = load_folder(run)
    save_folder(folder, model, tokenizer, torch.float16)
    write_atomically(folder / EVENTS, format_events())


def main(arguments: list[str]) -> None:
    """Run one of the commands in the module's docstring. Raises UsageError for other arguments."""
    match arguments:
        case ["network"]:
            write_network(SHIPPED["mini"])
        case ["export", run, name] if name in SHIPPED:
            export_mini_network(Path(run), SHIPPED[name])
        case _:
            raise UsageError("takes `network`, or `export RUN NAME` with NAME one of " + ", ".join(SHIPPED))


if __name__ == "__main__":
    main(sys.argv[1:])
