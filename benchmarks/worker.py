"""One run of one contestant in one case: `python -m benchmarks.worker SPEC`, JSON in and JSON out."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
import urllib.request
from typing import TYPE_CHECKING

import msgspec

from .contestants import CONTESTANTS
from .machine import peak_rss, pin
from .payloads import model_name

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from .contestants import Contestant

__all__ = ["Outcome", "Spec"]


class Spec(msgspec.Struct, kw_only=True):
    """What to run.

    Attributes:
        who: the contestant.
        case: chat or stream.
        port: of the stub.
        core: to be pinned to; -1 for none.
        concurrency: calls in flight.
        seconds: no call is begun later; those in flight are finished, and counted with the time they take.
        chunks: of each stream.
        gap: seconds between the chunks of one stream; 0 for as fast as it goes.
    """

    who: str
    case: str
    port: int
    core: int
    concurrency: int
    seconds: float
    chunks: int = 0
    gap: float = 0.0


class Outcome(msgspec.Struct, kw_only=True):
    """What a run came to. Times in seconds.

    Attributes:
        done: calls or, of streams, chunks.
        wall: from the first call to the end of the last.
        cpu: of this process in that time, all of its threads, user and system.
        stub_cpu: of the stub in that time. Near `wall`, the stub was the limit and not the client.
        p50: of a call, or of a stream's time to its first chunk.
        p99: likewise.
        peak_rss: bytes.
        errors: calls that failed or brought something else than was sent.
        first_error: of which one.
    """

    done: int
    wall: float
    cpu: float
    stub_cpu: float
    p50: float
    p99: float
    peak_rss: int
    errors: int
    first_error: str


async def run(spec: Spec) -> Outcome:
    """Open all connections, then measure."""
    contestant = CONTESTANTS[spec.who](f"http://127.0.0.1:{spec.port}/openai/v1")
    if spec.case == "chat":
        call = warm = _chat(contestant)
    else:
        call = _stream(contestant, spec.chunks, spec.gap)
        warm = _stream(contestant, 3, 0.0)
    done = 0
    times: list[float] = []
    failures: list[str] = []

    async def keep_calling(until: float) -> None:
        nonlocal done
        while True:
            try:
                count, seconds = await call()
                done += count
                times.append(seconds)
            except Exception as error:
                failures.append(repr(error))
            if time.perf_counter() >= until:
                return

    try:
        await asyncio.gather(*(warm() for _ in range(spec.concurrency)))
        gc.collect()
        stub_cpu, cpu, start = _stub_cpu(spec.port), time.process_time(), time.perf_counter()
        await asyncio.gather(*(keep_calling(start + spec.seconds) for _ in range(spec.concurrency)))
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        stub_cpu = _stub_cpu(spec.port) - stub_cpu
    finally:
        await contestant.aclose()
    times.sort()
    return Outcome(
        done=done,
        wall=wall,
        cpu=cpu,
        stub_cpu=stub_cpu,
        p50=times[len(times) // 2] if times else 0.0,
        p99=times[len(times) * 99 // 100] if times else 0.0,
        peak_rss=peak_rss(),
        errors=len(failures),
        first_error=failures[0] if failures else "",
    )


def _chat(contestant: Contestant) -> Callable[[], Coroutine[Any, Any, tuple[int, float]]]:
    async def call() -> tuple[int, float]:
        start = time.perf_counter()
        await contestant.chat()
        return 1, time.perf_counter() - start

    return call


def _stream(contestant: Contestant, chunks: int, gap: float) -> Callable[[], Coroutine[Any, Any, tuple[int, float]]]:
    model = model_name(chunks, gap)

    async def call() -> tuple[int, float]:
        start = time.perf_counter()
        first, came = await contestant.stream(model)
        if came != chunks:
            raise ValueError(f"{came} chunks came of {chunks}")
        return came, first - start

    return call


def _stub_cpu(port: int) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/cpu") as answer:
        return float(answer.read())


if __name__ == "__main__":
    spec = msgspec.json.decode(sys.argv[1], type=Spec)
    pin(spec.core)
    print(msgspec.json.encode(asyncio.run(run(spec))).decode())
