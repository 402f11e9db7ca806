"""Short clips that any player shows: a slow pan over the landscape of the prompt, as MP4 or GIF."""

from __future__ import annotations

import importlib.util
import io
import math
import re
import struct
from itertools import pairwise

from . import h264
from .pictures import rows

__all__ = ["FRAMES_PER_SECOND", "film", "frame_size", "truly", "video"]

FRAMES_PER_SECOND = 8

_PIXELS = 160 * 90  # of a frame, whatever its shape
_NARROWEST, _WIDEST = 1 / 4, 4
_VIEWS = 120  # that differ: what a clip costs to make does not grow beyond those
_SHORTEST_SECONDS, _LONGEST_SECONDS = 1 / FRAMES_PER_SECOND, 600.0
_COLORS = 64  # of a GIF
_BLOCK = 16
_MILLISECONDS = 1000
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def truly(kind: str) -> str:
    """What a clip will be that is asked for as `kind`: mp4, or gif where Pillow is installed."""
    return "gif" if kind.lower() == "gif" and importlib.util.find_spec("PIL") is not None else "mp4"


def frame_size(shape: str) -> tuple[int, int]:
    """The width and height of a clip that is asked for in a shape.

    A clip is small, and its sides have the proportions of what was asked for.

    Args:
        shape: an aspect ratio ("9:16") or a size ("1280*720", "1280x720"). Anything else, such as "adaptive", is 16:9.
    """
    sides = re.fullmatch(r"\s*(\d{1,5})\s*[:x*]\s*(\d{1,5})\s*", shape.lower())
    across, down = (int(sides[1]), int(sides[2])) if sides else (16, 9)
    ratio = min(_WIDEST, max(_NARROWEST, across / down)) if across and down else 16 / 9
    height = math.sqrt(_PIXELS / ratio)
    return 2 * round(height * ratio / 2), 2 * round(height / 2)


def video(prompt: str, seed: int, seconds: float, shape: str = "16:9", kind: str = "mp4") -> tuple[bytes, str]:
    """Make the clip of a prompt: the same arguments give the same file.

    Args:
        prompt: its words choose the colours.
        seed: decides the shapes.
        seconds: length, 10 minutes at most. Beyond 15 seconds the pan only gets slower.
        shape: an aspect ratio or a size, see `frame_size`.
        kind: mp4 or gif.

    Returns:
        The file, and what it truly is.
    """
    kind, seconds = truly(kind), min(_LONGEST_SECONDS, max(_SHORTEST_SECONDS, seconds))
    return (_gif if kind == "gif" else film)(prompt, seed, seconds, shape), kind


def film(prompt: str, seed: int, seconds: float, shape: str) -> bytes:
    """Make a clip as an MP4 file with one H.264 track and the index in front, of some 20 to 30 KB a second."""
    width, height = frame_size(shape)
    count = max(1, round(seconds * FRAMES_PER_SECOND))
    coded_width, coded_height = (-(-side // _BLOCK) * _BLOCK for side in (width, height))
    panorama = list(rows(prompt, seed, coded_width + h264.STEP * (min(count, _VIEWS) - 1), height))
    # The rows below the picture are cut off by every player; they only fill up the last macroblocks.
    panorama += panorama[-1:] * (coded_height - height)
    return _mp4(list(h264.frames(_planes(panorama), width, count)), width, height)


def _gif(prompt: str, seed: int, seconds: float, shape: str) -> bytes:
    from PIL import Image

    width, height = frame_size(shape)
    views = min(_VIEWS, max(1, round(seconds * FRAMES_PER_SECOND)))
    whole = width + h264.STEP * (views - 1)
    drawn = Image.frombytes("RGB", (whole, height), b"".join(rows(prompt, seed, whole, height)))
    panorama = drawn.quantize(_COLORS, dither=Image.Dither.NONE)
    frames = [panorama.crop((left, 0, left + width, height)) for left in range(0, whole - width + 1, h264.STEP)]
    # A GIF counts in hundredths of a second; here they are in milliseconds, as Pillow wants them.
    moments = [10 * round(100 * seconds * number / views) for number in range(views + 1)]
    durations = [end - start for start, end in pairwise(moments)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return file.getvalue()


def _planes(panorama: list[bytes]) -> h264.Planes:
    """RGB rows as studio-range YCbCr (ITU-R BT.601), the colours at half size in both directions."""
    luma = [
        bytes((66 * r + 129 * g + 25 * b + 4224) >> 8 for r, g, b in zip(row[0::3], row[1::3], row[2::3], strict=True))
        for row in panorama
    ]
    blue: list[bytes] = []
    red: list[bytes] = []
    for above, below in zip(panorama[0::2], panorama[1::2], strict=True):
        # Sums of four neighbours, one list for each of red, green and blue.
        sums = [
            [sum(four) for four in zip(above[i::6], above[i + 3 :: 6], below[i::6], below[i + 3 :: 6], strict=True)]
            for i in range(3)
        ]
        blue.append(bytes((112 * b - 74 * g - 38 * r + 131584) >> 10 for r, g, b in zip(*sums, strict=True)))
        red.append(bytes((112 * r - 94 * g - 18 * b + 131584) >> 10 for r, g, b in zip(*sums, strict=True)))
    return h264.Planes(luma, blue, red)


def _box(kind: str, *parts: bytes) -> bytes:
    data = b"".join(parts)
    return struct.pack(">I4s", 8 + len(data), kind.encode()) + data


def _full(kind: str, *parts: bytes, flags: int = 0) -> bytes:
    """A box with a version, 0, and flags."""
    return _box(kind, struct.pack(">I", flags), *parts)


def _mp4(units: list[bytes], width: int, height: int) -> bytes:
    """Put one NAL unit a frame into an ISO base media file (ISO/IEC 14496-12 and -15)."""
    samples = [struct.pack(">I", len(unit)) + unit for unit in units]
    start = _box("ftyp", b"isom", struct.pack(">I", 512), b"isomiso2avc1mp41")
    # The index tells where the data begins, which depends on the index's own size: that is known after a first try.
    offset = len(start) + len(_index(samples, width, height, 0)) + 8
    return start + _index(samples, width, height, offset) + _box("mdat", *samples)


def _index(samples: list[bytes], width: int, height: int, offset: int) -> bytes:
    length = len(samples) * _MILLISECONDS // FRAMES_PER_SECOND
    movie = _full(
        "mvhd",
        struct.pack(">IIIIIH10x", 0, 0, _MILLISECONDS, length, 0x10000, 0x100),
        _MATRIX,
        struct.pack(">24xI", 2),  # the next free track id
    )
    track = _full(
        "tkhd",
        struct.pack(">IIIII8xHHHH", 0, 0, 1, 0, length, 0, 0, 0, 0),
        _MATRIX,
        struct.pack(">II", width << 16, height << 16),
        flags=3,  # enabled, in the movie
    )
    undetermined = 0x55C4
    media = _box(
        "mdia",
        _full("mdhd", struct.pack(">IIIIHH", 0, 0, FRAMES_PER_SECOND, len(samples), undetermined, 0)),
        _full("hdlr", struct.pack(">4x4s12x", b"vide"), b"VideoHandler\x00"),
        _box(
            "minf",
            _full("vmhd", bytes(8), flags=1),
            _box("dinf", _full("dref", struct.pack(">I", 1), _full("url ", flags=1))),
            _sample_table(samples, width, height, offset),
        ),
    )
    return _box("moov", movie, _box("trak", track, media))


def _sample_table(samples: list[bytes], width: int, height: int, offset: int) -> bytes:
    sequence, picture = h264.sequence_parameters(width, height), h264.picture_parameters()
    lengths_of_four = 0xFF
    configuration = _box(
        "avcC",
        struct.pack(">B3sBBH", 1, sequence[1:4], lengths_of_four, 0xE1, len(sequence)) + sequence,
        struct.pack(">BH", 1, len(picture)) + picture,
    )
    resolution, color_depth = 72 << 16, 24
    entry = _box(
        "avc1",
        struct.pack(">6xH16xHHII4xH32xHh", 1, width, height, resolution, resolution, 1, color_depth, -1),
        configuration,
    )
    return _box(
        "stbl",
        _full("stsd", struct.pack(">I", 1), entry),
        _full("stts", struct.pack(">III", 1, len(samples), 1)),
        _full("stss", struct.pack(">II", 1, 1)),  # only the first frame stands on its own
        _full("stsc", struct.pack(">IIII", 1, 1, len(samples), 1)),  # all samples in one chunk
        _full("stsz", struct.pack(">II", 0, len(samples)), *(struct.pack(">I", len(sample)) for sample in samples)),
        _full("stco", struct.pack(">II", 1, offset)),
    )
