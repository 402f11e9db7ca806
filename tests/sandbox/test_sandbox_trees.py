"""Many files at once, whole directories, streams that are never whole in memory, gzip and signed URLs."""

from __future__ import annotations

import hashlib
import os
import pathlib
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from fake_platform import ENVD, TOKEN, Platform, error, json
from helpers import without_debug
from yarl import URL

from novita_async import AsyncNovita
from novita_async.errors import BadRequest, CommandFailed, NotFound, ProtocolError, ServerError, ValidationError
from novita_async.sandbox import Tree, TreeProgress
from novita_async.sandbox.signing import signature

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from novita_async import Simulator
    from novita_async.sandbox import Sandbox
    from novita_async.testing.clock import JumpClock
    from novita_async.transport.protocol import Reply, Request

pytestmark = pytest.mark.filterwarnings("ignore::novita_async.simulator.sandbox.IsolationWarning")

MIB = 1 << 20


@pytest.fixture
async def sandbox(novita: AsyncNovita) -> AsyncIterator[Sandbox]:
    async with novita.sandboxes.create(lifetime=3600) as sandbox:
        yield sandbox


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> pathlib.Path:
    """A directory with all that one can hold."""
    root = tmp_path / "tree"
    (root / "deep/er").mkdir(parents=True)
    (root / "empty").mkdir(mode=0o750)
    (root / "a ä'\"$(x)\n.txt").write_text("grün")
    (root / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (root / "run.sh").chmod(0o755)
    (root / "deep/er/private").write_bytes(bytes(range(256)) * 5000)
    (root / "deep/er/private").chmod(0o600)
    (root / "nothing").touch()
    (tmp_path / "outside").write_text("not yours")
    (root / "link").symlink_to("deep/er/private")
    (root / "leads out").symlink_to("../outside")
    (root / "absolute").symlink_to(tmp_path / "outside")
    (root / "to a directory").symlink_to("deep")
    (root / "broken").symlink_to("nowhere")
    os.mkfifo(root / "pipe")
    (root / "deep").chmod(0o555)
    return root


SKIPPED = {"leads out", "absolute", "to a directory", "broken", "pipe"}


def look(root: pathlib.Path) -> dict[str, Any]:
    """Every file and directory below this one, with its mode and its content."""
    return {
        str(path.relative_to(root)): (path.stat().st_mode & 0o777, path.read_bytes() if path.is_file() else None)
        for path in root.rglob("*")
        if path.is_file() or (path.is_dir() and not path.is_symlink())
    }


# --------------------------------------------------------------------------------------------------------------- trees


async def test_a_tree_goes_in_and_comes_out_as_it_was(
    sandbox: Sandbox, tree: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    told: list[TreeProgress] = []
    done = await sandbox.files.upload_tree(tree, "~/some/tree", progress=told.append)
    size = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file() and path.name not in SKIPPED)
    assert done == Tree(5, size, done.skipped)
    assert set(done.skipped) == SKIPPED
    assert (told[-1].files, told[-1].bytes, told[-1].all_files, told[-1].all_bytes) == (5, size, 5, size)
    assert (await sandbox.commands.run("./run.sh", cwd="some/tree")).stdout == "ran\n"
    names = {entry.name for entry in await sandbox.files.list("some/tree")}
    assert not {name for name in names if name.endswith(".part")}

    back = tmp_path / "back"
    told.clear()
    got = await sandbox.files.download_tree("~/some/tree", back, progress=told.append)
    assert got == Tree(5, size)
    assert told[-1] == TreeProgress(told[-1].path, 5, size, 5, size)
    want = {name: seen for name, seen in look(tree).items() if name not in SKIPPED}
    assert look(back) == want
    (tree / "deep").chmod(0o755)
    (back / "deep").chmod(0o755)


async def test_a_tree_goes_over_what_is_there_and_leaves_the_rest(sandbox: Sandbox, tmp_path: pathlib.Path) -> None:
    local = tmp_path / "local"
    local.mkdir()
    (local / "same").write_text("new")
    await sandbox.files.write_many({"t/same": "old", "t/other": "kept"})
    await sandbox.files.upload_tree(local, "t")
    assert await sandbox.files.read("t/same") == "new"
    assert await sandbox.files.read("t/other") == "kept"
    (local / "same").write_text("older")
    await sandbox.files.download_tree("t", str(local))
    assert {path.name: path.read_text() for path in local.iterdir()} == {"same": "new", "other": "kept"}


def unwanted(path: str) -> bool:
    return path.endswith((".pyc", ".git", ".tmp"))


@pytest.mark.parametrize("exclude", [["*.pyc", ".git", "docs/*.tmp"], unwanted])
async def test_what_is_excluded_stays_where_it_is_both_ways(
    sandbox: Sandbox, tmp_path: pathlib.Path, exclude: Any
) -> None:
    local = tmp_path / "local"
    for name in ("a.py", "a.pyc", ".git/config", "docs/x.tmp", "docs/y"):
        (local / name).parent.mkdir(parents=True, exist_ok=True)
        (local / name).write_text(name)
    await sandbox.files.upload_tree(local, "t", exclude=exclude)
    names = {entry.path.removeprefix("/home/user/t/") for entry in await sandbox.files.list("t", depth=9)}
    assert names == {"a.py", "docs", "docs/y"}
    await sandbox.files.upload_tree(local, "all")
    await sandbox.files.download_tree("all", tmp_path / "back", exclude=exclude)
    assert {str(path.relative_to(tmp_path / "back")) for path in (tmp_path / "back").rglob("*")} == names


async def test_links_in_a_sandbox_are_not_followed_out_of_the_tree(sandbox: Sandbox, tmp_path: pathlib.Path) -> None:
    await sandbox.commands.run(
        "mkdir -p t/d; echo x > t/d/f; ln -s d/f t/in; ln -s /etc/passwd t/out; ln -s d t/dir; ln -s no t/broken"
    )
    got = await sandbox.files.download_tree("t", tmp_path / "back")
    assert set(got.skipped) == {"out", "dir", "broken"}
    assert set(look(tmp_path / "back")) == {"d", "d/f", "in"}
    assert not (tmp_path / "back/in").is_symlink()


async def test_links_on_this_machine_are_not_followed_out_of_the_tree(sandbox: Sandbox, tmp_path: pathlib.Path) -> None:
    await sandbox.files.write("t/d/f", "x")
    outside, back = tmp_path / "outside", tmp_path / "back"
    outside.mkdir(mode=0o700)
    back.mkdir()
    (back / "d").symlink_to(outside)
    with pytest.raises(PermissionError, match="leads out"):
        await sandbox.files.download_tree("t", back)
    assert list(outside.iterdir()) == []
    assert outside.stat().st_mode & 0o777 == 0o700
    # A link in place of a file is replaced and not written through.
    (back / "d").unlink()
    (back / "d").mkdir()
    (back / "d/f").symlink_to(outside / "g")
    await sandbox.files.download_tree("t", back)
    assert (back / "d/f").read_text() == "x"
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize(
    "path", ["/t/../../evil", "/t/./evil", "/etc/evil", "../evil", "/t//evil", "/t/a\0b", "/t/..", "/tea/evil", "/t/"]
)
async def test_a_sandbox_that_names_entries_elsewhere_is_refused(
    client: AsyncNovita, platform: Platform, tmp_path: pathlib.Path, path: str
) -> None:
    kind = {"type": "FILE_TYPE_FILE", "size": "1", "mode": 420}

    async def listed(_: Request) -> Reply:
        return json({"entries": [{"name": "evil", "path": path, **kind}]})

    async def stat(_: Request) -> Reply:
        return json({"entry": {"name": "t", "path": "/t", "type": "FILE_TYPE_DIRECTORY"}})

    platform.routes |= {"POST /filesystem.Filesystem/ListDir": listed, "POST /filesystem.Filesystem/Stat": stat}
    sandbox = await client.sandboxes.create()
    with pytest.raises(ProtocolError, match="as an entry of"):
        await sandbox.files.download_tree("/t", tmp_path / "back")
    assert not (tmp_path / "back").exists()


async def test_a_tree_that_fails_on_its_way_in_changes_nothing(
    client: AsyncNovita, platform: Platform, tmp_path: pathlib.Path
) -> None:
    async def full(request: Request) -> Reply:
        return error(507, "no space") if "%2F7" in request.url else json([{"name": "x", "path": "/x"}])

    for number in range(20):
        (tmp_path / str(number)).write_text("x")
    platform.routes["POST /files"] = full
    sandbox = await client.sandboxes.create()
    with pytest.raises(ServerError, match="no space"):
        await sandbox.files.upload_tree(tmp_path, "t")
    assert platform.sent("POST", "/Start") == []
    (removed,) = platform.sent("POST", "/Remove")
    assert isinstance(removed.body, bytes)
    assert b'"t/.novita-' in removed.body


async def test_a_download_that_breaks_leaves_no_half_file(
    client: AsyncNovita, platform: Platform, tmp_path: pathlib.Path
) -> None:
    kind = {"name": "f", "path": "/t/f", "type": "FILE_TYPE_FILE", "size": "10", "mode": 420}

    async def half(_: Request) -> Reply:
        return error(500, "disk on fire")

    async def stat(_: Request) -> Reply:
        return json({"entry": {"name": "t", "path": "/t", "type": "FILE_TYPE_DIRECTORY"}})

    async def listed(_: Request) -> Reply:
        return json({"entries": [kind]})

    platform.routes |= {
        "GET /files": half,
        "POST /filesystem.Filesystem/ListDir": listed,
        "POST /filesystem.Filesystem/Stat": stat,
    }
    sandbox = await client.sandboxes.create()
    with pytest.raises(ServerError):
        await sandbox.files.download_tree("/t", tmp_path / "back")
    assert list((tmp_path / "back").iterdir()) == []


async def test_a_file_where_a_directory_should_go_is_an_error(sandbox: Sandbox, tmp_path: pathlib.Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f").touch()
    await sandbox.files.write("t/d", "a file")
    with pytest.raises(CommandFailed):
        await sandbox.files.upload_tree(tmp_path, "t")
    assert [entry.name for entry in await sandbox.files.list("t")] == ["d"]
    with pytest.raises(BadRequest):
        await sandbox.files.upload_tree(tmp_path, "t/d")
    with pytest.raises(NotFound):
        await sandbox.files.download_tree("nowhere", tmp_path / "back")


async def test_a_tree_that_cannot_be_read_is_refused(
    client: AsyncNovita, platform: Platform, tmp_path: pathlib.Path
) -> None:
    sandbox = await client.sandboxes.create()
    (tmp_path / "file").touch()
    for local, words in ((tmp_path / "none", "not a directory"), (tmp_path / "file", "not a directory")):
        with pytest.raises(ValidationError, match=words):
            await sandbox.files.upload_tree(local, "t")
    with pytest.raises(ValidationError, match="exclude"):
        await sandbox.files.upload_tree(tmp_path, "t", exclude="*.pyc")
    (tmp_path / os.fsdecode(b"no text \xff")).touch()
    with pytest.raises(ValidationError, match="UTF-8"):
        await sandbox.files.upload_tree(tmp_path, "t")
    assert not [request for request in platform.requests if request.url.startswith(ENVD)]


# ---------------------------------------------------------------------------------------------- many, streams and gzip


async def test_many_files_are_written_in_one_call(sandbox: Sandbox, tmp_path: pathlib.Path) -> None:
    (tmp_path / "local").write_bytes(b"local")
    files: dict[str, Any] = {f"d/{number}": str(number) for number in range(20)}
    files["d/path"] = tmp_path / "local"
    files["d/bytes"] = b"\0\xff"
    written = await sandbox.files.write_many(files)
    assert [file.path for file in written] == [f"/home/user/{path}" for path in files]
    assert await sandbox.files.read("d/19") == "19"
    assert await sandbox.files.read("d/path") == "local"
    assert await sandbox.files.read("d/bytes", format="bytes") == b"\0\xff"
    assert await sandbox.files.write_many({}) == []
    with pytest.raises(ValidationError, match="mapping"):
        await sandbox.files.write_many([("a", "b")])  # pyright: ignore[reportArgumentType]


async def test_one_of_many_that_fails_is_the_error(sandbox: Sandbox) -> None:
    await sandbox.files.make_dir("d")
    with pytest.raises(BadRequest):
        await sandbox.files.write_many({"a": "x", "d": "y", "b": "z"})


async def test_gzip_packs_files_on_their_way_and_nothing_else(
    sandbox: Sandbox, novita_simulator: Simulator, tmp_path: pathlib.Path
) -> None:
    text = "the same again\n" * 100_000
    (tmp_path / "local").write_text(text)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(text), 100_000):
            yield text[start : start + 100_000].encode()

    for data in (text, tmp_path / "local", pieces()):
        await sandbox.files.write("f", data, gzip=True)
        request = novita_simulator.requests[-1]
        assert request.headers["content-encoding"] == "gzip"
        assert await sandbox.files.read("f", gzip=True) == text
        assert novita_simulator.requests[-1].headers["accept-encoding"] == "gzip"
        assert (await sandbox.files.stat("f")).size == len(text)
    async with sandbox.files.open("f", gzip=True) as stream:
        assert b"".join([chunk async for chunk in stream]).decode() == text


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.blocks  # the test itself looks into /proc
async def test_a_hundred_megabytes_go_in_and_out_without_being_in_memory(
    novita_simulator: Simulator, tmp_path: pathlib.Path
) -> None:
    """Over sockets, and the growth is that of the client and of the simulator together."""
    without_debug()
    local = tmp_path / "big"
    block = os.urandom(MIB)
    with local.open("wb") as file:
        for _ in range(50):
            file.write(block)
    highest = 0
    async with (
        novita_simulator.serve() as served,
        AsyncNovita(
            api_key=novita_simulator.api_key, api_url=served.url, sandbox_url=served.url, clock=novita_simulator.clock
        ) as novita,
        novita.sandboxes.create(lifetime=3600) as sandbox,
    ):
        await sandbox.files.write("warm", block)
        before = resident()

        async def pieces() -> AsyncIterator[bytes]:
            nonlocal highest
            for _ in range(100):
                yield block
                highest = max(highest, resident())

        assert (await sandbox.files.write("big", local)).path == "/home/user/big"
        highest = max(highest, resident())
        await sandbox.files.write("big", pieces())
        digest = hashlib.sha256()
        async with sandbox.files.open("big") as stream:
            async for chunk in stream:
                digest.update(chunk)
                highest = max(highest, resident())
        assert await sandbox.files.read("warm", format="bytes", gzip=True) == block
    assert digest.hexdigest() == hashlib.sha256(block * 100).hexdigest()
    assert highest - before < 32 * MIB


# --------------------------------------------------------------------------------------------------------- signed URLs


def test_signatures_are_those_of_the_contract() -> None:
    path, token = "/home/user/a.txt", "secret-token"
    assert signature(path, "read", user="user", token=token, expires=None) == (
        "v1_powbkN3fI7yRlWaB5Ui2dRUwVP8UZprfSGludREq8sk"
    )
    assert signature(path, "write", user=None, token=token, expires=1700000060) == (
        "v1_7ghATdVMKQhVrknD+uNaG1d32LgQtJj8sFYK8UPlmY0"
    )


async def test_a_signed_url_says_who_what_and_until_when_and_not_the_token(
    client: AsyncNovita, platform: Platform, clock: JumpClock
) -> None:
    sandbox = await client.sandboxes.create()
    sent = len(platform.requests)
    plain = sandbox.files.download_url("~/a b+ä")
    assert plain.startswith(f"{ENVD}/files?path=~%2Fa%20b%2B%C3%A4&signature=v1_")
    assert "+" not in plain
    assert "expiration" not in plain
    signed = sandbox.files.upload_url("x", user="root", expires=59.5)
    expected = signature("x", "write", user="root", token=TOKEN, expires=int(clock.time()) + 60)
    assert signed.endswith(f"&signature_expiration={int(clock.time()) + 60}")
    assert "username=root" in signed
    assert expected.replace("+", "%2B").replace("/", "%2F") in signed
    assert TOKEN not in plain + signed
    assert len(platform.requests) == sent
    for wrong in ({"expires": 0}, {"expires": -1}, {"user": "a:b"}):
        with pytest.raises(ValidationError):
            sandbox.files.download_url("x", **wrong)  # pyright: ignore[reportArgumentType]
    platform.created = {"envdAccessToken": None}
    bare = await client.sandboxes.create()
    assert bare.files.download_url("x") == f"{ENVD}/files?path=x"


async def test_a_signed_url_is_taken_by_any_http_client(novita_simulator: Simulator) -> None:
    """Where all sandboxes share one address, headers tell which one is meant."""
    async with (
        novita_simulator.serve() as served,
        AsyncNovita(
            api_key=novita_simulator.api_key, api_url=served.url, sandbox_url=served.url, clock=novita_simulator.clock
        ) as novita,
        novita.sandboxes.create() as sandbox,
        aiohttp.ClientSession() as http,
    ):
        await sandbox.files.write("a b+ä", "hello")
        headers = {"novita-sandbox-id": sandbox.id, "novita-sandbox-port": "49983"}
        for url in (sandbox.files.download_url("a b+ä", expires=60), sandbox.files.download_url("a b+ä", user="user")):
            async with http.get(URL(url, encoded=True), headers=headers) as answer:
                assert (answer.status, await answer.text()) == (200, "hello")
        upload = URL(sandbox.files.upload_url("up"), encoded=True)
        async with http.post(
            upload, headers={**headers, "content-type": "application/octet-stream"}, data=b"x"
        ) as answer:
            assert answer.status == 200
        assert await sandbox.files.read("up") == "x"
        wrong = URL(sandbox.files.download_url("up").replace("path=up", "path=a"), encoded=True)
        async with http.get(wrong, headers=headers) as answer:
            assert answer.status == 401
