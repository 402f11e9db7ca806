"""What holds for every test: no warning, no leak, no blocked loop, no environment of the machine, no long wait."""

from __future__ import annotations

import asyncio.constants
import gc
import os
import pathlib
import threading
from typing import TYPE_CHECKING

import pytest
from blockbuster import BlockBuster

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_PROC = pathlib.Path("/proc/self")

# How many frames asyncio's debug mode notes for every task and callback. Ten, as it has it, take a third of the suite's
# time, and two still say who made it.
asyncio.constants.DEBUG_STACK_DEPTH = 2


def _sockets() -> dict[int, str]:
    """The open sockets of this process, by descriptor; empty where the system cannot tell."""
    found: dict[int, str] = {}
    try:
        names = os.listdir(_PROC / "fd")
    except OSError:
        return found
    for name in names:
        try:
            target = os.readlink(_PROC / "fd" / name)
        except OSError:
            continue
        if target.startswith("socket:"):
            found[int(name)] = target
    return found


def _children() -> set[int]:
    """The processes that this one started and that still run; empty where the system cannot tell."""
    try:
        tasks = list((_PROC / "task").iterdir())
    except OSError:
        return set()
    found: set[int] = set()
    for task in tasks:
        try:
            found |= {int(pid) for pid in (task / "children").read_text().split()}
        except OSError:
            continue
    return found


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    item.stash[_BEFORE] = (_sockets(), _children(), threading.active_count())
    return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """After every fixture is gone, so is everything that the test opened."""
    result = yield
    before = item.stash.get(_BEFORE, None)
    if before is None:
        return result
    sockets, children, _ = before
    left = {key: value for key, value in _sockets().items() if sockets.get(key) != value}
    if left:
        gc.collect()  # a loop that pytest closed may wait for its last reference
        left = {key: value for key, value in _sockets().items() if sockets.get(key) != value}
    born = _children() - children
    if left or born:
        pytest.fail(f"the test left open: sockets {sorted(left)}, processes {sorted(born)}")
    return result


_BEFORE: pytest.StashKey[tuple[dict[int, str], set[int], int]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--over-sockets", action="store_true", help="the sandbox room's clients use real sockets")


@pytest.fixture
def over_sockets(request: pytest.FixtureRequest) -> bool:
    """Whether clients are to reach their platform over sockets."""
    return bool(request.config.getoption("--over-sockets"))


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No key, no profile and no address of this machine gets into a test."""
    for name in list(os.environ):
        if name.startswith(("NOVITA_", "OPENAI_", "E2B_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "no-config"))


@pytest.fixture(autouse=True)
def _no_blocking_calls(request: pytest.FixtureRequest) -> Iterator[None]:
    """A call of the package that blocks the event loop raises. Off for a test marked `blocks`."""
    if request.node.get_closest_marker("blocks"):
        yield
        return
    detector = BlockBuster(scanned_modules=["novita_async"])
    detector.activate()
    try:
        yield
    finally:
        detector.deactivate()
