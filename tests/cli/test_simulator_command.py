"""`novita-async simulator`: what it prints, that it serves, and that it leaves nothing."""

from __future__ import annotations

import asyncio
import pathlib
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
import trustme
from helpers import ASK
from running import running

from novita_async import AsyncNovita, Simulator
from novita_async.cli.app import build
from novita_async.cli.process import CannotGoOn, Stop
from novita_async.cli.simulator import certified, serve
from novita_async.errors import APIError, ValidationError

if TYPE_CHECKING:
    from running import Running

NAMES = [
    *("NOVITA_API_KEY", "NOVITA_BASE_URL", "NOVITA_LLM_BASE_URL", "NOVITA_API_URL", "NOVITA_SANDBOX_URL"),
    *("NOVITA_ASSETS_URL", "NOVITA_PROJECTS_URL", "NOVITA_ENDPOINT_BASE_URL"),
]


async def environment(command: Running) -> dict[str, str]:
    """What a shell has after evaluating the command's output."""
    lines = "\n".join(await command.lines(len(NAMES)))
    shown = subprocess.run(["sh", "-c", 'eval "$1"; env', "sh", lines], capture_output=True, text=True, check=True)
    pairs = (line.partition("=") for line in shown.stdout.splitlines())
    return {name: value for name, _, value in pairs if name.startswith("NOVITA_")}


def client(environment: dict[str, str]) -> AsyncNovita:
    return AsyncNovita(**{name.removeprefix("NOVITA_").lower(): value for name, value in environment.items()})  # pyright: ignore[reportArgumentType]


def sleepers(seconds: int) -> list[str]:
    """The processes of this machine that are or will be a `sleep` of so long."""
    found: list[str] = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:
            continue
        if b"sleep %d" % seconds in words:
            found.append(process.name)
    return found


async def test_a_shell_can_evaluate_its_output_and_a_client_works_with_that() -> None:
    async with running("simulator", "--seed", "7") as command:
        variables = await environment(command)
        assert set(variables) == set(NAMES)
        async with client(variables) as novita:
            answer = await novita.chat.completions.create(**ASK)
            assert answer.choices[0].message.content
        code, output, errors = await command.end(signal.SIGINT)
    assert (code, output) == (0, "")
    assert errors == f"novita-async: a simulated Novita is at {variables['NOVITA_BASE_URL']}; Ctrl-C ends it\n"


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT, signal.SIGTERM, signal.SIGINT]])
async def test_a_signal_ends_it_in_the_middle_of_everything_and_nothing_is_left(
    signals: list[int], tmp_path: pathlib.Path
) -> None:
    seconds = 90_000 + hash(tuple(signals)) % 1000
    async with (
        running("simulator", "--chunk-delay", "0.2", TMPDIR=str(tmp_path)) as command,
        client(await environment(command)) as novita,
    ):
        sandbox = await novita.sandboxes.create()
        process = await sandbox.commands.run(f"sleep {seconds}", background=True)
        stream = await novita.chat.completions.create(**ASK, stream=True)
        await anext(stream)
        assert len(list(tmp_path.iterdir())) == 1
        assert sleepers(seconds)
        code, _, errors = await command.end(*signals)
        await stream.aclose()
        await process.aclose()
    assert code == 0
    assert errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    assert sleepers(seconds) == []


async def test_its_chats_can_come_from_another_server() -> None:
    async with Simulator(seed=7) as model, model.serve() as served:
        async with running("simulator", "--seed", "7", "--llm-upstream", f"{served.url}/openai/v1") as command:
            async with client(await environment(command)) as novita:
                answer = await novita.chat.completions.create(**ASK)
                assert answer.choices[0].message.content
            await command.end(signal.SIGINT)
        assert [request.json() for request in model.requests] == [ASK]


async def test_it_prints_everything_even_when_it_is_to_end_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    stop = Stop()
    stop.wanted = True
    assert await serve(Simulator(), host="127.0.0.1", port=0, stop=stop) == 0
    assert [line.partition("=")[0] for line in capsys.readouterr().out.splitlines()] == [f"export {n}" for n in NAMES]


async def test_other_machines_are_let_in_with_a_warning_only(capsys: pytest.CaptureFixture[str]) -> None:
    for host, warned in (("0.0.0.0", True), ("localhost", False)):
        stop = Stop()
        stop.wanted = True
        await serve(Simulator(), host=host, port=0, stop=stop)
        output, errors = capsys.readouterr()
        assert ("warning" in errors) == warned
        assert "warning" not in output


async def test_behind_tls_it_prints_what_points_at_its_domain(
    capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    certificate = trustme.CA().issue_cert("*.sbx.localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    tls = certified(tmp_path / "both.pem", None)
    stop = Stop()
    stop.wanted = True
    await serve(Simulator(), host="127.0.0.1", port=0, tls=tls, domain="sbx.localhost", stop=stop)
    output, errors = capsys.readouterr()
    names = [line.partition("=")[0].removeprefix("export ") for line in output.splitlines()]
    assert names == [
        "NOVITA_DOMAIN" if name == "NOVITA_API_URL" else name for name in NAMES if name != "NOVITA_SANDBOX_URL"
    ]
    assert "export NOVITA_DOMAIN=sbx.localhost:" in output
    assert "https://api.sbx.localhost:" in errors
    await serve(Simulator(), host="127.0.0.1", port=0, tls=tls, stop=stop)
    assert "export NOVITA_API_URL=https://127.0.0.1:" in capsys.readouterr().out


def test_a_certificate_that_is_none_is_refused(tmp_path: pathlib.Path) -> None:
    assert certified(None, None) is None
    (tmp_path / "empty.pem").write_text("nothing")
    for path, told in ((tmp_path / "empty.pem", "is no certificate with its key"), (tmp_path / "none", "cannot read")):
        with pytest.raises(CannotGoOn, match=told):
            certified(path, None)
    with pytest.raises(ValidationError, match="--domain wants --tls-cert"):
        build(Stop(), {"simulator"})(["simulator", "--domain", "sbx.localhost"], exit_on_error=False)


@pytest.mark.parametrize("required", [False, True])
async def test_without_bubblewrap_it_warns_in_one_line_or_refuses(required: bool, tmp_path: pathlib.Path) -> None:
    options = ["--require-isolation"] if required else []
    async with running("simulator", *options, PATH=str(tmp_path)) as command:
        async with client(await environment(command)) as novita:
            if required:
                with pytest.raises(APIError, match="isolation is required"):
                    await novita.sandboxes.create()
            else:
                await novita.sandboxes.create()
        code, _, errors = await command.end(signal.SIGTERM)
    assert code == 0
    assert len(command.isolation_warnings) == (0 if required else 1)
    assert "Traceback" not in errors
    assert errors.count("\n") == 1


async def test_a_reader_that_goes_away_is_told_in_one_line() -> None:
    async with running("simulator") as command:
        command.look_away()
        code, _, errors = await asyncio.wait_for(command.end(), 5)
    assert (code, errors) == (1, "novita-async: nobody reads the output any more\n")
