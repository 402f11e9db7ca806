"""The machine of a sandbox: one namespace for all its commands, still and copied, and its end with its simulator."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sandbox_room import BUBBLEWRAP, Box, Room, finish, processes

from novita_async.runtime.clock import SystemClock
from novita_async.simulator.sandbox.copying import copy_tree
from novita_async.simulator.sandbox.ground import Ground
from novita_async.simulator.sandbox.paths import remove_directory

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from typing import Any

    from novita_async.simulator.sandbox.machine import Machine

    Events = AsyncGenerator[dict[str, Any], None]

in_namespaces = pytest.mark.parametrize("room", [BUBBLEWRAP], indirect=True)
in_either = pytest.mark.parametrize("room", ["any"], indirect=True)
ROOT = {"authorization": "Basic " + base64.b64encode(b"root:").decode()}


def machine_of(box: Box) -> Machine:
    machine = box.room.sandboxes.get(box.id)
    assert machine is not None
    return machine


async def until_gone(marker: str) -> None:
    for _ in range(300):
        if not processes(marker):
            return
        await SystemClock().sleep(0.01)
    raise AssertionError(f"{marker} still runs")


# ---------------------------------------------------------------------------------------- one for all commands


async def test_what_a_command_leaves_running_is_there_for_the_next_and_ends_with_the_sandbox(box: Box) -> None:
    marker = f"novita-left-{box.id}"
    left = await box.run(f"nohup bash -c 'exec -a {marker} sleep 300' >/dev/null 2>&1 & echo $!")
    alive = f"kill -0 {left.stdout.strip()} && ps -o args= -p {left.stdout.strip()}"
    while (seen := await box.run(alive)).stdout != f"{marker} 300\n":  # not before it has become what it will be
        assert "exec -a" in seen.stdout
    await box.room("DELETE", f"/sandboxes/{box.id}")
    assert processes(marker) == []


async def test_output_of_what_is_left_running_is_dropped_and_does_not_stop_it(box: Box) -> None:
    done = await box.run("{ sleep 0.1; head -c 3000000 /dev/zero; touch done; } & echo first")
    assert done.stdout == "first\n"
    while (await box.files("Stat", path="done")).status == 404:
        await SystemClock().sleep(0.02)


async def test_an_end_comes_after_all_that_the_command_itself_wrote(box: Box) -> None:
    for size in (10, 60_000, 2_000_000):
        done = await box.run(f"sleep 300 & head -c {size} /dev/zero")
        assert len(done.stdout) == size


async def test_what_goes_on_writing_to_a_command_that_has_ended_does_not_hold_up_its_end(box: Box) -> None:
    done = await box.run("yes & exit 3")
    assert done.end["exitCode"] == 3


@in_namespaces
async def test_commands_see_each_other_and_a_pid_is_the_one_that_the_sandbox_knows(box: Box) -> None:
    waiting = box.start("exec sleep 300")
    pid = (await anext(waiting))["start"]["pid"]
    listed = (await box.run("ps -e -o pid=,args=")).stdout
    assert f"{pid} sleep 300" in [line.strip() for line in listed.splitlines()]
    assert len(listed.splitlines()) < 8  # of this machine nothing
    assert (await box.run(f"ls /proc/{pid}/fd | wc -l")).stdout == "3\n"
    assert (await box.run(f"kill {pid}")).end["exited"]
    assert (await finish(_with_start(pid, waiting))).end["status"] == "signal: terminated"


async def _with_start(pid: int, events: Events) -> Events:
    yield {"start": {"pid": pid}}
    async for event in events:
        yield event


@in_namespaces
async def test_commands_share_a_tmp_and_a_localhost_of_their_own(room: Room) -> None:
    one, other = [await room.create(allow_internet_access=False) for _ in range(2)]
    serve = "import socket; s = socket.create_server(('127.0.0.1', 8000)); print('up', flush=True); s.accept()"
    server = one.start(f'exec python3 -c "{serve}"')
    while "data" not in await anext(server):
        pass
    await one.run("echo here > /tmp/note")
    assert (await one.run("cat /tmp/note; : < /dev/tcp/127.0.0.1/8000")).end == {
        "exited": True,
        "status": "exit status 0",
    }
    assert (await other.run("cat /tmp/note || : < /dev/tcp/127.0.0.1/8000")).end["exitCode"] == 1
    await server.aclose()


@in_namespaces
async def test_its_root_and_its_user_have_no_capability_and_own_the_same_files(box: Box) -> None:
    for headers, uid in ((ROOT, "0"), (None, "1000")):
        script = "id -u; grep -E 'Cap(Prm|Eff|Amb)|NoNewPrivs' /proc/self/status; stat -c %u /home/user; echo x >> both"
        told = (await box.run(script, headers=headers, cwd="/tmp")).stdout.split()
        assert (told[0], told[-1]) == (uid, uid)
        assert told[2:-2:2] == ["0" * 16] * 3
        assert told[-2] == "1"
    assert (await box.run("cat /tmp/both")).stdout == "x\nx\n"


@in_namespaces
async def test_the_first_process_of_a_sandbox_cannot_be_ended_from_inside(box: Box) -> None:
    script = "for s in $(seq 1 64); do kill -$s 1 2>/dev/null; done; kill -9 -1"
    await box.run(script)
    assert (await box.run("echo still")).stdout == "still\n"


@in_namespaces
@pytest.mark.parametrize(
    "script",
    [
        "mount -o remount,rw /usr",
        "umount -l /lib64 || umount /usr",
        "mv /lib64 /away || mv /bin /away || mv /usr /away",
        "unshare -Ur mount -o remount,bind,rw /usr",
        "unshare -Urm bash -c 'umount /usr || umount -l /lib64'",
        "nsenter --user=/proc/1/ns/user --preserve-credentials mount -o remount,rw /usr",
        # Asked, not tried: it would be this machine's own.
        "find /usr/bin /lib64 /etc/users /proc/sys /proc/irq /proc/bus -writable 2>/dev/null | grep .",
        "test -w /proc/sysrq-trigger",
        "ls /proc/1/root/work || ls /proc/1/cwd/work",
    ],
)
async def test_nothing_of_the_system_can_be_changed(box: Box, script: str) -> None:
    for headers in (ROOT, None):
        done = await box.run(script, headers=headers)
        assert done.end.get("exitCode"), done
        assert (await box.run("true")).end["exited"]


@in_namespaces
async def test_a_directory_of_this_machine_is_in_no_process_that_a_sandbox_can_look_into(box: Box) -> None:
    """While commands come up, somebody inside goes through every descriptor that is open."""
    spy = box.start("while [ ! -e stop ]; do readlink /proc/[0-9]*/fd/* 2>/dev/null; done | sort -u")
    pid = (await anext(spy))["start"]["pid"]
    for _ in range(20):
        await box.run("true")
    await box.run("touch stop")
    seen = (await finish(_with_start(pid, spy))).stdout.split("\n")
    assert any(line.startswith("pipe:") for line in seen)
    assert [line for line in seen if "unreachable" in line or line.rpartition("/")[2].isdigit()] == []


@in_namespaces
async def test_the_name_of_a_program_may_look_like_a_variable(box: Box) -> None:
    await box.run("printf '#!/bin/sh\\necho ran' > a=b; chmod +x a=b")
    done = await finish(box.stream("Start", {"process": {"cmd": "/home/user/a=b"}, "stdin": False}))
    assert done.stdout == "ran\n"


# -------------------------------------------------------------------------------------------- still and copied


async def test_a_paused_machine_stands_still_and_goes_on_where_it_was(box: Box) -> None:
    machine = machine_of(box)
    events = box.start("(while :; do echo x >> ticks; sleep 0.002; done) & while :; do echo y >> tocks; done")
    await anext(events)
    while (await box.files("Stat", path="tocks")).status == 404 or (
        await box.files("Stat", path="ticks")
    ).status == 404:
        await SystemClock().sleep(0.01)
    for _ in range(3):
        await machine.pause()
        sizes = [(await box.http("GET", f"/files?path={name}")).body for name in ("ticks", "tocks")]
        await SystemClock().sleep(0.05)
        assert [(await box.http("GET", f"/files?path={name}")).body for name in ("ticks", "tocks")] == sizes
        await machine.resume()
        while (await box.http("GET", "/files?path=ticks")).body == sizes[0]:
            await SystemClock().sleep(0.01)
    assert (await box.run("exit 4")).end["exitCode"] == 4
    await events.aclose()


async def test_a_command_ends_after_a_pause_as_it_would_have_without(box: Box) -> None:
    machine = machine_of(box)
    for _ in range(5):
        events = box.start("for i in 1 2 3 4 5 6 7 8 9; do sleep 0.005; done; exit 7")
        pid = (await anext(events))["start"]["pid"]
        await machine.pause()
        await machine.resume()
        assert (await asyncio.wait_for(finish(_with_start(pid, events)), 10)).end["exitCode"] == 7


async def test_a_paused_machine_starts_nothing_and_can_be_ended(box: Box) -> None:
    marker = f"novita-paused-{box.id}"
    events = box.start(f"exec -a {marker} sleep 300")
    await anext(events)
    await machine_of(box).pause()
    with pytest.raises(Exception, match="ended"):
        await box.run("true")
    await box.room("DELETE", f"/sandboxes/{box.id}")
    assert processes(marker) == []
    await events.aclose()


async def test_a_command_that_stopped_itself_does_not_hold_up_the_end(box: Box) -> None:
    marker = f"novita-stopped-{box.id}"
    events = box.start(f"exec -a {marker} bash -c 'kill -STOP $$'")
    await anext(events)
    await SystemClock().sleep(0.1)
    await asyncio.wait_for(box.room("DELETE", f"/sandboxes/{box.id}"), 10)
    assert processes(marker) == []
    await events.aclose()


async def test_a_copy_has_the_files_and_nothing_that_runs(box: Box) -> None:
    await box.run(
        "echo a > a; ln -s /etc/passwd link; mkfifo pipe; mkdir -p d/e; echo x > d/e/x; chmod 500 d/e; chmod 0 a"
    )
    machine = machine_of(box)
    copy = await machine.copy()
    try:
        home = copy / "home/user"
        assert sorted(entry.name for entry in home.iterdir()) == ["a", "d", "link"]
        assert (home / "link").readlink() == Path("/etc/passwd")
        assert stat.S_IMODE((home / "d/e").stat().st_mode) == 0o500
        assert stat.S_IMODE((home / "a").stat().st_mode) == 0
    finally:
        await SystemClock().to_thread(lambda: remove_directory(copy))
    await box.run("chmod 700 d/e")


def test_a_copied_file_keeps_its_holes_and_its_times(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    sparse = tmp_path / "tree" / "sparse"
    with sparse.open("wb") as file:
        file.seek(50_000_000)
        file.write(b"end")
        file.truncate(100_000_000)
    os.utime(sparse, ns=(1, 2_000_000_000))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "tree" / "socket"))
    copy_tree(tmp_path / "tree", tmp_path / "copy")
    made = tmp_path / "copy" / "sparse"
    assert (made.stat().st_size, made.stat().st_mtime_ns) == (100_000_000, 2_000_000_000)
    assert made.stat().st_blocks * 512 < 1_000_000
    with made.open("rb") as file:
        file.seek(50_000_000)
        assert file.read(4) == b"end\0"
    assert [entry.name for entry in (tmp_path / "copy").iterdir()] == ["sparse"]


def test_a_copy_never_follows_a_link_and_refuses_what_is_too_deep(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "out").symlink_to(secret)
    copy_tree(tree, tmp_path / "copy")
    assert (tmp_path / "copy" / "out").is_symlink()
    (tree / "/".join("d" * 250)).mkdir(parents=True)
    with pytest.raises(OSError, match="too deeply"):
        copy_tree(tree, tmp_path / "second")


# --------------------------------------------------------------------------------------------------- measured


async def test_metrics_are_of_its_processes_and_its_files(box: Box) -> None:
    machine = machine_of(box)
    before = await machine.metrics()
    events = box.start(
        "head -c 3000000 /dev/urandom > big; x=$(head -c 20000000 /dev/zero | tr '\\0' x); while :; do :; done"
    )
    await anext(events)
    while (await machine.metrics()).memory < before.memory + 20_000_000:
        await SystemClock().sleep(0.02)
    await SystemClock().sleep(0.2)
    used = await machine.metrics()
    assert 5 < used.cpu_percent <= 110
    assert used.disk >= before.disk
    await events.aclose()


# ------------------------------------------------------------------------------------------- many, and the end


@pytest.mark.acceptance
@in_either
async def test_a_hundred_sandboxes_at_once_run_a_command_each_and_leave_nothing(room: Room) -> None:
    boxes = await asyncio.gather(*(room.create() for _ in range(100)))
    marker = f"novita-many-{boxes[0].id}"
    done = await asyncio.gather(
        *(box.run(f"bash -c 'exec -a {marker} sleep 300' & echo $NOVITA_SANDBOX_ID") for box in boxes)
    )
    assert [each.stdout.strip() for each in done] == [box.id for box in boxes]
    while len(processes(marker)) < 100:  # the last ones are on their way to becoming what they will be
        await SystemClock().sleep(0.01)
    await room.sandboxes.aclose()
    assert processes(marker) == []
    assert _mounts() == 0


def _mounts() -> int:
    lines = Path("/proc/mounts").read_text().splitlines()
    return sum("novita-sandboxes-" in line or "/sandboxes/i" in line for line in lines)


_SIMULATOR = """
import asyncio, sys, tempfile
from novita_async.runtime.clock import SystemClock
from novita_async.simulator.sandbox import Sandboxes
from sandbox_room import KEY, Room, processes

async def main():
    tempfile.tempdir = sys.argv[1]
    room = Room(Sandboxes(clock=SystemClock(), api_key=KEY), SystemClock(), isolated=True)
    for box in [await room.create(timeout=3000) for _ in range(3)]:
        events = box.start(f"bash -c 'exec -a {sys.argv[2]} sleep 300' & exec -a {sys.argv[2]} sleep 300")
        await anext(events)
    while len(processes(sys.argv[2])) < 7:  # itself is one
        await SystemClock().sleep(0.01)
    await room.sandboxes.get(box.id).pause()  # the last one
    print("up", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("kind", [BUBBLEWRAP, "plain"])
async def test_a_simulator_that_is_killed_leaves_nothing_that_the_next_does_not_clear_away(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if kind == "plain":
        (tmp_path / "path").mkdir()
        request.getfixturevalue("broken_bubblewrap")
    ground = tmp_path / "ground"
    ground.mkdir()
    marker = f"novita-killed-{kind}-{os.getpid()}"
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["tests/simulator/sandbox", "tests"]))
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", "-c", _SIMULATOR, str(ground), marker), stdout=asyncio.subprocess.PIPE
    )
    request.addfinalizer(lambda: child.returncode is None and child.kill())
    assert child.stdout is not None
    assert await child.stdout.readline() == b"up\n"
    while len(processes(marker)) < 7:  # itself is one
        await SystemClock().sleep(0.01)
    alive = Ground(ground, -1)
    monkeypatch.setattr("tempfile.tempdir", str(ground))
    beside = await SystemClock().to_thread(Ground.claim)
    assert len(processes(marker)) == 7  # a simulator that lives is left alone
    child.kill()
    await child.wait()
    if kind == "bubblewrap":
        await until_gone(marker)
    after = await SystemClock().to_thread(Ground.claim)
    assert processes(marker) == []
    assert sorted(ground.iterdir()) == sorted([beside.path, after.path])
    assert _mounts() == 0
    for each in (beside, after):
        await SystemClock().to_thread(each.release)
    assert list(alive.path.iterdir()) == []
