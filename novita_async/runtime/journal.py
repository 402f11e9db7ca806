"""What was submitted and not yet fetched, on disk, so that a crash costs no paid work. Off unless a path is given.

The order is the point: an intent is written before the submit is sent, the id right after the answer, both before the
caller has the handle. Whatever moment the process dies at, the file says either "submitted as X" or "may have been
sent", and the second is reported, never repeated.

One SQLite file in WAL mode, so that several processes of one machine may share it. Every statement runs off the event
loop, one at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, TypeVar

import msgspec

from ..errors import ClientClosed, ConfigError
from .clock import uninterrupted

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from .clock import Clock

__all__ = ["Entry", "Journal", "Part"]

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS submits (
    key TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    request BLOB NOT NULL,
    created REAL NOT NULL,
    task_id TEXT
)
"""
_PARTS = """
CREATE TABLE IF NOT EXISTS batch_parts (
    key TEXT NOT NULL,
    part INTEGER NOT NULL,
    created REAL NOT NULL,
    file_id TEXT,
    creating INTEGER NOT NULL DEFAULT 0,
    batch_id TEXT,
    PRIMARY KEY (key, part)
)
"""


class Entry(msgspec.Struct, frozen=True):
    """A submit whose end is not known.

    Attributes:
        key: made by this side before the submit, so that a row can be settled whatever happened to its writer.
        kind: the product, which knows how to wait for it.
        request: the JSON that was sent or was about to be.
        created: Unix seconds.
        task_id: None when the process ended between sending and the answer: it may or may not have started.
    """

    key: str
    kind: str
    request: bytes
    created: float
    task_id: str | None


class Part(msgspec.Struct, frozen=True):
    """How far one file of a run of batches has come.

    Attributes:
        known: it was begun before, perhaps by a process that is gone.
        created: when it was begun, Unix seconds.
        file_id: of the upload; None when it was not made, or its answer not noted down.
        creating: the batch may have been created.
        batch_id: None when it was not created, or its answer not noted down.
    """

    known: bool
    created: float
    file_id: str | None = None
    creating: bool = False
    batch_id: str | None = None


class Journal:
    """The journal of one client, or of many processes on one machine.

    Args:
        path: the file, made with its directory on first use, readable by its owner only.
        clock: runs the statements off the loop.

    Raises:
        ConfigError: by every method; the file cannot be opened, read or written.
    """

    def __init__(self, path: str | os.PathLike[str], clock: Clock) -> None:
        self._path = os.fspath(path)
        self._clock = clock
        self._lock = asyncio.Lock()
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    async def intend(self, key: str, kind: str, request: bytes) -> None:
        """Write down what is about to be submitted. On disk when this returns."""
        row = (key, kind, request, self._clock.time())
        await self._run(
            lambda db: db.execute("INSERT INTO submits (key, kind, request, created) VALUES (?, ?, ?, ?)", row)
        )

    async def submitted(self, key: str, task_id: str) -> None:
        """Write down the id that the platform gave."""
        await self._run(lambda db: db.execute("UPDATE submits SET task_id = ? WHERE key = ?", (task_id, key)))

    async def settle(self, key: str) -> None:
        """Forget a submit: it was refused, or its end was delivered."""
        await self._run(lambda db: db.execute("DELETE FROM submits WHERE key = ?", (key,)))

    async def settle_task(self, task_id: str) -> None:
        """Forget a submit by the id that the platform gave it."""
        await self._run(lambda db: db.execute("DELETE FROM submits WHERE task_id = ?", (task_id,)))

    async def unfinished(self) -> list[Entry]:
        """Every submit whose end was not delivered, oldest first."""
        rows = await self._run(
            lambda db: db.execute(
                "SELECT key, kind, request, created, task_id FROM submits ORDER BY created, rowid"
            ).fetchall()
        )
        return [Entry(*row) for row in rows]

    async def begin_part(self, key: str, part: int) -> Part:
        """Write down that a file of a run is about to be uploaded, or give what an earlier run of the same wrote.

        Args:
            key: what the run is known by: the same for the same input.
            part: number of the file in it.
        """
        now = self._clock.time()

        def begin(db: sqlite3.Connection) -> Part:
            query = "SELECT created, file_id, creating, batch_id FROM batch_parts WHERE key = ? AND part = ?"
            row = db.execute(query, (key, part)).fetchone()
            if row is not None:
                created, file_id, creating, batch_id = row
                return Part(True, created, file_id, bool(creating), batch_id)
            db.execute("INSERT INTO batch_parts (key, part, created) VALUES (?, ?, ?)", (key, part, now))
            return Part(False, now)

        return await self._run(begin)

    async def uploaded(self, key: str, part: int, file_id: str) -> None:
        """Write down the id of an upload."""
        query = "UPDATE batch_parts SET file_id = ? WHERE key = ? AND part = ?"
        await self._run(lambda db: db.execute(query, (file_id, key, part)))

    async def creating(self, key: str, part: int) -> None:
        """Write down that a batch is about to be created."""
        query = "UPDATE batch_parts SET creating = 1 WHERE key = ? AND part = ?"
        await self._run(lambda db: db.execute(query, (key, part)))

    async def created(self, key: str, part: int, batch_id: str) -> None:
        """Write down the id of a batch."""
        query = "UPDATE batch_parts SET batch_id = ? WHERE key = ? AND part = ?"
        await self._run(lambda db: db.execute(query, (batch_id, key, part)))

    async def forget_parts(self, key: str, part: int | None = None) -> None:
        """Forget a run, or one file of it: its end was delivered."""
        query = "DELETE FROM batch_parts WHERE key = ? AND part = coalesce(?, part)"
        await self._run(lambda db: db.execute(query, (key, part)))

    async def aclose(self) -> None:
        """Close the file. Safe to call twice."""
        async with self._lock:
            self._closed = True
            connection, self._connection = self._connection, None
            if connection is not None:
                await self._clock.to_thread(connection.close)

    async def _run(self, statement: Callable[[sqlite3.Connection], T]) -> T:
        return await uninterrupted(self._in_turn(statement))

    async def _in_turn(self, statement: Callable[[sqlite3.Connection], T]) -> T:
        async with self._lock:
            if self._closed:
                raise ClientClosed("the client and its journal were closed")
            return await self._clock.to_thread(lambda: self._execute(statement))

    def _execute(self, statement: Callable[[sqlite3.Connection], T]) -> T:
        import sqlite3  # only for those who keep a journal

        try:
            if self._connection is None:
                self._connection = self._open()
            with self._connection:  # commits, or rolls back
                return statement(self._connection)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"the journal {self._path} cannot be used: {error}") from error

    def _open(self) -> sqlite3.Connection:
        import sqlite3

        directory = os.path.dirname(self._path)
        if directory:
            os.makedirs(directory, exist_ok=True)
        # The requests may hold private prompts and pictures.
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(self._path, check_same_thread=False, timeout=30)
        try:
            _set_up(connection)
        except sqlite3.Error:
            connection.close()
            raise
        return connection


def _set_up(connection: sqlite3.Connection) -> None:
    import sqlite3

    # Another process may be switching the mode at this moment. It belongs to the file, so either of them will do.
    with contextlib.suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode = WAL")
    # A submit costs money: what the journal says is on the disk, not in a buffer.
    connection.execute("PRAGMA synchronous = FULL")
    with connection:
        connection.execute(_SCHEMA)
        connection.execute(_PARTS)
