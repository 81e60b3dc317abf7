"""Number of bytes of sound that the header of a file declares, used to detect truncated files.

libsndfile decodes a truncated file without an error, as a shorter clip. FLAC declares samples instead of bytes, which
the decoder checks.
"""

import re
import struct
from dataclasses import dataclass
from typing import BinaryIO

_UNKNOWN_32 = 0x7F00_0000  # programs that write to a pipe declare a size between this and 2^32 - 1, or zero
_UNKNOWN_64 = 1 << 62
_MAX_CHUNKS = 4_096
_OGG_PAGE = 65_307  # bytes of the longest page
_MPEG_FRAME = 1_441  # bytes of the longest layer III frame
_W64 = bytes.fromhex("2E91CF11A5D628DB04C10000")  # second part of the identifier of a W64 file


@dataclass(frozen=True, slots=True)
class Extent:
    """Byte range of the sound in a file, as the header declares it."""

    start: int
    """Offset of the sound in the file, in bytes."""

    declared: int | None
    """Number of bytes of sound, None if the header does not declare it."""

    unterminated: bool = False
    """True for an Ogg stream whose last page is missing, for example because the recorder was stopped."""

    slack: int = 0
    """Number of bytes that may be missing at the end of a complete file."""

    size_offset: int | None = None
    """Offset of a 32-bit size field that is zero because the size was unknown when the header was written, else None.
    libsndfile would decode such a file as an empty clip."""


def find_extent(file: BinaryIO, size: int) -> Extent | None:
    """Return the extent that the header of `file` declares, or None if its format declares none. `size`: size of the
    file in bytes."""
    head = _read_bytes(file, 0, 64)
    match head[:4]:
        case b"RIFF" | b"RF64" | b"BW64":
            return _find_riff_extent(file, size, "<")
        case b"RIFX":
            return _find_riff_extent(file, size, ">")
        case b"FORM":
            return _find_chunk(file, size, 12, ">4sI", (b"SSND", b"BODY"))
        case b"riff" if head[4:16] == _W64:
            return _find_w64_extent(file, size)
        case b"caff":
            return _find_chunk(file, size, 8, ">4sQ", (b"data",), pad=1)
        case b".snd" if len(head) >= 12:
            start, declared = struct.unpack(">II", head[4:12])
            return Extent(start, _parse_size(declared, _UNKNOWN_32))
        case b"NIST":
            return _find_nist_extent(file)
        case b"OggS":
            return _find_last_ogg_page(file, size)
    return _find_mpeg_extent(file)


def _read_bytes(file: BinaryIO, offset: int, count: int) -> bytes:
    file.seek(offset)
    return file.read(count)


def _parse_size(declared: int, lowest_unknown: int) -> int | None:
    """Return a declared size. Returns None for zero and for values from `lowest_unknown` on, which mean that the size
    is unknown."""
    return declared if 0 < declared < lowest_unknown else None


def _find_riff_extent(file: BinaryIO, size: int, order: str) -> Extent | None:
    """Find the `data` chunk of a RIFF file, with its size from the `ds64` chunk if there is one. `order`: `<` or `>`,
    the byte order as the module `struct` writes it."""
    found = _find_chunk(file, size, 12, f"{order}4sI", (b"data",))
    if found is None or found.declared is not None:
        return found
    sizes = _find_chunk(
        file, size, 12, f"{order}4sI", (b"ds64",)
    )  # 64-bit sizes of the file and of the sound, in this order
    raw = b"" if sizes is None else _read_bytes(file, sizes.start + 8, 8)
    if len(raw) == 8:
        return Extent(found.start, _parse_size(struct.unpack(f"{order}Q", raw)[0], _UNKNOWN_64))
    # A file that was written to a pipe declares no size of the whole file either. An empty clip declares it.
    whole, own = _read_bytes(file, 4, 4), _read_bytes(file, found.start - 4, 4)
    streamed = own == bytes(4) and found.start < size and struct.unpack(f"{order}I", whole)[0] + 8 != size
    return Extent(found.start, None, size_offset=found.start - 4) if streamed else found


def _find_chunk(
    file: BinaryIO, size: int, offset: int, header: str, names: tuple[bytes, ...], pad: int = 2
) -> Extent | None:
    """Find the first chunk with one of `names` in the list of chunks that begins at `offset` in a file of `size` bytes.

    Returns the extent of the chunk's content, None if there is no such chunk. `header`: `struct` format of a chunk's
    header (name, size). `pad`: chunk sizes are rounded up to a multiple of this number of bytes.
    """
    length = struct.calcsize(header)
    for _ in range(_MAX_CHUNKS):
        raw = _read_bytes(file, offset, length) if offset < size else b""
        if len(raw) < length:
            return None
        name, declared = struct.unpack(header, raw)
        start: int = offset + length
        if name in names:
            return Extent(start, _parse_size(declared, _UNKNOWN_32 if length == 8 else _UNKNOWN_64))
        offset = start + -(-declared // pad) * pad
    return None


def _find_w64_extent(file: BinaryIO, size: int) -> Extent | None:
    """Find the `data` chunk of a W64 file. A chunk header is a 16-byte identifier and an 8-byte size that includes
    these 24 bytes. Chunks begin at multiples of eight bytes."""
    offset = 40
    for _ in range(_MAX_CHUNKS):
        raw = _read_bytes(file, offset, 24) if offset < size else b""
        if len(raw) < 24:
            return None
        declared: int = struct.unpack("<Q", raw[16:])[0]
        if raw[:4] == b"data":
            return Extent(offset + 24, _parse_size(declared - 24, _UNKNOWN_64))
        if declared < 24:
            return None
        offset += -(-declared // 8) * 8
    return None


def _find_nist_extent(file: BinaryIO) -> Extent | None:
    """Read a NIST SPHERE header: a text of fixed length that declares the number of samples and the bytes per
    sample."""
    head = _read_bytes(file, 0, 1_024)
    values = {name: int(value) for name, value in re.findall(rb"^(\w+) -i (\d{1,15})\s*$", head, re.MULTILINE)}
    lines = head.split(b"\n", 2)
    if b"sample_count" not in values or len(lines) < 3 or not lines[1].strip().isdigit():
        return None
    width = values.get(b"channel_count", 1) * values.get(b"sample_n_bytes", 2)
    return Extent(int(lines[1]), _parse_size(values[b"sample_count"] * width, _UNKNOWN_64))


def _find_last_ogg_page(file: BinaryIO, size: int) -> Extent | None:
    """Find the last page of an Ogg file. The page's segment lengths declare its end; a flag marks the stream's final
    page."""
    offset = max(0, size - _OGG_PAGE)
    tail = _read_bytes(file, offset, _OGG_PAGE)
    page = tail.rfind(b"OggS\0")
    if page < 0:
        return None
    head = tail[page : page + 27]
    segments = tail[page + 27 : page + 27 + head[26]] if len(head) == 27 else b""
    if len(head) < 27 or len(segments) < head[26]:  # truncated within the page's header
        return Extent(0, size + 1)
    return Extent(offset + page, 27 + len(segments) + sum(segments), unterminated=not head[5] & 4)


def _find_mpeg_extent(file: BinaryIO) -> Extent | None:
    """Read the Xing or Info header that encoders write into the first frame of an MP3 file. It declares the bytes of
    all frames."""
    head = _read_bytes(file, 0, 10)
    tag = b"".join(f"{byte:07b}".encode() for byte in head[6:10])
    start = 10 + int(tag, 2) if head[:3] == b"ID3" and len(head) == 10 and max(head[6:10]) < 128 else 0
    frame = _read_bytes(file, start, 64)
    if len(frame) < 64 or frame[0] != 0xFF or frame[1] & 0xE6 != 0xE2:  # layer III
        return None
    mono, mpeg_1 = frame[3] >> 6 == 3, frame[1] & 0x18 == 0x18
    place = 4 + ((17 if mono else 32) if mpeg_1 else (9 if mono else 17))
    if frame[place : place + 4] not in (b"Xing", b"Info"):
        return None
    flags = frame[place + 7]
    if not flags & 2:  # the number of bytes is not declared
        return None
    position = place + 8 + (4 if flags & 1 else 0)
    declared: int = struct.unpack(">I", frame[position : position + 4])[0]
    # Some encoders count the frame of this header, some do not, and editors append or drop a frame.
    return Extent(start, _parse_size(declared, _UNKNOWN_32), slack=2 * _MPEG_FRAME)
