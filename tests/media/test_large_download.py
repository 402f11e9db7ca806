"""A gigabyte over a line that breaks three times: complete, the same to the last bit, and in little memory."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
import re
import shutil
import sys
import tempfile
from pathlib import Path

import msgspec
import pytest
from helpers import KEY, without_debug

BLOCK = 1 << 20
COUNT = 1024
SIZE = COUNT * BLOCK
BREAKS = (100 * BLOCK + 1, 512 * BLOCK - 7, SIZE - 1000)  # after so many bytes of the file
MOST = 64  # MB, the interpreter and its imports included
NOISE = random.Random(7).randbytes(BLOCK - 8)

RUNNER = """
import asyncio, sys
import msgspec
from novita_async import AsyncNovita, RetryPolicy

def peak():
    # Not getrusage: what it tells begins with the size of the process that forked this one.
    with open("/proc/self/status") as status:
        (size,) = [line.split()[1] for line in status if line.startswith("VmHWM:")]
    return int(size) // 1024

async def main():
    told = []
    async with AsyncNovita(retry=RetryPolicy(base=0.01)) as novita:
        result = await novita.tasks.wait("1")
        await result.videos[0].save(sys.argv[1], progress=lambda done, total: told.append((done, total)))
        rising = told == sorted(told)
        print(msgspec.json.encode([told[-1], rising, peak()]).decode())

asyncio.run(main())
"""


def block(number: int) -> tuple[bytes, bytes]:
    """One megabyte of the file. No two are the same: a wrong place shows."""
    return number.to_bytes(8), NOISE


class Store:
    """A platform with one task and a store with its file, in one plain server. It takes down what it was asked for."""

    def __init__(self) -> None:
        self.breaks = list(BREAKS)
        self.asked: list[int] = []
        self.credentials: list[str] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        whole = True
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while whole:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                whole = await self.answer(head, writer)
        writer.close()

    async def answer(self, head: str, writer: asyncio.StreamWriter) -> bool:
        if head.startswith("GET /v3/async/task-result"):
            host = re.search(r"(?im)^host: (\S+)", head)
            assert host is not None
            videos = [{"video_url": f"http://{host[1]}/file.mp4", "video_url_ttl": "3600", "video_type": "mp4"}]
            body = msgspec.json.encode({"task": {"task_id": "1", "status": "TASK_STATUS_SUCCEED"}, "videos": videos})
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            return True
        wanted = re.search(r"(?im)^range: bytes=(\d+)-\r?$", head)
        start = int(wanted[1]) if wanted else 0
        self.asked.append(start)
        self.credentials += re.findall(r"(?im)^(?:authorization|x-api-key|cookie):.*$", head)
        status = "206 Partial Content" if wanted else "200 OK"
        span = f"content-range: bytes {start}-{SIZE - 1}/{SIZE}\r\n" if wanted else ""
        writer.write(f'HTTP/1.1 {status}\r\netag: "1"\r\n{span}content-length: {SIZE - start}\r\n\r\n'.encode())
        stop = next((place for place in self.breaks if place > start), None)
        for number in range(start // BLOCK, COUNT):
            if stop is not None and stop < (number + 1) * BLOCK:
                writer.write(b"".join(block(number))[max(0, start - number * BLOCK) : stop - number * BLOCK])
                await writer.drain()
                self.breaks.remove(stop)
                return False
            writer.writelines(block(number) if start <= number * BLOCK else [b"".join(block(number))[start % BLOCK :]])
            await writer.drain()
        return True


def digest() -> str:
    whole = hashlib.sha256()
    for number in range(COUNT):
        for part in block(number):
            whole.update(part)
    return whole.hexdigest()


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.fixture
def room(tmp_path):
    """A directory with room for the file, in memory where there is such a thing: what is measured is not the disk."""
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 * SIZE:
        with tempfile.TemporaryDirectory(dir=memory) as directory:
            yield Path(directory)
    else:
        yield tmp_path


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell the peak of a process")
@pytest.mark.acceptance
async def test_a_gigabyte_arrives_over_three_breaks_in_less_than_64_mb(room):
    without_debug()
    store = Store()
    server = await asyncio.start_server(store, "127.0.0.1", 0, limit=1 << 16)
    async with server:
        port = server.sockets[0].getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", RUNNER, str(room / "file.mp4")),
            env={
                **os.environ,
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "NOVITA_API_KEY": KEY,
                "NOVITA_BASE_URL": f"http://127.0.0.1:{port}",
            },
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(50):  # before the whole run is ended, and its children left alone
                (told, _), expected = await asyncio.gather(process.communicate(), asyncio.to_thread(digest))
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    last, rising, resident = msgspec.json.decode(told)
    assert (last, rising) == ([SIZE, SIZE], True)
    assert (store.asked[0], len(store.asked)) == (0, 1 + len(BREAKS))
    for place, start in zip(BREAKS, store.asked[1:], strict=True):
        assert place - 4 * BLOCK < start <= place  # what stood in the buffers of the broken connection is lost
    assert store.credentials == []
    assert [path.name for path in room.iterdir()] == ["file.mp4"]
    assert await asyncio.to_thread(digest_of, room / "file.mp4") == expected
    assert resident < MOST
