"""`sandbox.code`: code in kernels that keep what it defines (contract/sandbox.md 7)."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from ..errors import CommandTimeout, ValidationError
from ..runtime.arguments import check_timeout, given, json_body
from ..runtime.attempts import Attempts
from ..runtime.retry import Replay
from ..wire.json import Object, decode
from .arguments import check_path, check_strings
from .code_stream import CodeReader, CodeStream
from .execution import Execution, ExecutionError, Result
from .output import Output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..runtime.call import Call
    from ..transport.protocol import Response
    from .envd import Envd
    from .ports import Ports

__all__ = ["PORT", "Code", "CodeContext"]

PORT = 49999
_DAY = 86400.0

#: Gets a piece of what code gives; awaited when it returns something to await.
TextHandler: TypeAlias = Callable[[str], Awaitable[None] | None]
ResultHandler: TypeAlias = Callable[[Result], Awaitable[None] | None]
ErrorHandler: TypeAlias = Callable[[ExecutionError], Awaitable[None] | None]


class CodeContext(Object):
    """A kernel: code that runs in it finds what was defined there before.

    Attributes:
        id: its id in the sandbox.
        language: such as python.
        cwd: the directory that it started in.
    """

    id: str = ""
    language: str = "python"
    cwd: str = ""


class _ContextTold(Object):
    id: str | None = None
    context_id: str | None = None
    language: str | None = None
    cwd: str | None = None


class _ContextsTold(Object):
    contexts: list[_ContextTold] = msgspec.field(default_factory=list)


class Code:
    """`sandbox.code`."""

    def __init__(self, envd: Envd, ports: Ports) -> None:
        self._envd = envd
        self._ports = ports

    async def run(
        self,
        code: str,
        *,
        language: str | None = None,
        context: CodeContext | str | None = None,
        envs: Mapping[str, str] | None = None,
        timeout: float | None = 300.0,
        on_stdout: TextHandler | None = None,
        on_stderr: TextHandler | None = None,
        on_result: ResultHandler | None = None,
        on_error: ErrorHandler | None = None,
    ) -> Execution:
        """Run code and wait for its end.

        It needs a template with a code interpreter, such as "code-interpreter-v1". Code that fails raises nothing: how
        it failed is in `Execution.error`. A call that is cancelled, left by an error of a handler, or over its time,
        interrupts its code; the context stays.

        Args:
            code: what to run. It finds what was defined in its context before.
            language: python, javascript, typescript, bash, r or java, as the template has them; None for python. Each
                has a context of its own that is used here.
            context: the context to run it in, or its id, in place of `language`.
            envs: environment variables for this code, undone after it.
            timeout: seconds from now that it may take, waiting for its turn included; None for as long as the sandbox
                lives. Held here, whatever the sandbox says meanwhile.
            on_stdout: called with each piece of text that it writes, in order, and awaited if that can be awaited.
            on_stderr: the same for the other stream.
            on_result: the same for each result.
            on_error: the same for its error.

        Returns:
            Its `Execution`.

        Raises:
            ValidationError: an argument cannot be sent. Nothing was.
            CommandTimeout: it ran over its `timeout`; `partial` is an `Execution` with what there was.
            SandboxEnded: the sandbox is gone or paused; with `partial` too.
            SandboxUnreachable: the sandbox is said to run and does not answer; with `partial` too.
            NotFound: there is no such context.
            ServerError: the language is not to be had.

        Example:
            execution = await sandbox.run_code("x = 20 + 1\\nx * 2")
            assert execution.text == "42"

        Contract: sandbox.md section 7; sandbox-envd.openapi.yaml, POST /execute.
        """
        handlers: dict[type[Any], Callable[[Any], Awaitable[None] | None] | None]
        handlers = {Result: on_result, ExecutionError: on_error}
        writers = {"stdout": on_stdout, "stderr": on_stderr}
        async with await self.stream(code, language=language, context=context, envs=envs, timeout=timeout) as stream:
            async for event in stream:
                if isinstance(event, Output):
                    writer = writers.get(event.type)
                    waiting = writer(event.text) if writer is not None else None
                else:
                    handler = handlers[type(event)]
                    waiting = handler(event) if handler is not None else None
                if inspect.isawaitable(waiting):
                    await waiting
            return stream.execution

    async def stream(
        self,
        code: str,
        *,
        language: str | None = None,
        context: CodeContext | str | None = None,
        envs: Mapping[str, str] | None = None,
        timeout: float | None = 300.0,
    ) -> CodeStream:
        """Run code and read what it gives as it comes. The arguments and the errors are those of `run`.

        Example:
            async with await sandbox.code.stream("for i in range(3): print(i)") as stream:
                async for event in stream:
                    print(event)

        Contract: sandbox.md section 7.
        """
        if not isinstance(code, str):  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
            raise ValidationError(f"code must be text, got {type(code).__name__}")
        if context is not None and language is not None:
            raise ValidationError("context and language exclude each other: a context has its language")
        body = {
            "code": code,
            "context_id": None if context is None else _id_of(context),
            "language": _check_language(language),
            "env_vars": check_strings("envs", envs, variables=True) if envs is not None else None,
        }
        check_timeout(timeout)
        envd, clock = self._envd, self._envd.runtime.clock
        deadline = None if timeout is None else clock.monotonic() + timeout
        call = self._call("POST", "/execute", body, replay=Replay.SUBMITS, attempt=timeout or _DAY)
        scope = clock.timeout(timeout)
        try:
            async with scope:
                opened = await envd.open(Attempts(envd.runtime, call), self._reader, first_event=None, idle=None)
        except TimeoutError as error:
            if timeout is None or not scope.expired():
                raise
            late = CommandTimeout(timeout, sandbox_id=envd.sandbox_id)
            late.partial = Execution()
            raise late from error
        return CodeStream(envd, opened, timeout=timeout, deadline=deadline)

    async def create_context(
        self, *, language: str | None = None, cwd: str | None = None, timeout: float | None = None
    ) -> CodeContext:
        """Make a context.

        Args:
            language: as of `run`.
            cwd: the directory that it starts in; None for /home/user.
            timeout: the call in seconds, retries and waits included.

        Raises:
            ServerError: the language is not to be had, or the directory is not there.

        Contract: sandbox-envd.openapi.yaml, POST /contexts.
        """
        body = given(language=_check_language(language), cwd=None if cwd is None else check_path("cwd", cwd))
        call = self._call("POST", "/contexts", body, replay=Replay.SUBMITS, timeout=check_timeout(timeout))
        answer = await self._envd.request(call)
        return _context(self._envd.runtime.decode(answer, _ContextTold), answer.body)

    async def contexts(self, *, timeout: float | None = None) -> list[CodeContext]:
        """The contexts of the sandbox, those that are there from the start included.

        Args:
            timeout: the call in seconds, retries and waits included.

        Contract: sandbox-envd.openapi.yaml, GET /contexts.
        """
        answer = await self._envd.request(self._call("GET", "/contexts", timeout=check_timeout(timeout)))
        runtime = self._envd.runtime
        if answer.body.lstrip().startswith(b"{"):
            return [
                _context(told, msgspec.json.encode(told)) for told in runtime.decode(answer, _ContextsTold).contexts
            ]
        decoder = runtime.decoders(_ContextTold)
        raws = runtime.decode(answer, list[msgspec.Raw])
        return [_context(decode(decoder, bytes(raw)), bytes(raw)) for raw in raws]

    async def restart_context(self, context: CodeContext | str, *, timeout: float | None = None) -> None:
        """Start a context anew: what was defined in it is gone, and code that runs in it ends with an error.

        Args:
            context: the context, or its id.
            timeout: the call in seconds, retries and waits included.

        Raises:
            NotFound: there is no such context.

        Contract: sandbox-envd.openapi.yaml, POST /contexts/{context_id}/restart.
        """
        path = f"/contexts/{_id_of(context)}/restart"
        await self._envd.request(self._call("POST", path, {}, timeout=check_timeout(timeout)))

    async def remove_context(self, context: CodeContext | str, *, timeout: float | None = None) -> None:
        """Remove a context. Raises what `restart_context` raises.

        Args:
            context: the context, or its id.
            timeout: the call in seconds, retries and waits included.

        Contract: sandbox-envd.openapi.yaml, DELETE /contexts/{context_id}.
        """
        path = f"/contexts/{_id_of(context)}"
        await self._envd.request(self._call("DELETE", path, timeout=check_timeout(timeout)))

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None, **options: Any) -> Call:
        url, headers = self._ports.address(PORT, path)
        headers |= {"novita-sandbox-port": str(PORT)}
        data = None
        if body is not None:
            data = json_body(body)
            headers["content-type"] = "application/json"
        call = self._envd.call(method, path, body=data, headers=headers, **options)
        call.url = url
        return call

    def _reader(self, response: Response) -> CodeReader:
        return CodeReader(self._envd.runtime)


def _id_of(context: CodeContext | str) -> str:
    found = context.id if isinstance(context, CodeContext) else context
    if not isinstance(found, str) or not found or not found.isascii() or not found.replace("-", "").isalnum():  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
        raise ValidationError(f"context must be a CodeContext or the id of one, got {context!r}")
    return found


def _check_language(language: str | None) -> str | None:
    if language is not None and (not isinstance(language, str) or not language.strip()):  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
        raise ValidationError(f"language must be the name of one, got {language!r}")
    return language


def _context(told: _ContextTold, body: bytes) -> CodeContext:
    context = CodeContext(id=told.id or told.context_id or "", language=told.language or "python", cwd=told.cwd or "")
    vars(context)["_body"] = body
    return context
