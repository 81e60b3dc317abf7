"""SAKURA (Yang et al., arXiv 2505.13237): a perception question and a reasoning question about each clip.

The single-hop question asks for an attribute of the clip (an animal, an emotion, a gender, a language). The multi-hop
question asks for something that follows from the attribute, so that it needs the same perception and one more step.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from alm_bench.core import AudioRef, DataFile, DataRoot, Sample
from alm_bench.core.files import is_file
from alm_bench.data.inline_options import split_options
from alm_bench.data.readers import check_unique_ids
from alm_bench.task_bases import OfficialChoiceTask
from alm_bench.tasks._shared.shards import PARQUET, name_shards
from alm_bench.tasks.sakura.readers import build_clip_id, read_annotations, read_hub_rows

HOPS = ("single", "multi")


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the task, which select a part of its questions."""

    track: Literal["all", "Animal", "Emotion", "Gender", "Language"] = "all"
    """Track whose questions are asked."""

    hop: Literal["all", "single", "multi"] = "all"
    """Kind of questions: perception (`single`), reasoning (`multi`), or both."""


class Sakura(OfficialChoiceTask):
    no_official_rule = "the official rule is a judge model, which was not asked"

    def files(self, data: DataRoot, split: str) -> Mapping[str, Path]:
        """Return the annotation file and the parquet file of each track, as far as they exist.

        Raises DataError if no track has a file.
        """
        declared = [file for file in self.card.files if self.options.track in ("all", _get_track(file))]
        found = {role: path for file in declared for role, path in _find_track_files(data, file)}
        return found or {declared[0].role: data.locate(declared[0])}

    def samples(self, data: DataRoot, split: str) -> Iterator[Sample]:
        files = self.files(data, split)
        tracks = list(dict.fromkeys(role.rpartition("-")[2] for role in files))
        found = [sample for track in tracks for sample in self._read_track(track, files, data)]
        return iter(check_unique_ids(found, next(iter(files.values()))))

    def _read_track(self, track: str, files: Mapping[str, Path], data: DataRoot) -> Iterator[Sample]:
        """Yield the samples of a track. The questions are read from its annotation file; if there is none, from the
        hub's parquet files. A clip that has no file of its own is read from the parquet files."""
        shards = [path for role, path in files.items() if role.startswith(PARQUET) and role.endswith(f"-{track}")]
        stored = {name: (row, clip) for name, row, clip in read_hub_rows(shards, track)}
        if (annotations := files.get(f"annotations-{track}")) is None:
            rows = ((name, row, clip) for name, (row, clip) in stored.items())
        else:
            rows = ((n, row, _find_clip(data, track, n, stored)) for n, row in read_annotations(annotations))
        for name, row, clip in rows:
            for hop in HOPS:
                if self.options.hop in ("all", hop):
                    yield _create_sample(track, name, hop, row, clip)


def _get_track(file: DataFile) -> str:
    """Return the track of a file, which is the end of its role."""
    return file.role.rpartition("-")[2]


def _find_track_files(data: DataRoot, file: DataFile) -> Iterator[tuple[str, Path]]:
    """Yield role and path of a track's file, or of each shard of a parquet file. Nothing is yielded for missing files.

    Only paths that contain the track's name are used, since the files of all tracks have the same name.
    """
    paths = data.locate_all(file) if data.has(file) else ()
    named = [path for path in paths if any(part.startswith(_get_track(file)) for part in path.absolute().parts[:-1])]
    if file.role.startswith(PARQUET):
        yield from name_shards(named, f"-{_get_track(file)}").items()
    elif named:
        yield file.role, data.locate(file)


def _find_clip(
    data: DataRoot, track: str, name: str, stored: Mapping[str, tuple[Mapping[str, str], AudioRef]]
) -> AudioRef:
    """Return the clip's own file, or its bytes in the hub's parquet files if there is no such file.

    `stored` has the row and the clip of each base name in the parquet files.
    """
    clip = data.audio(build_clip_id(track, name), f"sakura/data/{track}/audio/{name}", f"{track}/audio/{name}")
    if clip.read is None and name in stored and not is_file(clip.path):
        return stored[name][1]
    return clip


def _create_sample(track: str, name: str, hop: str, row: Mapping[str, str], clip: AudioRef) -> Sample:
    answer = row[f"{hop}_answer"].strip()
    asked = split_options(row[f"{hop}_instruction"], answer)
    return Sample(
        id=f"{track}/{Path(name).stem}/{hop}",
        fields={"question": asked.question},
        audio=(clip,),
        choices=asked.choices,
        target=asked.target,
        gold=answer if asked.target is None else asked.choices[asked.target],
        groups={"track": track, "hop": f"{track}, {hop}", "type": hop, "clip": clip.id},
        skip=asked.skip,
    )


create = Sakura.create
