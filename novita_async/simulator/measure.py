"""What a picture is and how large, read off the first bytes of its file."""

from __future__ import annotations

import struct

__all__ = ["measure"]


def measure(data: bytes) -> tuple[str, int, int] | None:
    """Tell the kind, the width and the height of a picture, in pixels.

    Returns:
        png, jpeg, webp, gif, bmp or tiff, and its size; None when it is none of them or too short to tell.
    """
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
            return "png", *struct.unpack_from(">II", data, 16)
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data)
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _webp(data)
        if data.startswith((b"GIF87a", b"GIF89a")):
            return "gif", *struct.unpack_from("<HH", data, 6)
        if data.startswith(b"BM"):
            return _bmp(data)
        if data.startswith((b"II*\x00", b"MM\x00*")):
            return _tiff(data)
    except (struct.error, IndexError):
        pass
    return None


def _jpeg(data: bytes) -> tuple[str, int, int] | None:
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # one may be filled up with more of the same
            at += 1
        # Start of frame: all of C0 to CF but the tables DHT, JPG and DAC.
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            return "jpeg", width, height
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return None


def _webp(data: bytes) -> tuple[str, int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
        return ("webp", width, height) if len(data) >= 30 else None
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return "webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return "webp", width & 0x3FFF, height & 0x3FFF
    return None


def _bmp(data: bytes) -> tuple[str, int, int]:
    if struct.unpack_from("<I", data, 14)[0] == 12:  # the first form of the header, of OS/2
        return "bmp", *struct.unpack_from("<HH", data, 18)
    width, height = struct.unpack_from("<ii", data, 18)
    return "bmp", width, abs(height)  # a negative one stands for rows from the top down


def _tiff(data: bytes) -> tuple[str, int, int] | None:
    order = "<" if data.startswith(b"II") else ">"
    (at,) = struct.unpack_from(f"{order}I", data, 4)
    sizes: dict[int, int] = {}
    for entry in range(struct.unpack_from(f"{order}H", data, at)[0]):
        tag, form = struct.unpack_from(f"{order}HH", data, at + 2 + 12 * entry)
        if tag in (256, 257):
            code = "H" if form == 3 else "I"
            (sizes[tag],) = struct.unpack_from(order + code, data, at + 2 + 12 * entry + 8)
    return ("tiff", sizes[256], sizes[257]) if len(sizes) == 2 else None
