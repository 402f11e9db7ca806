"""Commands on a terminal: tables, questions, Ctrl-C, and a shell in a sandbox that has the terminal to itself."""

from __future__ import annotations

import asyncio
import signal
import termios
from typing import TYPE_CHECKING

import pytest
from helpers import turns
from running import PATIENCE, Terminal, running

from novita_async import AsyncNovita

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from novita_async import Simulator
    from novita_async.sandbox import Sandbox
    from novita_async.simulator import Served


@pytest.fixture
async def novita(simulator: tuple[Simulator, Served]) -> AsyncIterator[AsyncNovita]:
    sim, served = simulator
    async with AsyncNovita(
        api_key=sim.api_key, base_url=served.url, api_url=served.url, sandbox_url=served.url
    ) as novita:
        yield novita


@pytest.fixture
def environment(simulator: tuple[Simulator, Served]) -> dict[str, str]:
    return dict(simulator[1].environment)


@pytest.fixture
async def sandbox(novita: AsyncNovita) -> Sandbox:
    return await novita.sandboxes.create(metadata={"job": "\x1b[31mred"}, lifetime=60)


async def ended(process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(PATIENCE):
        return await process.wait()


async def test_ctrl_c_ends_a_command_that_exec_runs(
    environment: dict[str, str], novita: AsyncNovita, sandbox: Sandbox
) -> None:
    async with running("sandbox", "exec", sandbox.id, "--", "echo begun; sleep 77", **environment) as command:
        await command.until("begun")
        assert await command.end(signal.SIGINT) == (130, "", "")
    assert [info.id async for info in novita.sandboxes.list()] == [sandbox.id]
    found = await sandbox.commands.run("ps ax | grep -c '[s]leep 77'", check=False)
    assert found.stdout.strip() in ("", "0")


async def test_exec_ends_when_nobody_reads_it(environment: dict[str, str], sandbox: Sandbox) -> None:
    async with running("sandbox", "exec", sandbox.id, "--", "yes", **environment) as command:
        await command.lines(1)
        command.look_away()
        code, _, errors = await command.end()
    assert (code, errors) == (1, "novita-async: nobody reads the output any more\n")


async def prompt(terminal: Terminal) -> None:
    """Wait for the shell inside; what is typed is not what it shows then."""
    terminal.types("PS1='rea''dy> '\n")
    await terminal.shows("ready> ")


class TestConnect:
    """`sandbox connect`."""

    async def test_gives_a_shell_all_that_it_writes_and_its_exit_code(
        self, terminal: Terminal, environment: dict[str, str], sandbox: Sandbox, novita: AsyncNovita
    ) -> None:
        process = await terminal.start("sandbox", "connect", sandbox.id, **environment)
        await prompt(terminal)
        assert termios.tcgetattr(terminal.end) != terminal.before
        terminal.types("test -t 0 && test -t 1 && echo tty-$((6 * 7)); stty size; echo $TERM\n")
        await terminal.shows("tty-42")
        await terminal.shows("24 80")
        await terminal.shows("xterm-256color")
        terminal.types("seq 1 20000; exit 7\n")
        async with asyncio.timeout(PATIENCE):
            assert await process.wait() == 7
        await terminal.shows("\n20000\r\n")
        assert "\r\n".join(map(str, range(1, 20001))) in terminal.screen.decode()
        assert termios.tcgetattr(terminal.end) == terminal.before
        assert [info.id async for info in novita.sandboxes.list()] == [sandbox.id]

    async def test_ctrl_c_goes_inside_and_so_does_the_size(
        self, terminal: Terminal, environment: dict[str, str], sandbox: Sandbox
    ) -> None:
        process = await terminal.start("sandbox", "connect", sandbox.id, **environment)
        await prompt(terminal)
        terminal.types("echo be''gun; sleep 50\n")
        await terminal.shows("begun")
        terminal.types("\x03echo inter''rupted $?\n")
        await terminal.shows("interrupted 130")
        assert process.returncode is None
        termios.tcsetwinsize(terminal.end, (31, 99))
        await turns()
        terminal.types("until stty size | grep '31 9''9'; do sleep 0.05; done\n")
        await terminal.shows("31 99")
        terminal.types("\x04")  # Ctrl-D
        assert await ended(process) == 0
        assert termios.tcgetattr(terminal.end) == terminal.before

    async def test_a_signal_from_outside_gives_the_terminal_back(
        self, terminal: Terminal, environment: dict[str, str], sandbox: Sandbox
    ) -> None:
        process = await terminal.start("sandbox", "connect", sandbox.id, **environment)
        await prompt(terminal)
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 130
        assert termios.tcgetattr(terminal.end) == terminal.before
        assert b"\x1b[?25h" in terminal.screen
        assert b"Traceback" not in terminal.screen

    async def test_a_sandbox_that_ends_meanwhile_gives_the_terminal_back(
        self, terminal: Terminal, environment: dict[str, str], sandbox: Sandbox
    ) -> None:
        process = await terminal.start("sandbox", "connect", sandbox.id, **environment)
        await prompt(terminal)
        await sandbox.kill()
        async with asyncio.timeout(PATIENCE):
            assert await process.wait() == 1
        assert termios.tcgetattr(terminal.end) == terminal.before
        await terminal.shows("novita-async: ")
        assert b"Traceback" not in terminal.screen

    async def test_a_terminal_that_is_closed_leaves_the_sandbox_and_no_shell(
        self, terminal: Terminal, environment: dict[str, str], sandbox: Sandbox
    ) -> None:
        process = await terminal.start("sandbox", "connect", sandbox.id, **environment)
        await prompt(terminal)
        terminal.types("echo be''gun; sleep 78\n")
        await terminal.shows("begun")
        terminal.hang_up()
        assert await ended(process) == 130
        assert await sandbox.is_running()
        found = await sandbox.commands.run("ps ax | grep -c '[s]leep 78'", check=False)
        assert found.stdout.strip() in ("", "0")

    async def test_a_new_sandbox_has_a_terminal_and_goes_with_it(
        self, terminal: Terminal, environment: dict[str, str], novita: AsyncNovita
    ) -> None:
        process = await terminal.start("sandbox", "create", **environment)
        await prompt(terminal)
        assert len([info async for info in novita.sandboxes.list()]) == 1
        terminal.types("exit\n")
        assert await ended(process) == 0
        assert [info async for info in novita.sandboxes.list()] == []
