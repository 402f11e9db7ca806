"""Files, in and out."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fake_platform import ENVD, Platform, error, json

from novita_async.errors import (
    BadRequest,
    NotFound,
    PermissionDenied,
    ProtocolError,
    ServerError,
    ValidationError,
)
from novita_async.sandbox import EntryInfo
from novita_async.simulator import Edit

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator

    from novita_async import AsyncNovita, Simulator
    from novita_async.sandbox import Sandbox
    from novita_async.testing.clock import JumpClock
    from novita_async.transport.protocol import Reply, Request

pytestmark = pytest.mark.filterwarnings("ignore::novita_async.simulator.sandbox.IsolationWarning")

#: Every byte there is, and more than one chunk of any layer.
DATA = bytes(range(256)) * 12_000


@pytest.fixture
async def sandbox(novita: AsyncNovita) -> AsyncIterator[Sandbox]:
    async with novita.sandboxes.create(lifetime=3600) as sandbox:
        yield sandbox


async def pieces(data: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def collect(sandbox: Sandbox, path: str) -> bytes:
    async with await sandbox.files.read(path, format="stream") as stream:
        return b"".join([chunk async for chunk in stream])


@pytest.fixture(params=["0.5.7", "0.5.6", "0.6.13", ""])
async def versioned(request: pytest.FixtureRequest, novita: AsyncNovita, novita_simulator: Simulator) -> Any:
    """A sandbox whose envd says that it is of this version; older ones take forms only."""
    novita_simulator.fault("POST", "/sandboxes", Edit.having("envdVersion", request.param))
    async with novita.sandboxes.create() as sandbox:
        yield sandbox
    kinds = {
        request.headers["content-type"].partition(";")[0]
        for request in novita_simulator.requests
        if request.path == "/files" and request.method == "POST"
    }
    assert kinds == {"multipart/form-data" if request.param == "0.5.6" else "application/octet-stream"}


async def test_bytes_in_every_way_come_back_in_every_way(versioned: Sandbox, tmp_path: pathlib.Path) -> None:
    sandbox, local = versioned, tmp_path / "local"
    local.write_bytes(DATA)
    for number, data in enumerate([DATA, local, pieces(DATA)]):
        written = await sandbox.files.write(f"deep/down/{number}", data)
        assert (written.name, written.path) == (str(number), f"/home/user/deep/down/{number}")
        assert await sandbox.files.read(f"deep/down/{number}", format="bytes") == DATA
        assert await collect(sandbox, f"deep/down/{number}") == DATA
    await sandbox.files.write("empty", b"")
    assert await sandbox.files.read("empty") == ""


async def test_text_goes_and_comes_as_utf_8(sandbox: Sandbox) -> None:
    await sandbox.files.write("~/t ä+&=%.txt", "grün 😀\r\n")
    assert await sandbox.files.read("/home/user/t ä+&=%.txt") == "grün 😀\r\n"
    await sandbox.files.write("t", "short")
    await sandbox.files.write("t", "s")
    assert await sandbox.files.read("t") == "s"


async def test_a_file_that_is_no_text_is_not_bent_into_one(sandbox: Sandbox) -> None:
    await sandbox.files.write("b", b"\xff\xfe")
    with pytest.raises(ProtocolError, match="format='bytes'") as caught:
        await sandbox.files.read("b")
    assert caught.value.body == b"\xff\xfe"


async def test_a_missing_file_is_not_found(sandbox: Sandbox) -> None:
    for call in (
        sandbox.files.read("none"),
        sandbox.files.read("none", format="stream"),
        sandbox.files.stat("none"),
        sandbox.files.list("none"),
        sandbox.files.rename("none", "some"),
    ):
        with pytest.raises(NotFound):
            await call
    assert await sandbox.files.exists("none") is False
    await sandbox.files.remove("none")


async def test_the_wrong_kind_of_entry_is_a_bad_request(sandbox: Sandbox) -> None:
    await sandbox.files.write("file", "x")
    await sandbox.files.make_dir("dir")
    for call in (
        sandbox.files.read("dir"),
        sandbox.files.write("dir", "x"),
        sandbox.files.list("file"),
        sandbox.files.make_dir("file"),
    ):
        with pytest.raises(BadRequest):
            await call


async def test_a_place_that_is_not_the_users_is_denied(sandbox: Sandbox) -> None:
    with pytest.raises(PermissionDenied):
        await sandbox.files.remove("/usr/bin")


async def test_entries_are_typed_and_keep_what_came(sandbox: Sandbox) -> None:
    await sandbox.files.write("d/f", "12345")
    await sandbox.commands.run("ln -s f d/link; ln -s nowhere d/broken; chmod 640 d/f")
    file = await sandbox.files.stat("d/f")
    assert (file.name, file.path, file.type, file.size) == ("f", "/home/user/d/f", "file", 5)
    assert (file.mode, file.permissions, file.owner) == (0o640, "-rw-r-----", "user")
    assert file.symlink_target is None
    assert file.modified_time is not None
    assert file.modified_time.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - file.modified_time) < timedelta(minutes=1)
    assert file.raw["type"] == "FILE_TYPE_FILE"
    assert (await sandbox.files.stat("d")).type == "directory"
    link = await sandbox.files.stat("d/link")
    assert (link.type, link.symlink_target) == ("file", "/home/user/d/f")
    assert (await sandbox.files.stat("d/broken")).type == "unspecified"


async def test_a_list_goes_as_deep_as_asked(sandbox: Sandbox) -> None:
    await sandbox.files.write("top/a/b/c", "x")
    assert [entry.name for entry in await sandbox.files.list("top")] == ["a"]
    deep = await sandbox.files.list("top", depth=3)
    assert [(entry.name, entry.type) for entry in deep] == [("a", "directory"), ("b", "directory"), ("c", "file")]
    assert all(isinstance(entry, EntryInfo) and entry.raw for entry in deep)
    await sandbox.files.make_dir("nothing")
    assert await sandbox.files.list("nothing") == []


async def test_make_dir_tells_whether_it_made_one_and_asks_once(sandbox: Sandbox, novita_simulator: Simulator) -> None:
    assert await sandbox.files.make_dir("a/b") is True
    assert await sandbox.files.make_dir("a/b") is False
    assert sum(request.path.endswith("/MakeDir") for request in novita_simulator.requests) == 2


async def test_rename_moves_over_what_is_there(sandbox: Sandbox) -> None:
    await sandbox.files.write("a", "new")
    await sandbox.files.write("dir/b", "old")
    entry = await sandbox.files.rename("a", "dir/b")
    assert (entry.name, entry.path) == ("b", "/home/user/dir/b")
    assert await sandbox.files.read("dir/b") == "new"
    assert not await sandbox.files.exists("a")
    await sandbox.files.remove("dir")
    assert not await sandbox.files.exists("dir")


async def test_the_user_is_named_in_the_query_of_contents_and_in_the_header_of_calls(
    sandbox: Sandbox, novita_simulator: Simulator
) -> None:
    await sandbox.files.write("f", "x", user="root")
    await sandbox.files.stat("/root/f", user="root")
    write, stat = novita_simulator.requests[-2:]
    assert write.query == {"path": "f", "username": "root"}
    assert "authorization" not in write.headers
    assert "authorization" in stat.headers


async def test_a_stream_that_is_left_early_gives_its_connection_back(sandbox: Sandbox, novita: AsyncNovita) -> None:
    await sandbox.files.write("big", DATA)
    for _ in range(3):
        async with await sandbox.files.read("big", format="stream") as stream:
            assert await anext(stream)
    assert novita.stats()["open_streams"] == 0
    assert novita.stats()["open_requests"] == 0


async def test_no_space_left_is_a_server_error(client: AsyncNovita, platform: Platform) -> None:
    async def full(_: Request) -> Reply:
        return error(507, "not enough disk space")

    platform.routes["POST /files"] = full
    sandbox = await client.sandboxes.create()
    with pytest.raises(ServerError, match="not enough disk space") as caught:
        await sandbox.files.write("x", "y")
    assert caught.value.status == 507


async def test_an_answer_without_an_entry_is_a_protocol_error(client: AsyncNovita, platform: Platform) -> None:
    async def nothing(_: Request) -> Reply:
        return json([])

    platform.routes["POST /files"] = nothing
    sandbox = await client.sandboxes.create()
    with pytest.raises(ProtocolError):
        await sandbox.files.write("x", "y")


async def test_a_transfer_may_take_as_long_as_its_timeout_says(
    client: AsyncNovita, platform: Platform, clock: JumpClock
) -> None:
    async def slow(_: Request) -> Reply:
        await clock.sleep(3000)
        return json([{"name": "x", "path": "/x"}])

    platform.routes["POST /files"] = slow
    sandbox = await client.sandboxes.create()
    assert (await sandbox.files.write("x", "y", timeout=4000)).path == "/x"
    assert clock.monotonic() >= 3000


# ------------------------------------------------------------------------------------------- before a byte leaves


async def test_a_local_file_that_cannot_be_read_is_refused(
    client: AsyncNovita, platform: Platform, tmp_path: pathlib.Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    sandbox = await client.sandboxes.create()
    for path in (tmp_path / "none", tmp_path, tmp_path / "pipe", tmp_path / "nul\0"):
        with pytest.raises(ValidationError, match=r"data: .* cannot be read"):
            await sandbox.files.write("x", path)
    assert not [request for request in platform.requests if request.url.startswith(ENVD)]


@pytest.mark.parametrize("data", [5, None, ["x"], iter([b"x"])])
async def test_data_of_no_known_kind_is_refused(client: AsyncNovita, platform: Platform, data: Any) -> None:
    sandbox = await client.sandboxes.create()
    with pytest.raises(ValidationError, match="data must be"):
        await sandbox.files.write("x", data)
    assert len(platform.requests) == 1


@pytest.mark.parametrize("path", ["", "a\0b", 5, None, "\ud800"])
async def test_a_path_that_cannot_be_one_is_refused(client: AsyncNovita, platform: Platform, path: Any) -> None:
    sandbox = await client.sandboxes.create()
    for call in (
        sandbox.files.read(path),
        sandbox.files.write(path, "x"),
        sandbox.files.list(path),
        sandbox.files.stat(path),
        sandbox.files.exists(path),
        sandbox.files.make_dir(path),
        sandbox.files.rename("a", path),
        sandbox.files.rename(path, "a"),
        sandbox.files.remove(path),
    ):
        with pytest.raises(ValidationError, match=r"path|source|destination"):
            await call
    assert len(platform.requests) == 1


@pytest.mark.parametrize("depth", [0, -1, 1.5, True, 2**32])
async def test_a_depth_that_cannot_be_one_is_refused(client: AsyncNovita, platform: Platform, depth: Any) -> None:
    sandbox = await client.sandboxes.create()
    with pytest.raises(ValidationError, match="depth"):
        await sandbox.files.list("x", depth=depth)
    with pytest.raises(ValidationError, match="format"):
        await sandbox.files.read("x", format="lines")  # pyright: ignore[reportCallIssue, reportArgumentType]
    assert len(platform.requests) == 1


# ------------------------------------------------------------------------------------------- uploads that end early


async def test_an_error_of_the_callers_chunks_is_the_callers(sandbox: Sandbox, novita: AsyncNovita) -> None:
    closed = asyncio.Event()

    async def failing() -> AsyncIterator[bytes]:
        try:
            yield b"x"
            raise KeyError("mine")
        finally:
            closed.set()

    with pytest.raises(KeyError, match="mine"):
        await sandbox.files.write("x", failing())
    assert closed.is_set()
    assert novita.stats()["open_requests"] == 0


async def test_chunks_that_are_no_bytes_are_refused(sandbox: Sandbox) -> None:
    async def text() -> AsyncIterator[Any]:
        yield "x"

    with pytest.raises(ValidationError, match="not of str"):
        await sandbox.files.write("x", text())


@pytest.mark.parametrize("how", ["cancelled", "refused"])
async def test_a_local_file_is_closed_when_its_upload_ends_early(
    client: AsyncNovita, platform: Platform, tmp_path: pathlib.Path, how: str
) -> None:
    local = tmp_path / "local"
    local.write_bytes(DATA)
    begun = asyncio.Event()

    async def answer(request: Request) -> Reply:
        assert request.body is not None
        assert not isinstance(request.body, bytes)
        await anext(aiter(request.body))
        begun.set()
        if how == "refused":
            return error(400, "no")
        await asyncio.Event().wait()
        raise AssertionError

    platform.routes["POST /files"] = answer
    sandbox = await client.sandboxes.create()
    writing = asyncio.create_task(sandbox.files.write("x", local))
    await begun.wait()
    if how == "cancelled":
        writing.cancel()
    with pytest.raises(asyncio.CancelledError if how == "cancelled" else BadRequest):
        await writing
    open_files = {os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if fd_exists(fd)}
    assert str(local) not in open_files


def fd_exists(fd: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{fd}")


async def test_an_upload_cancelled_at_every_await_leaves_its_file_closed(
    client: AsyncNovita, platform: Platform, tmp_path: pathlib.Path
) -> None:
    local = tmp_path / "local"
    local.write_bytes(b"x" * 10)

    async def answer(request: Request) -> Reply:
        assert not isinstance(request.body, bytes | None)
        assert b"".join([chunk async for chunk in request.body]) == b"x" * 10
        return json([{"name": "x", "path": "/x"}])

    platform.routes["POST /files"] = answer
    sandbox = await client.sandboxes.create()
    turns = 0
    while True:
        writing = asyncio.create_task(sandbox.files.write("x", local))
        for _ in range(turns):
            if not writing.done():
                await asyncio.sleep(0.0002)
        if not writing.cancel():
            break
        with pytest.raises(asyncio.CancelledError):
            await writing
        turns += 1
    assert writing.result().path == "/x"
    assert client.stats()["open_requests"] == 0
