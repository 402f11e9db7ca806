"""The clip, read back: its boxes, its parameter sets, and every frame decoded as a player would."""

from __future__ import annotations

import io
import re
import struct
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from novita_async.simulator import clip
from novita_async.simulator.clip import FRAMES_PER_SECOND, film, frame_size, truly, video
from novita_async.simulator.h264 import STEP

_CONTAINERS = {"moov", "trak", "mdia", "minf", "stbl", "dinf"}


def boxes(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        assert 8 <= size <= len(data) - at
        name, body = kind.decode(), data[at + 8 : at + size]
        found[name] = boxes(body) if name in _CONTAINERS else body
        at += size
    return found


class Bits:
    """Reads the payload of a NAL unit."""

    def __init__(self, unit: bytes) -> None:
        self.data = unit[1:].replace(b"\x00\x00\x03", b"\x00\x00")
        self.at = 0

    def u(self, count: int = 1) -> int:
        value = 0
        for _ in range(count):
            value = value << 1 | self.data[self.at // 8] >> (7 - self.at % 8) & 1
            self.at += 1
        return value

    def ue(self) -> int:
        zeros = 0
        while not self.u():
            zeros += 1
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        value = self.ue()
        return (value + 1) // 2 if value % 2 else -value // 2

    def samples(self, count: int) -> bytes:
        while self.at % 8:
            assert self.u() == 0
        start = self.at // 8
        self.at += 8 * count
        return self.data[start : start + count]

    def ends(self) -> bool:
        """Whether only the stop bit and zeros are left."""
        return self.u() == 1 and not any(self.u() for _ in range(len(self.data) * 8 - self.at))


def size_of(sequence: bytes) -> tuple[int, int, int, int]:
    """Macroblock columns and rows, and the size in pixels after cropping."""
    bits = Bits(sequence)
    assert (bits.u(8), bits.u(8), bits.u(8)) == (66, 0xC0, 30)
    assert [bits.ue() for _ in range(4)] == [0, 0, 2, 1]
    assert bits.u() == 0
    columns, lines = bits.ue() + 1, bits.ue() + 1
    assert [bits.u(), bits.u(), bits.u()] == [1, 1, 1]
    left, right, top, bottom = (bits.ue() for _ in range(4))
    assert (left, top, bits.u()) == (0, 0, 0)
    assert bits.ends()
    return columns, lines, columns * 16 - 2 * right, lines * 16 - 2 * bottom


def decode(units: list[bytes], columns: int, lines: int) -> list[list[bytes]]:
    """The luma rows of every frame."""
    pictures: list[list[bytes]] = []
    for number, unit in enumerate(units):
        bits, first = Bits(unit), number == 0
        assert unit[0] == (0x65 if first else 0x41)
        assert (bits.ue(), bits.ue(), bits.ue(), bits.u(4)) == (0, 7 if first else 5, 0, number % 16)
        assert (bits.u(3), bits.se(), bits.ue()) == (4 if first else 0, 0, 1)
        rows = [bytearray(16 * columns) for _ in range(16 * lines)]
        skipped = 0 if first else bits.ue()
        if skipped == columns * lines:
            assert bits.ends()
            pictures.append(pictures[-1])
            continue
        for line in range(lines):
            for column in range(columns):
                if not first and (line, column) != (0, 0):
                    skipped = bits.ue()
                assert skipped == 0
                kind = bits.ue()
                if kind == (25 if first else 30):
                    luma = bits.samples(384)[:256]
                    block = [luma[start : start + 16] for start in range(0, 256, 16)]
                else:
                    # The predicted vector is that of the neighbours; the first macroblock has none.
                    difference = (bits.se(), bits.se())
                    assert (kind, difference, bits.ue()) == (0, (4 * STEP if line == column == 0 else 0, 0), 0)
                    before, x = pictures[-1][16 * line : 16 * line + 16], 16 * column + STEP
                    block = [row[x : x + 16] for row in before]
                for row, part in zip(rows[16 * line : 16 * line + 16], block, strict=True):
                    row[16 * column : 16 * column + 16] = part
        assert bits.ends()
        pictures.append([bytes(row) for row in rows])
    return pictures


def frames_of(data: bytes, ratio: str) -> list[list[bytes]]:
    """The luma rows of every frame of a clip, after a look at everything around them."""
    found = boxes(data)
    assert list(found) == ["ftyp", "moov", "mdat"]
    table = found["moov"]["trak"]["mdia"]["minf"]["stbl"]

    (count,) = struct.unpack_from(">8xI", table["stsz"])
    sizes = struct.unpack_from(f">12x{count}I", table["stsz"])
    (offset,) = struct.unpack(">8xI", table["stco"])
    assert data[offset - 4 : offset] == b"mdat"
    samples = []
    for size in sizes:
        assert struct.unpack_from(">I", data, offset) == (size - 4,)
        samples.append(data[offset + 4 : offset + size])
        offset += size
    assert offset == len(data)

    configuration = table["stsd"][8 + 8 + 78 :]
    assert configuration[4:8] == b"avcC"
    (length,) = struct.unpack_from(">H", configuration, 14)
    columns, lines, width, height = size_of(configuration[16 : 16 + length])
    assert (width, height) == frame_size(ratio)
    assert configuration[9:12] == configuration[17:20]  # profile, constraints, level
    return decode(samples, columns, lines)


@pytest.mark.parametrize(("ratio", "seconds"), [("16:9", 3), ("9:16", 3), ("1:1", 4), ("9:21", 1), ("1280*720", 1)])
def test_a_clip_is_an_mp4_that_decodes_to_a_pan(ratio, seconds):
    pictures = frames_of(film("a boat on a lake", 3, seconds, ratio), ratio)
    assert len(pictures) == seconds * FRAMES_PER_SECOND
    for before, after in pairwise(pictures):
        assert [row[STEP:] for row in before] == [row[:-STEP] for row in after]
        assert before != after


def test_a_long_clip_pans_more_slowly(monkeypatch):
    monkeypatch.setattr(clip, "_VIEWS", 5)
    pictures = frames_of(film("a boat on a lake", 3, 2, "16:9"), "16:9")
    assert len(pictures) == 16
    views = [0]
    for before, after in pairwise(pictures):
        if before != after:
            assert [row[STEP:] for row in before] == [row[:-STEP] for row in after]
        views.append(views[-1] + (before != after))
    assert views == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]


def test_a_clip_of_minutes_is_hardly_larger_than_one_of_seconds():
    assert len(film("x", 1, 150, "16:9")) < 1.2 * len(film("x", 1, 15, "16:9"))


@pytest.mark.parametrize("kind", ["mp4", "gif"])
def test_no_clip_is_shorter_than_a_frame_or_longer_than_ten_minutes(kind):
    assert video("x", 1, 0, kind=kind) == video("x", 1, -5, kind=kind) == video("x", 1, 1 / 8, kind=kind)
    assert video("x", 1, 1e9, kind=kind) == video("x", 1, 600, kind=kind)


def test_a_clip_has_the_shape_that_was_asked_for():
    contract = (Path(__file__).parents[2] / "contract" / "video.openapi.yaml").read_text("utf-8")
    shapes = set(re.findall(r"'(\d+:\d+)'", contract)) | set(re.findall(r"\b\d+[*x]\d+\b", contract))
    assert {"21:9", "9:21", "3:4", "1280*720", "1632*1248"} <= shapes
    for shape in shapes:
        width, height = frame_size(shape)
        across, down = map(int, re.split("[:*x]", shape))
        if not 1 / 4 <= across / down <= 4:
            continue  # a limit of pictures that come in; nothing can be asked for in that shape
        assert width / height == pytest.approx(across / down, rel=0.03), shape
        assert (width % 2, height % 2) == (0, 0)
        assert 13_500 < width * height < 15_500


def test_a_shape_that_is_none_is_wide():
    for shape in ("adaptive", "", "0:9", "16:", "-1*5"):
        assert frame_size(shape) == (160, 90)
    assert frame_size("1920X1080") == (160, 90)
    for shape in ("99999:1", "1:99999"):
        assert min(frame_size(shape)) >= 48


@pytest.mark.parametrize(("seconds", "frames"), [(2, 16), (0.5, 4), (150, 120)])
def test_a_gif_moves_as_long_as_it_should(seconds, frames):
    data, kind = video("a boat", 1, seconds, "3:4", "gif")
    assert kind == "gif"
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.size, image.n_frames, image.info["loop"]) == ("GIF", frame_size("3:4"), frames, 0)
        shown, length = set(), 0
        for number in range(image.n_frames):
            image.seek(number)
            length += image.info["duration"]
            shown.add(image.convert("RGB").tobytes())
    assert length == 1000 * seconds
    assert len(shown) == frames


def test_without_pillow_a_gif_is_an_mp4_and_says_so(monkeypatch):
    assert (truly("gif"), truly("mp4"), truly("anything")) == ("gif", "mp4", "mp4")
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert truly("gif") == "mp4"
    assert video("x", 1, 1, "1:1", "gif") == (film("x", 1, 1, "1:1"), "mp4")


def test_the_length_is_told_in_every_place():
    moov = boxes(film("x", 1, 5, "16:9"))["moov"]
    assert struct.unpack_from(">12xII", moov["mvhd"]) == (1000, 5000)
    assert struct.unpack_from(">12xII", moov["trak"]["mdia"]["mdhd"]) == (FRAMES_PER_SECOND, 5 * FRAMES_PER_SECOND)
    assert struct.unpack(">8xII", moov["trak"]["mdia"]["minf"]["stbl"]["stts"]) == (5 * FRAMES_PER_SECOND, 1)


def test_no_frame_contains_a_start_code():
    data = film("night", 1, 3, "1:1")
    frames = data[data.index(b"mdat") + 8 :]
    assert b"\x00\x00\x01" not in frames
    assert len(data) < 150_000


def test_the_same_prompt_and_seed_give_the_same_clip():
    assert film("x", 1, 3, "1:1") == film("x", 1, 3, "1:1") != film("x", 2, 3, "1:1")
