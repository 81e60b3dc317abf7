"""Filter of clips whose rows are in more than one split."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from alm_bench.synthesis.filters.base import FilterSettings, Finding, RowFilter
from alm_bench.synthesis.rows import SPLITS, QuestionRow


class SplitOverlap(RowFilter):
    """Finds rows about clips that also occur in another split, or in held-out data (`FilterSettings.held_out`).

    If a clip occurs in several splits, only its rows in the last of these splits (in the order train, val, test) are
    kept. Clips are compared by file name, since the folders of splits differ.
    """

    name = "split_overlap"
    summary = "clips that also occur in another split or in held-out data"
    order = 5

    def check(self, rows: Sequence[QuestionRow], settings: FilterSettings) -> Iterator[Finding]:
        held_out = {normalise_clip(clip) for clip in settings.held_out}
        splits: dict[str, set[str]] = {}
        for row in rows:
            for clip in row.clips:
                splits.setdefault(normalise_clip(clip), set()).add(row.split)
        for row in rows:
            for clip in row.clips:
                name = normalise_clip(clip)
                if name in held_out:
                    yield Finding(row.id, "clip in held-out data", clip)
                    break
                last = max(splits[name], key=_rank_split)
                if row.split != last:
                    yield Finding(row.id, "clip in several splits", f"{clip} is in {last}, too")
                    break


def normalise_clip(path: str) -> str:
    """Return the name by which a clip is compared: its file name without the suffix, in lower case.

    The leading `Y` of names of AudioCaps is removed.
    """
    path = path.replace("\\", "/")
    stem = PurePosixPath(path).stem
    return (stem[1:] if "audiocaps" in path.casefold() and stem.startswith("Y") else stem).casefold()


def _rank_split(split: str) -> tuple[int, str]:
    """Return a sort key: train, val and test, then other splits by name."""
    return (SPLITS.index(split) if split in SPLITS else len(SPLITS)), split


FILTERS = (SplitOverlap,)
