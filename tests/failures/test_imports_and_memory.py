"""What is paid for before the first call, and what grows with each."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import weakref
from pathlib import Path

import msgspec
import pytest
from helpers import ASK, Server, completion, connected

from novita_async.llm import ChatCompletion
from novita_async.runtime.call import Call

ROOT = Path(__file__).parents[2]
HEAVY = ("aiohttp", "websockets", "opentelemetry", "rich", "cyclopts", "backoff", "sqlite3", "multidict", "yarl")


def modules_after(program: str) -> list[str]:
    """The modules that a fresh interpreter has loaded when it has run a program."""
    lines = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
        text=True,
    )
    return json.loads(lines.stdout)


@pytest.mark.parametrize(
    ("program", "most"),
    [
        ("import novita_async", 150),
        ("from novita_async import AsyncNovita", 200),
        ("from novita_async import *", None),
        ("from novita_async import AsyncNovita; AsyncNovita(api_key='sk')", None),
    ],
)
def test_row_24_importing_loads_few_modules_and_nothing_heavy(program, most):
    modules = modules_after(program)
    loaded = {name.partition(".")[0] for name in modules}
    assert not loaded & set(HEAVY)
    assert most is None or len(modules) <= most


@pytest.mark.parametrize("program", ["import novita_async", "from novita_async import AsyncNovita"])
def test_row_24_importing_takes_the_processor_less_than_150_ms(program):
    timed = f"import time; t = time.process_time(); {program}; print(time.process_time() - t)"
    times = [
        float(
            subprocess.run(
                [sys.executable, "-c", timed],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                capture_output=True,
                check=True,
                text=True,
            ).stdout
        )
        for _ in range(3)
    ]
    assert min(times) < 0.15


async def test_row_25_decoders_of_types_made_at_run_time_do_not_pile_up(clock):
    async with connected(Server(clock, completion()), clock) as novita:
        decoders = novita._core().decoders
        made = []
        for number in range(2000):
            type_ = msgspec.defstruct(f"Answer{number}", [("text", str)])
            assert decoders(type_).decode(b'{"text": "x"}').text == "x"
            made.append(weakref.ref(type_))
        del type_
        gc.collect()
        assert sum(ref() is not None for ref in made) <= 512
        assert made[-1]() is not None  # the newest are kept


async def test_row_25_twenty_thousand_answers_of_five_hundred_types_leave_nothing_behind(clock):
    async with connected(Server(clock, completion()), clock) as novita:
        runtime = novita._core()
        answer = await runtime.request(Call(method="GET", url="http://novita.test/answer"))
        types = [msgspec.defstruct(f"Answer{number}", [("choices", list)]) for number in range(500)]

        def parse(count: int) -> None:
            for number in range(count):
                runtime.decode(answer, types[number % 500])

        parse(1000)
        gc.collect()
        before = _resident()
        parse(19_000)
        gc.collect()
        assert _resident() - before < 5_000_000


async def test_answers_are_not_kept_by_the_client(clock):
    async with connected(Server(clock, completion()), clock) as novita:
        for _ in range(50):
            await novita.chat.completions.create(**ASK)
        gc.collect()
        assert not any(isinstance(thing, ChatCompletion) for thing in gc.get_objects())


def _resident() -> int:
    """Bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
