"""The client: it owns the settings, the transport and the runtime, and hands them to the facades. It does nothing else.

Making one touches no event loop and opens no socket. It belongs to the loop of its first call.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any, Self, TypeVar

from .config import Limits, RetryPolicy, Settings, Timeouts, adjusted, load_settings
from .products import Products

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
    from types import TracebackType

    from .runtime.budget import Budget
    from .runtime.call import Runtime
    from .runtime.clock import Clock
    from .runtime.retry import RetryDecision
    from .runtime.scheduler import Cadence
    from .runtime.task import Read
    from .runtime.tasks import TaskSet
    from .transport.middleware import Middleware
    from .transport.protocol import Transport

__all__ = ["AsyncNovita", "run"]

T = TypeVar("T")


class AsyncNovita(Products):
    """Novita AI for asyncio.

    Args:
        api_key: NOVITA_API_KEY when not given. Needed before the first call, not before.
        base_url: NOVITA_BASE_URL; https://api.novita.ai.
        llm_base_url: NOVITA_LLM_BASE_URL; `{base_url}/openai/v1`. Any OpenAI-compatible server will do.
        api_url: NOVITA_API_URL; the sandbox control plane.
        sandbox_url: NOVITA_SANDBOX_URL; one address for the inside of all sandboxes, where the platform has one each.
        domain: NOVITA_DOMAIN; the sandbox domain.
        endpoint_base_url: NOVITA_ENDPOINT_BASE_URL; the serverless job gateway.
        assets_url: NOVITA_ASSETS_URL; where files are left for media models.
        projects_url: NOVITA_PROJECTS_URL; where projects of sandboxes are hosted.
        profile: NOVITA_PROFILE; a table of `~/.config/novita-async/config.toml`.
        timeouts: limits of time; see `Timeouts`.
        limits: bounds on what is done at once; see `Limits`.
        retry: when and how calls are repeated; see `RetryPolicy`.
        decide: replaces the decision whether an error is retried.
        cadence: replaces the decision when a waiting task is read next.
        transport: what carries the requests: a mock, a recording, `Simulator().transport()`; aiohttp when not given.
            The client closes it.
        middleware: wrapped around the transport, the first one outermost; see `log_requests`.
        journal: path of a file that remembers submitted tasks across crashes; see `tasks.resume`. None keeps none.
        clock: source of time, for tests.
        timeout: seconds for a whole call; short for `Timeouts(total=...)`, as the `openai` package has it.
        max_retries: attempts after the first; short for `RetryPolicy(attempts=...)`.
        budget: what its calls may cost together; see `Budget`.

    Raises:
        ConfigError: a setting cannot work. The message names the argument or the variable.

    Example:
        async with AsyncNovita() as novita:
            answer = await novita.chat.completions.create(
                model="deepseek/deepseek-v3.1", messages=[{"role": "user", "content": "Hello"}]
            )
            print(answer.choices[0].message.content)
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        llm_base_url: str | None = None,
        api_url: str | None = None,
        sandbox_url: str | None = None,
        domain: str | None = None,
        endpoint_base_url: str | None = None,
        assets_url: str | None = None,
        projects_url: str | None = None,
        profile: str | None = None,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        retry: RetryPolicy | None = None,
        decide: RetryDecision | None = None,
        cadence: Cadence | None = None,
        transport: Transport | None = None,
        middleware: Sequence[Middleware] = (),
        journal: str | os.PathLike[str] | None = None,
        clock: Clock | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._runtime: Runtime | None = None  # what the finalizer looks at, should a setting be refused below
        settings = load_settings(
            api_key=api_key,
            base_url=base_url,
            llm_base_url=llm_base_url,
            api_url=api_url,
            sandbox_url=sandbox_url,
            domain=domain,
            endpoint_base_url=endpoint_base_url,
            assets_url=assets_url,
            projects_url=projects_url,
            profile=profile,
            timeouts=timeouts,
            limits=limits,
            retry=retry,
        )
        self.settings: Settings = adjusted(settings, timeout, max_retries)
        self._given_transport = transport
        self._middleware = tuple(middleware)
        self._decide = decide
        self._cadence = cadence
        self._journal_path = journal
        self._clock = clock
        self._budget = budget
        self._tasks: TaskSet | None = None
        self._closed = False
        frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # the one cheap way to name the caller's line
        self._made_at = f"{frame.f_code.co_filename}:{frame.f_lineno}"

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open" if self._runtime is not None else "unused"
        counts = " ".join(f"{name}={value}" for name, value in self.stats().items() if value)
        return f"<AsyncNovita {self.settings.base_url} {state}{' ' + counts if counts else ''}>"

    @property
    def tasks(self) -> TaskSet:
        """All submitted tasks, whatever the product: wait for many, resume after a crash."""
        if self._tasks is None:
            from .runtime.journal import Journal
            from .runtime.scheduler import Scheduler, default_cadence
            from .runtime.tasks import TaskSet

            runtime = self._core()
            self._tasks = TaskSet(
                runtime,
                Scheduler(runtime),
                Journal(self._journal_path, runtime.clock) if self._journal_path is not None else None,
                kinds={
                    "media": self._media_reader,
                    "batch": lambda: self.batches.reader(),
                    "training-subject": lambda: self.images.training.reader("subject"),
                    "training-style": lambda: self.images.training.reader("style"),
                    "template": lambda: self.sandboxes.templates.reader(),
                    "serverless": lambda: self.serverless.reader(),
                },
                cancels={"serverless": lambda: self.serverless.reader().cancel},
                keeps={"serverless": 6 * 3600.0},  # contract/gpu.md 10
                cadence=self._cadence or default_cadence,
            )
        return self._tasks

    def with_options(
        self,
        *,
        timeout: float | None = None,
        max_retries: int | None = None,
        default_headers: Mapping[str, str] | None = None,
        priority: int | None = None,
        budget: Budget | None = None,
    ) -> AsyncNovita:
        """The same client under other settings: connections, gates, tasks and counters are shared, and closing one
        closes both. Cheap enough to be made for one call.

        Args:
            timeout: seconds for a whole call, `Timeouts.total`; unchanged when None.
            max_retries: attempts after the first, `RetryPolicy.attempts` less one; unchanged when None.
            default_headers: headers of every call.
            priority: where calls wait for their turn, those with a higher one go first; 0 when never given.
            budget: of these calls, in place of the client's; the same object for calls that share one.

        Example:
            answer = await novita.with_options(timeout=5, max_retries=0).chat.completions.create(...)
        """
        from .runtime.arguments import call_headers
        from .view import View

        settings = adjusted(self.settings, timeout, max_retries, priority)
        return View(self, settings, call_headers(default_headers), budget)

    async def gather(self, calls: Iterable[Awaitable[T]], *, limit: int, return_exceptions: bool = False) -> list[T]:
        """Run many calls, `limit` at a time, and give their results in order.

        Args:
            calls: awaitables. A generator expression makes each call only when its turn has come.
            limit: how many run at once, at least 1.
            return_exceptions: put errors in place of results; otherwise the first one ends the others and is raised.

        Example:
            answers = await novita.gather(
                (novita.chat.completions.create(model=model, messages=m) for m in conversations), limit=50
            )
        """
        from .runtime.gather import gather

        self._core().enter()
        return await gather(calls, limit=limit, return_exceptions=return_exceptions)

    def stats(self) -> dict[str, int]:
        """Live counters: requests sent and repeated, requests and streams open, calls queued at a gate, tasks."""
        if self._runtime is None:
            return {}
        runtime = self._runtime
        return {
            "requests": runtime.life.sent,
            "retries": runtime.life.retried,
            "open_requests": runtime.slots.slots - runtime.slots.free,
            "open_streams": len(runtime.open),
            "queued": runtime.queued,
            **(self._tasks.stats() if self._tasks is not None else {}),
        }

    # ---------------------------------------------------------------------------------------------- life

    async def aclose(self) -> None:
        """Close streams, waits and connections. Safe to call twice. Sandboxes and instances are left running."""
        if self._closed:
            return
        self._closed = True
        from .runtime.clock import uninterrupted

        await uninterrupted(self._end())

    async def _end(self) -> None:
        runtime = self._core()
        if self._tasks is not None:
            await self._tasks.aclose()
        await runtime.aclose()
        if self._given_transport is not None:
            await self._given_transport.aclose()  # also when no request was ever sent through it

    async def __aenter__(self) -> Self:
        self._core().enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self, _warn: Any = warnings.warn) -> None:
        # Only sockets are let go of: a coroutine scheduled from here would run on whatever loop happens to be there.
        runtime = getattr(self, "_runtime", None)
        if runtime is not None and not self._closed and runtime.abandon():
            _warn(
                f"an AsyncNovita made at {self._made_at} was dropped and not closed: use `async with` or `aclose()`",
                ResourceWarning,
                source=self,
            )

    # --------------------------------------------------------------------------------------------- wiring

    def _core(self) -> Runtime:
        if self._runtime is None:
            from .runtime.call import Runtime
            from .runtime.clock import SystemClock
            from .runtime.retry import default_decision

            self._runtime = Runtime(
                self.settings,
                clock=self._clock or SystemClock(),
                make_transport=self._make_transport,
                middleware=self._middleware,
                decide=self._decide or default_decision,
            )
            self._hold_to(self._budget)
        return self._runtime

    def _hold_to(self, budget: Budget | None) -> None:
        if budget is not None:
            from .llm.budget import Meter

            self._core().meter = Meter(budget, self.models)

    def _make_transport(self) -> Transport:
        if self._given_transport is not None:
            return self._given_transport
        from .transport.aiohttp import AiohttpTransport

        return AiohttpTransport(keepalive=self.settings.limits.keep_alive)

    def _media_reader(self) -> Read[Any]:
        from .media.results import task_reader

        return task_reader(self._core())


def run(main: Callable[[AsyncNovita], Coroutine[Any, Any, T]], **settings: Any) -> T:
    """Run an async function with a client of its own: the whole of a script.

    Args:
        main: called with the client, which is closed when it returns.
        settings: the arguments of `AsyncNovita`.

    Example:
        async def main(novita):
            print(await novita.gpu.products.list())

        novita_async.run(main)
    """
    import asyncio

    async def with_client() -> T:
        async with AsyncNovita(**settings) as novita:
            return await main(novita)

    return asyncio.run(with_client())
