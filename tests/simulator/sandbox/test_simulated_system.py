"""The system's directories, which are not in a sandbox's tree: seen as its commands see them, and never changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sandbox_room import BUBBLEWRAP, Ended

if TYPE_CHECKING:
    from sandbox_room import Box

OCTETS = "application/octet-stream"
pytestmark = pytest.mark.parametrize("room", [BUBBLEWRAP], indirect=True)


async def test_a_file_is_read_as_the_commands_read_it(box: Box) -> None:
    for path in ("/etc/passwd", "/etc/os-release", "/usr/bin/env"):
        answer = await box.http("GET", f"/files?path={path}")
        assert answer.status == 200, path
        count = (await box.run(f"wc -c < {path}")).stdout.strip()
        assert len(answer.body) == int(count)
    passwd = (await box.http("GET", "/files?path=/etc/passwd")).body
    assert passwd.startswith(b"root:")
    assert passwd != Path("/etc/passwd").read_bytes()  # the sandbox's own


async def test_a_directory_lists_what_the_commands_list(box: Box) -> None:
    for path in ("/etc", "/usr", "/usr/lib", "/"):
        entries = (await box.files("ListDir", path=path)).json()["entries"]
        names = (await box.run(f"ls -A {path}")).stdout.split()
        # A link that leads nowhere and a device have no type, and are left out by the client, not here.
        assert sorted(entry["name"] for entry in entries) == sorted(names), path
    assert "cpuinfo" in {entry["name"] for entry in (await box.files("ListDir", path="/proc")).json()["entries"]}


async def test_what_lies_in_it_is_described(box: Box) -> None:
    entry = (await box.files("Stat", path="/usr/bin/env")).json()["entry"]
    assert entry["type"] == "FILE_TYPE_FILE"
    assert entry["permissions"] == "-rwxr-xr-x"
    assert (await box.files("Stat", path="/etc/nothing")).status == 404
    assert (await box.http("GET", "/files?path=/etc/nothing")).status == 404


async def test_a_link_leads_in_and_back_out(box: Box) -> None:
    await box.run("ln -s /etc/hostname name; ln -s /etc/../home/user/mine there; echo mine > mine")
    assert (await box.http("GET", "/files?path=name")).body == b"sandbox\n"
    assert (await box.http("GET", "/files?path=there")).body == b"mine\n"
    assert (await box.http("GET", "/files?path=/usr/../tmp/../home/user/mine")).body == b"mine\n"


async def test_what_not_everybody_may_read_stays_closed(box: Box) -> None:
    """This process may be root on this machine, and what runs inside is not."""
    for name in ("kcore", "kmsg", "kpageflags", "1/environ", "1/mem", "1/fd/0", "1/map_files"):
        await box.run(f"ln -sfn /proc/{name} link")
        for asked in (f"/proc/{name}", "link"):
            assert (await box.http("GET", f"/files?path={asked}")).status >= 400, name
        assert (await box.files("ListDir", path=f"/proc/{name}")).status >= 400, name


async def test_no_process_is_a_way_out(box: Box) -> None:
    for way in ("1/root", "1/cwd", "self/root", "self/fd/3", "1/task/1/root"):
        assert (await box.http("GET", f"/files?path=/proc/{way}/etc/shadow")).status in (404, 500), way


async def test_nothing_in_it_is_changed(box: Box) -> None:
    await box.run("ln -s /usr/share away; echo mine > mine")
    for path in ("/usr/new", "/etc/hosts", "/proc/1/comm", "away/new", "/dev/null", "/etc/../usr/new"):
        assert (
            await box.http("POST", f"/files?path={path}", b"x", content_type="application/octet-stream")
        ).status >= 400
        assert (await box.files("MakeDir", path=path)).status >= 400
        assert (await box.files("Move", source="mine", destination=path)).status == 403
    for path in ("/usr/bin/env", "/etc", "/etc/hosts", "away/doc"):
        assert (await box.files("Remove", path=path)).status == 403
        assert (await box.files("Move", source=path, destination="mine")).status == 403
    assert (await box.run("cat mine; ls /usr/bin/env")).stdout == "mine\n/usr/bin/env\n"


async def test_a_command_begins_where_the_sandbox_has_such_a_directory(box: Box) -> None:
    assert (await box.run("pwd", cwd="/usr/lib")).stdout == "/usr/lib\n"
    with pytest.raises(Ended) as caught:  # on this machine it is there
        await box.run("pwd", cwd=f"/proc/{os.getpid()}")
    assert caught.value.code == "invalid_argument"


async def test_it_is_seen_again_after_a_reset(box: Box) -> None:
    assert (await box.room("POST", f"/sandboxes/{box.id}/reset", {"resume": True})).status < 300
    assert (await box.http("GET", "/files?path=/etc/hostname")).body == b"sandbox\n"
