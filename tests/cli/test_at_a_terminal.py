"""What commands show at a terminal, and what they ask there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from novita_async.cli import observe

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Cloud

    Command = Callable[..., tuple[int, str, str]]
    Screen = Callable[..., tuple[int, str]]


@pytest.fixture(autouse=True)
def _simulated(cloud: Cloud) -> None: ...


def test_a_list_is_a_table_or_a_block_each_where_that_finds_no_room(command: Command, screen: Screen) -> None:
    metadata = ("-m", "job=\x1b[31mred", "-m", f"long={'word ' * 6}")
    ids = [command("sandbox", "create", *metadata)[1].strip() for _ in range(2)]
    code, shown = screen("sandbox", "list", columns=80)
    titles, *rows = shown.splitlines()
    assert code == 0
    assert titles.split("\x1b[0m")[0].startswith("\x1b[2mid ")
    assert len(rows) > 2  # the last column takes several lines
    assert all(id_ in shown for id_ in ids)
    assert "[31mred" in shown
    assert "\x1b[31mred" not in shown  # what others have written steers nobody's terminal
    code, shown = screen("sandbox", "list", columns=44)
    assert code == 0
    assert all(any(id_ in block and "metadata" in block for block in shown.split("\r\n\r\n")) for id_ in ids)
    assert screen("volume", "list") == (0, "none\r\n")


def test_what_is_followed_has_titles(command: Command, screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe, "_EVERY", 0.05)
    id_ = command("sandbox", "create")[1].strip()
    code, shown = screen("sandbox", "logs", id_, "-f", answer=("sandbox create", "\x03"))
    assert code == 130
    assert shown.splitlines()[0].split() == ["time", "level", "message", "fields"]


def test_it_asks_before_it_kills_all(command: Command, screen: Screen) -> None:
    command("sandbox", "create")
    question = "kill 1 sandbox? [y/N] "
    for answer, code, left in (("\x03", 130, 1), ("\n", 1, 1), ("y\n", 0, 0)):
        found, shown = screen("sandbox", "kill", "--all", answer=(question, answer))
        assert (found, shown.startswith(question)) == (code, True)
        assert len(command("sandbox", "list")[1].splitlines()) == left


def test_secrets_and_keys_are_asked_for_and_templates_chosen(command: Command, screen: Screen) -> None:
    code, shown = screen("secret", "create", "one", "--host", "a.example", answer=("value: ", "hush\n"))
    assert (code, shown.splitlines()[-1]) == (0, "stored one")
    assert command("template", "create", "mine", "--image", "python:3.12")[0] == 0
    code, shown = screen("template", "publish", "--select", "-y", answer=("several: ", "1\n"))
    assert (code, "published " in shown) == (0, True)
    for wrong in ("2\n", "\n", "x\n", "1 1\n"):
        code, shown = screen("template", "unpublish", "-s", "-y", answer=("several: ", wrong))
        assert (code, "nothing was done" in shown) == (1, True)
