"""Code in kernels: run for real in the simulator, and on a platform that breaks as the test wants."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Any

import msgspec
import openapi
import pytest
from fake_platform import ENVD, KEY, TOKEN, Script, error, json, not_there, script, settled

from novita_async.errors import (
    CommandTimeout,
    NotFound,
    ProtocolError,
    SandboxEnded,
    SandboxUnreachable,
    ServerError,
    ValidationError,
)
from novita_async.sandbox import (
    BarChart,
    BoxAndWhiskerChart,
    Chart,
    Execution,
    ExecutionError,
    LineChart,
    Output,
    PieChart,
    Result,
    SuperChart,
)
from novita_async.transport.protocol import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from fake_platform import Platform

    from novita_async import AsyncNovita, Simulator
    from novita_async.testing.clock import JumpClock
    from novita_async.transport.protocol import Request

pytestmark = pytest.mark.filterwarnings("ignore::novita_async.simulator.sandbox.IsolationWarning")

CODE = "code-interpreter-v1"


def line(type_: str, **fields: Any) -> bytes:
    return msgspec.json.encode({"type": type_, **fields}) + b"\n"


def wrote(text: str, name: str = "stdout") -> bytes:
    return line(name, text=text, timestamp="2026-01-01T00:00:00+00:00")


END = line("end_of_execution")


def gives(platform: Platform, *chunks: bytes | Callable[[], Any]) -> None:
    """Let this be what code gives."""
    body: Script = script(*chunks)

    async def answer(request: Request) -> Reply:
        return Reply(200, {"content-type": "application/x-ndjson"}, body(request))

    platform.routes["POST /execute"] = answer


# ------------------------------------------------------------------------------------------------- on real kernels


async def test_code_gives_results_output_and_errors_and_keeps_its_state(novita: AsyncNovita) -> None:
    async with novita.sandboxes.create(template=CODE, envs={"FROM": "sandbox"}) as sandbox:
        execution = await sandbox.run_code("import os\nx = 20 + 1\nprint('out')\nx * 2")
        assert (execution.text, execution.stdout, execution.execution_count) == ("42", "out\n", 1)
        assert execution.error is None

        seen: list[Any] = []

        async def late(thing: Any) -> None:
            await asyncio.sleep(0)
            seen.append(thing)

        execution = await sandbox.run_code(
            'import sys\nsys.stdout.write(f\'{os.environ["FROM"]} {os.environ["MINE"]}\\n\')\nsys.stdout.flush()\n'
            "sys.stderr.write('err\\n')\nsys.stderr.flush()\n"  # print() writes in two pieces
            "display({'text/html': '<b>', 'own/type': 1}, raw=True)\nx / 0",
            envs={"MINE": "here"},
            on_stdout=late,
            on_stderr=seen.append,
            on_result=late,
            on_error=late,
        )
        assert (execution.stdout, execution.stderr, execution.text) == ("sandbox here\n", "err\n", None)
        assert execution.results[0].formats() == ["html", "own/type"]
        assert execution.error is not None
        assert (execution.error.name, execution.error.value) == ("ZeroDivisionError", "division by zero")
        assert sorted(map(str, seen)) == sorted(
            map(str, ["sandbox here\n", "err\n", execution.results[0], execution.error])
        )

        async with await sandbox.code.stream("for i in range(2): print(i)\n'MINE' in os.environ") as stream:
            events = [event async for event in stream]
        assert "".join(event.text for event in events if isinstance(event, Output)) == "0\n1\n"
        assert isinstance(events[-1], Result)
        assert events[-1].text == "False"
        assert await stream.wait() is stream.execution

        made = await sandbox.code.create_context(language="bash", cwd="/tmp")
        assert made.id in [context.id for context in await sandbox.code.contexts()]
        assert (await sandbox.run_code("y=1; echo $0", context=made)).stdout == "bash\n"
        await sandbox.code.restart_context(made)
        assert (await sandbox.run_code("echo ${y:-gone}", context=made.id)).stdout == "gone\n"
        await sandbox.code.remove_context(made)
        with pytest.raises(NotFound):
            await sandbox.run_code("true", context=made)
        with pytest.raises(NotFound):
            await sandbox.code.remove_context(made)
        with pytest.raises(ServerError, match="'r'"):
            await sandbox.run_code("1", language="r")


async def test_code_over_its_time_is_interrupted_and_so_is_code_whose_call_is_cancelled(
    novita: AsyncNovita, novita_simulator: Simulator
) -> None:
    clock: Any = novita_simulator.clock
    async with novita.sandboxes.create(template=CODE, lifetime=3600) as sandbox:
        for over in (True, False):
            on = asyncio.get_running_loop().create_future()
            running = asyncio.create_task(
                sandbox.run_code("x=1; echo on; sleep 1000", language="bash", timeout=30, on_stdout=on.set_result)
            )
            assert await on == "on\n"
            if over:
                await clock.advance(29)
                assert not running.done()
                await clock.advance(1)
                with pytest.raises(CommandTimeout) as caught:
                    await running
                assert (caught.value.seconds, caught.value.stdout) == (30, "on\n")
                assert isinstance(caught.value.partial, Execution)
            else:
                running.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await running
            assert (await sandbox.run_code("echo $x", language="bash")).stdout == "1\n"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not on this machine")
async def test_javascript_runs_too_and_an_error_of_a_handler_ends_the_call(novita: AsyncNovita) -> None:
    async with novita.sandboxes.create(template=CODE) as sandbox:
        assert (await sandbox.run_code("const x = 2; await Promise.resolve(x)", language="javascript")).text == "2"

        def refuse(_: str) -> None:
            raise RuntimeError("enough")

        with pytest.raises(RuntimeError, match="enough"):
            await sandbox.run_code("console.log(1); while (true) {}", language="js", on_stdout=refuse)
        assert (await sandbox.run_code("x", language="js")).text == "2"


# ----------------------------------------------------------------------------------------------------- on the wire


async def test_a_request_is_what_the_contract_says_and_goes_to_the_port_of_the_interpreter(
    client: AsyncNovita, platform: Platform
) -> None:
    platform.created = {"trafficAccessToken": "traffic"}
    gives(platform, END)
    sandbox = await client.sandboxes.create()
    assert await sandbox.run_code("1") == Execution()
    await sandbox.run_code("2", language="bash", envs={"A": "1"})
    first, second = platform.sent("POST", "/execute")
    assert isinstance(first.body, bytes)
    assert isinstance(second.body, bytes)
    assert msgspec.json.decode(first.body) == {"code": "1", "context_id": None, "language": None, "env_vars": None}
    assert msgspec.json.decode(second.body) == {
        "code": "2",
        "context_id": None,
        "language": "bash",
        "env_vars": {"A": "1"},
    }
    assert first.headers["novita-sandbox-port"] == "49999"
    assert first.headers["x-access-token"] == TOKEN
    assert first.headers["e2b-traffic-access-token"] == "traffic"
    assert KEY not in str(first.headers)

    async def made(_: Request) -> Reply:
        return json({"id": "a-1", "language": "bash", "cwd": "/tmp"})

    async def done(_: Request) -> Reply:
        return json(None)

    platform.routes |= {"POST /contexts": made, "POST /contexts/*": done, "DELETE /contexts/*": done}
    context = await sandbox.code.create_context(language="bash", cwd="/tmp")
    await sandbox.code.restart_context(context)
    await sandbox.code.remove_context(context)
    contract = openapi.contract("sandbox-envd")
    inside = [request for request in platform.requests if request.headers.get("novita-sandbox-port") == "49999"]
    assert len(inside) == 5
    for request in inside:
        assert request.url.startswith(ENVD)
        assert request.body is None or isinstance(request.body, bytes)
        contract.check_request(
            request.method, request.url.removeprefix(ENVD), request.headers.get("content-type"), request.body
        )
    await sandbox.kill()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"code": 1}, "code must be text"),
        ({"code": "1", "language": "bash", "context": "c"}, "exclude each other"),
        ({"code": "1", "language": ""}, "language"),
        ({"code": "1", "context": "../files"}, "context must be"),
        ({"code": "1", "envs": {"A=B": "1"}}, "envs"),
        ({"code": "1", "timeout": -1}, "timeout"),
    ],
)
async def test_what_cannot_be_sent_is_refused_before_a_byte_leaves(
    client: AsyncNovita, platform: Platform, arguments: dict[str, Any], words: str
) -> None:
    sandbox = await client.sandboxes.create()
    with pytest.raises(ValidationError, match=words):
        await sandbox.run_code(**arguments)
    assert platform.sent("POST", "/execute") == []
    await sandbox.kill()


async def test_contexts_may_come_wrapped_and_under_the_other_name(client: AsyncNovita, platform: Platform) -> None:
    async def answer(_: Request) -> Reply:
        return json({"contexts": [{"context_id": "a-1", "language": "python", "cwd": "/home/user", "more": 1}]})

    platform.routes["GET /contexts"] = answer
    sandbox = await client.sandboxes.create()
    (context,) = await sandbox.code.contexts()
    assert (context.id, context.language, context.cwd) == ("a-1", "python", "/home/user")
    await sandbox.kill()


async def test_lines_of_any_cut_and_of_unknown_types_are_read(client: AsyncNovita, platform: Platform) -> None:
    whole = (
        line("number_of_executions", execution_count=3)
        + b"\n"
        + line("keepalive")
        + line("of-tomorrow", text="x")
        + line("stdout", text="h\u00e9", timestamp=17)
        + line("result", is_main_result=False, png="cGlj", extra={})
        + line("result", is_main_result=True, text="1", json={"a": None}, extra={"own/type": [1]}, new="field")
        + line("error", name="E", value="v", traceback="t")
        + END
    )
    gives(platform, *(whole[at : at + 7] for at in range(0, len(whole), 7)))
    sandbox = await client.sandboxes.create()
    execution = await sandbox.run_code("1")
    assert (execution.execution_count, execution.stdout, execution.text) == (3, "h\u00e9", "1")
    assert execution.error == ExecutionError(name="E", value="v", traceback="t")
    picture, main = execution.results
    assert (picture.formats(), picture._repr_png_(), str(picture)) == (["png"], "cGlj", "<Result png>")
    assert main._repr_mimebundle_() == {"text/plain": "1", "application/json": {"a": None}, "own/type": [1]}
    assert main.raw["new"] == "field"
    await sandbox.kill()


async def test_signs_of_life_do_not_put_the_deadline_off(
    client: AsyncNovita, platform: Platform, clock: JumpClock
) -> None:
    async def five_seconds() -> None:
        await clock.sleep(5)

    gives(platform, wrote("on"), *([five_seconds, line("keepalive")] * 100), END)
    sandbox = await client.sandboxes.create()
    began = clock.monotonic()
    with pytest.raises(CommandTimeout) as caught:
        await sandbox.run_code("forever", timeout=42)
    assert clock.monotonic() - began == pytest.approx(42)
    assert caught.value.stdout == "on"
    assert caught.value.partial.stdout == "on"
    execution = await sandbox.run_code("forever", timeout=None)
    assert execution.stdout == "on"
    await sandbox.kill()


async def test_the_deadline_holds_before_the_answer_too(
    client: AsyncNovita, platform: Platform, clock: JumpClock
) -> None:
    async def never(_: Request) -> Reply:
        await clock.sleep(10_000)
        return json({})

    platform.routes["POST /execute"] = never
    sandbox = await client.sandboxes.create()
    began = clock.monotonic()
    with pytest.raises(CommandTimeout):
        await sandbox.run_code("1", timeout=7)
    assert clock.monotonic() - began == pytest.approx(7)
    assert len(platform.sent("POST", "/execute")) == 1
    await sandbox.kill()


async def test_a_peer_that_falls_silent_after_signs_of_life_is_out_of_reach(
    client: AsyncNovita, platform: Platform, clock: JumpClock
) -> None:
    async def silence() -> None:
        await clock.sleep(100_000)

    gives(platform, wrote("on"), line("keepalive"), silence)
    sandbox = await client.sandboxes.create()
    began = clock.monotonic()
    with pytest.raises(SandboxUnreachable) as caught:
        await sandbox.run_code("1", timeout=None)
    assert clock.monotonic() - began <= 41
    assert caught.value.partial.stdout == "on"

    gives(platform, wrote("on"), silence)  # an interpreter that gives no signs of life may be silent for long
    running = asyncio.create_task(sandbox.run_code("1", timeout=3600))
    with pytest.raises(CommandTimeout):
        await running
    await sandbox.kill()


@pytest.mark.parametrize(("state", "expected"), [(None, SandboxEnded), ("paused", SandboxEnded), ("running", None)])
async def test_a_stream_that_is_cut_tells_what_became_of_the_sandbox(
    client: AsyncNovita, platform: Platform, state: str | None, expected: type[Exception] | None
) -> None:
    gives(platform, wrote("on"))
    sandbox = await client.sandboxes.create()
    platform.state = state
    with pytest.raises(expected or SandboxUnreachable) as caught:
        await sandbox.run_code("1")
    partial: Any = getattr(caught.value, "partial", None)
    assert partial.stdout == "on"
    assert platform.status_reads == 1
    await sandbox.kill()


async def test_a_sandbox_that_is_gone_is_called_so_at_once(client: AsyncNovita, platform: Platform) -> None:
    async def proxy(_: Request) -> Reply:
        return not_there()

    platform.routes["POST /execute"] = proxy
    platform.state = None
    sandbox = await client.sandboxes.create()
    with pytest.raises(SandboxEnded):
        await sandbox.run_code("1")
    await sandbox.kill()
    with pytest.raises(SandboxEnded):
        await sandbox.run_code("1")


async def test_killing_the_sandbox_ends_the_stream(client: AsyncNovita, platform: Platform, clock: JumpClock) -> None:
    async def silence() -> None:
        await clock.sleep(100_000)

    gives(platform, wrote("on"), silence)
    sandbox = await client.sandboxes.create()
    async with await sandbox.code.stream("1", timeout=None) as stream:
        assert await anext(stream) == Output("stdout", "on")
        with clock.hold():
            reading = asyncio.create_task(stream.wait())
            await settled()
            await sandbox.kill()
            with pytest.raises(SandboxEnded) as caught:
                await reading
    assert caught.value.reason == "killed"


async def test_what_is_no_json_is_an_error_of_the_protocol(client: AsyncNovita, platform: Platform) -> None:
    gives(platform, b"<html>\n")
    sandbox = await client.sandboxes.create()
    with pytest.raises(ProtocolError, match="unreadable"):
        await sandbox.run_code("1")
    await sandbox.kill()


async def test_code_is_sent_once_whatever_the_answer(client: AsyncNovita, platform: Platform) -> None:
    async def broken(_: Request) -> Reply:
        return error(500, "kernel trouble")

    platform.routes["POST /execute"] = broken
    sandbox = await client.sandboxes.create()
    with pytest.raises(ServerError):
        await sandbox.run_code("1")
    assert len(platform.sent("POST", "/execute")) == 1
    await sandbox.kill()


# --------------------------------------------------------------------------------------------------------- charts


async def test_charts_are_typed_by_their_kind(client: AsyncNovita, platform: Platform) -> None:
    axes = {"title": "T", "x_label": "x", "y_label": None, "x_unit": "s", "y_unit": None}
    points = {"x_scale": "linear", "y_scale": "log", "x_ticks": [0, 1], "x_tick_labels": ["0", "1"]}
    told: list[dict[str, Any]] = [
        {"type": "line", **axes, **points, "elements": [{"label": "a", "points": [[0, 1.5], ["2026-01-01", 2]]}]},
        {"type": "bar", **axes, "elements": [{"label": "a", "group": "g", "value": "3"}]},
        {"type": "pie", "title": None, "elements": [{"label": "a", "angle": 90, "radius": 1}]},
        {"type": "box_and_whisker", **axes, "elements": [{"label": "a", "min": 0, "median": 2, "max": 4}]},
        {"type": "radar", "title": "R", "elements": [1]},
        {"type": "bar", "title": 5, "elements": "none"},
    ]
    told.append({"type": "superchart", "title": None, "elements": told[:2]})
    gives(platform, *(line("result", is_main_result=False, chart=chart, extra={}) for chart in told), END)
    sandbox = await client.sandboxes.create()
    execution = await sandbox.run_code("plot()")
    charts = [result.chart for result in execution.results]
    lines, bar, pie, box, radar, wrong, both = charts
    assert isinstance(lines, LineChart)
    assert (lines.x_scale, lines.elements[0].points) == ("linear", [(0, 1.5), ("2026-01-01", 2)])
    assert isinstance(bar, BarChart)
    assert (bar.elements[0].group, bar.elements[0].value, bar.x_unit) == ("g", "3", "s")
    assert isinstance(pie, PieChart)
    assert pie.elements[0].angle == 90
    assert isinstance(box, BoxAndWhiskerChart)
    assert (box.elements[0].median, box.elements[0].outliers) == (2, [])
    for plain, kind in ((radar, "radar"), (wrong, "bar")):
        assert type(plain) is Chart
        assert plain.type == kind
    assert isinstance(both, SuperChart)
    assert [type(chart) for chart in both.elements] == [LineChart, BarChart]
    assert [chart.raw for chart in charts if chart is not None] == told
    await sandbox.kill()
