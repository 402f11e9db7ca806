"""Answers of every shape, read as one: where each API puts its files, its words and the voice it made.

Contract: image.md 2 and 10, video.md, platform.md "Audio formats and chunks", and the three specs.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar, cast

import msgspec

from ..wire.json import decode
from .kinds import Encoding, Inline, is_link, plain, suffix_of
from .outputs import Audio, Image, NSFWVerdict, Output, Place, Source, Video

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..runtime.call import Runtime
    from .outputs import Again

__all__ = ["Files", "fields_of", "flat", "known", "number", "rest", "text_of", "voice_of"]

T = TypeVar("T", bound=Output)

_LONG = 64 * 1024  # bytes of JSON; a string as long as that, where a file stands, is the file and no link

#: Where files of a kind stand, and how their bytes are written where the answer has them in it.
_PLACES: dict[str, tuple[tuple[str, Encoding], ...]] = {
    "image": (
        ("images", "base64"),
        ("image_urls", "base64"),
        ("binary_data_base64", "base64"),
        ("image_file", "base64"),
    ),
    "video": (("videos", "base64"),),
    "audio": (
        ("audios", "hex"),
        ("audio", "hex"),
        ("audio_url", "hex"),
        ("demo_audio_url", "hex"),
        ("trial_audio", "hex"),
    ),
}
_TEXTS = ("prompt", "text", "lyrics")
_VOICES = ("voice_id", "voice", "_id")
_FILES = frozenset(name for places in _PLACES.values() for name, _ in places)
_OWN = frozenset({"task", "extra", "image_type", *_TEXTS, *_VOICES}) | _FILES


def fields_of(runtime: Runtime, body: bytes) -> dict[str, Any]:
    """Decode an answer, long files left as their JSON: one of many megabytes must not hold up the loop.

    Raises:
        ProtocolError: it is no JSON object.
    """
    if len(body) <= _LONG:
        return decode(runtime.decoders(dict[str, Any]), body)
    return _short(decode(runtime.decoders(dict[str, msgspec.Raw]), body), False)


def _short(inside: dict[str, msgspec.Raw], file: bool) -> dict[str, Any]:
    return {name: _value(raw, file or name in _FILES) for name, raw in inside.items()}


def _value(raw: msgspec.Raw, file: bool) -> Any:
    view = memoryview(raw)
    start = view[:1].tobytes() if len(view) > _LONG else b""
    if start == b"{":
        return _short(msgspec.json.decode(raw, type=dict[str, msgspec.Raw]), file)
    if start == b"[":
        return [_value(each, file) for each in msgspec.json.decode(raw, type=list[msgspec.Raw])]
    return raw if start and file else msgspec.json.decode(raw)


def flat(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with those under `data` beside them: MiniMax and wrapped answers put everything there."""
    if (inside := _object(fields.get("data"))) is None:
        return fields
    return {**inside, **{name: value for name, value in fields.items() if name != "data"}}


def text_of(fields: dict[str, Any]) -> str:
    """The words of an answer: a prompt, a transcript or lyrics."""
    return _first(fields, _TEXTS)


def voice_of(fields: dict[str, Any]) -> str:
    """The id of a voice that was made."""
    return _first(fields, _VOICES)


def _first(fields: dict[str, Any], names: tuple[str, ...]) -> str:
    found = (fields.get(name) for name in names)
    return next((value for value in found if isinstance(value, str) and value), "")


def known(fields: dict[str, Any]) -> bool:
    """Whether an answer without a task and without a file is one all the same: words, also none of them, a voice, or
    MiniMax's word that all went well."""
    words = any(isinstance(fields.get(name), str) for name in (*_TEXTS, *_VOICES))
    return words or isinstance(fields.get("base_resp"), dict)


def rest(fields: dict[str, Any]) -> dict[str, Any]:
    """What has no attribute of its own, the platform's `extra` spread among it."""
    others = {name: value for name, value in fields.items() if name not in _OWN}
    return {**others, **(_object(fields.get("extra")) or {})}


class _Item(msgspec.Struct, frozen=True):
    """One file of an answer: a link or the file as text, how its bytes are written, and what is said of it."""

    place: str | msgspec.Raw
    encoding: Encoding
    about: dict[str, Any]


class Files:
    """The files of an answer, made into outputs.

    Args:
        runtime: the client's.
        fields: the answer, flat.
        task_id: of the task that they belong to; "" where there is none to read.
        again: how one is read once more.
    """

    def __init__(self, runtime: Runtime, fields: dict[str, Any], task_id: str, again: Again) -> None:
        self._runtime = runtime
        self._fields = fields
        self._task_id = task_id
        self._again = again
        self._extra = _object(fields.get("extra")) or {}
        debug = _object(self._extra.get("debug_info")) or {}
        ended = number(debug.get("complete_time_ms")) / 1000
        self._made = ended if ended > 0 else runtime.clock.time()

    def images(self) -> list[Image]:
        """Its pictures."""
        judged = self._extra.get("has_nsfw_contents")
        flags = cast("list[Any]", judged) if isinstance(judged, list) else []
        made: list[Image] = []
        for item in self._items("image"):
            verdict = _verdict(item.about, flags[len(made)] if len(made) < len(flags) else None)
            made.append(self._fill(Image(nsfw=verdict), "image", len(made), item))
        return made

    def videos(self) -> list[Video]:
        """Its videos."""
        return [self._fill(Video(), "video", at, item) for at, item in enumerate(self._items("video"))]

    def audios(self) -> list[Audio]:
        """Its recordings."""
        return [
            self._fill(Audio(audio_metadata=item.about.get("audio_metadata")), "audio", at, item)
            for at, item in enumerate(self._items("audio"))
        ]

    def _items(self, kind: str) -> Iterator[_Item]:
        link, told = f"{kind}_url", f"{kind}_type"
        info = _object(self._fields.get("extra_info")) or {}
        beside = {told: self._fields.get(told) or info.get("audio_format")}
        for name, encoding in _PLACES[kind]:
            value = self._fields.get(name)
            for each in cast("list[Any]", value) if isinstance(value, list) else [value]:
                if (about := _object(each)) is not None:
                    place = about.get(link) or about.get("url") or ""
                    if _is_place(place):
                        yield _Item(place, encoding, about)
                elif each and _is_place(each):
                    yield _Item(each, encoding, beside)

    def _fill(self, output: T, kind: str, at: int, item: _Item) -> T:
        found, about = item.place, item.about
        output.type = plain(about.get(f"{kind}_type"))
        if isinstance(found, str) and (is_link(found) or not found):
            output.url = found
            output.type = output.type or suffix_of(found)
            output.ttl = _seconds(about.get(f"{kind}_url_ttl"))
            if output.ttl is not None:
                output.expires_at = _moment(self._made + output.ttl)
            place = Place(self._again, self._task_id, f"{kind}s", at) if self._task_id else None
            source = Source(self._runtime, place=place)
        else:
            inline = Inline(found, item.encoding)
            output.type = output.type or inline.type()
            source = Source(self._runtime, inline=inline)
        vars(output)["_source"] = source
        return output


def _is_place(value: object) -> TypeGuard[str | msgspec.Raw]:
    return isinstance(value, str | msgspec.Raw)


def _object(value: object) -> dict[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _verdict(about: dict[str, Any], flag: object) -> NSFWVerdict | None:
    said = _object(about.get("nsfw_detection_result"))
    if said and said.get("valid"):
        return NSFWVerdict(confidence=number(said.get("confidence")))
    return NSFWVerdict(confidence=100.0 if flag else 0.0) if isinstance(flag, bool) else None


def number(value: object) -> float:
    """A number that may come as text, be empty or be missing; 0 for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return 0.0
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return 0.0
    return found if abs(found) < 1e18 else 0.0


def _seconds(value: object) -> float | None:
    """The life of a link: "0" and nothing mean that no end is stated (contract/image.md 3)."""
    found = number(value)
    return found if found > 0 else None


def _moment(seconds: float) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (ValueError, OverflowError, OSError):  # a number that is no moment
        return None
