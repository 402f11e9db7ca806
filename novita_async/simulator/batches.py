"""Batches: their life follows from the clock, and their lines are answered when somebody looks (contract/llm.md 12).

A look at a batch answers the lines that are due by now, the last line of the input first, because the platform
promises no order. So the counts are always true, a batch that is cancelled or expires delivers what was due by then,
and nothing runs for a batch that nobody looks at.
"""

from __future__ import annotations

import asyncio
import datetime
import hashlib
from array import array
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from . import keys
from .catalog import MODELS
from .files import Files, StoredFile, invalid, not_found
from .router import Call, Router, json_reply

if TYPE_CHECKING:
    from ..runtime.clock import Clock
    from ..transport.protocol import Reply
    from .faults import Outcome
    from .llm import LLM

__all__ = ["Batches"]

_MAX_LINES = 50_000
_WINDOW = 48 * 3600.0
_VALIDATING = 0.1  # of the time that a batch takes
_CANCELLING = 0.05
_BLOCK = 128  # lines that are answered in one turn of the loop
_KEPT = 1024  # answers of a batch that are kept for requests that come again
_TERMINAL = frozenset({"completed", "failed", "expired", "cancelled"})
_OFFSET = datetime.timezone(datetime.timedelta(hours=8))


class _Create(msgspec.Struct):
    input_file_id: str
    endpoint: Literal["/v1/chat/completions", "/v1/completions"]
    completion_window: str = "48h"
    metadata: dict[str, Any] | None = None


class _Body(msgspec.Struct):
    model: str


class _Line(msgspec.Struct):
    custom_id: str
    body: _Body


class _Request(msgspec.Struct):
    custom_id: str
    body: msgspec.Raw


_LINES = msgspec.json.Decoder(_Line)
_REQUESTS = msgspec.json.Decoder(_Request)


class _Batch:
    """One batch. What blocks runs in a worker thread."""

    def __init__(
        self, identifier: str, created: _Create, input: StoredFile, now: float, seconds: float, outcome: Outcome | None
    ) -> None:
        self.id = identifier
        self.order = created
        self.input = input
        self.outcome = outcome
        self.lock = asyncio.Lock()
        after = outcome.after if outcome is not None else None
        told = outcome.status if outcome is not None else None
        if after is not None and told is None:
            seconds = after
        self.created = now
        self.begins = now + _VALIDATING * seconds
        self.ends = now + seconds
        self.expires = now + _WINDOW
        if told == "expired":
            self.expires = now + (seconds / 2 if after is None else after)
        self.turns = now + (_VALIDATING * seconds if after is None else after)  # into failed, or into what nobody knows
        self.cancelled: float | None = None
        self.settled = _CANCELLING * seconds  # from being cancelled to having ended
        self.status = "validating"
        self.errors = ""
        self.total = input.total
        self.done = 0
        self.failed = 0
        self.ended: float | None = None
        self.output: StoredFile | None = None
        self.refused: StoredFile | None = None
        self.offsets: array[int] | None = None
        self.answers: dict[bytes, tuple[int, dict[str, Any]]] = {}

    def check(self) -> str:
        """Look through the input, and say what is wrong with it."""
        offsets, seen, model, place = array("q"), set[str](), "", 0
        with self.input.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    try:
                        request = _LINES.decode(line)
                    except (msgspec.DecodeError, UnicodeDecodeError) as error:
                        return f"line {number}: {error}"
                    if not request.custom_id or request.custom_id in seen:
                        return f"line {number}: custom_id {request.custom_id!r} is empty or used twice"
                    if model and request.body.model != model:
                        return f"line {number}: all requests of a file must name the same model"
                    seen.add(request.custom_id)
                    model = request.body.model
                    offsets.append(place)
                place += len(line)
        if not offsets:
            return "the file has no requests"
        if len(offsets) > _MAX_LINES:
            return f"the file has {len(offsets)} requests; at most {_MAX_LINES} are allowed"
        known = MODELS.get(model)
        if known is None or "batch-api" not in known.wire()["endpoints"]:
            return f"model {model} does not support batches"
        offsets.append(place)
        self.offsets = offsets
        return ""

    def next_lines(self, count: int) -> list[_Request]:
        """The next lines to answer, the last one first."""
        assert self.offsets is not None, "it was checked"
        stop = self.total - self.done
        first, last = self.offsets[stop - count], self.offsets[stop]
        with self.input.path.open("rb") as file:
            file.seek(first)
            lines = file.read(last - first).splitlines()
        return [_REQUESTS.decode(line) for line in reversed(lines) if line.strip()]

    def store(self, count: int, failed: int, good: bytes, bad: bytes) -> None:
        """Write the answers of the next lines, and have these done."""
        for data, file in ((good, self.output), (bad, self.refused)):
            if data and file is not None:
                file.append(data)
        self.done += count
        self.failed += failed

    def due(self, now: float) -> int:
        """How many lines are to be done by now."""
        until = min(now, self.expires, self.ends if self.cancelled is None else self.cancelled)
        share = (until - self.begins) / (self.ends - self.begins) if self.ends > self.begins else 1.0
        return int(self.total * min(1.0, max(0.0, share)))

    def wire(self, *, shout: bool = False) -> dict[str, Any]:
        """The batch as the platform tells it."""
        counts = {"total": self.total, "completed": self.done - self.failed, "failed": self.failed}
        status, ended = self.status, self.ended
        begun = status not in ("validating", "failed") and (self.cancelled is None or self.cancelled >= self.begins)
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": self.order.endpoint,
            "errors": self.errors,
            "input_file_id": self.input.id,
            "output_file_id": self.output.id if self.output is not None and ended is not None else "",
            "error_file_id": self.refused.id if self.refused is not None and ended is not None else "",
            "completion_window": self.order.completion_window,
            # The platform's table has upper case, its example lower case.
            "status": status.upper() if shout else status,
            "version": self.done,
            "created_at": _moment(self.created),
            "updated_at": _moment(self.created if ended is None else ended),
            "in_progress_at": _moment(self.begins) if begun else None,
            "expires_at": _moment(self.expires),
            "finalizing_at": _moment(ended) if status == "completed" else None,
            "completed_at": _moment(ended) if status == "completed" else None,
            "failed_at": _moment(ended) if status == "failed" else None,
            "expired_at": _moment(ended) if status == "expired" else None,
            "cancelling_at": _moment(self.cancelled),
            "cancelled_at": _moment(ended) if status == "cancelled" else None,
            "created_by": "00000000-0000-4000-8000-000000000000",
            "created_by_key_id": "key_simulator",
            "remark": "",
            **counts,
            "metadata": self.order.metadata or {},
            "request_counts": counts,
        }


class Batches:
    """`/openai/v1/batches`.

    Args:
        clock: what the life of a batch follows.
        api_key: the good key.
        seed: part of what decides the ids.
        files: where input comes from and output goes.
        llm: answers the lines.
        seconds: how long a batch takes.
    """

    def __init__(self, *, clock: Clock, api_key: str, seed: int, files: Files, llm: LLM, seconds: float) -> None:
        self._clock = clock
        self._keys = keys.Keys(api_key, keys.LLM)
        self._seed = seed
        self._files = files
        self._llm = llm
        self._seconds = seconds
        self._batches: dict[str, _Batch] = {}

    def routes(self, router: Router) -> None:
        guard = self._keys.guard
        router.add("POST", "/openai/v1/batches", guard(self._create))
        router.add("GET", "/openai/v1/batches", guard(self._list))
        router.add("GET", "/openai/v1/batches/{batch}", guard(self._retrieve))
        router.add("POST", "/openai/v1/batches/{batch}/cancel", guard(self._cancel))

    async def _create(self, call: Call) -> Reply:
        try:
            order: _Create = await call.json(_Create)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise invalid(str(error)) from None
        file = self._files.find(order.input_file_id)
        if file.purpose != "batch":
            raise invalid(f"file {file.id} is not for batches: its purpose is {file.purpose}")
        identifier = f"batch_{_digest(self._seed, 'batch', len(self._batches))}"
        batch = _Batch(identifier, order, file, self._clock.time(), self._seconds, call.outcome)
        self._batches[identifier] = batch
        return json_reply(batch.wire())

    async def _list(self, call: Call) -> Reply:
        del call
        batches = list(reversed(self._batches.values()))
        for batch in batches:
            await self._look(batch)
        ends = (batches[0].id, batches[-1].id) if batches else ("", "")
        return json_reply(
            {
                "object": "list",
                "data": [batch.wire(shout=True) for batch in batches],
                "first_id": ends[0],
                "last_id": ends[1],
                "has_more": False,
            }
        )

    async def _retrieve(self, call: Call) -> Reply:
        batch = self._find(call)
        await self._look(batch)
        return json_reply(batch.wire())

    async def _cancel(self, call: Call) -> Reply:
        batch = self._find(call)
        await self._look(batch)
        if batch.status in _TERMINAL - {"cancelled"}:
            raise invalid(f"batch {batch.id} is {batch.status} and cannot be cancelled")
        if batch.cancelled is None:
            batch.cancelled = self._clock.time()
            batch.status = "cancelling"
        return json_reply(batch.wire())

    def _find(self, call: Call) -> _Batch:
        batch = self._batches.get(call.params["batch"])
        if batch is None:
            raise not_found(f"batch {call.params['batch']} not found")
        return batch

    async def _look(self, batch: _Batch) -> None:
        """Bring a batch to where it is by now. A look that is broken off leaves the rest to the next one."""
        async with batch.lock:
            now = self._clock.time()
            try:
                await self._advance(batch, now)
            except FileNotFoundError:
                batch.status, batch.ended, batch.errors = "failed", now, "the input file was deleted"

    async def _advance(self, batch: _Batch, now: float) -> None:
        outcome = batch.outcome
        if batch.ended is not None or (now < batch.begins and batch.cancelled is None):
            return
        if outcome is not None and outcome.status not in (None, "expired") and now >= batch.turns:
            batch.status, batch.errors = outcome.status or "failed", outcome.reason
            batch.ended = batch.turns
            return
        if batch.offsets is None and now >= batch.begins:
            batch.errors = await self._clock.to_thread(batch.check)
            if batch.errors:
                batch.status, batch.ended, batch.total = "failed", batch.begins, 0
                return
            batch.total = len(batch.offsets or ()) - 1
        batch.status = "progress" if batch.cancelled is None else "cancelling"
        await self._answer(batch, batch.due(now))
        if batch.cancelled is not None:
            self._end(batch, "cancelled", batch.cancelled + batch.settled, now)
        elif batch.expires < batch.ends:
            self._end(batch, "expired", batch.expires, now)
        else:
            self._end(batch, "completed", batch.ends, now)

    def _end(self, batch: _Batch, status: str, when: float, now: float) -> None:
        if now >= when:
            batch.status, batch.ended = status, when
            batch.answers.clear()
            for file in (batch.output, batch.refused):
                if file is not None:
                    self._files.publish(file)

    async def _answer(self, batch: _Batch, due: int) -> None:
        while batch.done < due:
            count = min(_BLOCK, due - batch.done)
            requests = await self._clock.to_thread(partial(batch.next_lines, count))
            good, bad = bytearray(), bytearray()
            failed = 0
            for request in requests:
                status, body = await self._one(batch, bytes(request.body))
                line = _output_line(batch, request, status, body)
                if status < 400:
                    good += line
                else:
                    failed += 1
                    bad += line
            if good and batch.output is None:
                batch.output = await self._files.new(f"{batch.id}_output.jsonl", "batch_output")
            if bad and batch.refused is None:
                batch.refused = await self._files.new(f"{batch.id}_error.jsonl", "batch_output")

            await self._clock.to_thread(partial(batch.store, count, failed, bytes(good), bytes(bad)))

    async def _one(self, batch: _Batch, request: bytes) -> tuple[int, dict[str, Any]]:
        """The answer of one line. The same request has the same answer, which need not be made again."""
        known = batch.answers.get(request)
        if known is None:
            known = await self._llm.answer(batch.order.endpoint, msgspec.json.decode(request))
            if len(batch.answers) < _KEPT:
                batch.answers[request] = known
        return known


def _output_line(batch: _Batch, request: _Request, status: int, body: dict[str, Any]) -> bytes:
    error = None if status < 400 else {"code": body.get("reason") or str(status), "message": body.get("message", "")}
    identifier = _digest(batch.id, request.custom_id)
    if "id" in body:
        body = {**body, "id": identifier}
    line = {
        "id": f"batch_req_{identifier}",
        "custom_id": request.custom_id,
        "error": error,
        "response": {"status_code": status, "request_id": request.custom_id, "body": body},
    }
    return msgspec.json.encode(line) + b"\n"


def _digest(*parts: object) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=10).hexdigest()


def _moment(seconds: float | None) -> str | None:
    """RFC 3339 with nanoseconds and the offset of Beijing, as the platform writes it."""
    if seconds is None:
        return None
    whole = datetime.datetime.fromtimestamp(int(seconds), _OFFSET)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{int(seconds % 1 * 1e9):09d}+08:00"
