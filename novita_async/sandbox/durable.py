"""Commands whose output outlives their connection: they write into files in the sandbox, and are read from there.

Nothing in the sandbox's API repeats what a command wrote while nobody listened. So a wrapper lets the command write
into two files of a private directory, keeps a lock on a third as long as it runs, and leaves the exit code in a fourth.
What is read is not the command's own stream but that of a follower, a second command that prints the files from a given
byte on. When its connection breaks another one begins at the last byte seen. At the end, which a follower knows by the
lock, what it had no time for is read as a range of the files.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import APIError, CommandFailed, NotFound, NovitaError, SandboxUnreachable, StreamCut
from ..runtime.arguments import with_query
from ..runtime.retry import Replay, delays
from .attach import KEEPALIVE_LIMIT, ProcessRef, attach, attempts_of
from .command import Command
from .output import End

if TYPE_CHECKING:
    from .envd import Envd, SandboxStream
    from .output import Event, Message

__all__ = ["DurableCommand", "Journal"]

# Says a line when all is ready. The lock is not handed on to the command: what that leaves behind in the background
# must not hold it. The command dies with its wrapper, which is what a kill and a deadline hit.
_WRAPPER = """
mask=$(umask); umask 077; at=$HOME/$1
mkdir "$at" && : >"$at/out" && : >"$at/err" && exec 9>"$at/lock" && flock -x 9 || exit 125
umask "$mask"; echo ready
tied=(); command -v setpriv >/dev/null && tied=(setpriv --pdeathsig KILL --)
[ $# -lt 3 ] || export HOME="$3"
"${tied[@]}" /bin/bash -l -c "$2" >>"$at/out" 2>>"$at/err" 9>&-
code=$?; umask 077; echo "$code" >"$at/part" && mv "$at/part" "$at/code"
"""
# What bash itself has to say, of processes that it ended for instance, must not get into the output.
_FOLLOWER = """
exec 3>&2 2>/dev/null
cd "$HOME/$1" && [ -e lock ] || exit 66
tail -c +"$2" -f out & tail -c +"$3" -f err >&3 &
trap 'kill $(jobs -p); exit 143' TERM
flock -s lock true & wait $!
kill $(jobs -p)
exit 0
"""
_PLAIN = {"BASH_ENV": "", "LC_ALL": "C"}  # for the same reason: no script of the sandbox's, no word about locales
_NO_FILES = 66  # what a follower says that finds nothing to follow
_READY = 5.0  # seconds in which a wrapper has made it all, when nobody has heard it say so
_STEP = 1 << 20  # bytes of a file for one call
_ASIDE = 5.0  # seconds for what is only tidying up


class Journal:
    """The private directory of one durable command, in its user's home."""

    def __init__(self) -> None:
        self.name = f".novita-{secrets.token_hex(16)}"

    def wrapped(self, cmd: str, envs: dict[str, str]) -> tuple[list[str], dict[str, str]]:
        """The arguments of the bash that runs the command, and its variables. HOME is the command's own affair."""
        others = {name: value for name, value in envs.items() if name != "HOME"}
        return ["-c", _WRAPPER, "durable", self.name, cmd, *([envs["HOME"]] if "HOME" in envs else [])], others

    async def opened(self, stream: SandboxStream[Message], *, sandbox_id: str) -> None:
        """Wait until the wrapper has everything ready.

        Raises:
            CommandFailed: it cannot, as the sandbox lacks something that it needs.
        """
        said = b""
        with suppress(SandboxUnreachable):  # then it is looked for as one that has begun
            async for message in stream:
                event = message.event
                if event.data is not None:
                    said += event.data.stderr
                    if event.data.stdout:
                        return
                if event.end is not None:
                    words = f"durable commands cannot run in this sandbox: {event.end.error or 'the wrapper ended'}"
                    text = said.decode(errors="replace") or words
                    raise CommandFailed(event.end.exitCode, stderr=text, error=words, sandbox_id=sandbox_id)


class DurableCommand(Command):
    """A command that is read from its journal."""

    def __init__(
        self,
        envd: Envd,
        journal: Journal,
        *,
        pid: int,
        user: str | None,
        timeout: float | None,
        ends: float | None,
        stdin: bool,
    ) -> None:
        super().__init__(envd, None, pid=pid, user=user, timeout=timeout, ends=ends, stdin=stdin)
        self._name = journal.name
        self._seen = {"out": 0, "err": 0}
        self._follower: ProcessRef | None = None
        self._killed = False
        self._began = self._clock.monotonic()

    async def _reopen(self, limit: float) -> SandboxStream[Message]:
        await self._dismiss()
        offsets = [str(self._seen[name] + 1) for name in ("out", "err")]
        args = ["-c", _FOLLOWER, "follow", self._name, *offsets]
        process = {"cmd": "/bin/bash", "args": args, "envs": _PLAIN}
        attempts = attempts_of(
            self._envd,
            "Start",
            {"process": process, "stdin": False, "tag": "novita-follow"},
            user=self._user,
            replay=Replay.SAFE,  # one too many ends with the command
            limit=limit,
        )
        attempts.call.attempts = 1
        return await attach(self._envd, attempts, limit=limit)

    async def _dismiss(self) -> None:
        """End the follower whose connection is gone; one that cannot be told ends with the command."""
        follower, self._follower = self._follower, None
        if follower is not None:
            with suppress(NovitaError):
                await follower.signal("SIGNAL_SIGTERM", timeout=_ASIDE)

    def _resumed(self, seconds: float) -> None:
        pass  # nothing was missed

    async def _take(self, event: Event) -> None:
        if event.start is not None:
            self._follower = ProcessRef(self._envd, event.start.pid, self._user)
        if event.data is not None:
            self._see("out", event.data.stdout)
            self._see("err", event.data.stderr)
        if event.end is not None:
            self._follower = None
            if self._stream is not None:
                await self._stream.finish()
            self._stream = None
            if event.end.exitCode == _NO_FILES and self._clock.monotonic() - self._began > _READY:
                raise StreamCut("the files that a durable command writes into are gone")
            if event.end.exitCode != 0:
                words = event.end.error or f"exit status {event.end.exitCode}"
                now = self._clock.monotonic()
                unreachable = SandboxUnreachable(
                    f"what follows the command was ended: {words}", sandbox_id=self._envd.sandbox_id
                )
                await self._take_up(now, unreachable)
            else:
                await self._conclude()

    def _see(self, name: str, data: bytes) -> None:
        self._seen[name] += len(data)
        if name == "out":
            self._put(self._stdout.feed(data))
        else:
            self._put(self._stderr.feed(data))

    async def _conclude(self) -> None:
        """Read what is left, and how it ended, now that nothing more is written."""
        try:
            for name in ("out", "err"):
                while rest := await self._rest(name):
                    self._see(name, rest)
        except NotFound as error:
            raise StreamCut("the files that a durable command writes into are gone") from error
        try:
            answer = await self._read("code")
        except NotFound as error:
            if self._is_due:
                await self._remove()
                raise self._timed_out() from error
            end = End(-1, error="signal: killed")
        else:
            code = int(answer)
            end = End(code, error=f"exit status {code}" if code else None)
        await self._remove()
        await self._end(end)

    async def _rest(self, name: str) -> bytes:
        seen = self._seen[name]
        return await self._read(name, (seen, seen + _STEP))

    async def _read(self, name: str, span: tuple[int, int] | None = None) -> bytes:
        headers = {"accept": "*/*"}
        if span is not None:
            headers["range"] = f"bytes={span[0]}-{span[1] - 1}"
        url = with_query("/files", path=f"~/{self._name}/{name}", username=self._user)
        since = self._clock.monotonic()
        waits = delays(self._envd.runtime.settings.retry)
        while True:
            try:
                answer = await self._envd.request(self._envd.call("GET", url, headers=headers))
                break
            except SandboxUnreachable:  # for as long as its stream would be looked for
                left = since + KEEPALIVE_LIMIT - self._clock.monotonic()
                if left <= 0 or self._failure is not None:
                    raise
                await self._clock.sleep(min(next(waits), left))
            except APIError as error:
                if error.status != 416:
                    raise
                return b""  # there is nothing after the last byte seen
        # A server that knows nothing of ranges gives the whole file.
        return answer.body if span is None or answer.status == 206 else answer.body[slice(*span)]

    async def _remove(self) -> None:
        message = {"path": f"~/{self._name}"}
        with suppress(NovitaError):  # what cannot be removed goes with the sandbox
            await self._envd.tell("filesystem.Filesystem/Remove", message, user=self._user, timeout=_ASIDE)

    async def kill(self, *, timeout: float | None = None) -> bool:
        self._killed = True
        return await super().kill(timeout=timeout)

    async def aclose(self) -> None:
        open_ = self.running
        await super().aclose()
        if open_ and self._killed:
            await self._remove()
        elif open_:
            await self._dismiss()
