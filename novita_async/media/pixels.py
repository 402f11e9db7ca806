"""Width and height of a picture, read off its first bytes."""

from __future__ import annotations

from typing import Literal

__all__ = ["sides"]

# Frames of a JPEG that state its sides; C4, C8 and CC among them are tables.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WIDTH, _HEIGHT = 256, 257  # tags of TIFF


def sides(head: bytes, type_: str) -> tuple[int, int] | None:
    """The width and height of a picture in pixels; None where these bytes do not tell.

    Args:
        head: the beginning of the file. What a camera notes down may stand before the sides of a JPEG.
        type_: what it is: png, jpeg, gif, webp, bmp or tiff.
    """
    match type_:
        case "png":
            found = _pair(head, 16, 4, "big") if head[12:16] == b"IHDR" else None
        case "gif":
            found = _pair(head, 6, 2, "little")
        case "jpeg":
            found = _jpeg(head)
        case "webp":
            found = _webp(head)
        case "bmp":
            found = _bmp(head)
        case "tiff":
            found = _tiff(head)
        case _:
            found = None
    return found if found and found[0] > 0 and found[1] > 0 else None


def _number(data: bytes, place: int, size: int, order: Literal["big", "little"], *, signed: bool = False) -> int:
    """A number of so many bytes; 0 where they are not all there."""
    part = data[place : place + size]
    return int.from_bytes(part, order, signed=signed) if len(part) == size else 0


def _pair(data: bytes, place: int, size: int, order: Literal["big", "little"]) -> tuple[int, int]:
    return _number(data, place, size, order), _number(data, place + size, size, order)


def _jpeg(head: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 9 <= len(head):
        if head[place] != 0xFF:
            return None
        mark = head[place + 1]
        if mark == 0xFF:  # fill
            place += 1
        elif mark == 0x01 or 0xD0 <= mark <= 0xD8:  # nothing follows these
            place += 2
        elif mark in _FRAMES:
            height, width = _pair(head, place + 5, 2, "big")
            return width, height
        else:
            place += 2 + max(2, _number(head, place + 2, 2, "big"))
    return None


def _webp(head: bytes) -> tuple[int, int] | None:
    match head[12:16]:
        case b"VP8 " if head[23:26] == b"\x9d\x01\x2a":
            width, height = _pair(head, 26, 2, "little")
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L" if head[20:21] == b"\x2f":
            bits = _number(head, 21, 4, "little")
            return (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
        case b"VP8X":
            width, height = _pair(head, 24, 3, "little")
            return width + 1, height + 1
        case _:
            return None


def _bmp(head: bytes) -> tuple[int, int]:
    if _number(head, 14, 4, "little") == 12:  # the header of OS/2
        return _pair(head, 18, 2, "little")
    # The height is negative where the first row is the upper one.
    return _number(head, 18, 4, "little", signed=True), abs(_number(head, 22, 4, "little", signed=True))


def _tiff(head: bytes) -> tuple[int, int] | None:
    order: Literal["big", "little"] = "little" if head[:2] == b"II" else "big"
    place = _number(head, 4, 4, order)
    found: dict[int, int] = {}
    for entry in range(place + 2, place + 2 + 12 * min(_number(head, place, 2, order), 1000), 12):
        tag, kind = _pair(head, entry, 2, order)
        if tag in (_WIDTH, _HEIGHT):
            found[tag] = _number(head, entry + 8, 2 if kind == 3 else 4, order)
    return (found[_WIDTH], found[_HEIGHT]) if len(found) == 2 else None
