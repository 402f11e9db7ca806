"""`novita.webhooks`: the platform tells when a task has ended (contract/image.md 4, platform.md "Webhooks").

Novita signs nothing, so an event is never believed. What guards the door is a token in the path, new for every submit;
what comes through it only hurries the read of its task, and that read counts. Nothing is queued but ids.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import msgspec

from ..errors import ClientClosed, ConfigError, ValidationError
from ..runtime.call import Answer
from ..transport.protocol import Headers
from .results import reading_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

    from ..runtime.call import Runtime
    from ..runtime.task import Reading, Task
    from ..runtime.tasks import TaskSet
    from .results import MediaResult
    from .webhook_apps import ASGIApp

__all__ = ["Receiver", "Webhooks", "address_of"]

_RECEIVER = "media.webhooks"
_LABEL = b"novita-async webhooks"
_NONCE = 16  # bytes of a token; its mark has the other 32
_TOKEN = 64  # characters of both
_LEAST_SECRET = 16  # characters
_BODY_LIMIT = 2.0  # seconds for a body to come; the platform gives 5 for everything
_NOTE_LIMIT = 2.0  # seconds for an event to be noted down
_MOST_NOTES = 1000  # at once
_LONGEST_ID = 200


class Webhooks:
    """The client's receiver of events, and the addresses at which it has them delivered."""

    def __init__(self, runtime: Runtime, tasks: TaskSet) -> None:
        self._runtime = runtime
        self._tasks = tasks

    def receiver(
        self,
        url: str,
        *,
        on_done: Callable[[Task[Any]], Awaitable[object] | object] | None = None,
        secret: str | None = None,
        max_body: int = 1 << 20,
    ) -> Receiver:
        """Make the client's receiver. From then on every submit whose model documents webhooks asks for one.

        The reads of such tasks go on, five times as seldom and at least once a minute: events can be lost. Several
        workers may stand behind the address, if they share the API key (or the secret) and, by `journal=`, one journal:
        then an event that came to one of them reaches the one that waits, within a second or two. The receiver is
        served in the event loop of its client.

        Args:
            url: where the platform finds the receiver, http or https; a token is added to its path for each submit.
            on_done: called with each task of this client that was submitted with a webhook, and with each in the shared
                journal whose event comes here, once it has ended, well or not: `await task.wait()` then returns or
                raises at once. It is called once for each task, by whichever of the workers that share the journal is
                first, and may be async. When it has returned, the journal forgets the task. What it raises goes to the
                loop's exception handler, and the task stays in the journal for `tasks.resume()`, as it does when the
                process dies inside; `on_done` is not called for it again.
            secret: what the tokens are made with, at least 16 characters; made from the API key when not given.
            max_body: bytes of an event; a larger one is refused.

        Raises:
            ValidationError: an argument cannot be one, or the client has a receiver already.
            ConfigError: there is neither an API key nor a secret.

        Example:
            async def done(task):
                result = await task.wait(settle=False)
                await result.save("pictures")

            receiver = novita.webhooks.receiver("https://example.com/hooks/novita", on_done=done)
            app = aiohttp.web.Application()
            app.add_subapp("/hooks/novita", receiver.aiohttp())

        Contract: image.md section 4; platform.md, "Webhooks".
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
            raise ValidationError(f"url must be an http address without a query, got {url!r}")
        if secret is not None and len(secret) < _LEAST_SECRET:
            raise ValidationError(f"secret must have at least {_LEAST_SECRET} characters, it has {len(secret)}")
        if max_body < 1:
            raise ValidationError(f"max_body must be at least 1, got {max_body!r}")
        if _RECEIVER in self._runtime.shared:
            raise ValidationError("the client has its receiver already")
        if secret is None:
            key = hmac.digest(self._runtime.settings.require_key().encode(), _LABEL, hashlib.sha256)
        else:
            key = secret.encode()
        hearing = self._tasks.hearing
        hearing.on_done = on_done
        hearing.read_test = self._read_test
        receiver = Receiver(self._runtime, self._tasks, url.rstrip("/"), key, max_body)
        self._runtime.shared[_RECEIVER] = receiver
        return receiver

    def address(self) -> str | None:
        """A fresh address for one submit; None when the client has no receiver.

        The SDK puts it into the submits of models that document webhooks. Use it for a body that you write yourself.
        """
        return address_of(self._runtime)

    def _read_test(self, task_id: str, payload: bytes) -> Reading[MediaResult]:
        return reading_of(self._runtime, task_id, Answer(200, Headers({"content-type": "application/json"}), payload))


def address_of(runtime: Runtime) -> str | None:
    """A fresh address at the client's receiver; None when it has none."""
    receiver: Receiver | None = runtime.shared.get(_RECEIVER)
    return receiver.address() if receiver is not None else None


class Receiver:
    """What `webhooks.receiver` gives: two applications to choose from, of one behaviour.

    Anything but a POST is answered with 405, a wrong token with 404 and too large a body with 413, all without reading
    it; a body that does not come within two seconds with 408. Everything else gets a 200 at once, also what is no event
    of a task. Only an event that cannot be noted down within two seconds gets a 503, and the platform sends it again.
    Nothing is logged here. A server's own log of requests shows the tokens: all that one can do is hurry a read.

    Attributes:
        url: where the platform finds it.
        events: those of tasks that came so far, repeated ones included.
    """

    def __init__(self, runtime: Runtime, tasks: TaskSet, url: str, key: bytes, max_body: int) -> None:
        self.url = url
        self.events = 0
        self._runtime = runtime
        self._tasks = tasks
        self._key = key
        self._max_body = max_body
        self._notes: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Receiver {self.url} events={self.events}>"

    def aiohttp(self) -> web.Application:
        """An `aiohttp.web.Application`, to be added to another one or to be served by itself."""
        from .webhook_apps import aiohttp_app

        return aiohttp_app(self)

    def asgi(self) -> ASGIApp:
        """An ASGI 3 application, to be mounted in another one or to be served by itself."""
        from .webhook_apps import asgi_app

        return asgi_app(self)

    def address(self) -> str:
        """A fresh address for one submit."""
        nonce = secrets.token_bytes(_NONCE)
        return f"{self.url}/{base64.urlsafe_b64encode(nonce + self._mark(nonce)).decode()}"

    async def answer(self, method: str, token: str, length: int | None, receive: Callable[[], Awaitable[bytes]]) -> int:
        """The status that a request gets, once it was taken care of. For applications of one's own.

        Args:
            method: upper case.
            token: the last part of the path.
            length: the Content-Length, where there is one.
            receive: gives the next bytes of the body, none when it is over.
        """
        if method != "POST":
            return 405
        if not self._knows(token):
            return 404
        if length is not None and length > self._max_body:
            return 413
        try:
            self._runtime.enter()
            async with self._runtime.clock.timeout(_BODY_LIMIT):
                body = await self._read(receive)
        except ClientClosed:
            return 503
        except TimeoutError:
            return 408
        if body is None:
            return 413
        event = _event(body)
        return 200 if event is None or await self._take(*event) else 503

    def _mark(self, nonce: bytes) -> bytes:
        return hmac.digest(self._key, nonce, hashlib.sha256)

    def _knows(self, token: str) -> bool:
        if len(token) != _TOKEN:
            return False
        try:
            data = base64.b64decode(token, altchars=b"-_", validate=True)
        except ValueError:
            return False
        return hmac.compare_digest(data[_NONCE:], self._mark(data[:_NONCE]))

    async def _read(self, receive: Callable[[], Awaitable[bytes]]) -> bytes | None:
        body = bytearray()
        while data := await receive():
            body += data
            if len(body) > self._max_body:
                return None
        return bytes(body)

    async def _take(self, task_id: str, test: bytes | None) -> bool:
        """Let the event be heard; False when that did not succeed in time. It is then heard later, or again."""
        if len(self._notes) >= _MOST_NOTES:
            return False
        self.events += 1
        note = asyncio.get_running_loop().create_task(self._tasks.hearing.hear(task_id, test))
        self._notes.add(note)
        note.add_done_callback(self._noted)
        try:
            async with self._runtime.clock.timeout(_NOTE_LIMIT):
                await asyncio.shield(note)
        except (TimeoutError, ConfigError, ClientClosed):
            return False
        return True

    def _noted(self, note: asyncio.Task[None]) -> None:
        self._notes.discard(note)
        if not note.cancelled():
            note.exception()  # seen: whoever waited for it was told, and the platform sends the event again


def _event(body: bytes) -> tuple[str, bytes | None] | None:
    """The task that an event is about, and the event's payload where it says that it is one of a test."""
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if _at(value, "event_type") != "ASYNC_TASK_RESULT":
        return None
    task_id = _at(value, "payload", "task", "task_id")
    if not isinstance(task_id, str) or not 0 < len(task_id) <= _LONGEST_ID:
        return None
    test = _at(value, "payload", "extra", "webhook", "test_mode", "enabled") is True
    return task_id, msgspec.json.encode(_at(value, "payload")) if test else None


def _at(value: Any, *path: str) -> Any:
    """What stands there in JSON of unknown shape; None for nothing."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = cast("dict[str, Any]", value).get(name)
    return value
