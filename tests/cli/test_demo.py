"""`novita-async demo`: four products at once, shown in two ways, ended at any moment."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import termios
from typing import TYPE_CHECKING

import pytest
from helpers import turns
from running import PATIENCE, Running, Terminal, running

from novita_async.cli.parts import Ledger
from novita_async.simulator import Hang, Outcome, Refuse, Slow

if TYPE_CHECKING:
    import pathlib

    from novita_async import Simulator
    from novita_async.simulator import Received, Served

PARTS = ["chat", "flux-1-schnell", "txt2img", "kling-v3.0-std-t2v", "sandbox", "GPU instance"]
CREATE_SANDBOX, CREATE_INSTANCE = "/sandboxes", "/gpu-instance/openapi/v1/gpu/instance/create"
DELETE_INSTANCE = "/gpu-instance/openapi/v1/gpu/instance/delete"
TXT2IMG = "/v3/async/txt2img"
SHORT = ["--speed", "20"]


def rows(output: str) -> dict[str, str]:
    """The closing table: what stands beside each part."""
    found: dict[str, str] = {}
    for line in output[output.index("measured") :].splitlines():
        for part in PARTS:
            if f"  {part} " in line:
                found[part] = line.strip()
    return found


def check_files(directory: pathlib.Path) -> None:
    assert {file.name for file in directory.iterdir()} == {"chat.txt", "flux.png", "txt2img.png", "kling.mp4", "pi.txt"}
    for name in ("flux.png", "txt2img.png"):
        assert (directory / name).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert (directory / "kling.mp4").read_bytes()[4:8] == b"ftyp"
    assert "lighthouse" in (directory / "chat.txt").read_text()
    assert "8000 points: pi is about 3.1" in (directory / "pi.txt").read_text()


def sent(simulator: Simulator, method: str, path: str) -> list[Received]:
    return [request for request in simulator.requests if request.method == method and request.path.startswith(path)]


async def test_through_a_pipe_it_prints_lines_and_leaves_its_files(tmp_path: pathlib.Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    async with running("demo", "--speed", "10", "--out", str(tmp_path / "out"), TMPDIR=str(scratch)) as command:
        code, output, errors = await command.end()
    assert (code, errors) == (0, "")
    assert all(letter.isprintable() or letter == "\n" for letter in output)
    check_files(tmp_path / "out")
    assert list(scratch.iterdir()) == []
    table = rows(output)
    assert list(table) == PARTS
    assert all(row.startswith("ok ") for row in table.values())
    assert "first token 0." in table["chat"]
    assert "tokens/s" in table["chat"]
    assert "poll" in table["txt2img"]
    assert "round trip" in table["sandbox"]
    assert "running after" in table["GPU instance"]
    events = output.splitlines()[1 : output.splitlines().index("")]
    assert all(line.split()[2] in ("chat", "media", "sandbox", "gpu") for line in events)


@pytest.mark.parametrize("controlling", [True, pytest.param(False, marks=pytest.mark.acceptance)])
async def test_on_a_terminal_it_draws_panels_and_gives_the_terminal_back(
    tmp_path: pathlib.Path, controlling: bool
) -> None:
    terminal = Terminal(controlling=controlling)
    try:
        process = await terminal.start("demo", "--speed", "10", "--out", str(tmp_path))
        await terminal.shows("Chat")
        assert (termios.tcgetattr(terminal.end) == terminal.before) != controlling
        assert await process.wait() == 0
        await terminal.shows("files are in")
        assert termios.tcgetattr(terminal.end) == terminal.before
    finally:
        terminal.hang_up()
    check_files(tmp_path)
    screen = terminal.screen.decode()
    for title in ("Pictures and video", "Sandbox", "GPU instance", "\u256d", "\u2501"):
        assert title in screen
    assert screen.rindex("\x1b[?25h") > screen.rindex("\x1b[?25l")  # the cursor is back
    assert list(rows(re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen))) == PARTS
    assert "Traceback" not in screen


async def test_ctrl_c_on_a_terminal_gives_it_back_and_says_what_was_ended(
    terminal: Terminal, tmp_path: pathlib.Path
) -> None:
    process = await terminal.start("demo", "--out", str(tmp_path))
    await terminal.shows("1000 points")
    os.write(terminal.master, b"\x03")
    async with asyncio.timeout(PATIENCE):
        assert await process.wait() == 130
    await terminal.shows("stopped")
    assert termios.tcgetattr(terminal.end) == terminal.before
    assert b"\x1b[?25h" in terminal.screen
    assert b"Traceback" not in terminal.screen


async def test_a_terminal_that_is_closed_leaves_nothing_running(
    terminal: Terminal, simulator: tuple[Simulator, Served], tmp_path: pathlib.Path
) -> None:
    sim, served = simulator
    process = await terminal.start("demo", "--live", "--out", str(tmp_path), **served.environment)
    await terminal.shows("1000 points")
    terminal.hang_up()
    async with asyncio.timeout(PATIENCE):
        assert await process.wait() == 130
    made, killed = sent(sim, "POST", CREATE_SANDBOX), sent(sim, "DELETE", CREATE_SANDBOX)
    ordered, deleted = sent(sim, "POST", CREATE_INSTANCE), sent(sim, "POST", DELETE_INSTANCE)
    assert [len(made), len(killed), len(ordered), len(deleted)] == [1, 1, 1, 1]


async def test_one_part_that_fails_does_not_stop_the_others(
    simulator: tuple[Simulator, Served], tmp_path: pathlib.Path
) -> None:
    sim, served = simulator
    sim.fault("POST", TXT2IMG, Outcome.failed("the worker ran out of memory"))
    sim.fault("POST", "*/chat/completions", Refuse.with_reason(402, "NOT_ENOUGH_BALANCE"))
    async with running("demo", "--live", *SHORT, "--out", str(tmp_path), **served.environment) as command:
        code, output, errors = await command.end()
    assert code == 1
    table = rows(output)
    assert table["chat"].startswith("failed")
    assert "NOT_ENOUGH_BALANCE" in table["chat"]
    assert "the worker ran out of memory" in table["txt2img"]
    assert all(table[part].startswith("ok ") for part in PARTS if part not in ("chat", "txt2img"))
    assert {file.name for file in tmp_path.iterdir()} == {"flux.png", "kling.mp4", "pi.txt"}
    assert errors.startswith("novita-async: --live uses your account")
    assert errors.count("\n") == 1


async def arrived(simulator: Simulator, path: str) -> None:
    """Wait until a request has come."""
    async with asyncio.timeout(PATIENCE):
        while not any(request.path.startswith(path) for request in simulator.requests):
            await asyncio.sleep(0.005)


async def stopped(command: Running, *signals: int) -> str:
    """Stop the demo and return its last words."""
    code, _, errors = await command.end(*signals)
    assert code == 130
    notice, words = errors.splitlines()
    assert notice.startswith("novita-async: --live")
    assert words.startswith("novita-async: stopped")
    return words


def check_gone(simulator: Simulator, words: str) -> None:
    """Every sandbox and instance that was made was ended, and the last words say so."""
    made = [request for request in sent(simulator, "POST", CREATE_SANDBOX) if request.path == CREATE_SANDBOX]
    killed = sent(simulator, "DELETE", CREATE_SANDBOX)
    assert [request.status for request in made] == [201] * len(killed)
    assert [request.status for request in killed] == [204] * len(made)
    assert words.count("sandbox i") == len(made)
    ordered, deleted = sent(simulator, "POST", CREATE_INSTANCE), sent(simulator, "POST", DELETE_INSTANCE)
    assert [request.status for request in deleted] == [200] * len(ordered)
    assert words.count("GPU instance ") == len(ordered)
    assert "NOT" not in words


@pytest.mark.parametrize(("path", "number"), [(CREATE_SANDBOX, signal.SIGINT), (CREATE_INSTANCE, signal.SIGTERM)])
async def test_a_signal_while_something_is_being_made_takes_it_back(
    simulator: tuple[Simulator, Served], tmp_path: pathlib.Path, path: str, number: int
) -> None:
    sim, served = simulator
    sim.fault("POST", path, Slow.headers(0.3))
    async with running("demo", "--live", "--out", str(tmp_path), **served.environment) as command:
        await arrived(sim, path)
        words = await stopped(command, number)
    check_gone(sim, words)


@pytest.mark.acceptance
@pytest.mark.parametrize("text", ["demo, live", "2000 points", "txt2img  ", "ordered"])
async def test_ctrl_c_at_other_moments_leaves_nothing_running(
    simulator: tuple[Simulator, Served], tmp_path: pathlib.Path, text: str
) -> None:
    sim, served = simulator
    async with running("demo", "--live", "--out", str(tmp_path), **served.environment) as command:
        await command.until(text)
        words = await stopped(command, signal.SIGINT, signal.SIGINT, signal.SIGTERM)
    check_gone(sim, words)
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


class Thing:
    id = "1"


async def test_an_end_that_is_under_way_when_the_wish_to_end_comes_is_carried_through() -> None:
    ledger, ending, ended = Ledger(), asyncio.Event(), asyncio.Event()

    async def make() -> Thing:
        return Thing()

    async def end(thing: Thing) -> None:
        ending.set()
        await ended.wait()

    async def work() -> None:
        async with ledger.hold("sandbox", make(), end):
            pass

    task = asyncio.create_task(work())
    await ending.wait()
    task.cancel()
    await turns()
    assert list(ledger.there) == ["sandbox 1"]
    ended.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (ledger.there, ledger.gone) == ({}, ["sandbox 1"])


@pytest.mark.acceptance
async def test_what_cannot_be_ended_in_time_is_named(
    simulator: tuple[Simulator, Served], tmp_path: pathlib.Path
) -> None:
    sim, served = simulator
    sim.fault("DELETE", "/sandboxes/*", Hang.before_headers(), times=None)
    sim.fault("POST", CREATE_INSTANCE, Hang.before_headers())
    async with running("demo", "--live", "--out", str(tmp_path), **served.environment) as command:
        await command.until("2000 points")
        words = await stopped(command, signal.SIGINT)
    assert "could NOT be ended in time" in words
    assert "sandbox i" in words
    assert "GPU instance that was ordered" in words


async def test_ctrl_c_ends_the_simulator_of_the_demo_too(tmp_path: pathlib.Path) -> None:
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    scratch.mkdir()
    async with running("demo", "--out", str(out), TMPDIR=str(scratch)) as command:
        await command.until("1000 points")
        assert list(scratch.iterdir())
        code, _, errors = await command.end(signal.SIGINT)
    assert code == 130
    assert "sandbox i" in errors
    assert errors.count("\n") == 1
    assert list(scratch.iterdir()) == []


async def test_a_reader_that_goes_away_ends_it_as_a_signal_does(
    simulator: tuple[Simulator, Served], tmp_path: pathlib.Path
) -> None:
    sim, served = simulator
    async with running("demo", "--live", "--out", str(tmp_path), **served.environment) as command:
        await command.until("1000 points")
        command.look_away()
        words = await stopped(command)
    check_gone(sim, words)
