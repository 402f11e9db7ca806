from __future__ import annotations

import struct
import zlib

import pytest

from novita_async.simulator.pictures import draw, rows


def read(data: bytes) -> tuple[int, int, list[bytes]]:
    """Take a PNG file apart: width, height, rows of RGB."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    chunks: dict[bytes, bytes] = {}
    at = 8
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length) == (zlib.crc32(kind + body),)
        chunks[kind] = body
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, *form = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert form == [8, 2, 0, 0, 0]
    pixels = zlib.decompress(chunks[b"IDAT"])
    lines = [pixels[start : start + 1 + 3 * width] for start in range(0, len(pixels), 1 + 3 * width)]
    assert all(line[0] == 0 for line in lines)
    return width, height, [line[1:] for line in lines]


@pytest.mark.parametrize("size", [(64, 64), (65, 130), (640, 128), (128, 641)])
def test_a_picture_is_a_png_of_its_size(size):
    width, height, lines = read(draw("anything", 1, *size))
    assert (width, height) == size
    assert len(lines) == height
    assert {len(line) for line in lines} == {3 * width}


def test_the_same_prompt_and_seed_give_the_same_file():
    picture = draw("a forest path", 5, 96, 64)
    assert draw("a forest path", 5, 96, 64) == picture
    assert draw("a forest path", 6, 96, 64) != picture
    assert draw("a forest walk", 5, 96, 64) != picture


def test_the_prompt_chooses_the_colours():
    def top(prompt: str) -> tuple[int, ...]:
        return tuple(next(iter(rows(prompt, 1, 64, 64)))[:3])

    night, sea = top("a ship under the stars at midnight"), top("a boat on a lake")
    assert sum(night) < sum(sea)
    assert sea[2] > sea[0]  # blue over red
    assert top("a boat") == sea


def test_a_picture_has_a_sky_a_sun_and_hills():
    lines = list(rows("sunset", 3, 128, 128))
    colors = [{line[start : start + 3] for start in range(0, len(line), 3)} for line in lines]
    assert b"\xff\xe9\xa8" in set().union(*colors)  # the disc
    assert len(colors[-1]) <= 3  # near hills at the foot
    assert len(set(lines)) > 100  # no two rows alike, nearly
