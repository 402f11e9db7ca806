"""The pictures of the simulator, read by Pillow; what it makes of pictures that come in, and how it measures them."""

from __future__ import annotations

import io
import struct
import sys
import warnings
from typing import Any

import pytest
from PIL import Image

from novita_async.simulator.encode import edited, picture, truly
from novita_async.simulator.measure import measure
from novita_async.simulator.pictures import draw, tint

KINDS = ("png", "jpeg", "webp")


@pytest.fixture
def without_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def subject(size: tuple[int, int] = (100, 80)) -> Image.Image:
    """A red square on white."""
    image = Image.new("RGB", size, "white")
    image.paste("red", (size[0] // 4, size[1] // 4, 3 * size[0] // 4, 3 * size[1] // 4))
    return image


def apart(one: Any, other: Any) -> int:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


# -------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(64, 64), (65, 131), (320, 128)])
def test_a_picture_has_the_kind_and_the_size_that_were_asked_for(kind, size):
    data, made = picture("a boat on a lake", 3, *size, kind)
    assert made == kind
    image = opened(data)
    assert (image.format, image.size, image.mode) == (kind.upper(), size, "RGB")
    assert measure(data) == (kind, *size)


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_the_same_in_every_kind(kind):
    drawn = opened(draw("a forest", 5, 96, 64))
    image = opened(picture("a forest", 5, 96, 64, kind)[0])
    for place in ((5, 5), (50, 3), (90, 62)):
        assert apart(image.getpixel(place), drawn.getpixel(place)) <= (0 if kind == "png" else 12)
    assert picture("a forest", 5, 96, 64, kind) == picture("a forest", 5, 96, 64, kind)
    assert picture("a forest", 5, 96, 64, kind) != picture("a forest", 6, 96, 64, kind)


def test_a_kind_goes_by_more_names_than_one():
    assert [truly(kind) for kind in ("jpg", "JPEG", "WebP", "PNG", "tiff", "")] == [
        *("jpeg", "jpeg", "webp", "png", "png", "png")
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_can_be_seen_through_where_its_sky_is(kind):
    data, made = picture("a boat on a lake", 3, 128, 96, kind, alpha=True)
    assert made == ("webp" if kind == "webp" else "png")
    image = opened(data)
    assert (image.format, image.mode) == (made.upper(), "RGBA")
    alpha = image.getchannel("A")
    assert alpha.getextrema() == (0, 255)
    assert (alpha.getpixel((0, 0)), alpha.getpixel((64, 95))) == (0, 255)
    whole = opened(picture("a boat on a lake", 3, 128, 96)[0])
    assert apart(image.getpixel((64, 95))[:3], whole.getpixel((64, 95))) <= 12


@pytest.mark.usefixtures("without_pillow")
@pytest.mark.parametrize("kind", KINDS)
def test_without_pillow_a_picture_is_a_png_and_says_so(kind):
    assert truly(kind) == "png"
    data, made = picture("x", 1, 70, 50, kind)
    assert (made, measure(data)) == ("png", ("png", 70, 50))
    assert data == draw("x", 1, 70, 50)
    data, made = edited(data, "x", 1, 90, 60, kind, alpha=True)
    assert (made, measure(data)) == ("png", ("png", 90, 60))
    assert data[25] == 6  # RGBA


# ------------------------------------------------------------------------------- pictures of pictures


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_an_edited_picture_shows_what_the_source_showed(kind, form):
    data, made = edited(saved(subject(), form), "", 1, 200, 160, kind)
    image = opened(data)
    assert (made, image.format, image.size) == (kind, kind.upper(), (200, 160))
    assert apart(image.getpixel((5, 5)), (255, 255, 255)) < 12
    assert apart(image.getpixel((100, 80)), (255, 0, 0)) < 12


def test_a_prompt_gives_its_colour_to_an_edited_picture():
    source = saved(subject(), "PNG")
    night, sea = (opened(edited(source, prompt, 1, 100, 80)[0]).getpixel((2, 2)) for prompt in ("night", "sea"))
    assert night != sea != (255, 255, 255)
    for found, prompt in ((night, "night"), (sea, "sea")):
        assert apart(found, [0.8 * 255 + 0.2 * part for part in tint(prompt)]) <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_background_of_a_picture_can_be_taken_away(kind):
    data, made = edited(saved(subject(), "JPEG"), "", 1, 100, 80, kind, alpha=True)
    image = opened(data)
    assert (made, image.mode) == ("webp" if kind == "webp" else "png", "RGBA")
    assert image.getpixel((2, 2))[3] == image.getpixel((97, 40))[3] == 0
    assert image.getpixel((50, 40))[3] == 255
    assert apart(image.getpixel((50, 40))[:3], (255, 0, 0)) < 12


@pytest.mark.parametrize("mode", ["RGBA", "P", "L", "LA", "1", "CMYK", "I;16"])
def test_a_source_may_have_any_colours(mode):
    form = "JPEG" if mode == "CMYK" else "PNG"
    image = Image.new(mode, (40, 30)) if mode == "I;16" else subject((40, 30)).convert(mode)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data, _ = edited(saved(image, form), "", 1, 80, 60)
    assert opened(data).size == (80, 60)


def test_where_a_source_can_be_seen_through_it_becomes_white():
    clear = Image.new("RGBA", (40, 30), (0, 0, 0, 0))
    assert opened(edited(saved(clear, "PNG"), "", 1, 40, 30)[0]).getpixel((20, 15)) == (255, 255, 255)


def test_a_source_that_cannot_be_read_is_replaced_by_a_drawn_picture():
    drawn = picture("sea", 1, 64, 48, "jpeg")
    whole = saved(subject(), "PNG")
    huge = bytearray(whole)
    huge[16:24] = struct.pack(">II", 60_000, 60_000)
    for source in (b"", b"no picture", whole[:60], bytes(huge)):
        assert edited(source, "sea", 1, 64, 48, "jpeg") == drawn


# -------------------------------------------------------------------------------------------- measuring


def every_kind() -> dict[str, bytes]:
    image, size = subject((123, 45)), (123, 45)
    exif = Image.Exif()
    exif[0x010E] = "x" * 5000
    upside_down = bytearray(saved(image, "BMP"))
    upside_down[22:26] = struct.pack("<i", -45)
    os2 = b"BM" + struct.pack("<IHHIIHHHH", 26, 0, 0, 26, 12, *size, 1, 24)
    motorola = b"MM\x00*" + struct.pack(">IHHHIHxxHHII", 8, 2, 256, 3, 1, 123, 257, 4, 1, 45)
    filled = saved(image, "JPEG")
    return {
        "png": saved(image, "PNG"),
        "png clear": saved(image.convert("RGBA"), "PNG"),
        "jpeg": saved(image, "JPEG"),
        "jpeg progressive": saved(image, "JPEG", progressive=True),
        "jpeg from a camera": saved(image, "JPEG", exif=exif),
        "jpeg filled up": filled[:2] + b"\xff\xff" + filled[2:],
        "webp": saved(image, "WEBP"),
        "webp lossless": saved(image, "WEBP", lossless=True),
        "webp clear": saved(Image.new("RGBA", size, (0, 0, 0, 9)), "WEBP"),
        "webp clear lossless": saved(Image.new("RGBA", size, (0, 0, 0, 9)), "WEBP", lossless=True),
        "webp with more": saved(image, "WEBP", exif=exif),
        "gif": saved(image, "GIF"),
        "gif that moves": saved(image, "GIF", save_all=True, append_images=[image.convert("L")]),
        "bmp": saved(image, "BMP"),
        "bmp from the top": bytes(upside_down),
        "bmp of OS/2": os2,
        "tiff": saved(image, "TIFF"),
        "tiff of Motorola": motorola,
    }


def test_a_picture_of_every_kind_is_measured():
    for name, data in every_kind().items():
        assert measure(data) == (name.split()[0], 123, 45), name


def test_a_part_of_a_picture_is_never_measured_wrongly():
    for name, data in every_kind().items():
        for end in [*range(min(len(data), 700)), *range(700, len(data), 97)]:
            assert measure(data[:end]) in (None, (name.split()[0], 123, 45)), (name, end)


def test_what_is_no_picture_has_no_measures():
    for data in (b"", b"BM", b"%PDF-1.7", b"RIFF\x00\x00\x00\x00WAVEfmt ", b"\xff\xd8\xff", b"ID3", bytes(100)):
        assert measure(data) is None
    assert measure(b"\xff\xd8\xff\xda" + bytes(100)) is None
    assert measure(b"RIFF\x00\x00\x00\x00WEBPVP9 " + bytes(100)) is None
