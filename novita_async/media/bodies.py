"""From the parameters of a model to the body that its endpoint wants."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ..catalog.check import check, with_defaults
from ..errors import CallTimeout, ValidationError
from ..runtime.arguments import given
from ..runtime.bodies import Repeatable
from ..runtime.forms import Form
from .inputs import PIECE, File
from .prepare import prepare

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from ..catalog import Model
    from ..runtime.call import Runtime
    from ..runtime.clock import Clock
    from .prepare import Prepared

__all__ = ["Body", "build", "lay_out"]

_INLINE = 1 << 20  # bytes of files that are put into one piece of JSON
_JSON = "application/json"
_MSGPACK = "application/msgpack"
_FORM = "multipart/form-data"


class Body(msgspec.Struct, frozen=True):
    """The body of a submit.

    Attributes:
        content: as it is sent.
        headers: those that go with it.
        note: what the journal writes in its place; None for the content itself.
    """

    content: bytes | AsyncIterable[bytes]
    headers: dict[str, str] = {}
    note: bytes | None = None


async def build(
    runtime: Runtime,
    model: Model,
    params: Mapping[str, Any],
    *,
    validate: bool = True,
    extra_body: Mapping[str, Any] | None = None,
    timeout: float | None = None,
) -> Body:
    """Check the parameters of a model, lay them out, and put the files in.

    Files are read in worker threads, and those that are large only while they are sent.

    Args:
        runtime: the client's.
        model: from the catalog.
        params: as they were given; None is left out.
        validate: False holds nothing against the contract. Files and sizes are written as the model wants them still.
        extra_body: merged over the top level.
        timeout: seconds for the links that have to be fetched first.

    Raises:
        ValidationError: everything that is wrong with them.
        NovitaError: a link that has to be fetched first cannot be, or not in time.
    """
    prepared = prepare(model, given(**params), lenient=not validate)
    if prepared.unseen:
        await runtime.clock.to_thread(prepared.look)
    if validate:
        prepared.problems += [each for each in check(model, prepared.params) if each not in prepared.said]
    _refuse(model, prepared.problems)
    if prepared.links:
        await _in_time(runtime, prepared, timeout)
        _refuse(model, prepared.problems)
    files = prepared.files
    body = {**lay_out(model, with_defaults(model, prepared.params)), **(extra_body or {})}
    if _FORM in model.body:
        form = _form(runtime.clock, body)
        return Body(form, form.headers, _json(body, _noted))
    if not files:
        return Body(_json(body, _refused))
    note = _json(body, _noted)
    if any(file.form == "bytes" for file in files):
        content = await runtime.clock.to_thread(partial(_msgpack, body))
        return Body(content, {"content-type": _MSGPACK}, note)
    if sum(file.size for file in files) <= _INLINE:
        return Body(await runtime.clock.to_thread(partial(_json, body, _inline)), {}, note)
    stream = _Pieces(runtime.clock, body)
    return Body(stream, stream.headers, note)


def lay_out(model: Model, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters where the endpoint wants them. Unknown ones go where most of the others are."""
    if not model.sections:
        return dict(params)
    homes = {name: section for section, names in model.sections.items() for name in names}
    last = next(reversed(model.sections))
    body: dict[str, Any] = {}
    for name, value in params.items():
        section = homes.get(name, "" if name in model.params.properties else last)
        if section:
            body.setdefault(section, {})[name] = value
        else:
            body[name] = value
    return body


class _Pieces(Repeatable):
    """A JSON text with large files in it, each read again whenever it is sent.

    Attributes:
        headers: content type, and the length, which is known before the first byte.
    """

    def __init__(self, clock: Clock, body: Mapping[str, Any]) -> None:
        mark = secrets.token_hex(16)  # nothing that a caller could have written
        files: list[File] = []

        def held(value: Any) -> str:
            file = _file(value)
            files.append(file)
            return f"{file.prefix}{mark}"

        texts = _json(body, held).split(mark.encode())
        self._clock = clock
        self._first, *rest = texts
        self._rest = list(zip(files, rest, strict=True))
        length = sum(map(len, texts)) + sum(file.text_size for file in files)
        self.headers = {"content-type": _JSON, "content-length": str(length)}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._first
        for file, text in self._rest:
            for place in range(0, file.size, PIECE):
                yield await self._clock.to_thread(partial(file.base64, place, PIECE))
            yield text


async def _in_time(runtime: Runtime, prepared: Prepared, timeout: float | None) -> None:
    scope = runtime.clock.timeout(timeout)
    try:
        async with scope:
            await prepared.fetch(runtime)
    except TimeoutError as error:
        if not scope.expired():
            raise
        raise CallTimeout("total", timeout or 0.0, sent=False) from error


def _refuse(model: Model, problems: list[str]) -> None:
    if problems:
        raise ValidationError(*(f"{model.id}: {problem}" for problem in problems))


def _form(clock: Clock, body: Mapping[str, Any]) -> Form:
    """A body as a form. A list is its name several times, and whatever has parts is JSON."""
    fields: list[tuple[str, str]] = []
    files: list[tuple[str, File]] = []
    for name, value in body.items():
        for each in cast("list[Any]", value) if isinstance(value, (list, tuple)) else [value]:
            if isinstance(each, File):
                files.append((name, each))
            elif each is not None:
                fields.append((name, each if isinstance(each, str) else _json(each, _refused).decode()))
    return Form(clock, fields, files)


def _json(value: Any, hook: Callable[[Any], Any]) -> bytes:
    """JSON, in which `hook` says what stands for a file."""
    try:
        return msgspec.json.encode(value, enc_hook=hook)
    except (TypeError, ValueError) as error:
        raise ValidationError(f"the request cannot be written as JSON: {error}") from error


def _msgpack(value: Any) -> bytes:
    try:
        return msgspec.msgpack.encode(value, enc_hook=lambda value: _file(value).content())
    except (TypeError, ValueError, OverflowError) as error:
        raise ValidationError(f"the request cannot be written as MessagePack: {error}") from error


def _refused(value: Any) -> Any:
    raise TypeError(f"{type(value).__name__} is nothing that it can carry")


def _file(value: Any) -> File:
    return value if isinstance(value, File) else _refused(value)


def _inline(value: Any) -> str:
    return _file(value).text()


def _noted(value: Any) -> str:
    return _file(value).note
