"""Runs cells of bash or JavaScript in one long-lived process of bash or node. See this package for what it reads and
writes.

    python -I -c THIS bash
    python -I -c THIS javascript PROGRAM NODE

The process gets its cells on one pipe and tells on another what came of them; what the cells write is read from its
stdout and stderr. A cell's output is all in those pipes before its end is told.
"""

from __future__ import annotations

import codecs
import json
import os
import queue
import selectors
import shlex
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any

CHUNK = 32 * 1024
#: A cell of JavaScript that has taken so many seconds of the processor since it was to be broken off computes; one that
#: has taken none for so long is in a call that blocks.
COMPUTES, BLOCKS = 0.1, 3.0
#: Before another interrupt, when one had no effect.
AGAIN = 1.0
#: Interactive, because such a bash goes on with the next line after an interrupt; it has no terminal all the same.
BASH = ["bash", "--norc", "--noprofile", "--noediting", "-i"]


class Shell:
    """The process. Its pipes: 0 takes lines, 1 and 2 are its output, `told` gets what it has to say about a cell."""

    def __init__(self, language: str, program: str, node: str) -> None:
        self.language = language
        self.told, theirs = os.pipe()
        os.set_inheritable(theirs, True)
        self.mouth = theirs
        args = BASH if language == "bash" else [node, "-e", program, str(theirs)]
        self.process = subprocess.Popen(
            args,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[theirs],
            env=environment(language),
        )
        os.close(theirs)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.input = self.process.stdin
        self.selector = selectors.DefaultSelector()
        self.decoders = {name: codecs.getincrementaldecoder("utf-8")("replace") for name in ("stdout", "stderr")}
        self.rest = b""
        self.count = 0
        self.waits = False
        # An interactive bash begins with a complaint about terminals, which is over when it has answered once.
        self.send({"code": ""})
        while not self.rest.endswith(b"\n" if language == "bash" else b"null\n"):
            self.rest += os.read(self.told, CHUNK) or sys.exit("it does not start")
        self.rest = b""
        for name, fd in (
            ("stdout", self.process.stdout.fileno()),
            ("stderr", self.process.stderr.fileno()),
            ("told", self.told),
        ):
            os.set_blocking(fd, False)
            self.selector.register(fd, selectors.EVENT_READ, name)

    def send(self, request: dict[str, Any]) -> None:
        if self.language == "bash":
            # Assignments before eval hold as long as it runs, and for what it starts.
            wanted: dict[str, str] = request.get("envs") or {}
            named = {name: value for name, value in wanted.items() if name.isidentifier()}  # bash has no others
            envs = " ".join(f"{name}={shlex.quote(value)}" for name, value in named.items())
            cell = f"{envs} eval {shlex.quote(request['code'])} </dev/null {self.mouth}>&-"
            lines = f"{cell}\nprintf '%s\\n' $? >&{self.mouth}\n"
        else:
            lines = json.dumps(request) + "\n"
        self.input.write(lines.encode())
        self.input.flush()

    def answer(self, request: dict[str, Any]) -> None:
        """Run a cell to its end and tell what it does."""
        self.count += 1
        self.waits = False
        number = request["id"]
        write({"id": number, "event": {"type": "number_of_executions", "execution_count": self.count}})
        self.send(request)
        ended = False
        while not ended:
            # What was written before the process said something is told before it.
            ready = sorted(self.selector.select(), key=lambda found: found[0].data == "told")
            for key, _ in ready:
                if key.data != "told":
                    self.tell_output(number, key.fd, key.data)
                    continue
                data = os.read(key.fd, CHUNK)
                if not data:
                    os._exit(1)  # it has ended, and the kernel with it
                *lines, self.rest = (self.rest + data).split(b"\n")
                for line in lines:
                    self.drain(number)
                    ended = self.tell(number, json.loads(line)) or ended

    def drain(self, number: int) -> None:
        while ready := [key for key, _ in self.selector.select(0) if key.data != "told"]:
            for key in ready:
                self.tell_output(number, key.fd, key.data)

    def tell_output(self, number: int, fd: int, name: str) -> None:
        data = os.read(fd, CHUNK)
        if not data:
            self.selector.unregister(fd)  # closed by a cell; nothing more will come
        text = self.decoders[name].decode(data)
        if text:
            write({"id": number, "event": {"type": name, "text": text}})

    def tell(self, number: int, told: Any) -> bool:
        """Pass on what the process says; return whether the cell is over."""
        if self.language == "bash":
            if told:
                event = {"type": "error", "name": "", "value": str(told), "traceback": ""}
                write({"id": number, "event": event})
            return True
        if told is None:
            return True
        if told == "waiting":
            self.waits = True
        else:
            write({"id": number, "event": told})
        return False

    def used(self) -> float:
        """Seconds of the processor that it has taken."""
        try:
            with open(f"/proc/{self.process.pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def interrupt(self) -> None:
        """Send SIGINT to it, and where it is bash, to what it has started."""
        for pid in descendants(self.process.pid) if self.language == "bash" else []:
            kill(pid)
        kill(self.process.pid)

    def clear(self) -> None:
        """Forget what it wrote while no cell ran, first of all what an interactive bash has to say about terminals."""
        while ready := [key for key, _ in self.selector.select(0) if key.data != "told"]:
            for key in ready:
                if not os.read(key.fd, CHUNK):
                    self.selector.unregister(key.fd)


def environment(language: str) -> dict[str, str]:
    envs = dict(os.environ)
    if envs.get("LD_LIBRARY_PATH", "").startswith(os.path.dirname(os.path.dirname(sys.executable))):
        del envs["LD_LIBRARY_PATH"]  # only this very interpreter needs it
    return {**envs, "PS1": "", "PS2": "", "HISTFILE": ""} if language == "bash" else envs


def descendants(pid: int) -> list[int]:
    """The processes below one, the youngest first."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            children = [int(child) for child in file.read().split()]
    except OSError:
        return []
    return [found for child in children for found in [*descendants(child), child]]


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT)


def write(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main(language: str, program: str = "", node: str = "") -> None:
    shell = Shell(language, program, node)
    requests: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    lock = threading.Lock()
    current: list[int] = []
    given_up: set[int] = set()
    over = threading.Event()

    def interrupt(number: int) -> None:
        """Break a cell off. As node goes from computing to waiting it has no handler of SIGINT for a moment, and would
        die of one; so it gets one only when it is surely in one of the two. What bash starts just then gets none."""
        asked, used, pause = time.monotonic(), shell.used(), 0.01
        while True:
            with lock:
                if number not in current:
                    return
                ready = shell.language == "bash" or shell.waits or shell.used() - used >= COMPUTES
                if ready or time.monotonic() - asked >= BLOCKS:
                    shell.interrupt()
                    pause = AGAIN
            over.wait(pause)

    def read() -> None:
        for line in sys.stdin.buffer:
            request = json.loads(line)
            if "interrupt" not in request:
                requests.put(request)
                continue
            with lock:
                given_up.add(request["interrupt"])
                begun = request["interrupt"] in current
            if begun:
                threading.Thread(target=interrupt, args=[request["interrupt"]], daemon=True).start()
        requests.put(None)

    threading.Thread(target=read, daemon=True).start()
    write({"ready": True})
    while (request := requests.get()) is not None:
        with lock:
            if request["id"] in given_up:
                continue
            current[:] = [request["id"]]
        shell.clear()
        shell.answer(request)
        with lock:
            current.clear()
            given_up.clear()
        write({"id": request["id"], "event": {"type": "end_of_execution"}})
    over.set()
    shell.process.kill()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
