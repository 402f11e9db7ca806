"""Just enough H.264 to show a moving picture: a view that pans over a panorama, in constrained baseline.

Nothing is transformed or quantised. The first frame has its samples as they are (I_PCM). Each later frame is the one
before, moved by a whole number of pixels (inter macroblocks with a motion vector and no residual), and only the column
of macroblocks that comes into view has samples again. So every pixel is exact, and a frame costs some 2 KB.
The section numbers are those of ITU-T H.264 (08/2021).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["STEP", "Planes", "frames", "picture_parameters", "sequence_parameters"]

#: Pixels that the view moves from frame to frame. Even, so that the half-size colour planes move by whole pixels too.
STEP = 2

_BLOCK = 16
_FRAME_NUMBERS = 16
_NAL_SLICE, _NAL_IDR, _NAL_SPS, _NAL_PPS = 0x41, 0x65, 0x67, 0x68
_I_PCM, _I_PCM_IN_P = 25, 30  # mb_type, tables 7-11 and 7-13
_P_SLICE, _I_SLICE = 5, 7


class Planes(msgspec.Struct, frozen=True):
    """A panorama in YCbCr 4:2:0, a row of samples in each item. The height is a multiple of 16."""

    luma: list[bytes]
    blue: list[bytes]
    red: list[bytes]


class _Bits:
    """Writes an RBSP bit by bit."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._value = 0
        self._count = 0

    def u(self, value: int, bits: int = 1) -> None:
        self._value = self._value << bits | value
        self._count += bits
        while self._count >= 8:
            self._count -= 8
            self._data.append(self._value >> self._count & 0xFF)
        self._value &= (1 << self._count) - 1

    def ue(self, value: int) -> None:
        """Exp-Golomb (9.1)."""
        self.u(value + 1, 2 * (value + 1).bit_length() - 1)

    def se(self, value: int) -> None:
        self.ue(2 * value - 1 if value > 0 else -2 * value)

    def samples(self, data: bytes) -> None:
        """Bytes, after zero bits up to the next byte boundary."""
        if self._count:
            self.u(0, 8 - self._count)
        self._data += data

    def nal(self, header: int) -> bytes:
        """The unit: header, payload with its stop bit, and no start code inside (7.4.1)."""
        self.u(1)
        if self._count:
            self.u(0, 8 - self._count)
        payload = re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", bytes(self._data))
        return bytes([header]) + payload


def sequence_parameters(width: int, height: int) -> bytes:
    """The SPS of pictures of so many pixels, both even (7.3.2.1.1)."""
    columns, lines = -(-width // _BLOCK), -(-height // _BLOCK)
    bits = _Bits()
    bits.u(66, 8)  # baseline
    bits.u(0b11000000, 8)  # and constrained
    bits.u(30, 8)  # level 3
    for value in (0, 0, 2, 1):  # id, log2_max_frame_num - 4, output order is decoding order, one reference frame
        bits.ue(value)
    bits.u(0)
    bits.ue(columns - 1)
    bits.ue(lines - 1)
    bits.u(0b11, 2)  # frames only, direct_8x8_inference
    bits.u(1)  # cropping, in units of two pixels: left, right, top, bottom
    for value in (0, (columns * _BLOCK - width) // 2, 0, (lines * _BLOCK - height) // 2):
        bits.ue(value)
    bits.u(0)  # no VUI
    return bits.nal(_NAL_SPS)


def picture_parameters() -> bytes:
    """The PPS (7.3.2.2): CAVLC, one slice group, and the deblocking filter under the slices' control."""
    bits = _Bits()
    bits.ue(0)
    bits.ue(0)
    bits.u(0, 2)
    for value in (0, 0, 0):  # slice groups - 1, reference indexes - 1 of both lists
        bits.ue(value)
    bits.u(0, 3)  # no weighted prediction
    for value in (0, 0, 0):  # quantisers
        bits.se(value)
    bits.u(0b100, 3)  # deblocking control; no constrained intra prediction, no redundant pictures
    return bits.nal(_NAL_PPS)


def frames(planes: Planes, width: int, count: int) -> Iterator[bytes]:
    """Encode a pan from the left edge of a panorama to its right one, by `STEP` pixels at a time.

    Args:
        planes: the panorama.
        width: of the view, in pixels; at least 48.
        count: frames. When they are more than the panorama has views, each view stays for several of them.

    Yields:
        One NAL unit a frame; the first one is an IDR picture, the only place to start from.
    """
    columns, lines = -(-width // _BLOCK), len(planes.luma) // _BLOCK
    views = (len(planes.luma[0]) - columns * _BLOCK) // STEP + 1
    before = None
    for number in range(count):
        view = number if count <= views else number * views // count
        first = number == 0
        bits = _Bits()
        bits.ue(0)  # first macroblock
        bits.ue(_I_SLICE if first else _P_SLICE)
        bits.ue(0)
        bits.u(number % _FRAME_NUMBERS, 4)
        # IDR: its id, then no_output_of_prior_pics and long_term_reference. P: three flags, all of them the default.
        bits.u(0b100 if first else 0b000, 3)
        bits.se(0)  # quantiser
        bits.ue(1)  # no deblocking: it would soften what was exact
        if view == before:
            bits.ue(columns * lines)  # all skipped: it is the frame before
        else:
            _macroblocks(bits, planes, columns, view, first=first)
        before = view
        yield bits.nal(_NAL_IDR if first else _NAL_SLICE)


def _macroblocks(bits: _Bits, planes: Planes, columns: int, view: int, *, first: bool) -> None:
    for line in range(len(planes.luma) // _BLOCK):
        for column in range(columns):
            if first:
                bits.ue(_I_PCM)
                bits.samples(_samples(planes, column * _BLOCK, line))
            elif column < columns - 1:
                _moved(bits, corner=line == column == 0)
            else:
                bits.ue(0)
                bits.ue(_I_PCM_IN_P)
                bits.samples(_samples(planes, view * STEP + column * _BLOCK, line))


def _moved(bits: _Bits, *, corner: bool) -> None:
    """A macroblock that is the frame before, `STEP` pixels further right (7.3.5).

    The vector is predicted from the neighbours (8.4.1.3). All of them have the same one, so the median is that vector
    and the difference is 0, even beside the column of samples; only the first macroblock has no neighbour.
    """
    bits.ue(0)  # nothing skipped
    bits.ue(0)  # P_L0_16x16
    bits.se(4 * STEP if corner else 0)  # in quarters of a pixel
    bits.se(0)
    bits.ue(0)  # no residual


def _samples(planes: Planes, x: int, line: int) -> bytes:
    """A macroblock as it is: 256 samples of luma, 64 of each colour."""
    top, half = line * _BLOCK, _BLOCK // 2
    luma = b"".join(row[x : x + _BLOCK] for row in planes.luma[top : top + _BLOCK])
    middle, left = top // 2, x // 2
    colors = (row[left : left + half] for plane in (planes.blue, planes.red) for row in plane[middle : middle + half])
    return luma + b"".join(colors)
