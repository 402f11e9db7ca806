from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
import random
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest
from sandbox_room import BASE, Box, Room, form

from novita_async.simulator.sandbox.door import signature

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

#: Files are the same in every room.
pytestmark = pytest.mark.parametrize("room", ["any"], indirect=True)

OCTETS = {"content-type": "application/octet-stream"}


def files_url(path: str, **query: str) -> str:
    return "/files?" + urlencode({"path": path, **query}, quote_via=quote)


async def write(box: Box, path: str, data: Any, **headers: str) -> Any:
    return await box.http("POST", files_url(path), data, **{**OCTETS, **headers})


async def read(box: Box, path: str, **headers: str) -> Any:
    return await box.http("GET", files_url(path), **headers)


# ------------------------------------------------------------------------------------------------ writing


async def test_what_is_written_is_read_by_commands_and_the_other_way_round(box: Box, envd_contract: Any) -> None:
    answer = await write(box, "~/notes/a.txt", b"from outside\n")
    assert answer.status == 200
    (entry,) = answer.json()
    envd_contract.check("UploadedEntry", entry)
    assert entry == {"name": "a.txt", "type": "file", "path": "/home/user/notes/a.txt"}
    assert (await box.run("cat notes/a.txt; echo inside > b.txt")).stdout == "from outside\n"
    assert (await read(box, "b.txt")).body == b"inside\n"


async def test_multipart_takes_its_targets_from_file_names_or_from_the_query(box: Box, envd_contract: Any) -> None:
    body, headers = form(
        ("file", "one.txt", b"1"), ("note", "skipped", b"x"), ("file", "d/tw\u00f6.txt", b"22\r\n--xY")
    )
    answer = await box.http("POST", "/files", body, **headers)
    assert [entry["path"] for entry in answer.json()] == ["/home/user/one.txt", "/home/user/d/tw\u00f6.txt"]
    for entry in answer.json():
        envd_contract.check("UploadedEntry", entry)
    assert (await read(box, "d/tw\u00f6.txt")).body == b"22\r\n--xY"
    body, headers = form(("file", "ignored", b""))
    answer = await box.http("POST", files_url("/home/user/q"), body, **headers)
    assert answer.json() == [{"name": "q", "type": "file", "path": "/home/user/q"}]
    assert (await read(box, "q")).body == b""


async def test_two_parts_for_one_path_are_a_400_after_the_first_was_written(box: Box) -> None:
    body, headers = form(("file", "a", b"1"), ("file", "./a", b"2"))
    assert (await box.http("POST", "/files", body, **headers)).status == 400
    assert (await read(box, "a")).body == b"1"


async def test_a_large_upload_streams_to_disk_out_of_sight_until_it_is_whole(
    room: Room, box: Box, tmp_path: Path
) -> None:
    blocks = [random.Random(number).randbytes(100_000) for number in range(30)]
    held = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        for block in blocks[:15]:
            yield block
        await held.wait()
        for block in blocks[15:]:
            yield block

    sending = asyncio.ensure_future(write(box, "big", chunks()))
    staging = tmp_path / "sandboxes" / box.id / "staging"
    while sum(path.stat().st_size for path in staging.iterdir()) < 1_500_000:
        await asyncio.sleep(0.001)
    assert (await read(box, "big")).status == 404
    assert (await box.files("ListDir", path="")).json() == {}
    held.set()
    assert (await sending).status == 200
    assert list(staging.iterdir()) == []
    assert hashlib.sha256((await read(box, "big")).body).digest() == hashlib.sha256(b"".join(blocks)).digest()


@pytest.mark.parametrize("how", ["error", "cancel"])
async def test_an_upload_that_breaks_off_leaves_what_was_there(box: Box, tmp_path: Path, how: str) -> None:
    await write(box, "a", b"old")

    async def chunks() -> AsyncIterator[bytes]:
        yield b"new"
        if how == "error":
            raise ConnectionResetError("gone")
        await asyncio.Event().wait()

    sending = asyncio.ensure_future(write(box, "a", chunks()))
    if how == "cancel":
        await asyncio.sleep(0.01)
        sending.cancel()
    with pytest.raises((ConnectionResetError, asyncio.CancelledError)):
        await sending
    assert (await read(box, "a")).body == b"old"
    assert list((tmp_path / "sandboxes" / box.id / "staging").iterdir()) == []


async def test_gzip_is_undone_for_octets_only(box: Box) -> None:
    content = b"0123456789" * 100_000
    packed = gzip.compress(content[:500_000], mtime=0) + gzip.compress(content[500_000:])
    assert (await write(box, "a", packed, **{"content-encoding": "gzip"})).status == 200
    assert (await read(box, "a")).body == content
    body, headers = form(("file", "b", gzip.compress(b"kept", mtime=0)))
    await box.http("POST", "/files", body, **{**headers, "content-encoding": "gzip"})
    assert gzip.decompress((await read(box, "b")).body) == b"kept"


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("d", b"x", OCTETS),
        ("", b"x", OCTETS),
        ("~other/x", b"x", OCTETS),
        ("f/x", b"x", OCTETS),
        ("n" * 300, b"x", OCTETS),
        ("\0", b"x", OCTETS),
        ("x", b"x", {"content-type": "text/plain"}),
        ("x", b"x", {"content-type": "multipart/form-data"}),
        ("x", b"not a form", {"content-type": "multipart/form-data; boundary=b"}),
        ("x", b"x", {**OCTETS, "content-encoding": "br"}),
        ("x", b"x", {**OCTETS, "content-encoding": "gzip"}),
        ("x", gzip.compress(b"x" * 1000, mtime=0)[:-9], {**OCTETS, "content-encoding": "gzip"}),
    ],
)
async def test_an_upload_that_cannot_be_is_a_400_and_leaves_nothing(
    box: Box, tmp_path: Path, envd_contract: Any, path: str, body: bytes, headers: dict[str, str]
) -> None:
    await box.run("mkdir d; touch f")
    answer = await box.http("POST", files_url(path), body, **headers)
    assert answer.status == 400, answer.body
    envd_contract.check("EnvdError", answer.json())
    assert (await read(box, "x")).status == 404
    assert list((tmp_path / "sandboxes" / box.id / "staging").iterdir()) == []


async def test_new_files_and_directories_have_the_usual_permissions_and_old_ones_keep_theirs(box: Box) -> None:
    umask = os.umask(0o022)
    os.umask(umask)
    await write(box, "new/a", b"x")
    await box.run("echo y > run.sh; chmod 751 run.sh")
    await write(box, "run.sh", b"z")
    assert (await box.run("stat -c %a new new/a run.sh")).stdout.split() == [
        f"{0o755 & ~umask:o}",
        f"{0o666 & ~umask:o}",
        "751",
    ]


async def test_a_disk_that_is_full_is_a_507(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.rename", full)
        assert (await write(box, "a", b"x")).status == 507


# ------------------------------------------------------------------------------------------------ reading


async def test_a_file_is_read_with_its_size_and_type(box: Box) -> None:
    await write(box, 'p\u00e4ge "1".html', b"<p>")
    answer = await read(box, 'p\u00e4ge "1".html')
    assert answer.body == b"<p>"
    assert dict(answer.headers) == {
        "content-type": "text/html; charset=utf-8",
        "content-disposition": "inline; filename*=utf-8''p%C3%A4ge%20%221%22.html",
        "content-length": "3",
        "accept-ranges": "bytes",
        "vary": "Accept-Encoding",
    }
    await write(box, "unknown", b"")
    assert (await read(box, "unknown")).headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("asked", "status", "body", "range_"),
    [
        ("bytes=0-1", 206, b"01", "bytes 0-1/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=5-99", 206, b"56789", "bytes 5-9/10"),
        ("bytes=-99", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=3-2", 416, None, "bytes */10"),
        ("bytes=-", 200, b"0123456789", None),
        ("bytes=0-1,3-4", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
    ],
)
async def test_ranges(box: Box, asked: str, status: int, body: bytes | None, range_: str | None) -> None:
    await write(box, "ten", b"0123456789")
    answer = await read(box, "ten", range=asked, accept_encoding="gzip")
    assert (answer.status, answer.headers.get("content-range")) == (status, range_)
    if body is not None:
        assert answer.body == body
        assert answer.headers["content-length"] == str(len(body))


@pytest.mark.parametrize(
    ("accepted", "status", "packed"),
    [
        ("gzip", 200, True),
        ("br, gzip;q=0.5", 200, True),
        ("gzip;q=0", 200, False),
        ("br", 200, False),
        ("", 200, False),
        ("*;q=0", 406, False),
        ("br, identity;q=0", 406, False),
    ],
)
async def test_a_download_is_packed_for_who_takes_gzip(box: Box, accepted: str, status: int, packed: bool) -> None:
    content = b"word " * 200_000
    await write(box, "a", content)
    answer = await read(box, "a", accept_encoding=accepted)
    assert (answer.status, answer.headers.get("content-encoding") == "gzip") == (status, packed)
    if status == 200:
        assert (gzip.decompress(answer.body) if packed else answer.body) == content
        assert ("content-length" in answer.headers) is not packed


@pytest.mark.parametrize(("path", "status"), [("nope", 404), ("nope/x", 404), ("", 400), ("/tmp", 400), ("~x", 400)])
async def test_what_cannot_be_read(box: Box, envd_contract: Any, path: str, status: int) -> None:
    answer = await read(box, path)
    assert answer.status == status
    envd_contract.check("EnvdError", answer.json())


async def test_a_download_that_is_not_read_to_its_end_closes_its_file(box: Box) -> None:
    await write(box, "a", b"x" * 1_000_000)
    for chunks in (0, 1):
        reply = await box.room.send("GET", files_url("a"), box.headers)
        for _ in range(chunks):
            await anext(reply.body)
        assert [name for name in _open_files() if box.id in name] != []
        await reply.body.aclose()
        assert [name for name in _open_files() if box.id in name] == []


def _open_files() -> list[str]:
    found: list[str] = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
        except OSError:
            continue
    return found


async def test_a_user_has_a_home_and_must_exist(box: Box) -> None:
    answer = await box.http("POST", files_url("a", username="root"), b"x", **OCTETS)
    assert answer.json()[0]["path"] == "/root/a"
    for method in ("GET", "POST"):
        assert (await box.http(method, files_url("a", username="bob"), **OCTETS)).status == 401


# --------------------------------------------------------------------------------------------- signed URLs


async def test_a_signed_url_reads_and_writes_without_a_token(room: Room) -> None:
    box, other = await room.create(), await room.create()
    await write(box, "a b.txt", b"mine")
    await write(other, "a b.txt", b"other")
    token = box.made["envdAccessToken"]
    now = int(room.clock.time())
    for expires in ("", str(now), str(now + 60)):
        query = {"signature": signature("a b.txt", "read", "", token, expires)}
        if expires:
            query["signature_expiration"] = expires
        for host in (BASE, f"https://49983-{box.id}.us-phx-1.sandbox.novita.ai"):
            answer = await room("GET", host + files_url("a b.txt", **query), headers={})
            assert (answer.status, answer.body) == (200, b"mine")
    signed = files_url("a b.txt", username="user", signature=signature("a b.txt", "write", "user", token))
    assert (await room("POST", signed, b"new", headers=OCTETS)).status == 200
    assert (await read(box, "a b.txt")).body == b"new"


async def test_a_signature_that_does_not_fit_is_a_401(room: Room) -> None:
    box = await room.create()
    await write(box, "a", b"x")
    token = box.made["envdAccessToken"]
    now = int(room.clock.time())
    good = signature("a", "read", "", token)
    late = signature("a", "read", "", token, str(now - 1))
    for url, headers in (
        (files_url("a", signature=good + "x"), {}),
        (files_url("b", signature=good), {}),
        (files_url("a", username="user", signature=good), {}),
        (files_url("a", signature=signature("a", "write", "", token)), {}),
        (files_url("a", signature=late, signature_expiration=str(now - 1)), {}),
        (files_url("a", signature=good, signature_expiration=str(now + 60)), {}),
        (files_url("a", signature=good, signature_expiration="never"), {}),
        (files_url("a", signature=good), {"X-Access-Token": "wrong"}),
        (files_url("a"), {"Novita-Sandbox-Id": box.id}),
    ):
        assert (await room("GET", url, headers=headers)).status == 401, url
    assert (await room("GET", files_url("a", signature=good), headers={})).status == 200


# --------------------------------------------------------------------------------------------- filesystem


async def test_an_entry_tells_all_there_is_to_know(box: Box) -> None:
    await box.run("echo hello > a; chmod 640 a; touch -d 2020-02-03T04:05:06Z a; ln -s a link; ln -s nope broken")
    entry = (await box.files("Stat", path="a")).json()["entry"]
    assert entry == {
        "name": "a",
        "type": "FILE_TYPE_FILE",
        "path": "/home/user/a",
        "size": "6",
        "mode": 0o640,
        "permissions": "-rw-r-----",
        "owner": "user",
        "group": "user",
        "modifiedTime": "2020-02-03T04:05:06Z",
    }
    link = (await box.files("Stat", path="link")).json()["entry"]
    assert (link["type"], link["symlinkTarget"], link["permissions"]) == (
        "FILE_TYPE_FILE",
        "/home/user/a",
        "Lrwxrwxrwx",
    )
    broken = (await box.files("Stat", path="broken")).json()["entry"]
    assert broken["symlinkTarget"] == "/home/user/broken"
    assert "type" not in broken
    directory = (await box.files("Stat", path="/tmp")).json()["entry"]
    assert (directory["type"], directory["permissions"]) == ("FILE_TYPE_DIRECTORY", "dtrwxrwxrwx")
    assert (await box.files("Stat", path="/")).json()["entry"]["name"] == "/"


async def test_a_list_goes_as_deep_as_asked_in_lexical_order(box: Box) -> None:
    await box.run("mkdir -p b/c/d a; touch b/x a/1 b/c/y; ln -s b link; ln -s link a/nested")

    async def paths(path: str, depth: int) -> list[str]:
        listed = (await box.files("ListDir", path=path, depth=depth)).json()["entries"]
        return [entry["path"].removeprefix("/home/user/") for entry in listed]

    for depth in (0, 1):
        assert await paths("", depth) == ["a", "b", "link"]
    assert await paths("", 2) == ["a", "a/1", "a/nested", "b", "b/c", "b/x", "link"]
    assert await paths("b", 9) == ["b/c", "b/c/d", "b/c/y", "b/x"]
    assert await paths("link", 2) == ["link/c", "link/c/d", "link/c/y", "link/x"]
    assert (await box.files("ListDir", path="b/c/d")).json() == {}


async def test_make_dir_makes_parents_and_tells_what_is_in_the_way(box: Box) -> None:
    answer = await box.files("MakeDir", path="a/b")
    assert (answer.status, answer.json()["entry"]["path"]) == (200, "/home/user/a/b")
    await write(box, "f", b"")
    for path, status, code in (
        ("a/b", 409, "already_exists"),
        ("f", 400, "invalid_argument"),
        ("f/x", 400, "invalid_argument"),
        ("~x", 400, "invalid_argument"),
        ("/usr/x", 403, "permission_denied"),
    ):
        answer = await box.files("MakeDir", path=path)
        assert (answer.status, answer.json()["code"]) == (status, code), path


async def test_move_makes_parents_and_overwrites_as_rename_does(box: Box) -> None:
    await write(box, "a", b"1")
    await write(box, "b", b"2")
    answer = await box.files("Move", source="a", destination="x/y/a")
    assert (answer.status, answer.json()["entry"]["path"]) == (200, "/home/user/x/y/a")
    assert (await box.files("Move", source="b", destination="x/y/a")).status == 200
    assert (await read(box, "x/y/a")).body == b"2"
    await box.run("ln -s x/y/a link")
    await box.files("Move", source="link", destination="moved")
    assert (await box.run("readlink moved")).stdout == "x/y/a\n"  # the link itself
    for source, destination, code in (
        ("nope", "made/for/nothing", "not_found"),
        ("x", "x/y/z", "invalid_argument"),
        ("/usr", "u", "permission_denied"),
        ("x", "/etc/x", "permission_denied"),
        ("/", "r", "permission_denied"),
    ):
        assert (await box.files("Move", source=source, destination=destination)).json()["code"] == code
    assert (await box.files("Stat", path="made")).status == 404


async def test_remove_takes_all_that_is_below_and_is_silent_about_nothing(box: Box) -> None:
    await box.run("mkdir -p d/e/f other; touch d/1 d/e/2 other/kept; ln -s ~/other d/e/link; ln -s d link")
    assert (await box.files("Remove", path="link")).json() == {}
    assert (await box.files("Stat", path="d")).status == 200
    for _ in range(2):
        assert (await box.files("Remove", path="d")).json() == {}
    assert (await box.files("Stat", path="d")).json()["code"] == "not_found"
    assert (await box.files("Remove", path="no/where")).json() == {}
    assert (await box.files("Stat", path="other/kept")).status == 200
    for path in ("/", "/usr", "/proc/1"):
        assert (await box.files("Remove", path=path)).json()["code"] == "permission_denied"


@pytest.mark.parametrize("method", ["Stat", "ListDir"])
async def test_errors_of_paths(box: Box, method: str) -> None:
    await box.run("ln -s b a; ln -s a b; touch f")
    for path, code in (
        ("nope", "not_found"),
        ("f/x", "not_found"),
        ("a/x", "failed_precondition"),
        ("\0", "invalid_argument"),
        ("n" * 300, "invalid_argument"),
        ("/n" * 3000, "invalid_argument"),
    ):
        assert (await box.files(method, path=path)).json()["code"] == code, path
    assert (await box.files("ListDir", path="f")).json()["code"] == "invalid_argument"
    assert (await box.files("ListDir", path="a")).json()["code"] == "failed_precondition"


# ----------------------------------------------------------------------------------------------- hostile


LEADS_OUT = [
    "../../../../../../{secret}",
    "/{secret}",
    "/home/user/../../..{secret}",
    "absolute",
    "relative",
    "root{secret}",
    "dotdot/../../../../..{secret}",
    "chain",
    "d/../absolute",
    "/proc/self/root{secret}",
    "/proc/self/cwd",
]


@pytest.mark.parametrize("path", LEADS_OUT)
async def test_no_path_reads_writes_or_removes_outside_of_the_tree(box: Box, tmp_path: Path, path: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("treasure")
    depth = "../" * 40
    await box.run(
        f"mkdir d; ln -s {secret} absolute; ln -s {depth}{secret} relative; ln -s / root; ln -s {depth} dotdot;"
        "ln -s absolute chain"
    )
    path = path.format(secret=secret)
    assert b"treasure" not in (await read(box, path)).body
    await box.files("ListDir", path=path)
    await box.files("Move", source=path, destination="stolen")
    assert b"treasure" not in (await read(box, "stolen")).body
    await write(box, path, b"overwritten")
    await box.files("MakeDir", path=f"{path}/made")
    await box.files("Remove", path=path)
    assert secret.read_text() == "treasure"
    assert sorted(entry.name for entry in tmp_path.iterdir() if entry.name != "path") == ["sandboxes", "secret"]


async def test_a_cwd_does_not_lead_out_either(box: Box, tmp_path: Path) -> None:
    await box.run(f"ln -s {tmp_path} out")
    events = box.start("pwd", cwd="out")
    with pytest.raises(Exception, match="does not exist"):
        await anext(events)


async def test_a_directory_that_turns_into_a_link_in_the_middle_leads_nowhere(box: Box, tmp_path: Path) -> None:
    """The race that a check followed by a use would lose: a command swaps a directory and a link all the time."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "f").write_text("outside")
    await box.run("mkdir -p a/real; echo inside > a/real/f")
    swapping = box.start(
        f"ln -s {victim} a/link; while :; do mv -T a/real a/x; mv -T a/link a/real; mv -T a/real a/link; "
        "mv -T a/x a/real; done"
    )
    await anext(swapping)
    seen: set[bytes] = set()
    for number in range(80):
        seen.add((await read(box, "a/real/f")).body)
        await write(box, f"a/real/w{number}", b"x")
        await box.files("Remove", path=f"a/real/w{number}")
        await box.files("ListDir", path="a", depth=3)
    await swapping.aclose()
    assert b"inside\n" in seen
    assert b"outside" not in b"".join(seen)
    assert [entry.name for entry in victim.iterdir()] == ["f"]


async def test_removing_what_is_being_swapped_for_a_link_removes_nothing_outside(box: Box, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    (victim / "d").mkdir(parents=True)
    (victim / "d" / "f").touch()
    swapping = box.start(f"while :; do mkdir -p t/a/b; rm -rf t/a; ln -sT {victim} t/a; rm -f t/a; done 2>/dev/null")
    await anext(swapping)
    for _ in range(100):
        await box.files("Remove", path="t")
    await swapping.aclose()
    assert (victim / "d" / "f").exists()


async def test_a_pipe_a_socket_and_a_device_are_not_files(box: Box) -> None:
    await box.run("mkfifo pipe; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"sock\")'")
    for path in ("pipe", "sock"):
        assert (await read(box, path)).status in (400, 500)
    listed = (await box.files("ListDir", path="")).json()["entries"]
    assert [(entry["name"], entry.get("type")) for entry in listed] == [("pipe", None), ("sock", None)]


async def test_names_of_any_bytes_are_listed_and_removed(box: Box) -> None:
    await box.run(r"mkdir d; touch $'d/\xff\n\"' d/ü")
    listed = (await box.files("ListDir", path="d")).json()["entries"]
    assert [entry["name"] for entry in listed] == ["ü", '\ufffd\n"']
    assert (await box.files("Remove", path="d")).json() == {}


async def test_a_tree_of_any_depth_can_be_removed_and_does_not_outlive_its_sandbox(box: Box) -> None:
    deep = 'python3 -c \'import os\nfor _ in range(1100): os.mkdir("d"); os.chdir("d"); open("f", "w").close()\''
    await box.run(deep)
    listed = (await box.files("ListDir", path="", depth=30)).json()["entries"]
    assert len(listed) == 59
    assert (await box.files("Remove", path="d")).json() == {}
    assert (await box.files("ListDir", path="")).json() == {}
    await box.run(deep + "; mkdir closed; touch closed/f; chmod 0 closed")


async def test_a_write_through_a_link_in_the_tree_changes_its_target(box: Box) -> None:
    await box.run("mkdir d; echo old > d/a; ln -s d/a link; ln -s d dir")
    await write(box, "link", b"new")
    await write(box, "dir/b", b"b")
    assert (await box.run("cat d/a d/b; readlink link")).stdout == "newbd/a\n"
