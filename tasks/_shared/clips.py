"""Possible paths of the clips of Clotho and AudioCaps below a data root."""

from pathlib import PurePosixPath


def list_clip_paths(name: str) -> list[str]:
    """Return the possible paths of a clip, in order of preference. `name` is its path in ReasonAQA's files
    (`AudioCapsLarger/test/Y<id>.wav`, `ClothoV21/evaluation/<name>.wav`).

    Names of AudioCaps' clips occur with and without a leading Y, and with the start time after the id.
    """
    path = PurePosixPath(name)
    if path.parts[:1] == ("AudioCapsLarger",):
        split = path.parts[1] if len(path.parts) > 2 else "test"
        return list_audiocaps_paths(path.stem, split)
    if path.parts[:1] == ("ClothoV21",):
        return [name, f"clotho/{'/'.join(path.parts[1:])}", "/".join(path.parts[1:])]
    return [name]


def list_audiocaps_paths(clip: str, split: str = "test") -> list[str]:
    """Return the possible paths of an AudioCaps clip, whose id may begin with Y, as glob patterns."""
    bare = clip.removeprefix("Y")
    names = (f"Y{bare}.wav", f"{bare}.wav", f"{bare}_*.wav")
    return [f"{folder}/{split}/{name}" for folder in ("AudioCapsLarger", "audiocaps") for name in names]
