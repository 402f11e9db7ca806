"""Files and sizes among the parameters of a model: found where the catalog says, and turned into what is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ..errors import APIError, ProtocolError
from ..runtime.gather import gather
from .inputs import File, Held, Link, Unusable, plain_text, recognise
from .links import LinkStream
from .pixels import sides

if TYPE_CHECKING:
    from ..catalog import Media, Model, Schema, Size
    from ..runtime.call import Runtime

__all__ = ["Prepared", "prepare"]

_SIZE = re.compile(r"\s*(\d+)\s*[*xX\u00d7]\s*(\d+)\s*")
_MOST_FETCHED = 100 << 20  # bytes of a file behind a link, where the contract states no limit
_AT_ONCE = 4  # links that are fetched at the same time
_PICTURES = frozenset({"png", "jpeg", "webp", "gif", "bmp", "tiff", "heic", "avif"})
_SOUNDS = frozenset({"mp3", "wav", "flac", "ogg", "opus", "m4a"})
_CLIPS = frozenset({"mp4", "mov", "webm"})
_KINDS = {
    "image": _PICTURES,
    "audio": _SOUNDS | _CLIPS,  # what has a picture may have a sound as well
    "video": _CLIPS | {"gif"},
    "image-or-video": _PICTURES | _CLIPS,
}


class _Place(NamedTuple):
    """Where a file stands among the parameters: `holder[key]`."""

    holder: Any
    key: Any
    path: str
    media: Media


class Prepared:
    """Parameters on their way.

    Attributes:
        params: a copy, with sizes as text and each file as a text, a `File`, or a `Link` until `fetch`.
        problems: what is wrong with files and sizes.
        said: problems of the check that these have said already.
    """

    def __init__(self, params: dict[str, Any], *, lenient: bool) -> None:
        self.params = params
        self.problems: list[str] = []
        self.said: set[str] = set()
        self.places: list[_Place] = []
        self._lenient = lenient

    @property
    def files(self) -> list[File]:
        """The files that are here."""
        return [each for place in self.places if isinstance(each := place.holder[place.key], File)]

    @property
    def unseen(self) -> bool:
        """Whether there is anything to look at."""
        return not all(plain_text(place.holder[place.key], place.media) for place in self.places)

    @property
    def links(self) -> bool:
        """Whether anything has to be fetched."""
        return any(isinstance(place.holder[place.key], Link) for place in self.places)

    def look(self) -> None:
        """Find out what everything is. Blocks: it runs in a worker thread."""
        for place in self.places:
            value = place.holder[place.key]
            if plain_text(value, place.media):
                continue
            try:
                found = recognise(value, place.media)
                if isinstance(found, File):
                    self._take(place, found)
            except Unusable as problem:
                if not (self._lenient and isinstance(value, str)):  # such a text is sent as it is
                    self.problems.append(f"{place.path}: {problem}")
                continue
            place.holder[place.key] = found

    async def fetch(self, runtime: Runtime) -> None:
        """Get what has to be here before it can be sent, some at a time.

        Raises:
            NovitaError: the network's own errors. What a store refuses is among the problems.
        """
        linked = [place for place in self.places if isinstance(place.holder[place.key], Link)]
        await gather([self._fetch(runtime, place) for place in linked], limit=_AT_ONCE)

    async def _fetch(self, runtime: Runtime, place: _Place) -> None:
        try:
            file = await _fetched(runtime, place.holder[place.key], place.media.max_bytes or _MOST_FETCHED)
            await runtime.clock.to_thread(file.open)
            self._take(place, file)
        except Unusable as problem:
            self.problems.append(f"{place.path}: {problem}")
        except (APIError, ProtocolError) as error:
            self.problems.append(f"{place.path}: the link cannot be fetched: {error}")
        else:
            place.holder[place.key] = file

    def _take(self, place: _Place, file: File) -> None:
        """Choose the form of a file, and hold it against the limits.

        Raises:
            Unusable: it cannot be sent here.
        """
        forms = [form for form in place.media.forms if form in ("base64", "data-uri", "bytes")]
        if forms:
            file.form = forms[-1]
        elif self._lenient:
            file.form = "data-uri"
        elif "asset" in place.media.forms:
            raise Unusable("the id of a file is wanted, not the file: media.upload() sends it first, and gives its id")
        else:
            raise Unusable("only a link is taken here, not the file: put it where it can be fetched, and give its URL")
        if not self._lenient:
            self.problems += [f"{place.path}: {problem}" for problem in _beyond(place.media, file)]


def prepare(model: Model, params: Mapping[str, Any], *, lenient: bool = False) -> Prepared:
    """Find the files, and write the sizes as the model wants them. Nothing is read yet.

    Args:
        model: from the catalog.
        params: as they were given, None left out. They are not changed.
        lenient: hold nothing against limits, and let pass whatever can be sent somehow.
    """
    prepared = Prepared(dict(params), lenient=lenient)
    known = model.params.properties
    if "size" in params and "size" not in known and "width" in known and "height" in known:
        _two_fields(prepared)
    for name in prepared.params:
        if name in known:
            _put(known[name], prepared.params, name, name, prepared.places)
    return prepared


def _two_fields(prepared: Prepared) -> None:
    """`size` for a model that has `width` and `height`."""
    params = prepared.params
    pair = _sides(params["size"])
    if pair is None:
        prepared.problems.append(f"size: (width, height) is wanted, not {params['size']!r:.60}")
        prepared.said = {"width: missing", "height: missing"}
    elif "width" in params or "height" in params:
        prepared.problems.append("size: either this, or width and height")
    else:
        params["width"], params["height"] = pair
    del params["size"]


def _put(schema: Schema, holder: Any, key: Any, path: str, places: list[_Place]) -> None:
    """Prepare the value at `holder[key]`: `holder` is a copy."""
    value = holder[key]
    schema = _chosen(schema, value)
    if schema.media is not None:
        # What can be no file at all is left to the check of types.
        if not (value is None or isinstance(value, (bool, int, float, list, tuple, Mapping))):
            places.append(_Place(holder, key, path, schema.media))
    elif schema.size is not None:
        holder[key] = _written(schema.size, value)
    elif schema.items is not None and isinstance(value, (list, tuple)):
        items = holder[key] = list(cast("list[Any]", value))
        for number in range(len(items)):
            _put(schema.items, items, number, f"{path}[{number}]", places)
    elif schema.properties and isinstance(value, Mapping):
        fields = holder[key] = dict(cast("Mapping[str, Any]", value))
        for name in fields:
            if name in schema.properties:
                _put(schema.properties[name], fields, name, f"{path}.{name}", places)


def _chosen(schema: Schema, value: Any) -> Schema:
    """Of alternatives the one that a value seems to be meant for."""
    for each in (*schema.any_of, *schema.one_of):
        if isinstance(value, Mapping):
            fits = bool(each.properties)
        elif isinstance(value, (list, tuple)):
            fits = each.items is not None
        else:
            fits = each.media is not None or each.size is not None
        if fits:
            return each
    return schema


def _sides(value: Any) -> tuple[int, int] | None:
    if isinstance(value, str):
        found = _SIZE.fullmatch(value)
        return (int(found[1]), int(found[2])) if found else None
    if not isinstance(value, (list, tuple)):
        return None
    pair = cast("list[Any]", value)
    if len(pair) != 2 or any(not isinstance(side, int) or isinstance(side, bool) for side in pair):
        return None
    return pair[0], pair[1]


def _written(size: Size, value: Any) -> Any:
    """A size as the model wants it; what is none stays what it is."""
    pair = _sides(value)
    return value if pair is None else f"{pair[0]}{size.separator}{pair[1]}"


async def _fetched(runtime: Runtime, link: Link, at_most: int) -> File:
    """A file from its link, which is sent no key.

    Raises:
        Unusable: it is larger than `at_most` bytes.
        NovitaError: it cannot be had.
    """
    if not isinstance(link.target, str):
        return Held(await link.target.bytes(), origin=link.target.url, type_=link.target.type)
    chunks: list[bytes] = []
    async with LinkStream(runtime, link.target) as stream:
        async for chunk in stream:
            chunks.append(chunk)
            if max(stream.received, stream.length or 0) > at_most:
                raise Unusable(f"what the link leads to is larger than {at_most} bytes")
    return Held(b"".join(chunks), origin=link.target)


def _beyond(media: Media, file: File) -> list[str]:
    """How a file goes beyond what is taken."""
    if not file.size:
        return ["the file is empty"]
    problems: list[str] = []
    if media.max_bytes and file.size > media.max_bytes:
        problems.append(f"{file.size} bytes, at most {media.max_bytes}")
    type_ = {"opus": "ogg", "mp4": "m4a"}.get(file.type, file.type) if media.kind == "audio" else file.type
    if type_ and type_ not in _KINDS.get(media.kind, {type_}):
        return [*problems, f"{media.kind} is wanted, and this is {type_}"]
    if media.formats and type_ not in media.formats and (type_ or media.kind == "image"):
        problems.append(f"{' or '.join(media.formats)} is wanted, and this is {type_ or 'of a type that is not known'}")
    pixels = sides(file.head, file.type)
    return problems if pixels is None else [*problems, *_beyond_sides(media, *pixels)]


def _beyond_sides(media: Media, width: int, height: int) -> list[str]:
    short, long = sorted((width, height))
    problems: list[str] = []
    if media.max_pixels and width * height > media.max_pixels:
        problems.append(f"{width} by {height} are {width * height} pixels, at most {media.max_pixels}")
    if media.min_side and short < media.min_side:
        problems.append(f"{width} by {height} pixels: a side of {short}, at least {media.min_side}")
    if media.max_side and long > media.max_side:
        problems.append(f"{width} by {height} pixels: a side of {long}, at most {media.max_side}")
    if media.max_ratio and long > short * media.max_ratio:
        problems.append(f"{width} by {height} pixels: sides of a ratio over {media.max_ratio:g}")
    return problems
