"""What is said to someone who gets the command line wrong: one line on standard error, and the right exit code."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from novita_async import __version__

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable

    Command = Callable[..., tuple[int, str, str]]


def test_version_and_help(command: Command) -> None:
    assert command("--version") == (0, f"{__version__}\n", "")
    code, output, errors = command("--help")
    assert (code, errors) == (0, "")
    assert "demo" in output
    assert "simulator" in output
    for option in ("--host", "--port", "--seed", "--require-isolation"):
        assert option in command("simulator", "--help")[1]


def test_the_module_runs_as_the_command_does_also_where_there_is_no_input() -> None:
    line = ["sh", "-c", '"$0" -m novita_async --version <&-', sys.executable]
    done = subprocess.run(line, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{__version__}\n", "")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["simulate"], "simulate"),
        (["simulator", "--prot", "1"], "--prot"),
        (["simulator", "--port", "http"], "--port"),
        (["simulator", "--port", "65536"], "65535"),
        (["simulator", "--port", "-1"], "--port"),
        (["simulator", "--host="], "--host"),
        (["simulator", "--host"], "--host"),
        (["simulator", "--task-seconds", "nan"], "--task-seconds"),
        (["simulator", "--chunk-delay", "-0.1"], "--chunk-delay"),
        (["simulator", "--llm-upstream", "http://192.0.2.1/v1"], "--llm-upstream"),
        (["simulator", "extra"], "extra"),
        (["demo", "--speed", "0"], "--speed"),
        (["demo", "--speed", "inf"], "--speed"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_line_and_exit_code_2(command: Command, args: list[str], words: str) -> None:
    code, output, errors = command(*args)
    assert (code, output) == (2, "")
    assert errors.count("\n") == 1
    assert errors.startswith("novita-async: ")
    assert words in errors


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_an_address_that_cannot_be_had_is_one_line_and_exit_code_1(command: Command, host: str) -> None:
    code, output, errors = command("simulator", "--host", host)
    assert (code, output) == (1, "")
    warning, error = errors.splitlines()
    assert "warning" in warning
    assert error.startswith(f"novita-async: cannot listen on {host} port 0: ")


def test_a_port_in_use_is_one_line_and_exit_code_1(command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, output, errors = command("simulator", "--port", str(port))
    assert (code, output) == (1, "")
    assert errors == f"novita-async: cannot listen on 127.0.0.1 port {port}: Address already in use\n"


def test_a_directory_that_is_a_file_is_one_line_and_exit_code_1(command: Command, tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    code, output, errors = command("demo", "--out", str(tmp_path / "file"))
    assert (code, output) == (1, "")
    assert errors == f"novita-async: {tmp_path / 'file'} cannot be used as a directory: File exists\n"


def test_the_live_demo_without_a_key_names_the_variable(command: Command, tmp_path: pathlib.Path) -> None:
    code, output, errors = command("demo", "--live", "--out", str(tmp_path))
    assert (code, output) == (1, "")
    assert "NOVITA_API_KEY" in errors
    assert errors.count("\n") == 1


def test_without_the_extra_it_says_how_to_install_it(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cyclopts", None)
    code, output, errors = command("--version")
    assert (code, output) == (2, "")
    assert errors == "novita-async: the command line needs more packages: pip install 'novita-async[cli]'\n"
