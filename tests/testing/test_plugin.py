"""The fixtures, as a user's suite meets them: under pytest-asyncio, strict and auto, and under anyio's plugin."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

TEST = """
import pytest
{mark}

MODEL = "deepseek/deepseek-v3.1"
ASK = [{{"role": "user", "content": "hello"}}]

async def test_answers(novita, novita_simulator):
    answer = await novita.chat.completions.create(model=MODEL, messages=ASK)
    assert answer.choices[0].message.content
    assert [request.path for request in novita_simulator.requests] == ["/openai/v1/chat/completions"]

async def test_an_hour_passes_at_once(novita, novita_simulator):
    clock = novita_simulator.clock
    before = clock.monotonic()
    await clock.sleep(3600)
    assert clock.monotonic() - before == 3600

async def test_task(novita):
    result = await novita.videos.run("kling-v3.0-std-t2v", prompt="a boat")
    assert result.videos

async def test_leaves_a_stream(novita):
    stream = await novita.chat.completions.create(
        model="deepseek/deepseek-v3.1", messages=[{{"role": "user", "content": "hello"}}], stream=True
    )
    novita.kept = stream
"""

SCOPE = ["-o", "asyncio_default_fixture_loop_scope=function"]  # without it the plugin warns
ENGINES = {
    "asyncio-auto": ("", ["-o", "asyncio_mode=auto", *SCOPE]),
    "asyncio-strict": ("pytestmark = pytest.mark.asyncio", ["-o", "asyncio_mode=strict", *SCOPE]),
    "anyio": (
        "pytestmark = pytest.mark.anyio\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'",
        ["-p", "no:asyncio"],
    ),
}


@pytest.mark.parametrize(
    "engine",
    ["asyncio-auto", *(pytest.param(engine, marks=pytest.mark.acceptance) for engine in ("anyio", "asyncio-strict"))],
)
def test_fixtures_work_and_a_stream_left_open_fails_its_test(pytester: pytest.Pytester, engine: str) -> None:
    mark, options = ENGINES[engine]
    pytester.makepyfile(TEST.format(mark=mark))
    result = pytester.runpytest_subprocess("-W", "error", *options)
    result.assert_outcomes(passed=4, errors=1)
    result.stdout.fnmatch_lines(["*the test left open: *open_streams*"])
