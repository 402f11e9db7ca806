"""What is uploaded as a form: a file of this machine, bytes, or what is open already, read in pieces off the loop."""

from __future__ import annotations

import io
import os
import stat
import threading
from typing import IO, Any, TypeAlias, TypeGuard, cast

from ..errors import ValidationError

__all__ = ["FileParam", "Source"]

_KIND = "application/jsonl"

_Content: TypeAlias = "str | os.PathLike[str] | bytes | IO[bytes]"
#: A file to upload: its path, its bytes, an open binary file, or any of these after the name to give it.
FileParam: TypeAlias = "_Content | tuple[str, _Content] | tuple[str, _Content, str]"


class Source:
    """A file to upload. `open`, `read` and `close` block: they run in a worker thread.

    Args:
        file: see `FileParam`.

    Attributes:
        name: of the file, as the platform will know it.
        kind: media type.
        size: in bytes, once it is open.

    Raises:
        ValidationError: it is nothing that can be uploaded.
    """

    def __init__(self, file: FileParam) -> None:
        self.name: str = ""
        self.kind: str = _KIND
        self.size = 0
        content = cast("Any", file)
        if isinstance(file, tuple):
            parts: tuple[Any, ...] = content
            if len(parts) not in (2, 3) or not all(isinstance(part, str) for part in (parts[0], *parts[2:])):
                raise ValidationError("file: a tuple is (name, content) or (name, content, media type)")
            self.name, content = parts[0], parts[1]
            self.kind = parts[2] if len(parts) == 3 else _KIND
        if _is_path(content):
            self.name = self.name or os.path.basename(os.fspath(content))
        elif isinstance(content, (bytes, bytearray)):
            content = bytes(content)
        elif not hasattr(content, "read"):
            raise ValidationError(f"file must be a path, bytes or an open binary file, got {type(content).__name__}")
        else:
            name = getattr(content, "name", "")
            self.name = self.name or (os.path.basename(name) if isinstance(name, str) else "")
        self.name = self.name or "upload.jsonl"
        self._content = content
        self._file: IO[bytes] | None = None
        self._ours = True
        self._start = 0
        self._lock = threading.Lock()

    def open(self) -> None:
        """Open it and measure it.

        Raises:
            ValidationError: it cannot be read.
        """
        content = self._content
        try:
            if isinstance(content, bytes):
                self._file = io.BytesIO(content)
            elif _is_path(content):
                if not stat.S_ISREG(os.stat(content).st_mode):  # a pipe would be waited for without end
                    raise OSError("it is not a file")
                self._file = open(content, "rb")  # noqa: SIM115 - closed by close()
            else:
                self._file, self._ours = self._given(cast("IO[Any]", content))
            self._start = 0 if self._ours else self._file.tell()
            self.size = self._file.seek(0, io.SEEK_END) - self._start
        except (OSError, ValueError) as error:  # ValueError: a path with a NUL byte, a file that is closed
            raise ValidationError(f"file: {self.name!r} cannot be read: {error}") from error

    def _given(self, file: IO[Any]) -> tuple[IO[bytes], bool]:
        seekable = getattr(file, "seekable", None)
        if seekable is not None and seekable() and not isinstance(file, io.TextIOBase):
            return file, False
        data: object = file.read()  # its length must be known before the first byte is sent
        if not isinstance(data, bytes):
            raise ValidationError("file: it is open as text; open it with mode 'rb'")
        return io.BytesIO(data), True

    def read(self, offset: int, size: int) -> bytes:
        """Some bytes from a place in it; none once it is closed."""
        with self._lock:  # an attempt that was given up may be read for by its transport a moment longer
            if self._file is None or self._file.closed:
                return b""
            self._file.seek(self._start + offset)
            return self._file.read(size)

    def close(self) -> None:
        """Close what `open` opened."""
        with self._lock:
            if self._file is not None and self._ours:
                self._file.close()
            self._file = None


def _is_path(content: Any) -> TypeGuard[str | os.PathLike[str]]:
    return isinstance(content, (str, os.PathLike))
