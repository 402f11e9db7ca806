"""The code interpreter of a sandbox, port 49999 (contract/sandbox-envd.openapi.yaml, contract/sandbox.md 7)."""

from __future__ import annotations

import uuid
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import msgspec

from ...transport.protocol import Reply
from ..router import json_reply
from .kernels import Cell, Kernel, KernelError
from .paths import absolute

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ..router import Call, Router
    from .door import Door
    from .machine import Machine

__all__ = ["PORT", "CodeInterpreter"]

T = TypeVar("T")

PORT = "49999"
HOME = "/home/user"
_ALIASES = {"js": "javascript", "ts": "typescript"}


class Execution(msgspec.Struct, frozen=True):
    """Body of POST /execute."""

    code: str
    context_id: str | None = None
    language: str | None = None
    env_vars: dict[str, str] | None = None


class NewContext(msgspec.Struct, frozen=True):
    """Body of POST /contexts."""

    language: str | None = None
    cwd: str | None = None


class Context:
    """A kernel with a name."""

    def __init__(self, machine: Machine, language: str, cwd: str) -> None:
        self.id = str(uuid.uuid4())
        self.language = language
        self.cwd = cwd
        self.kernel = Kernel(machine, _spoken(language), cwd)

    def told(self) -> dict[str, str]:
        return {"id": self.id, "language": self.language, "cwd": self.cwd}


class Contexts:
    """The contexts of one sandbox. Those of Python and JavaScript are there from the start; their kernels are started
    when they are first used."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._known: dict[str, Context] = {}
        self._default: dict[str, str] = {}
        for language in ("python", "javascript"):
            if not _lacks(machine, language):
                self._add_default(language)

    def all(self) -> list[Context]:
        return list(self._known.values())

    def get(self, context_id: str) -> Context | None:
        return self._known.get(context_id)

    def default(self, language: str) -> Context:
        """The context of code that names none."""
        known = self._known.get(self._default.get(language, ""))
        return known or self._add_default(language)

    def _add_default(self, language: str) -> Context:
        context = self.add(Context(self._machine, language, HOME))
        self._default[language] = context.id
        return context

    def add(self, context: Context) -> Context:
        self._known[context.id] = context
        return context

    def remove(self, context: Context) -> None:
        self._known.pop(context.id, None)


class CodeInterpreter:
    """The API of every sandbox."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._contexts: dict[Machine, Contexts] = {}

    def add_routes(self, router: Router) -> None:
        """Serve it."""
        for method, pattern, endpoint in (
            ("POST", "/execute", self._execute),
            ("GET", "/contexts", self._list),
            ("POST", "/contexts", self._create),
            ("DELETE", "/contexts/{id}", self._remove),
            ("POST", "/contexts/{id}/restart", self._restart),
        ):
            router.add(method, pattern, endpoint)

    def health(self) -> Reply:
        """Answer of GET /health on its port."""
        return json_reply("OK")

    def _enter(self, call: Call, *, runs: bool = False) -> tuple[Machine, Contexts]:
        machine = self._door.enter_code(call, runs=runs)
        contexts = self._contexts.get(machine)
        if contexts is None:
            self._contexts = {known: its for known, its in self._contexts.items() if not known.ended}
            contexts = self._contexts[machine] = Contexts(machine)
        return machine, contexts

    async def _execute(self, call: Call) -> Reply:
        machine, contexts = self._enter(call, runs=True)
        asked = await _read(call, Execution)
        if isinstance(asked, Reply):
            return asked
        if asked.context_id and asked.language:
            return _text(400, "Only one of context_id or language can be provided")
        if asked.context_id:
            context = contexts.get(asked.context_id)
            if context is None:
                return _text(404, f"Context {asked.context_id} not found")
            language = context.language
        else:
            language = _language(asked.language)
            if lack := _lacks(machine, language):
                return _text(500, lack)
            context = contexts.default(_spoken(language))
        if any(not name or "=" in name or "\0" in name + value for name, value in (asked.env_vars or {}).items()):
            return _text(400, "env_vars holds a name or a value that no variable can have")
        if lack := await _started(context):
            return lack
        cell = Cell(code=asked.code, language=language, envs=asked.env_vars)
        return Reply(200, {"content-type": "application/x-ndjson"}, _lines(machine, context, cell))

    async def _list(self, call: Call) -> Reply:
        _, contexts = self._enter(call)
        return json_reply([context.told() for context in contexts.all()])

    async def _create(self, call: Call) -> Reply:
        machine, contexts = self._enter(call)
        asked = await _read(call, NewContext)
        if isinstance(asked, Reply):
            return asked
        language = _language(asked.language)
        if lack := _lacks(machine, language):
            return _text(500, lack)
        try:
            cwd = absolute(asked.cwd or "", HOME)
        except ValueError as error:
            return _text(500, f"Failed to create context: {error}")
        there = await machine.clock.to_thread(lambda: machine.directory(cwd))
        if not there:
            return _text(500, f"Failed to create context: {cwd} is not a directory")
        context = Context(machine, language, there)
        if lack := await _started(context):
            return lack
        return json_reply(contexts.add(context).told())

    async def _remove(self, call: Call) -> Reply:
        _, contexts = self._enter(call)
        context = contexts.get(call.params["id"])
        if context is None:
            return _text(404, f"Context {call.params['id']} not found")
        contexts.remove(context)
        await context.kernel.end()
        return json_reply(None)

    async def _restart(self, call: Call) -> Reply:
        _, contexts = self._enter(call)
        context = contexts.get(call.params["id"])
        if context is None:
            return _text(404, f"Context {call.params['id']} not found")
        try:
            await context.kernel.restart()
        except (KernelError, ProcessLookupError) as error:
            return _text(500, f"Failed to restart context: {error}")
        return json_reply(None)


async def _lines(machine: Machine, context: Context, cell: Cell) -> AsyncGenerator[bytes, None]:
    """The events of a cell, one a line. Closing this interrupts the cell."""
    async with aclosing(context.kernel.run(cell)) as events:
        async for event in events:
            if event["type"] in ("stdout", "stderr"):
                event["timestamp"] = datetime.fromtimestamp(machine.clock.time(), UTC).isoformat()
            yield msgspec.json.encode(event) + b"\n"


async def _started(context: Context) -> Reply | None:
    """Have its kernel running, or say why it is not."""
    try:
        await context.kernel.start()
    except (KernelError, ProcessLookupError) as error:
        return _text(500, f"Failed to create context: {error}")
    return None


async def _read(call: Call, type_: type[T]) -> T | Reply:
    try:
        return await call.json(type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return json_reply({"detail": [{"type": "value_error", "loc": ["body"], "msg": str(error)}]}, status=422)


def _text(status: int, words: str) -> Reply:
    return Reply(status, {"content-type": "text/plain; charset=utf-8"}, words.encode())


def _language(name: str | None) -> str:
    language = (name or "python").strip().lower()
    return _ALIASES.get(language, language)


def _spoken(language: str) -> str:
    """The language of the kernel that runs a language."""
    return "javascript" if language == "typescript" else language


def _lacks(machine: Machine, language: str) -> str:
    """What is missing for a language, or ""."""
    match _spoken(language):
        case "python" if not machine.interpreter.packages:
            return "Python kernels need ipykernel and jupyter_client: pip install 'novita-async[simulator]'"
        case "javascript" if not machine.interpreter.node:
            return "JavaScript needs node, which is not on this machine"
        case "python" | "javascript" | "bash":
            return ""
        case _:
            return f"Failed to create context: no kernel of this simulator runs {language!r}"
