"""How a template is built: its steps are done, one after the other, in a sandbox of its own that nobody sees.

COPY unpacks what was uploaded. RUN, the start command and the ready command really run where commands are isolated
from this machine; where they are not they are only noted down, and the log says so. Images are not fetched: whatever
image is named, a build begins with the simulator's own tree.
"""

from __future__ import annotations

import posixpath
import re
from contextlib import aclosing
from typing import TYPE_CHECKING

import msgspec

from . import programs
from .held import held
from .images import BASES, Image
from .isolation import USERS, Command
from .paths import absolute
from .process import Config, Output, Process
from .recipe import Recipe, expanded
from .unpack import Copy, unpack

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from .isolation import User
    from .machine import Machine
    from .recipe import Step

__all__ = ["Builder", "Log", "StepFailed", "start"]

#: What a step takes by the clock, however fast it is (seconds).
STEP_SECONDS = 0.05
RUN_SECONDS = 600.0
_READY_SECONDS = 120.0
_READY_EVERY = 0.5
_SHOWN = 200  # letters of a command
_SLEEP = re.compile(r"\s*sleep\s+(\d+(?:\.\d+)?)\s*")


class StepFailed(Exception):
    """A build cannot go on. `step` is its number, "base" or "finalize"."""

    def __init__(self, step: str, message: str) -> None:
        self.step = step
        self.message = message
        super().__init__(f"{step}: {message}")


class Log(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a build's log; `timestamp` in Unix seconds."""

    timestamp: float
    message: str
    level: str = "info"
    step: str = ""


class Builder:
    """Does one build.

    Args:
        machine: where its steps are done.
        image: what it starts from.
        log: takes message, level and step.
        archive: where the files of a hash are, or None when they were not uploaded.
        isolated: whether commands may run.
    """

    def __init__(
        self,
        machine: Machine,
        image: Image,
        *,
        log: Callable[[str, str, str], None],
        archive: Callable[[str], Path | None],
        isolated: bool,
    ) -> None:
        self._machine = machine
        self._clock = machine.clock
        self._log = log
        self._archive = archive
        self._isolated = isolated
        self._envs = dict(image.envs)
        self._user = USERS.get(image.user, USERS["user"])
        self._workdir = image.workdir or self._user.home
        self._start_cmd = image.start_cmd

    async def run(self, recipe: Recipe) -> None:
        """Do all the steps.

        Raises:
            StepFailed: one of them cannot be done.
        """
        if recipe.fromImage and recipe.fromImage not in BASES:
            self._log(f"{recipe.fromImage}: images are not fetched here, this is the simulator's own", "warn", "base")
        if not self._isolated and (recipe.startCmd or any(step.type == "RUN" for step in recipe.steps)):
            why = "commands are not isolated from this machine: they are noted down and not run"
            self._log(why, "warn", "base")
        for number, step in enumerate(recipe.steps, 1):
            await self._clock.sleep(STEP_SECONDS)
            name = str(number)
            shown = step.args if step.type == "ENV" else step.args[:2] if step.type == "COPY" else step.args[:1]
            self._log(f"[{number}/{len(recipe.steps)}] {step.type} {_short(' '.join(shown))}", "info", name)
            try:
                await self._do(step, name)
            except (OSError, ValueError, IndexError) as error:
                raise StepFailed(name, f"{step.type} failed: {error}") from error
        self._start_cmd = recipe.startCmd or self._start_cmd
        await self._finalize(recipe)

    def image(self, image: Image, tree: Path) -> Image:
        """What sandboxes are made of from now on."""
        return msgspec.structs.replace(
            image,
            tree=tree,
            envs=self._envs,
            workdir=self._workdir,
            user=self._user.name,
            start_cmd=self._start_cmd,
        )

    async def _do(self, step: Step, name: str) -> None:
        if step.type == "COPY":
            await self._copy(step)
        elif step.type == "ENV":
            for key, value in zip(step.args[::2], step.args[1::2], strict=True):
                self._envs[key] = expanded(value, {"PATH": programs.PATH, "HOME": self._user.home, **self._envs})
        elif step.type == "RUN":
            user = step.args[1] if len(step.args) > 1 and step.args[1] else self._user.name
            await self._run(step.args[0], name, user)
        elif step.type == "WORKDIR":
            self._workdir = absolute(posixpath.join(self._workdir, step.args[0]), self._user.home)
            await self._clock.to_thread(lambda: _make_directory(self._machine, self._workdir))
        elif step.type == "USER":
            if step.args[0] not in USERS:
                raise ValueError(f"there is no user {step.args[0]!r}; the simulator has {' and '.join(USERS)}")
            self._user = USERS[step.args[0]]
        else:
            raise ValueError("there is no such step")

    async def _copy(self, step: Step) -> None:
        src, dest, mode = step.args[0], step.args[1], step.args[3] if len(step.args) > 3 else ""
        archive = self._archive(step.filesHash)
        if archive is None:
            raise FileNotFoundError(f"the files of {src} were not uploaded")
        # What is relative begins in the working directory; the slash at the end has to stay.
        target = posixpath.join(self._workdir, dest) if not dest.startswith("~") else dest
        target = absolute(target, self._user.home) + ("/" if dest.endswith(("/", "/.")) or dest == "." else "")
        copy = Copy(src, target, int(mode, 8) if mode else None)
        await self._clock.to_thread(lambda: unpack(archive, copy, self._machine.tree))

    async def _run(self, command: str, step: str, user: str) -> None:
        if not self._isolated:
            return
        if user not in USERS:
            raise ValueError(f"there is no user {user!r}; the simulator has {' and '.join(USERS)}")
        process = self._process(command, user)
        with process.watch() as watch, held(self._clock):
            await self._machine.start(process, seconds=RUN_SECONDS)
            pending = {"stdout": b"", "stderr": b""}
            while isinstance(item := await watch.next(), Output):
                *lines, pending[item.name] = (pending[item.name] + item.data).split(b"\n")
                for line in lines:
                    self._tell(item.name, line, step)
        for name, rest in pending.items():
            if rest:
                self._tell(name, rest, step)
        if item is None:
            raise StepFailed(step, "the build was ended")
        if item.code:
            why = f"it ran longer than {RUN_SECONDS:g} s" if process.overdue else item.status
            raise StepFailed(step, f"failed to run command {_short(command)!r}: {why}")

    def _tell(self, name: str, line: bytes, step: str) -> None:
        self._log(f"[{name}]: {line.decode('utf-8', 'replace').rstrip()}", "info", step)

    def _process(self, command: str, user: str) -> Process:
        return _process(self._machine, command, self._envs, self._workdir, USERS[user])

    async def _finalize(self, recipe: Recipe) -> None:
        """Start what is to be started, and wait until it is ready."""
        await self._clock.sleep(STEP_SECONDS)
        self._log("Finalizing template build", "info", "finalize")
        if not self._isolated:
            return
        process: Process | None = None
        if self._start_cmd:
            self._log(f"Running start command: {self._start_cmd}", "info", "finalize")
            process = self._process(self._start_cmd, self._user.name)
            with held(self._clock):
                await self._machine.start(process, seconds=None)
        if recipe.readyCmd:
            self._log(f"Waiting for template to be ready: {recipe.readyCmd}", "info", "finalize")
            async with aclosing(self._tries(recipe.readyCmd, process)) as tries:
                async for ready in tries:
                    if ready:
                        break
            self._log("Template is ready", "info", "finalize")
        _check_started(process)

    async def _tries(self, command: str, started: Process | None) -> AsyncGenerator[bool, None]:
        if waiting := _SLEEP.fullmatch(command):  # by the clock, which a test can turn
            await self._clock.sleep(float(waiting[1]))
            yield True
            return
        deadline = self._clock.monotonic() + _READY_SECONDS
        while self._clock.monotonic() < deadline:
            _check_started(started)
            process = self._process(command, self._user.name)
            with process.watch() as watch, held(self._clock):
                await self._machine.start(process, seconds=RUN_SECONDS)
                while isinstance(item := await watch.next(), Output):
                    pass
            yield item is not None and not item.code
            await self._clock.sleep(_READY_EVERY)
        raise StepFailed("finalize", f"it was not ready within {_READY_SECONDS:g} s: {command}")


async def start(machine: Machine, image: Image) -> None:
    """Start what a sandbox of an image runs from its start on."""
    user = USERS[image.user or machine.user]
    process = _process(machine, image.start_cmd, machine.wanted.envVars, image.workdir or user.home, user)
    with held(machine.clock):
        await machine.start(process, seconds=None)


def _process(machine: Machine, command: str, envs: dict[str, str], cwd: str, user: User) -> Process:
    config = Config(cmd="/bin/bash", args=["-l", "-c", command], envs=envs, cwd=cwd)
    inside = Command(config.cmd, config.args, envs, cwd, user)
    return Process(config, inside, clock=machine.clock, stdin=False, tag=None)


def _check_started(process: Process | None) -> None:
    if process is not None and process.end is not None and process.end.code:
        raise StepFailed("finalize", f"start command failed: {process.end.status}")


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _make_directory(machine: Machine, path: str) -> None:
    if path != "/" and not machine.tree.directory(path):
        with machine.tree.locate(posixpath.join(path, "."), make=True):
            pass
