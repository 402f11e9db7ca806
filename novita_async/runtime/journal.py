"""What was submitted and not yet fetched, on disk, so that a crash costs no paid work. Off unless a path is given.

The order is the point: an intent is written before the submit is sent, the id right after the answer, both before the
caller has the handle. Whatever moment the process dies at, the file says either "submitted as X" or "may have been
sent", and the second is reported, never repeated.

What was submitted is forgotten when its end was delivered, which the caller may say (`Task.settle`). A process that
dies between the two finds the task again and delivers it again: so a delivery is made in a way that twice is once, such
as a file under a name that comes from the task's id.

One SQLite file in WAL mode, so that several processes of one machine may share it. What is asked for while the disk is
being waited for is carried out together, off the event loop, in one transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..errors import ClientClosed, ConfigError
from .clock import uninterrupted

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from .clock import Clock

__all__ = ["Entry", "Journal", "News", "Part"]

T = TypeVar("T")

_HEARD_KEPT = 120.0  # seconds in which every process that waits has looked
_CLAIMS_KEPT = 31 * 86400.0  # seconds; the platform has forgotten the task before
_NEWS = 5000  # rows of one look

_SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS submits (
    key TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    request BLOB NOT NULL,
    created REAL NOT NULL,
    task_id TEXT,
    webhook TEXT NOT NULL DEFAULT ''
)
""",
    "CREATE INDEX IF NOT EXISTS submits_by_task ON submits (task_id)",
    """
CREATE TABLE IF NOT EXISTS batch_parts (
    key TEXT NOT NULL,
    part INTEGER NOT NULL,
    created REAL NOT NULL,
    file_id TEXT,
    creating INTEGER NOT NULL DEFAULT 0,
    batch_id TEXT,
    PRIMARY KEY (key, part)
)
""",
    # Numbers of rows that are gone are not given again: whoever has looked asks for those above the last one.
    """
CREATE TABLE IF NOT EXISTS heard (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    task_id TEXT NOT NULL,
    said BLOB
)
""",
    "CREATE INDEX IF NOT EXISTS heard_by_time ON heard (at)",
    "CREATE TABLE IF NOT EXISTS claims (task_id TEXT PRIMARY KEY, at REAL NOT NULL)",
    "CREATE INDEX IF NOT EXISTS claims_by_time ON claims (at)",
)
_ENTRY = "SELECT key, kind, request, created, task_id, webhook FROM submits"


class Entry(msgspec.Struct, frozen=True):
    """A submit whose end is not known.

    Attributes:
        key: made by this side before the submit, so that a row can be settled whatever happened to its writer.
        kind: the product, which knows how to wait for it.
        request: the JSON that was sent or was about to be.
        created: Unix seconds.
        task_id: None when the process ended between sending and the answer: it may or may not have started.
        webhook: "" when no webhook was asked for; "yes", or "test" for one that only plays an end.
    """

    key: str
    kind: str
    request: bytes
    created: float
    task_id: str | None
    webhook: str = ""


class News(msgspec.Struct, frozen=True):
    """An event of which some process heard.

    Attributes:
        number: grows with every event.
        task_id: whose it is.
        said: the payload, where the event is one of a test.
    """

    number: int
    task_id: str
    said: bytes | None


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
        self._orders: list[_Order] = []
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    async def intend(self, key: str, kind: str, request: bytes, webhook: str = "") -> None:
        """Write down what is about to be submitted. On disk when this returns."""
        row = (key, kind, request, self._clock.time(), webhook)
        query = "INSERT INTO submits (key, kind, request, created, webhook) VALUES (?, ?, ?, ?, ?)"
        await self._run(lambda db: db.execute(query, row))

    async def submitted(self, key: str, task_id: str) -> None:
        """Write down the id that the platform gave."""
        await self._run(lambda db: db.execute("UPDATE submits SET task_id = ? WHERE key = ?", (task_id, key)))

    async def settle(self, key: str) -> None:
        """Forget a submit: it was refused, or its end was delivered."""
        await self._run(lambda db: db.execute("DELETE FROM submits WHERE key = ?", (key,)))

    async def settle_all(self, keys: Iterable[str], task_ids: Iterable[str]) -> None:
        """Forget many submits at once, by their keys or by the ids that the platform gave them."""

        def forget(db: sqlite3.Connection) -> None:
            db.executemany("DELETE FROM submits WHERE key = ?", [(key,) for key in keys])
            db.executemany("DELETE FROM submits WHERE task_id = ?", [(task_id,) for task_id in task_ids])

        await self._run(forget)

    async def unfinished(self) -> list[Entry]:
        """Every submit whose end was not delivered, oldest first."""
        rows = await self._run(lambda db: db.execute(f"{_ENTRY} ORDER BY created, rowid").fetchall())
        return [Entry(*row) for row in rows]

    # ------------------------------------------------------------------------------ what webhooks tell

    async def hear(self, task_id: str, said: bytes | None = None) -> Entry | None:
        """Write down that there is news of a task, for the process that waits for it; and give what is known of it."""
        now = self._clock.time()

        def hear(db: sqlite3.Connection) -> Any:
            db.execute("DELETE FROM heard WHERE at < ?", (now - _HEARD_KEPT,))
            db.execute("INSERT INTO heard (at, task_id, said) VALUES (?, ?, ?)", (now, task_id, said))
            return db.execute(f"{_ENTRY} WHERE task_id = ?", (task_id,)).fetchone()

        row = await self._run(hear)
        return None if row is None else Entry(*row)

    async def news(self, seen: int, unknown: Iterable[str] = ()) -> tuple[list[News], list[Entry]]:
        """What was heard since a look that saw the number `seen`, and what is known of some ids by now."""

        def look(db: sqlite3.Connection) -> tuple[list[Any], list[Any]]:
            query = "SELECT number, task_id, said FROM heard WHERE number > ? ORDER BY number LIMIT ?"
            heard = db.execute(query, (seen, _NEWS)).fetchall()
            found = [db.execute(f"{_ENTRY} WHERE task_id = ?", (task_id,)).fetchone() for task_id in unknown]
            return heard, [row for row in found if row is not None]

        heard, found = await self._run(look)
        return [News(*row) for row in heard], [Entry(*row) for row in found]

    async def claim(self, task_id: str) -> bool:
        """Take the right to deliver the end of a task. Of all that ever ask, in any process, one gets it."""
        now = self._clock.time()

        def claim(db: sqlite3.Connection) -> bool:
            db.execute("DELETE FROM claims WHERE at < ?", (now - _CLAIMS_KEPT,))
            row = (task_id, now)
            return db.execute("INSERT OR IGNORE INTO claims (task_id, at) VALUES (?, ?)", row).rowcount == 1

        return await self._run(claim)

    # --------------------------------------------------------------------------------- runs of batches

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
        order = _Order(statement)
        self._orders.append(order)
        async with self._lock:
            if not order.done:  # whoever had the lock before may have carried it out along with theirs
                if self._closed:
                    raise ClientClosed("the client and its journal were closed")
                orders, self._orders = self._orders, []
                await self._clock.to_thread(lambda: self._execute(orders))
        if order.error is not None:
            raise order.error
        return order.value

    def _execute(self, orders: list[_Order]) -> None:
        import sqlite3  # only for those who keep a journal

        try:
            if self._connection is None:
                self._connection = self._open()
            with self._connection:  # commits, or rolls back
                for order in orders:
                    order.value = order.statement(self._connection)
        except Exception as error:
            if len(orders) > 1:  # one that cannot be carried out does not take the others with it
                for order in orders:
                    self._execute([order])
                return
            orders[0].error = error
            if isinstance(error, OSError | sqlite3.Error):
                orders[0].error = ConfigError(f"the journal {self._path} cannot be used: {error}")
                orders[0].error.__cause__ = error
        for order in orders:
            order.done = True

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


class _Order:
    """A statement, and what came of it."""

    __slots__ = ("done", "error", "statement", "value")

    def __init__(self, statement: Callable[[sqlite3.Connection], Any]) -> None:
        self.statement = statement
        self.done = False
        self.value: Any = None
        self.error: Exception | None = None


def _set_up(connection: sqlite3.Connection) -> None:
    import sqlite3

    # Another process may be switching the mode at this moment. It belongs to the file, so either of them will do.
    with contextlib.suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode = WAL")
    # A submit costs money: what the journal says is on the disk, not in a buffer.
    connection.execute("PRAGMA synchronous = FULL")
    with connection:
        for statement in _SCHEMA:
            connection.execute(statement)
    columns = {row[1] for row in connection.execute("PRAGMA table_info(submits)")}
    if "webhook" not in columns:  # a file of an earlier version; another process may be adding it at this moment
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("ALTER TABLE submits ADD COLUMN webhook TEXT NOT NULL DEFAULT ''")
