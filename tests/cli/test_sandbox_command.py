"""`novita-async sandbox`: lists, kills, runs, on a simulator behind a socket."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable

    from conftest import Cloud

    Command = Callable[..., tuple[int, str, str]]


def made(command: Command, *options: str) -> str:
    """The id of a new sandbox."""
    code, output, errors = command("sandbox", "create", *options)
    assert (code, errors) == (0, ""), errors
    return output.strip()


def listed(command: Command, *options: str) -> list[dict[str, Any]]:
    code, output, errors = command("sandbox", "list", "-o", "json", *options)
    assert (code, errors) == (0, "")
    return json.loads(output)


@pytest.fixture(autouse=True)
def _simulated(cloud: Cloud) -> None: ...


def test_the_two_commands_that_the_documentation_leads_with(command: Command) -> None:
    id_ = made(command)
    code, output, errors = command("sandbox", "list")
    assert (code, errors) == (0, "")
    (row,) = output.splitlines()
    assert row.split("\t")[0] == id_
    assert row.split("\t")[2] == "running"
    assert command("sandbox", "kill", id_) == (0, f"killed {id_}\n", "")
    assert command("sandbox", "list") == (0, "", "")


def test_a_list_is_data_on_request(command: Command) -> None:
    id_ = made(command, "-m", "job=4 2&x", "--timeout", "120")
    (entry,) = listed(command)
    assert (entry["sandboxID"], entry["metadata"]) == (id_, {"job": "4 2&x"})
    assert yaml.safe_load(command("sbx", "ls", "-o", "yaml")[1])[0]["sandboxID"] == id_


def test_a_list_has_filters_and_pages(command: Command) -> None:
    ids = {made(command, "-m", f"n={n}", "-m", "kind=a") for n in range(3)}
    assert [entry["metadata"]["n"] for entry in listed(command, "-m", "kind=a,n=1")] == ["1"]
    code, output, errors = command("sandbox", "list", "-l", "2", "-o", "json")
    assert (code, errors) == (0, "novita-async: there is more: --page 2, or --all\n")
    pages = [json.loads(output), *(listed(command, "-l", "2", "-p", page) for page in "23")]
    assert [len(page) for page in pages] == [2, 1, 0]
    assert {entry["sandboxID"] for page in pages for entry in page} == ids
    assert len(listed(command, "-l", "1", "--all")) == 3
    assert listed(command, "-s", "paused") == []


def test_info_shows_no_token(command: Command) -> None:
    id_ = made(command)
    for options in ([], ["-o", "json"], ["-o", "yaml"]):
        code, output, errors = command("sandbox", "info", id_, *options)
        assert (code, errors) == (0, "")
        assert id_ in output
        assert "oken" not in output


def test_exec_gives_both_outputs_and_the_exit_code(command: Command) -> None:
    id_ = made(command)
    code, output, errors = command("sandbox", "exec", id_, "-e", "WHO=me", "--", "echo $WHO; echo no >&2; exit 3")
    assert (code, output, errors) == (3, "me\n", "no\n")
    assert command("sandbox", "exec", id_, "-c", "/tmp", "--", "printf", "%s|", "a b", "$HOME", "-x") == (
        0,
        "a b|$HOME|-x|",
        "",
    )
    assert command("sandbox", "exec", id_, "--", "kill -9 $$")[0] in (137, 255)


def test_exec_passes_on_its_input(command: Command, tmp_path: pathlib.Path) -> None:
    id_ = made(command)
    (tmp_path / "input").write_bytes("na\u00efve\n".encode() * 40_000)
    before = os.dup(0)
    try:
        with (tmp_path / "input").open() as file:
            os.dup2(file.fileno(), 0)
            assert command("sandbox", "exec", id_, "--", "wc", "-c") == (0, "280000\n", "")
        reading, writing = os.pipe()
        os.dup2(reading, 0)
        os.close(reading)
        os.write(writing, b"one\n")
        # It ends though its input does not.
        assert command("sandbox", "exec", id_, "--", "head -n 1") == (0, "one\n", "")
        os.close(writing)
    finally:
        os.dup2(before, 0)
        os.close(before)


def test_exec_in_the_background_leaves_the_command_running(command: Command) -> None:
    id_ = made(command)
    code, output, errors = command("sandbox", "exec", "-b", id_, "--", "echo begun > notes; exec sleep 50")
    assert (code, errors) == (0, "")
    assert int(output) > 0
    assert command("sandbox", "exec", id_, "--", "until grep begun notes; do sleep 0.01; done")[0] == 0


def test_kill_all_asks_first_and_refuses_where_nobody_answers(command: Command) -> None:
    ids = {made(command, "-m", f"n={n}") for n in range(2)}
    code, output, errors = command("sandbox", "kill", "--all")
    assert (code, output) == (2, "")
    assert errors == "novita-async: kill 2 sandboxes? There is no terminal to ask at; -y says yes\n"
    assert len(listed(command)) == 2
    code, output, errors = command("sandbox", "kill", "--all", "-y", "-m", "n=1", "-o", "json")
    assert (code, errors) == (0, "")
    (killed,) = json.loads(output)
    assert killed["id"] in ids
    assert [entry["sandboxID"] for entry in listed(command)] == list(ids - {killed["id"]})
    assert command("sandbox", "kill", "--all", "-y")[0] == 0
    assert command("sandbox", "kill", "--all") == (0, "", "")  # nothing to ask about


def test_one_that_is_not_there_does_not_keep_the_others(command: Command) -> None:
    first, second = made(command), made(command)
    code, output, errors = command("sandbox", "kill", first, "gone", second)
    assert code == 1
    assert output == f"killed {first}\nkilled {second}\n"
    assert errors == "novita-async: gone: not found\n"


def test_output_that_finds_no_room_is_one_line(command: Command) -> None:
    made(command)
    before = os.dup(1)
    try:
        with open("/dev/full", "wb") as full:
            os.dup2(full.fileno(), 1)
        code, _, errors = command("sandbox", "list")
    finally:
        os.dup2(before, 1)
        os.close(before)
    assert (code, errors) == (1, "novita-async: the output cannot be written: No space left on device\n")


MISTAKES: list[tuple[list[str], int, str]] = [
    (["info", "gone"], 1, "404"),
    (["exec", "gone", "--", "true"], 1, "404"),
    (["info", "a/b"], 2, "a/b"),
    (["kill"], 2, "--all"),
    (["kill", "x", "--all"], 2, "--all"),
    (["kill", "x", "-m", "a=b"], 2, "--metadata"),
    (["exec", "x"], 2, "COMMAND"),
    (["exec"], 2, "SANDBOX_ID"),
    (["list", "-m", "nonsense"], 2, "KEY=VALUE"),
    (["list", "-o", "xml"], 2, "xml"),
    (["list", "-p", "0"], 2, "-p"),
    (["create", "--timeout", "-1"], 2, "--timeout"),
    (["create", "-e", "=x"], 2, "KEY=VALUE"),
    (["create", "no-such-template"], 1, "no-such-template"),
    (["connect", "x"], 2, "terminal"),
    (["list", "--api-key", "wrong-key"], 1, "401"),
    (["list", "--api-url", "http://127.0.0.1:1"], 1, "127.0.0.1"),
    (["list", "--request-timeout", "soon"], 2, "--request-timeout"),
]


def test_what_goes_wrong_is_one_line(command: Command) -> None:
    for args, code, words in MISTAKES:
        found, output, errors = command("sandbox", *args)
        assert (found, output) == (code, ""), args
        assert errors.startswith("novita-async: "), args
        assert errors.count("\n") == 1, args
        assert words in errors, args
        assert "wrong-key" not in errors


def test_without_a_key_it_says_where_one_comes_from(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOVITA_API_KEY")
    code, output, errors = command("sandbox", "list")
    assert (code, output) == (1, "")
    assert "NOVITA_API_KEY" in errors
