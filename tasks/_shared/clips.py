"""Names under which a clip of Clotho or AudioCaps may lie below a data root."""

from pathlib import PurePosixPath


def clip_names(name: str) -> list[str]:
    """Best first, for a path as ReasonAQA has it (`AudioCapsLarger/test/Y<id>.wav`, `ClothoV21/evaluation/<name>.wav`).

    AudioCaps' clips are found with and without the Y, and with their start behind the id.
    """
    path = PurePosixPath(name)
    if path.parts[:1] == ("AudioCapsLarger",):
        split = path.parts[1] if len(path.parts) > 2 else "test"
        return audiocaps_names(path.stem, split)
    if path.parts[:1] == ("ClothoV21",):
        return [name, f"clotho/{'/'.join(path.parts[1:])}", "/".join(path.parts[1:])]
    return [name]


def audiocaps_names(clip: str, split: str = "test") -> list[str]:
    bare = clip.removeprefix("Y")
    names = (f"Y{bare}.wav", f"{bare}.wav", f"{bare}_*.wav")
    return [f"{folder}/{split}/{name}" for folder in ("AudioCapsLarger", "audiocaps") for name in names]
