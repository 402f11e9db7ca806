"""The results of a batch, put back into the order of its requests without holding them (contract/llm.md 12).

Output comes in any order, so the files are kept on disk, and the places of their lines in memory. What reads and
decodes blocks, and runs in a worker thread.
"""

from __future__ import annotations

import re
import tempfile
from array import array
from typing import IO, TYPE_CHECKING, Any, Generic, TypeVar, cast

import msgspec

from ..errors import APIError, NovitaError, ProtocolError
from ..wire.json import Object, decode, encode, remember
from ..wire.problem import api_error, embedded_error

if TYPE_CHECKING:
    from .batch_lines import LinesFile

__all__ = ["BatchResult", "ResultFile", "Results"]

T = TypeVar("T")

_CHUNK_LINES = 256
_CHUNK_BYTES = 4 << 20
_BUFFER = 1 << 18
_CUSTOM_ID = re.compile(rb'"custom_id"\s*:\s*("(?:[^"\\]|\\.)*")')


class BatchResult(Object, Generic[T]):
    """What became of one request. `raw` is its line as the platform wrote it; empty when there was none.

    Attributes:
        index: of the request, counted from 0.
        custom_id: of the request.
        value: the answer; None when there is an error.
        error: an `APIError` with `reason` and `message` when the request was refused, or not done before the batch
            ended (`batch_expired`, `batch_cancelled`, `no_result`); a `ProtocolError` when its line cannot be read.
    """

    index: int
    custom_id: str
    value: T | None = None
    error: NovitaError | None = None


class _Head(msgspec.Struct):
    custom_id: str


class _Response(msgspec.Struct):
    status_code: int = 0
    body: msgspec.Raw = msgspec.Raw(b"null")


class _Line(msgspec.Struct):
    response: _Response | None = None
    error: Any = None


_HEADS = msgspec.json.Decoder(_Head)
_LINES = msgspec.json.Decoder(_Line, strict=False)


class ResultFile:
    """A result file that was fetched, without a name. A `Sink`.

    Args:
        label: what it is called in messages, such as "output file file_1".
    """

    def __init__(self, label: str) -> None:
        self.label = label
        self.file: IO[bytes] | None = None

    def restart(self) -> None:
        """Forget what was written."""
        if self.file is None:
            self.file = tempfile.TemporaryFile(buffering=_BUFFER)  # noqa: SIM115 - closed by its owner
        self.file.seek(0)
        self.file.truncate()

    def write(self, data: bytes) -> object:
        """Write at the end."""
        assert self.file is not None, "restart comes first"
        return self.file.write(data)

    def close(self) -> None:
        """Let go of it. Safe to call twice."""
        if self.file is not None:
            self.file.close()


class Results(Generic[T]):
    """The results of one input file, in its order.

    Args:
        requests: the input file, whose ids are read again.
        decoder: of the answers.
        missing: the error of a request that has no line, as reason and words.
        secret: the API key, blotted out of errors.

    Attributes:
        problems: what was found in the result files and belongs to no request.
    """

    def __init__(
        self, requests: LinesFile, decoder: msgspec.json.Decoder[T], *, missing: tuple[str, str], secret: str
    ) -> None:
        self.problems: list[str] = []
        self._first = requests.first
        self._decoder = decoder
        self._missing = missing
        self._secret = secret
        requests.file.seek(0)
        self._ids = [_HEADS.decode(line).custom_id for line in requests.file]
        self._numbers = {custom_id: number for number, custom_id in enumerate(self._ids)}
        self._places = array("q", [-1]) * len(self._ids)
        self._sources = array("b", [0]) * len(self._ids)
        self._lines = array("q", [0]) * len(self._ids)
        self._broken: dict[int, str] = {}
        self._strays = 0
        self._files: list[ResultFile] = []

    def add(self, source: ResultFile) -> None:
        """Take a file over, to be closed with the others; see `index`."""
        self._files.append(source)

    def index(self, source: ResultFile) -> None:
        """Find the lines of the file that was added last."""
        assert source.file is not None, "it was fetched"
        source.file.seek(0)
        place = 0
        for number, line in enumerate(source.file, 1):
            if line.strip():
                self._index_line(f"line {number} of the {source.label}", number, place, line)
            place += len(line)

    def _index_line(self, name: str, number: int, place: int, line: bytes) -> None:
        error = ""
        custom_id = None
        try:
            custom_id = _HEADS.decode(line).custom_id
        except (msgspec.DecodeError, UnicodeDecodeError) as problem:
            error = f"{name} cannot be read: {problem}"
            custom_id = _id_in(line)  # of a line that was cut off, the beginning is still there
        index = self._numbers.get(custom_id) if custom_id is not None else None
        if index is None:
            self._strays += 1
            self.problems.append(error or f"{name} is for {custom_id!r}, which was not asked for")
        elif self._places[index] >= 0:
            self.problems.append(error or f"{name} is a second one for {custom_id!r}")
        else:
            self._places[index] = place
            self._lines[index] = number
            self._sources[index] = len(self._files) - 1
            if error:
                self.problems.append(error)
                self._broken[index] = error

    def chunk(self, start: int) -> list[BatchResult[T]]:
        """Some results from this one on; none at the end."""
        found: list[BatchResult[T]] = []
        size = 0
        for number in range(start, min(start + _CHUNK_LINES, len(self._ids))):
            line = self._read(number)
            found.append(self._result(number, line))
            size += len(line)
            if size >= _CHUNK_BYTES:
                break
        return found

    def _read(self, number: int) -> bytes:
        place = self._places[number]
        if place < 0:
            return b""
        file = self._files[self._sources[number]].file
        assert file is not None, "it was indexed"
        file.seek(place)
        return file.readline()

    def _result(self, number: int, line: bytes) -> BatchResult[T]:
        result: BatchResult[T] = BatchResult(index=self._first + number, custom_id=self._ids[number])
        if number in self._broken:
            result.error = ProtocolError(self._broken[number], body=line)
        elif not line:
            reason, words = self._missing
            words += f"; {self._strays} lines of the result files belong to no request" if self._strays else ""
            result.error = APIError(words, reason=reason)
        else:
            remember(result, line)
            self._fill(result, number, line)
        return result

    def _fill(self, result: BatchResult[T], number: int, line: bytes) -> None:
        name = f"line {self._lines[number]} of the {self._files[self._sources[number]].label}"
        try:
            found = _LINES.decode(line)
            response, error = found.response, found.error
            body = bytes(response.body) if response is not None else b"null"
            status = response.status_code if response is not None else 0
            if status >= 400 and body != b"null":
                result.error = api_error(status, {}, body, secret=self._secret)
            elif error:
                result.error = self._refusal(status, error)
            elif status >= 400:
                result.error = api_error(status, {}, b"", secret=self._secret)
            else:
                result.value = self._value(body)
        except (msgspec.DecodeError, ProtocolError) as problem:
            result.error = ProtocolError(f"{name} cannot be read: {problem}", body=line)
        except APIError as refusal:
            result.error = refusal

    def _refusal(self, status: int, error: object) -> APIError:
        """From the `error` of a line, whose shape nobody documents: text, or an object with code and message."""
        fields: dict[str, Any] = cast("dict[str, Any]", error) if isinstance(error, dict) else {"message": error}
        code = fields.get("code")
        if not status and isinstance(code, (int, str)) and str(code).isdigit():
            status = int(code)
        return api_error(status, {}, encode({"error": fields}), secret=self._secret)

    def _value(self, body: bytes) -> T:
        try:
            return decode(self._decoder, body)
        except ProtocolError:
            refusal = embedded_error(_json(body), headers={}, body=body, secret=self._secret)
            if refusal is not None:
                raise refusal from None
            raise

    def close(self) -> None:
        """Let go of the result files. Safe to call twice."""
        for source in self._files:
            source.close()


def _json(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _id_in(line: bytes) -> str | None:
    """The id in a line that is no JSON."""
    match = _CUSTOM_ID.search(line)
    found = _json(match[1]) if match is not None else None
    return found if isinstance(found, str) else None
