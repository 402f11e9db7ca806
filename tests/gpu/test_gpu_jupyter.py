"""Kernels on an instance's JupyterLab, against a real `jupyter_server`."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import pathlib
import struct
import subprocess
import sys
from random import Random

import pytest

import novita_async.simulator
from novita_async import AsyncNovita, RetryPolicy, Simulator
from novita_async.errors import (
    CallTimeout,
    ClientClosed,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    ProtocolError,
    ServerError,
    StreamCut,
    ValidationError,
)
from novita_async.gpu.jupyter_output import Clear, Display, Execution, Text
from novita_async.gpu.jupyter_tally import Tally
from novita_async.gpu.types import Jupyter
from novita_async.wire.jupyter import KernelMessage, pack, unpack
from tests.helpers import KEY, inside

TOKEN = "a-token-of-the-server"
DRIVER = pathlib.Path(novita_async.simulator.__file__).parent / "gpu" / "drivers" / "jupyter.py"
# Not a child of this process, so that no single test is blamed for it. It ends when the pipe does.
LAUNCH = "import subprocess, sys; subprocess.Popen([sys.executable, '-I', sys.argv[1]], start_new_session=True)"
SLOW = 30.0  # seconds for what has to happen on a machine that is busy with other things

real = pytest.mark.skipif(importlib.util.find_spec("jupyter_server") is None, reason="jupyter_server is not installed")


@pytest.fixture(scope="session")
def lab():
    """The address of a Jupyter server that runs as long as the tests do."""
    ours, theirs = os.pipe()
    told, tells = os.pipe()
    environment = {**os.environ, "JUPYTER_TOKEN": TOKEN}
    with open(told) as hearing, open(ours, "rb") as kept:
        launched = [sys.executable, "-c", LAUNCH, str(DRIVER)]
        subprocess.run(launched, stdin=kept, stdout=tells, stderr=subprocess.DEVNULL, env=environment, check=True)
        os.close(tells)
        port = int(hearing.readline())
        try:
            yield f"http://127.0.0.1:{port}/lab?token={TOKEN}"
        finally:
            os.close(theirs)


@pytest.fixture
async def novita():
    async with AsyncNovita(api_key=KEY) as client:
        yield client


def machine(novita, address, **told):
    instance = novita.gpu.instances.blank("i-1", "running")
    instance.jupyter_lab = Jupyter(address=address, **told)
    return instance


@pytest.fixture(scope="session")
def joined():
    """The id of the kernel that the tests share: it takes a second to start one."""
    return []


@pytest.fixture
async def kernel(novita, lab, joined):
    instance = machine(novita, lab)
    if not joined:
        made = await instance.jupyter().start()
        joined.append(made.id)
        await made.socket.aclose()
    async with instance.jupyter(kernel_id=joined[0]) as kernel:
        # Connected at once: a server that loses a client in the middle of the handshake counts its clients wrongly from
        # then on, and a test with a short limit of time would do that on a busy machine.
        await kernel.socket.open()
        yield kernel


def cut(kernel):
    """Break the connection, as a network does."""
    if kernel.socket._socket is not None:
        kernel.socket._socket.transport.abort()


async def noticed(kernel):
    """Wait until the server knows that nobody is connected."""
    async with asyncio.timeout(SLOW):
        while (await kernel._server.get(kernel.id)).connections:
            await asyncio.sleep(0.005)


def printed(line) -> str:
    """Code that writes a line at once. print() writes the line's end by itself, which may come as another message."""
    return f"print({line + chr(10)!r}, end='', flush=True)\n"


def waits_for(path) -> str:
    return f"import os, time\nwhile not os.path.exists({str(path)!r}): time.sleep(0.002)\n"


# --------------------------------------------------------------------------------- against a real server


@real
async def test_code_gives_text_values_pictures_and_errors_in_order_and_the_kernel_keeps_what_it_defines(kernel):
    execution = await kernel.execute(
        "import sys\n"
        "from IPython.display import HTML, display, clear_output\n"
        "print('out'); print('err', file=sys.stderr); sys.stdout.flush(); sys.stderr.flush()\n"
        "handle = display(HTML('<b>one</b>'), display_id='it')\n"
        "display({'image/png': 'cGljdHVyZQ==', 'text/plain': 'a picture'}, raw=True)\n"
        "handle.update(HTML('<b>two</b>'))\n"
        "clear_output(wait=True)\n"
        "kept = 21\n"
        "kept * 2"
    )
    assert (execution.stdout, execution.stderr, execution.text, execution.error) == ("out\n", "err\n", "42", None)
    named, picture, value = execution.results
    assert (named.html, named.display_id) == ("<b>two</b>", "it")
    assert (picture.png, picture.text, str(picture)) == ("cGljdHVyZQ==", "a picture", "a picture")
    assert (value.is_result, value.text) == (True, "42")
    assert Clear(wait=True) in execution.outputs
    first = execution.execution_count
    failed = await kernel.execute("kept / 0")
    assert (failed.error.name, failed.error.value) == ("ZeroDivisionError", "division by zero")
    assert any("kept" in line for line in failed.error.traceback)
    assert failed.execution_count == first + 1
    assert (await kernel.execute("kept", silent=True)).outputs == []


@real
async def test_outputs_come_while_the_code_runs_and_leaving_interrupts_it(kernel, tmp_path):
    async with kernel.stream(f"print('first', end='', flush=True)\n{waits_for(tmp_path / 'never')}") as stream:
        async for event in stream:
            assert event == Text(name="stdout", text="first")
            break
    with pytest.raises(ClientClosed) as closed:
        await anext(stream)
    assert closed.value.partial.stdout == "first"
    assert (await kernel.execute("'free'")).text == "'free'"


@real
async def test_code_over_its_time_and_code_whose_caller_is_cancelled_is_interrupted_and_the_next_one_is_not(
    kernel, tmp_path
):
    forever = f"print('begun', flush=True)\n{waits_for(tmp_path / 'never')}"
    with pytest.raises(CallTimeout) as late:
        await kernel.execute(forever, timeout=0.3)
    assert isinstance(late.value.partial, Execution)
    # The second one waits for its turn, and goes without an interruption of the first.
    first = asyncio.create_task(kernel.execute(forever))
    second = asyncio.create_task(kernel.execute("'untouched'"))
    third = asyncio.create_task(kernel.execute("'never sent'"))
    await asyncio.sleep(0.05)
    third.cancel()
    first.cancel()
    assert (await second).text == "'untouched'"
    for each in (first, third):
        with pytest.raises(asyncio.CancelledError):
            await each


@real
async def test_what_a_kernel_says_while_the_connection_is_away_comes_once_and_in_order(kernel, tmp_path):
    await run_with_drops(kernel, tmp_path, executions=6, drops=2)


@real
@pytest.mark.acceptance
async def test_100_executions_with_10_dropped_connections_give_every_output_once_and_in_order(kernel, tmp_path):
    await run_with_drops(kernel, tmp_path, executions=100, drops=10)


@real
@pytest.mark.acceptance
async def test_connections_that_drop_at_any_moment_give_every_output_once_in_order_or_an_error_that_tells(kernel):
    dice, whole, told = Random(7), 0, 0
    expected = "".join(f"{number}\n" for number in range(30))
    code = "import time\nfor n in range(30): print(str(n) + chr(10), end='', flush=True); time.sleep(0.002)"
    for _ in range(60):
        timer = asyncio.get_running_loop().call_later(dice.uniform(0.0, 0.12), cut, kernel)
        try:
            execution = await kernel.execute(code, timeout=SLOW)
        except (StreamCut, OutcomeUnknown) as error:
            told += 1
            numbers = [int(line) for line in error.partial.stdout.split()]
            assert numbers == sorted(set(numbers))
        else:
            whole += 1
            assert execution.stdout == expected
        timer.cancel()
    assert whole
    assert whole + told == 60


async def run_with_drops(kernel, tmp_path, *, executions, drops):
    reconnects = 0
    for number in range(executions):
        path = tmp_path / f"go-{number}"
        code = f"{printed(f'{number}-a')}{waits_for(path)}{printed(f'{number}-b')}{number}"
        drop, drops_here = divmod(number, executions // drops)
        told = ""
        async with kernel.stream(code, timeout=SLOW) as stream:
            async for event in stream:
                first, told = not told, told + str(event.text)
                if first and drops_here == 0:
                    cut(kernel)
                    await noticed(kernel)
                    if drop % 2:  # else it goes on only when the connection is there again
                        path.touch()
                        await asyncio.sleep(0.05)
                if not path.exists():
                    path.touch()
        assert told == f"{number}-a\n{number}-b\n{number}"
        reconnects += stream.execution.reconnects
    assert reconnects == drops


async def touched_when_told(stream, path):
    async for _ in stream:
        path.touch()


def swallow(sent):
    async def send(message):
        sent.append(message)

    return send


class Losing:
    """A connection that loses a message, and then breaks."""

    def __init__(self, socket, sign):
        self._socket, self._sign, self.lost = socket, sign, False
        self.subprotocol, self.transport = socket.subprotocol, socket.transport

    async def send(self, message):
        await self._socket.send(message)

    async def receive(self):
        message = await self._socket.receive()
        if self._sign in message and not self.lost:
            self.lost = True
            self.transport.abort()
            message = await self._socket.receive()
        return message

    async def aclose(self):
        await self._socket.aclose()


@real
@pytest.mark.parametrize("sign", [b"lost-2", b"execute_reply"])
async def test_a_message_that_got_lost_with_a_connection_is_told(kernel, sign):
    socket = kernel.socket
    socket._socket = Losing(await socket.open(), sign)
    # Written by its code too, which the kernel tells back: the sign must not be in that.
    code = "import time\nfor i in (1, 2, 3): print('lost-' + str(i) + chr(10), end='', flush=True); time.sleep(0.1)"
    with pytest.raises(StreamCut, match="lost with a connection") as told:
        await kernel.execute(code, timeout=SLOW)
    expected = "lost-1\nlost-3\n" if sign == b"lost-2" else "lost-1\nlost-2\nlost-3\n"
    assert told.value.partial.stdout == expected
    assert (await kernel.execute("'goes on'")).text == "'goes on'"


@real
async def test_code_that_was_sent_into_a_broken_connection_is_not_sent_again(kernel):
    await kernel.execute("count = 0")
    cut(kernel)  # and nobody has noticed
    with pytest.raises(OutcomeUnknown):
        await kernel.execute("count += 1", timeout=SLOW)
    assert (await kernel.execute("count")).text == "0"
    kernel.socket._heard = -100.0  # a connection that was quiet for long is tried before it is used
    cut(kernel)
    assert (await kernel.execute("count += 1\ncount", timeout=SLOW)).text == "1"


@real
async def test_a_kernel_that_is_made_ends_with_its_block_and_a_restart_ends_the_code(novita, lab, tmp_path):
    instance = machine(novita, lab.partition("?")[0], token=TOKEN)  # told apart from the address
    async with instance.jupyter(name="python3") as kernel:
        assert kernel.made
        await kernel.execute("x = 1")
        waiting = asyncio.create_task(kernel.execute(f"print('on', flush=True)\n{waits_for(tmp_path / 'never')}"))
        await asyncio.sleep(0.1)
        await kernel.restart()
        with pytest.raises(StreamCut, match="restarted"):
            await waiting
        assert (await kernel.execute("x")).error.name == "NameError"
    with pytest.raises(ClientClosed):
        await kernel.execute("1")
    with pytest.raises(NotFound):
        await instance.jupyter(kernel_id=kernel.id).start()


@real
@pytest.mark.acceptance
@pytest.mark.parametrize("lost", [False, True])
async def test_a_kernel_that_dies_ends_the_code_and_is_there_anew(novita, lab, lost, monkeypatch, tmp_path):
    monkeypatch.setattr("novita_async.gpu.jupyter_server._NUDGE_SECONDS", 2.0)
    sent = []
    async with machine(novita, lab).jupyter() as kernel:
        stream = kernel.stream(f"import os\n{printed('on')}{waits_for(tmp_path / 'go')}os._exit(1)", timeout=SLOW)
        with pytest.raises(StreamCut, match="died"):  # having told that it began: else nobody knows whether it has
            await touched_when_told(stream, tmp_path / "go")
        if lost:  # what is sent just now goes to the old process
            monkeypatch.setattr(kernel.socket._socket, "send", swallow(sent))
        assert (await kernel.execute("1", timeout=SLOW)).text == "1"
    assert len(sent) == lost


@real
async def test_a_kernel_that_is_joined_stays(novita, lab, kernel):
    instance = machine(novita, lab)
    async with instance.jupyter(kernel_id=kernel.id) as other:
        assert not other.made
        await other.execute("shared = 'by both'")
    assert (await kernel.execute("shared")).text == "'by both'"


@real
async def test_the_older_form_of_messages_serves_as_well(novita, lab, kernel, monkeypatch):
    monkeypatch.setattr("novita_async.gpu.jupyter_server.FRAMED", "")
    monkeypatch.setattr(type(kernel._server), "connect", _plain(type(kernel._server).connect))
    async with machine(novita, lab).jupyter(kernel_id=kernel.id) as other:
        execution = await other.execute("print('plain')\n3")
        assert (execution.stdout, execution.text) == ("plain\n", "3")


def _plain(connect):
    async def plain(self, kernel_id, session):
        url = f"{self.url.replace('http', 'ws', 1)}/api/kernels/{kernel_id}/channels?session_id={session}"
        return await self.runtime.transport.websocket(url, headers=self._headers)

    return plain


@real
async def test_a_wrong_token_is_told_and_the_api_key_never_gets_there(novita, lab):
    with pytest.raises(PermissionDenied):
        await machine(novita, lab).jupyter(token="wrong").start()
    kernel = machine(novita, lab).jupyter()
    call = kernel._server._call("GET", "", timeout=None)
    headers = novita.gpu.instances.runtime.headers(call)
    assert headers["authorization"] == f"token {TOKEN}"
    assert KEY not in str(headers)
    assert TOKEN not in repr(kernel)
    without = machine(novita, lab.partition("?")[0]).jupyter()._server._headers
    assert without["cookie"] == f"_xsrf={without['x-xsrftoken']}"


# ------------------------------------------------------------------------------------- of the simulator


@real
async def test_an_instance_of_the_simulator_has_a_real_server_when_asked_which_ends_with_it():
    once = RetryPolicy(attempts=1)
    async with Simulator(gpu_jupyter=True, gpu_step_seconds=0.02) as sim, inside(sim, retry=once) as novita:
        order = {"image": "pytorch", "jupyter": True, "envs": {"GREETING": "hello"}}
        async with novita.gpu.instances.session("4090.16c62g.os", **order) as session:
            kernel = await session.instance.jupyter().start()
            assert (await kernel.execute("import os; os.environ['GREETING']")).text == "'hello'"
            pid = int((await kernel.execute("os.getpid()")).text)
            cut_off = asyncio.create_task(kernel.execute("while True: pass"))
            running = session.instance
            await session.stop()
            with pytest.raises(StreamCut, match="cannot be made again"):
                await cut_off
            await ended(pid)
            with pytest.raises(ServerError, match="no Jupyter server runs there"):
                await kernel.aclose()
            with pytest.raises(ServerError, match="no Jupyter server runs there"):
                await running.jupyter().start()
            with pytest.raises(ValidationError, match="exited"):
                session.instance.jupyter()
            assert KEY not in str(sim.requests)


async def ended(pid):
    async with asyncio.timeout(SLOW):
        while pathlib.Path(f"/proc/{pid}/cmdline").exists() and pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
            await asyncio.sleep(0.02)


@real
@pytest.mark.acceptance
async def test_what_a_killed_simulator_had_started_ends_with_it():
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "novita_async", "simulator", "--gpu-jupyter", "--gpu-step-seconds", "0"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        told = {}
        while "NOVITA_BASE_URL" not in told:
            name, _, value = (await process.stdout.readline()).decode().removeprefix("export ").partition("=")
            told[name] = value.strip()
        async with AsyncNovita(api_key=told["NOVITA_API_KEY"], base_url=told["NOVITA_BASE_URL"]) as novita:
            instance = await novita.gpu.instances.create("4090.16c62g.os", image="pytorch", jupyter=True)
            instance = await instance.wait_until("running")
            kernel = await instance.jupyter().start()
            pids = (await kernel.execute("import os; print(os.getpid(), os.getppid())", timeout=SLOW)).stdout
            process.kill()
            for pid in map(int, pids.split()):
                await ended(pid)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def test_a_simulator_without_the_package_says_so(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValidationError, match="wants the package jupyter_server"):
        Simulator(gpu_jupyter=True)


# ------------------------------------------------------------------------------------------ without one


async def test_what_cannot_be_is_refused_before_anything_is_sent(novita):
    stopped = novita.gpu.instances.blank("i-2", "exited")
    with pytest.raises(ValidationError, match="no JupyterLab is told of instance i-2"):
        stopped.jupyter()
    with pytest.raises(ValidationError, match="http or https"):
        stopped.jupyter(url="ftp://x")
    with pytest.raises(ValidationError, match="its name and path"):
        stopped.jupyter(url="http://x", kernel_id="k", name="python3")
    kernel = stopped.jupyter(url="http://127.0.0.1:1/tree/work?token=t")
    with pytest.raises(ValidationError, match="not started"):
        await kernel.restart()
    with pytest.raises(ValidationError, match="code must be text"):
        kernel.stream(b"1")
    assert kernel._server.url == "http://127.0.0.1:1"


def said(number, type_="stream", *, parent="ask", channel="iopub", kernel="k", **content):
    return KernelMessage(channel, f"{kernel}_7_{number}", type_, parent, content)


BUSY, IDLE = {"type_": "status", "execution_state": "busy"}, {"type_": "status", "execution_state": "idle"}


def test_what_is_replayed_counts_once_and_numbers_that_are_missing_only_where_a_connection_dropped():
    tally = Tally("ask")
    assert tally.take(said(1, **BUSY))
    assert tally.take(said(2))
    assert not tally.take(said(2))
    assert not tally.take(said(3, parent="another"))
    assert tally.take(said(5))  # the kernel need not send every message that it has numbered
    tally.dropped()
    assert not tally.take(said(5))
    assert tally.take(said(6))
    assert not tally.over
    assert tally.take(said(7, "execute_reply", channel="shell"))
    assert tally.take(said(8, **IDLE))
    assert (tally.over, tally.lost) == (True, "")
    tally.dropped()
    gap = Tally("ask")
    for message in (said(1, **BUSY), said(2)):
        gap.take(message)
    gap.dropped()
    for message in (said(5), said(6, "execute_reply", channel="shell"), said(7, **IDLE)):
        gap.take(message)
    assert gap.lost == "2 of its messages"


def test_a_request_whose_last_message_got_lost_is_whole_when_all_before_its_reply_are_there():
    for missing in ((), (3,)):
        tally = Tally("ask")
        tally.take(said(1, **BUSY))
        tally.dropped()
        for number in {2, 3} - {*missing}:
            tally.take(said(number))
        tally.take(said(4, "execute_reply", channel="shell"))
        tally.probe("probe")
        tally.take(said(7, "kernel_info_reply", parent="probe", channel="shell"))
        tally.take(said(8, parent="probe", **IDLE))
        assert tally.over
        assert tally.lost == ("1 of its messages" if missing else "")


def test_a_later_answer_tells_that_the_end_got_lost():
    tally = Tally("ask")
    tally.take(said(1, **BUSY))
    tally.dropped()
    tally.probe("probe")
    tally.take(said(4, "kernel_info_reply", parent="probe", channel="shell"))
    assert not tally.over  # what it said on the other channel may still be on its way
    tally.take(said(5, parent="probe", **IDLE))
    assert (tally.over, tally.lost, tally.never_seen) == (True, "its end", False)


def test_messages_are_read_in_both_forms_and_rubbish_is_an_error():
    for framed in (True, False):
        data = pack("shell", "id_1", "execute_request", {"code": "1"}, session="s", framed=framed)
        read = unpack(data, framed=framed)
        assert read == KernelMessage("shell", "id_1", "execute_request", "", {"code": "1"})
    plain = b'{"header": {"msg_id": "1", "msg_type": "x"}}'
    binary = struct.pack(">3I", 2, 12, 12 + len(plain)) + plain + b"a buffer"
    assert unpack(binary, framed=False).type == "x"
    for rubbish in (b"", b"\xff" * 8, b"\x05" + b"\x00" * 60, "no json", '{"header": 1}'):
        for framed in (True, False):
            with contextlib.suppress(ProtocolError):
                unpack(rubbish, framed=framed)
                pytest.fail(f"{rubbish!r} was read as a message")


def test_a_reply_that_says_aborted_is_a_failure_and_a_display_without_text_says_its_forms():
    execution = Execution()
    failure = execution.take("execute_reply", {"status": "aborted"})
    assert execution.error is failure
    assert failure.name == "aborted"
    assert str(Display(data={"image/png": "x"})) == "<Display image/png>"
