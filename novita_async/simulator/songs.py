"""Lyrics about what a prompt is about, and the music that goes with them."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from . import sound, words
from .spoken import part

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["lyrics", "music"]


_MOST = 3500  # letters that a music call takes
_LINES = 4  # of a verse


def lyrics(params: Mapping[str, Any]) -> dict[str, str]:
    """A song, or the one that is to be edited with some lines more."""
    old: str = params.get("lyrics") or ""
    prompt: str = params.get("prompt") or "the sea"
    dice = Random(f"{prompt} {old}")
    about = words.subjects(prompt) or ["the sea"]
    verses = [words.answer(prompt, dice).split(". ")[:_LINES] for _ in range(2)]
    if old:
        song = f"{old}\n\n[Outro]\n" + "\n".join(verses[0])
    else:
        song = "\n\n".join(
            f"[{tag}]\n" + "\n".join(lines) for tag, lines in zip(("Verse", "Chorus"), verses, strict=True)
        )
    title = params.get("title") or about[0].title()
    return {"lyrics": song[:_MOST], "song_title": title, "style_tags": "folk, acoustic, calm"}


def music(params: Mapping[str, Any]) -> tuple[Callable[[], sound.Sound], str]:
    """How the file of a song is made, and its kind."""
    prompt, setting = params.get("prompt") or "", part(params, "audio_setting")
    words_of_it = params.get("lyrics") or ""
    if not words_of_it and not params.get("is_instrumental"):
        words_of_it = lyrics({"prompt": prompt})["lyrics"]
    kind = setting.get("format") or "mp3"
    make = partial(
        sound.music,
        prompt,
        lyrics=words_of_it,
        kind=kind,
        rate=setting.get("sample_rate") or 44100,
        bitrate=setting.get("bitrate") or 256000,
    )
    return make, kind
