"""Audio captioning on AudioCaps (Kim et al., NAACL 2019) and Clotho (Drossos et al., arXiv 1910.09387).

Each clip has five references. AudioCaps' file has one row per caption. Clotho's own file has five columns of captions;
the entailment file of Clotho's evaluation clips has the five captions as a list in one cell.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from alm_bench.core import DataRoot, Parsed, Sample, TaskCard
from alm_bench.data.readers import check_unique_ids
from alm_bench.scoring.sentences import CaptionOptions, parse_text
from alm_bench.task_bases import SentenceTask
from alm_bench.tasks._shared.captions import find_captioned_clip, locate_captions, read_captions

OPENINGS = ("the audio 1 is ",)
"""Phrases with which Mellow was trained to begin a caption. They are removed before scoring."""

Options = CaptionOptions


class Captioning(SentenceTask):
    def files(self, data: DataRoot, split: str) -> Mapping[str, Path]:
        return locate_captions(self.card, data)

    def samples(self, data: DataRoot, split: str) -> Iterator[Sample]:
        ((role, path),) = self.files(data, split).items()
        captions = read_captions(self.card.name, role, path)
        return iter(
            check_unique_ids((self._create_sample(data, name, texts) for name, texts in captions.items()), path)
        )

    def _create_sample(self, data: DataRoot, name: str, captions: list[str]) -> Sample:
        clip = find_captioned_clip(data, self.card.name, name)
        return Sample(id=name, fields={}, audio=(clip,), target=captions, gold=captions[0], groups={"clip": name})

    def parse(self, sample: Sample, text: str) -> Parsed:
        return parse_text(text, OPENINGS)


def create(card: TaskCard, options: CaptionOptions) -> Captioning:
    return Captioning(card, options)
