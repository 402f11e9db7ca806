"""A file on its way to the disk: never half-written under its own name."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pathlib
    from typing import BinaryIO

__all__ = ["PartFile"]


class PartFile:
    """A file under a name that is new and hidden until it is whole, and gone again on every way out but the good one.

    Every method blocks: they run in a worker thread.

    Args:
        path: its name in the end. The directory is made when something is written.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
        self._file: BinaryIO | None = None

    def restart(self) -> None:
        """Forget what was written."""
        self.discard()
        self._file = None

    def write(self, data: bytes) -> None:
        """Write at the end."""
        if self._file is None:
            self._part.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._part.open("xb", buffering=0)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def finish(self, data: bytes = b"") -> None:
        """Write the rest, wait until the disk has it all, and give the file its name."""
        self.write(data)
        assert self._file is not None  # write has made it
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._part, self._path)

    def discard(self) -> None:
        """Let nothing of it stay. Safe to call twice."""
        if self._file is not None:
            self._file.close()
            self._part.unlink(missing_ok=True)
