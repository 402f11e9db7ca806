"""Pictures in the format that was asked for, pictures made of other pictures, and the size of a picture that came.

PNG is written without a library. JPEG and WebP need Pillow (`pip install novita-async[simulator]`); without it a
picture is a PNG, and says so. `truly` tells beforehand what it will be.
"""

from __future__ import annotations

import importlib.util
import io
from typing import TYPE_CHECKING

from .measure import measure
from .pictures import png, rows, tint

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["edited", "picture", "truly"]

_FORMATS = {"jpeg": "JPEG", "webp": "WEBP"}
_SHADES = {"jpg": "jpeg", "jpeg": "jpeg", "webp": "webp"}
_MOST_PIXELS = 64_000_000  # of a picture that is opened
_TINT = 0.2
_BACKGROUND = 48  # how far a colour may be from that of the corner, of 255, and still belong to the background


def truly(kind: str, *, alpha: bool = False) -> str:
    """What a picture will be that is asked for as `kind`: png, jpeg or webp."""
    kind = _SHADES.get(kind.lower(), "png")
    if kind == "jpeg" and alpha:
        return "png"  # a JPEG cannot be seen through
    return kind if kind != "png" and importlib.util.find_spec("PIL") is not None else "png"


def picture(
    prompt: str, seed: int, width: int, height: int, kind: str = "png", *, alpha: bool = False
) -> tuple[bytes, str]:
    """Draw the picture of a prompt: the same arguments give the same file.

    Args:
        prompt: its words choose the colours.
        seed: decides the shapes.
        width, height: in pixels.
        kind: png, jpeg or webp.
        alpha: leave out the sky, and let it be seen through.

    Returns:
        The file, and what it truly is.
    """
    kind = truly(kind, alpha=alpha)
    drawn = rows(prompt, seed, width, height, alpha=alpha)
    if kind == "png":
        return png(width, height, drawn, alpha=alpha), kind
    from PIL import Image

    mode = "RGBA" if alpha else "RGB"
    return _encoded(Image.frombytes(mode, (width, height), b"".join(drawn)), kind), kind


def edited(
    source: bytes,
    prompt: str,
    seed: int,
    width: int,
    height: int,
    kind: str = "png",
    *,
    alpha: bool = False,
    strength: float = _TINT,
) -> tuple[bytes, str]:
    """Make a picture of another one: it gets a new size, and a breath of the colours of the prompt.

    A picture that cannot be read, or not without Pillow, is replaced by a drawn one.

    Args:
        source: the picture that is edited.
        prompt: its words choose the colour; empty leaves the colours as they are.
        seed: decides the shapes where a picture has to be drawn.
        width, height: of the new picture, in pixels.
        kind: png, jpeg or webp.
        alpha: take away the background, which is whatever has about the colour of the upper left corner.
        strength: how much of the prompt's colour there is, 0 to 1.

    Returns:
        The file, and what it truly is.
    """
    size = measure(source)
    if size is None or size[1] * size[2] > _MOST_PIXELS or importlib.util.find_spec("PIL") is None:
        return picture(prompt, seed, width, height, kind, alpha=alpha)
    from PIL import Image

    try:
        with Image.open(io.BytesIO(source), formats=[size[0].upper()]) as opened:
            clear = opened.convert("RGBA")
    except Exception:  # Pillow has many ways to say that a file is broken
        return picture(prompt, seed, width, height, kind, alpha=alpha)
    whole = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    made = whole.resize((width, height), Image.Resampling.BICUBIC)
    cut = _foreground(made) if alpha else None
    if prompt:
        made = Image.blend(made, Image.new("RGB", made.size, tint(prompt)), strength)
    if cut is not None:
        made.putalpha(cut)
    kind = truly(kind, alpha=alpha)
    return _encoded(made, kind), kind


def _foreground(whole: Image.Image) -> Image.Image:
    """What does not have the colour of the corner: 255 where it is, 0 where the background shows."""
    from PIL import Image, ImageChops

    corner = Image.new("RGB", whole.size, whole.getpixel((0, 0)))
    parts = ImageChops.difference(whole, corner).split()
    far = ImageChops.lighter(ImageChops.lighter(parts[0], parts[1]), parts[2])
    return far.point([255 * (value > _BACKGROUND) for value in range(256)])


def _encoded(image: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    if kind == "png":
        image.save(file, "PNG", compress_level=3)
    else:
        image.save(file, _FORMATS[kind], quality=85)
    return file.getvalue()
