"""The requests of a batch on their way to the disk: checked, written as lines, cut into files (contract/llm.md 12).

Everything here blocks and runs in a worker thread, some requests at a time, so that neither the loop nor the memory
feels how many there are. The files have no names: they are gone with the process, however it ends.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, cast

import msgspec

from ..errors import ValidationError
from ..wire.json import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["CHAT", "TEXT", "LinesFile", "Spool", "file_requests", "numbered_requests"]

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"

_MAX_LINES = 50_000
_MAX_BYTES = 100_000_000  # the smaller one of the two things that 100 MB may mean
_SHOWN = 100
_PROMPT = {CHAT: "messages", TEXT: "prompt"}
_BUFFER = 1 << 18


class Malformed(Exception):
    """A line of a file that is no JSON."""


class LinesFile:
    """One input file, on disk and without a name.

    Attributes:
        file: the open file.
        first: index of its first request among all.
        count: requests in it.
        size: in bytes.
    """

    def __init__(self, first: int) -> None:
        self.file: IO[bytes] = tempfile.TemporaryFile(buffering=_BUFFER)  # noqa: SIM115 - closed by its owner
        self.first = first
        self.count = 0
        self.size = 0


class Spool:
    """Checks requests and writes them down, at most 50,000 and 100 MB to a file.

    Args:
        endpoint: of the batch.
        model: for the requests that name none; None when each must name it.
        max_lines: requests of a file.
        max_bytes: size of a file.

    Attributes:
        files: what was written.
    """

    def __init__(
        self, endpoint: str, model: str | None, *, max_lines: int = _MAX_LINES, max_bytes: int = _MAX_BYTES
    ) -> None:
        if endpoint not in _PROMPT:
            raise ValidationError(f"endpoint must be {CHAT} or {TEXT}, got {endpoint!r}")
        if model is not None and (not isinstance(model, str) or not model):  # pyright: ignore[reportUnnecessaryIsInstance] - a caller may
            raise ValidationError(f"model must be the id of a model, got {model!r}")
        self.files: list[LinesFile] = []
        self._endpoint = endpoint
        self._model = model
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self._count = 0
        self._ids: set[str] = set()
        self._problems: list[str] = []
        self._more = 0
        self._hash = hashlib.blake2b(digest_size=16)

    @property
    def model(self) -> str:
        """The model that all requests name."""
        return self._model or ""

    def take(self, requests: Iterator[tuple[str, object]], count: int) -> bool:
        """Take some requests, each with the words for its place; False when there are no more."""
        taken = 0
        for place, request in islice(requests, count):
            taken += 1
            self._add(place, request)
        return taken == count

    def finish(self) -> None:
        """See that everything was good.

        Raises:
            ValidationError: with everything that was found.
        """
        self._ids.clear()
        if not self._count and not self._problems:
            raise ValidationError("requests is empty: a batch has at least one")
        if self._problems:
            more = (f"and {self._more} more findings",) if self._more else ()
            raise ValidationError(*self._problems, *more)
        for part in self.files:
            part.file.flush()

    def digest(self, *parts: str) -> str:
        """What this input is known by, together with what else decides the batches."""
        hash = self._hash.copy()
        hash.update(encode(parts))
        return hash.hexdigest()

    def close(self) -> None:
        """Let go of the files. Safe to call twice."""
        for part in self.files:
            part.file.close()

    # --------------------------------------------------------------------------------------------------

    def _add(self, place: str, request: object) -> None:
        number, self._count = self._count, self._count + 1
        if isinstance(request, Malformed):
            return self._object(f"{place}: {request}")
        if not isinstance(request, Mapping):
            return self._object(f"{place} must be a dict, got {type(request).__name__}")
        line = self._line(place, number, cast("Mapping[str, Any]", request))
        if line is None or self._problems:
            return None  # nothing will be sent: only findings count from now on
        if len(line) > self._max_bytes:
            return self._object(f"{place} has {len(line)} bytes, and a file at most {self._max_bytes}")
        self._hash.update(line)
        if (
            not self.files
            or self.files[-1].count >= self._max_lines
            or self.files[-1].size + len(line) > self._max_bytes
        ):
            self.files.append(LinesFile(number))
        part = self.files[-1]
        part.file.write(line)
        part.count += 1
        part.size += len(line)
        return None

    def _line(self, place: str, number: int, request: Mapping[str, Any]) -> bytes | None:
        wrapped = "body" in request or "custom_id" in request
        body = request.get("body") if wrapped else request
        custom_id = request.get("custom_id") if wrapped else None
        if custom_id is None:
            custom_id = f"request-{number + 1:06}"
        before = len(self._problems) + self._more
        if not isinstance(custom_id, str) or not custom_id:
            self._object(f"{place}: custom_id must be text that is not empty, got {custom_id!r}")
        elif custom_id in self._ids:
            self._object(f"{place}: custom_id {custom_id!r} is used twice")
        else:
            self._ids.add(custom_id)
        if wrapped:
            if request.get("method", "POST") != "POST":
                self._object(f"{place}: method must be POST, got {request['method']!r}")
            if request.get("url", self._endpoint) != self._endpoint:
                self._object(f"{place}: url is {request['url']!r}, and the endpoint of the batch {self._endpoint}")
        if not isinstance(body, Mapping):
            return self._object(f"{place}: body must be a dict, got {type(body).__name__}")
        body = self._checked(place, cast("Mapping[str, Any]", body))
        if len(self._problems) + self._more > before:
            return None
        try:
            return encode({**(request if wrapped else {}), "custom_id": custom_id, "body": body}) + b"\n"
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            return self._object(f"{place} cannot be written as JSON: {error}")

    def _checked(self, place: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The body with its model; what is wrong with it is noted."""
        name = _PROMPT[self._endpoint]
        if not body.get(name):
            self._object(f"{place}: {name} is missing or empty")
        elif name == "messages" and not isinstance(body[name], (list, tuple)):
            self._object(f"{place}: messages must be a list, got {type(body[name]).__name__}")
        if body.get("stream"):
            self._object(f"{place}: stream is set, and a batch does not stream")
        model = body.get("model")
        if model is None:
            model = self._model
        if not isinstance(model, str) or not model:
            self._object(f"{place}: model is missing: name it in the request or with model=")
        elif self._model is None:
            self._model = model
        elif model != self._model:
            self._object(f"{place}: model is {model!r}, and all requests must name the same one, {self._model!r}")
        return {**body, "model": model}

    def _object(self, problem: str) -> None:
        if len(self._problems) < _SHOWN:
            self._problems.append(problem)
        else:
            self._more += 1


def numbered_requests(requests: Iterable[object], start: int = 0) -> Iterator[tuple[str, object]]:
    """Requests with their places."""
    return ((f"requests[{number}]", request) for number, request in enumerate(requests, start))


def file_requests(path: str | os.PathLike[str]) -> Iterator[tuple[str, object]]:
    """The lines of a JSONL file with their places. Blank ones are none.

    Raises:
        ValidationError: at the first line; it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield f"line {number}", _decoded(line)
    except (OSError, ValueError) as error:
        raise ValidationError(f"requests: {os.fspath(path)!r} cannot be read: {error}") from error


def _decoded(line: bytes) -> object:
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Malformed(str(error))
