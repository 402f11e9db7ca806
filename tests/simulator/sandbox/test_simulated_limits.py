"""What the processes of a sandbox can have: memory, files, descriptors, and how many of them there may be."""

from __future__ import annotations

import base64
import os
import re
from typing import TYPE_CHECKING

import pytest
from sandbox_room import BUBBLEWRAP

from novita_async.simulator.sandbox.images import Image

if TYPE_CHECKING:
    from sandbox_room import Box, Room

in_namespaces = pytest.mark.parametrize("room", [BUBBLEWRAP], indirect=True)
LINUX = tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])


def taking(mib: int) -> str:
    """A Python that takes so much memory; what it takes is never touched."""
    return f"python3 -c 'print(len(bytes({mib} << 20)) >> 20)' 2>&1 | tail -n 1"


async def test_no_process_has_more_memory_than_its_sandbox(box: Box) -> None:
    assert (await box.run(taking(1100))).stdout == "MemoryError\n"  # a sandbox of the base template has 1024 MiB
    assert (await box.run(taking(700))).stdout == "700\n"
    answer = await box.room("POST", f"/sandboxes/{box.id}/hotplug-memory", {"requested_size_mib": 1024})
    assert answer.status == 204
    assert (await box.run(taking(1100))).stdout == "1100\n"
    assert (await box.run(taking(2100))).stdout == "MemoryError\n"


async def test_a_sandbox_has_the_memory_and_the_processors_of_its_template(room: Room) -> None:
    small = Image(id="small", cpu_count=1, memory_mb=512)
    room.sandboxes.finders.append(lambda name: small if name == "small" else None)
    box = await room.create(templateID="small")
    done = await box.run(f"nproc; {taking(600)}; {taking(200)}")
    assert done.stdout.split() == ["1", "MemoryError", "200"]


async def test_a_file_that_is_too_large_and_a_core_are_refused(box: Box) -> None:
    done = await box.run("truncate -s 19G f && truncate -s 21G f; echo $?; stat -c %s f; ulimit -c; ulimit -n; rm f")
    assert done.stdout.split() == ["153", str(19 << 30), "0", "1024"]  # 128 and SIGXFSZ


_BOMB = """
import os, time
count = 0
try:
    while count < 10_000:
        if not os.fork():
            time.sleep(600)
        count += 1
except OSError as error:
    print(count, error.errno, flush=True)
    time.sleep(600)
"""


@in_namespaces
@pytest.mark.skipif(
    LINUX < (6, 14) and os.getuid() == 0, reason="before Linux 6.14 the system does not count the processes of root"
)
async def test_a_fork_bomb_goes_no_further_than_its_sandbox(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("novita_async.simulator.sandbox.isolation._MOST_PROCESSES", 400)
    box, other = await room.create(), await room.create()
    events = box.start(f"exec python3 -c '{_BOMB}'")
    assert "start" in await anext(events)
    count, error = base64.b64decode((await anext(events))["data"]["stdout"]).split()
    assert 300 < int(count) < 400
    assert int(error) == 11  # EAGAIN
    assert (await other.run("for n in {1..20}; do /bin/true || exit 1; done; echo fine")).stdout == "fine\n"

    machine = room.sandboxes.get(box.id)
    assert machine is not None
    await machine.pause()  # there is no room inside for a process that stops the others
    await machine.resume()
    await events.aclose()
    assert (await room("DELETE", f"/sandboxes/{box.id}")).status == 204
