"""The namespaces of one sandbox, and the process that holds them."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from .line import Line

if TYPE_CHECKING:
    from collections.abc import Callable

    from .isolation import Isolation, Layout

__all__ = ["Namespace"]


class Namespace:
    """User, pid, mount, ipc, uts and network namespaces that a sandbox's commands join.

    They live as long as their first process, which reads from a socket of this Python process: when either ends,
    everything inside is killed by the kernel and the mounts are gone. What is inside cannot signal it.

    Attributes:
        envs: variables of the commands that begin from now on, where they have none of their own of that name.
    """

    def __init__(self, isolation: Isolation, layout: Layout) -> None:
        self.envs: dict[str, str] = {}
        self._isolation = isolation
        self._layout = layout
        self._line: Line | None = None
        self._holder: asyncio.subprocess.Process | None = None
        self._first = 0
        self._pidfd = -1

    async def open(self) -> None:
        """Make them. Not to be cancelled.

        Raises:
            OSError: the system refused; the message is bubblewrap's.
        """
        line = self._line = Line()
        try:
            self._holder = await asyncio.create_subprocess_exec(
                *self._isolation.hold(self._layout),
                stdin=line.theirs,
                stdout=line.theirs,
                stderr=line.theirs,  # what goes wrong is heard as well
                env={},
                cwd="/",
                start_new_session=True,
            )
        finally:
            line.handed_over()
        said, pid = await line.hear()
        if said == "first\n":
            self._first = pid
            self._pidfd = os.pidfd_open(pid)
            said = await self._run(self._isolation.admit)
        if self._pidfd < 0 or said:
            await self.aclose()
            raise OSError(f"no namespaces: {said.strip() or 'their first process ended at once'}")

    async def _run(self, making: Callable[[int], list[str]]) -> str:
        """Run a program that joins them; return what it complains of."""
        directory = self.enter()
        try:
            process = await asyncio.create_subprocess_exec(
                *making(directory),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env={},
                cwd="/",
                pass_fds=[directory],
            )
        finally:
            os.close(directory)
        _, complaint = await process.communicate()
        return complaint.decode("utf-8", "replace")

    def enter(self) -> int:
        """Open its first process's directory in /proc, where all its namespaces are. To be closed.

        Raises:
            ProcessLookupError: they have ended.
        """
        if self._pidfd < 0:
            raise ProcessLookupError("the namespaces of the sandbox have ended")
        try:
            directory = os.open(f"/proc/{self._first}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise ProcessLookupError("the namespaces of the sandbox have ended") from error
        try:
            # Asked last: it lives, so the directory is not that of another process with its number.
            signal.pidfd_send_signal(self._pidfd, 0)
        except BaseException:
            os.close(directory)
            raise
        return directory

    def root(self) -> int:
        """Open the root directory as it is seen inside. To be closed.

        Raises:
            ProcessLookupError: they have ended.
        """
        directory = self.enter()
        try:
            return os.open("root", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
        finally:
            os.close(directory)

    async def signal(self, number: int) -> bool:
        """Send a signal to every process inside but the first, in one step that none of them can slip through.

        Returns:
            False when there is none, or so many that there was no room for the one that sends it: `signal_each` can.
        """
        return not await self._run(lambda directory: self._isolation.kill(directory, number))

    def signal_each(self, number: int) -> None:
        """The same from out here, one after the other. Blocks."""
        for pid in self.pids():
            with suppress(OSError):
                pidfd = os.pidfd_open(pid)
                try:
                    if self._has(pid):  # it still has that number
                        signal.pidfd_send_signal(pidfd, number)
                finally:
                    os.close(pidfd)

    def pids(self) -> list[int]:
        """The pids out here of what is inside, without the first process. Blocks."""
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and self._has(int(name))]

    def _has(self, pid: int) -> bool:
        try:
            ours = os.stat(f"/proc/{self._first}/ns/pid")
            return pid != self._first and os.path.samestat(os.stat(f"/proc/{pid}/ns/pid"), ours)
        except OSError:
            return False

    def kill(self) -> None:
        """End everything inside. Safe to call twice."""
        if self._line is not None:
            self._line.hang_up()
        if self._pidfd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def aclose(self) -> None:
        """The same, and wait until nothing is left. Safe to call twice."""
        self.kill()
        if self._holder is not None:
            await self._holder.wait()  # it ends after the first process, and that one after all others
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
