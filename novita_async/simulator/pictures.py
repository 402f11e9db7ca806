"""Pictures without a picture library: hills under a sky, in colours that the prompt chooses.

A landscape is a few layers. Every pixel belongs to one of them, and a layer has one colour in each row, so a row of
pixels is made by `bytes.translate` and no Python code runs for a single pixel: a megapixel takes about 90 ms.
"""

from __future__ import annotations

import hashlib
import math
import re
import struct
import zlib
from random import Random
from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["draw", "png", "rows", "tint"]

Color: TypeAlias = tuple[float, float, float]


class _Palette(msgspec.Struct, frozen=True):
    """Colours as 0xRRGGBB: the sky from its zenith to the horizon, the disc, the far and the near hills."""

    zenith: int
    horizon: int
    disc: int
    far: int
    near: int
    words: str
    night: bool = False


_PALETTES = (
    _Palette(0x2B4C8C, 0xF7D9B0, 0xFFF6DC, 0x9FB4CF, 0x1F3A4D, "morning dawn calm soft light window spring sky blue"),
    _Palette(0x3B1C5A, 0xFF9A5A, 0xFFE9A8, 0xC76B6B, 0x2A1533, "sunset evening dusk autumn fire warm orange golden"),
    _Palette(0x0B1430, 0x3C5A86, 0xF2F4FF, 0x34507A, 0x060B18, "night moon star stars space dark midnight", night=True),
    _Palette(0x5FA8B8, 0xEAF4DC, 0xFFFDEB, 0x9CC2A0, 0x1E4434, "forest wood tree trees green garden leaf summer moss"),
    _Palette(0x1D6FA5, 0xD7F1F2, 0xFFFFFF, 0x7FC0CF, 0x0C4563, "sea ocean lake water river boat pond rain wave fish"),
    _Palette(0x8FA3BF, 0xF4F1F0, 0xFFFFFF, 0xC9D3E0, 0x5A6B82, "snow winter ice mountain mountains fog mist cold"),
    _Palette(0xC77B4A, 0xFFE3B3, 0xFFF8E0, 0xE0A878, 0x6E3B2A, "desert sand dune dunes cat fox lion brown dry earth"),
    _Palette(0x6A4C93, 0xFFCAD4, 0xFFF3F6, 0xB79CC8, 0x3B2451, "dream flower flowers pink purple rose magic love"),
)  # fmt: skip

_GLOW_RINGS = 28
_HILLS = 5
_SKY, _DISC = 0, 1
_FIRST_RING = 2
_FIRST_HILL = _FIRST_RING + _GLOW_RINGS
_STAR = _FIRST_HILL + _HILLS
_LAYERS = _STAR + 1
_SOLID = bytes(255 * (layer == _DISC or _FIRST_HILL <= layer < _STAR) for layer in range(256))
_COVERED = bytes([0]) + bytes([255]) * 255


def draw(prompt: str, seed: int, width: int, height: int) -> bytes:
    """Draw the picture of a prompt: the same prompt, seed and size give the same file.

    Args:
        prompt: its words choose the colours.
        seed: decides the shapes.
        width, height: in pixels.

    Returns:
        A PNG file, 8-bit RGB.
    """
    return png(width, height, rows(prompt, seed, width, height))


def png(width: int, height: int, pixels: Iterator[bytes], *, alpha: bool = False) -> bytes:
    """Write a PNG file from rows of RGB bytes, or of RGBA ones."""
    # Rows differ little from those above them, which zlib finds out by itself: no filter is worth its time here.
    packer = zlib.compressobj(6)
    data = b"".join(packer.compress(b"\x00" + row) for row in pixels) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 6 if alpha else 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def rows(prompt: str, seed: int, width: int, height: int, *, alpha: bool = False) -> Iterator[bytes]:
    """Draw a landscape, from its top row down, as RGB bytes; with `alpha` as RGBA, and the sky can be seen through."""
    dice = _dice(f"{seed} {prompt}")
    palette = _palette(prompt, dice)
    starts = _hill_starts(dice, width, height)
    layers = bytearray(width)  # the layer of each pixel of the row, without disc and stars
    center = (_view(width, height) * dice.uniform(0.2, 0.8), height * dice.uniform(0.22, 0.42))
    radius = min(width, height) * dice.uniform(0.055, 0.085)
    stars = _stars(dice, width, height) if palette.night else {}
    for y in range(height):
        for x, layer in starts.get(y, ()):
            layers[x] = max(layers[x], layer)
        row = _with_disc(layers, center, radius, y)
        for x in stars.get(y, ()):
            if row[x] == _SKY:
                row[x] = _STAR
        red, green, blue = _tables(palette, y / height)
        tables = (red, green, blue, _SOLID) if alpha else (red, green, blue)
        pixels = bytearray(len(tables) * width)
        for part, table in enumerate(tables):
            pixels[part :: len(tables)] = row.translate(table)
        yield bytes(pixels)


def tint(prompt: str) -> tuple[int, int, int]:
    """The colour that a prompt is about: red, green and blue, 0 to 255."""
    red, green, blue = _rgb(_palette(prompt, _dice(prompt)).far)
    return int(red), int(green), int(blue)


def _dice(said: str) -> Random:
    return Random(int.from_bytes(hashlib.blake2b(said.encode(), digest_size=8).digest(), "big"))


def _view(width: int, height: int) -> float:
    """The width that an eye takes in at once: of a panorama only a part."""
    return min(width, 2 * height)


def _palette(prompt: str, dice: Random) -> _Palette:
    """The palette that shares most words with the prompt; any of them when none does."""
    said = set(re.findall(r"\w+", prompt.lower()))
    best = max(_PALETTES, key=lambda palette: len(said & set(palette.words.split())))
    return best if said & set(best.words.split()) else dice.choice(_PALETTES)


def _hill_starts(dice: Random, width: int, height: int) -> dict[int, list[tuple[int, int]]]:
    """Row by row, which columns go over into which layer: from far hills, high up, to near ones."""
    starts: dict[int, list[tuple[int, int]]] = {}
    for hill in range(_HILLS):
        nearness = hill / (_HILLS - 1)
        base = height * (0.50 + 0.40 * nearness)
        waves = [
            (
                height * (0.085 - 0.03 * nearness) / (1.9**octave) * dice.uniform(0.6, 1.2),
                dice.uniform(0.7, 1.6)
                * (2.1**octave)
                * math.tau
                / (1.4 * max(_view(width, height), height))
                * (1.3 - 0.5 * nearness),
                dice.uniform(0, math.tau),
            )
            for octave in range(5)
        ]
        for x in range(width):
            top = base + sum(size * math.sin(rate * x + phase) for size, rate, phase in waves)
            starts.setdefault(max(0, int(top)), []).append((x, _FIRST_HILL + hill))
    return starts


def _stars(dice: Random, width: int, height: int) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for _ in range(width * height // 2500):
        # Fewer of them near the horizon.
        found.setdefault(int(height * 0.6 * dice.random() ** 1.5), []).append(dice.randrange(width))
    return found


def _with_disc(layers: bytearray, center: tuple[float, float], radius: float, y: int) -> bytearray:
    """A row with the sun or moon, and the rings of its glow, behind the hills."""
    width, away = len(layers), abs(y - center[1])
    row = bytearray(width)
    for ring in range(_GLOW_RINGS, -1, -1):
        reach = radius * (1 + 0.16 * ring)
        if away >= reach:
            break  # the rings inside of this one do not reach the row either
        half = math.sqrt(reach * reach - away * away)
        left, right = max(0, int(center[0] - half)), min(width, int(center[0] + half))
        if left < right:
            row[left:right] = bytes([_DISC if ring == 0 else _FIRST_RING + ring - 1]) * (right - left)
    # Bytes as one large number: the quickest way to lay one row over another without a library.
    hills, covered, glow = (int.from_bytes(each, "big") for each in (layers, layers.translate(_COVERED), row))
    return bytearray((glow & ~covered | hills).to_bytes(width, "big"))


def _tables(palette: _Palette, depth: float) -> tuple[bytes, bytes, bytes]:
    """The colour of every layer in a row, as translation tables for red, green and blue.

    Args:
        palette: the colours.
        depth: 0 at the top of the picture, 1 at its foot.
    """
    horizon, disc = _rgb(palette.horizon), _rgb(palette.disc)
    sky = _mix(_rgb(palette.zenith), horizon, min(1.0, depth / 0.72) ** 0.85)
    colors: list[Color] = [sky, disc]
    colors += [_mix(disc, sky, (0.35 + 0.65 * ring / _GLOW_RINGS) ** 0.6) for ring in range(1, _GLOW_RINGS + 1)]
    for hill in range(_HILLS):
        nearness = hill / (_HILLS - 1)
        body = _mix(_rgb(palette.far), _rgb(palette.near), nearness**0.9)
        # Mist lies at the foot of the far hills: it is what makes them look far.
        mist = max(0.0, depth - 0.5 - 0.3 * nearness) * (1.5 - 1.2 * nearness)
        colors.append(_mix(body, horizon, min(0.75, mist)))
    colors.append(_mix(sky, (255.0, 255.0, 255.0), 0.75))
    padding = bytes(256 - _LAYERS)
    red, green, blue = (bytes(int(color[part]) for color in colors) + padding for part in range(3))
    return red, green, blue


def _rgb(color: int) -> Color:
    return float(color >> 16), float(color >> 8 & 255), float(color & 255)


def _mix(one: Color, other: Color, share: float) -> Color:
    """So much of the other colour in the one."""
    keep = 1 - share
    return one[0] * keep + other[0] * share, one[1] * keep + other[1] * share, one[2] * keep + other[2] * share
