"""The builds of templates that are under way, and the files that were uploaded for them."""

from __future__ import annotations

import asyncio
import os
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

from ...runtime.clock import uninterrupted
from .bodies import stamp
from .building import Builder, Log, StepFailed
from .images import BASES, Image

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from pathlib import Path

    from .control import Sandboxes
    from .images import Find
    from .recipe import Recipe

__all__ = ["Build", "Builds"]

_LEVELS = ("debug", "info", "warn", "error")


class Build:
    """One build of a template.

    Attributes:
        recipe: what is to be done; None until that is known.
        status: waiting, building, ready or error.
        image: what sandboxes are made of, once it is ready.
        failed: why it is not.
        logs: its lines so far.
    """

    def __init__(
        self, template_id: str, *, name: str, tags: list[str], cpu_count: int, memory_mb: int, now: float
    ) -> None:
        self.id = str(uuid.uuid4())
        self.template_id = template_id
        self.name = name
        self.tags = tags
        self.cpu_count = cpu_count
        self.memory_mb = memory_mb
        self.created = self.updated = now
        self.finished: float | None = None
        self.status = "waiting"
        self.recipe: Recipe | None = None
        self.image: Image | None = None
        self.failed: StepFailed | None = None
        self.logs: list[Log] = []

    def leveled(self, least: int) -> list[Log]:
        """The lines that are serious enough."""
        return [log for log in self.logs if _LEVELS.index(log.level) >= least]

    def told(self, least: int) -> list[dict[str, Any]]:
        """The same as the platform tells them."""
        return [
            {"timestamp": stamp(log.timestamp), "message": log.message, "level": log.level}
            | ({"step": log.step} if log.step else {})
            for log in self.leveled(least)
        ]


class Builds:
    """Runs builds, each in a task of its own, until `aclose`.

    Args:
        sandboxes: where the sandboxes of the builds come from.
        find: what `fromTemplate` means.
    """

    def __init__(self, sandboxes: Sandboxes, *, find: Find) -> None:
        self._sandboxes = sandboxes
        self._clock = sandboxes.clock
        self._find = find
        self._running: dict[asyncio.Task[None], Build] = {}
        self._files: dict[str, Path] = {}
        self._parts: set[Path] = set()

    def archive(self, hash_: str) -> Path | None:
        """The archive of a hash; None when it was not uploaded."""
        return self._files.get(hash_)

    async def store(self, hash_: str, chunks: AsyncIterator[bytes]) -> None:
        """Keep an archive, once it is there whole."""
        base = await self._sandboxes.base()
        part = base / f"upload-{uuid.uuid4().hex}"
        self._parts.add(part)  # before it is made: whatever happens meanwhile, `aclose` finds it
        file: BinaryIO | None = None

        def create() -> None:
            nonlocal file
            file = part.open("xb")

        try:
            await uninterrupted(self._clock.to_thread(create))
            assert file is not None
            async for chunk in chunks:
                await self._clock.to_thread(partial(file.write, chunk))
            await self._clock.to_thread(file.close)
        except BaseException:
            await uninterrupted(self._clock.to_thread(lambda: _drop(file, part)))
            raise
        finally:
            self._parts.discard(part)
        old, self._files[hash_] = self._files.get(hash_), part
        if old is not None:
            await self._clock.to_thread(old.unlink)

    def start(self, build: Build, ready: Callable[[], None]) -> None:
        """Begin a build; `ready` is called when it has succeeded."""
        build.status = "building"
        task = asyncio.get_running_loop().create_task(self._run(build, ready), name=f"build {build.id}")
        self._running[task] = build
        task.add_done_callback(lambda done: self._running.pop(done, None))

    async def discard(self, builds: Iterable[Build]) -> None:
        """End builds, and delete what was built."""
        gone = set(builds)
        await self._cancel(task for task, build in self._running.items() if build in gone)
        for build in gone:
            if build.image is not None and build.image.tree is not None:
                await uninterrupted(self._sandboxes.discard(build.image.tree))
                build.image = None

    async def aclose(self, builds: Iterable[Build]) -> None:
        """The same for all of them, and for every upload."""
        await self._cancel(self._running)
        await self.discard(builds)
        files, self._files = [*self._files.values(), *self._parts], {}
        await self._clock.to_thread(lambda: [file.unlink(missing_ok=True) for file in files])

    async def _cancel(self, tasks: Iterable[asyncio.Task[None]]) -> None:
        chosen = list(tasks)
        for task in chosen:
            task.cancel()
        if chosen:
            await asyncio.wait(chosen)

    async def _run(self, build: Build, ready: Callable[[], None]) -> None:
        def log(message: str, level: str, step: str) -> None:
            build.logs.append(Log(self._clock.time(), message, level, step))
            build.updated = self._clock.time()

        log(f"Building template {build.template_id}/{build.id}", "info", "base")
        try:
            build.image = await self._do(build, log)
            log(f"Build finished in {self._clock.time() - build.created:.1f} s", "info", "finalize")
            build.status = "ready"
            ready()
        except StepFailed as failed:
            self._fail(build, failed)
        except asyncio.CancelledError:
            self._fail(build, StepFailed("finalize", "the build was ended"))
            raise
        except Exception as error:  # whatever it is, the build is over and has to say so
            self._fail(build, StepFailed("base", f"{type(error).__name__}: {error}"))
        finally:
            build.finished = build.updated = self._clock.time()

    def _fail(self, build: Build, failed: StepFailed) -> None:
        build.logs.append(Log(self._clock.time(), failed.message, "error", failed.step))
        build.failed = failed
        build.status = "error"

    async def _do(self, build: Build, log: Callable[[str, str, str], None]) -> Image:
        recipe = build.recipe
        assert recipe is not None
        image = self._begin(recipe)
        machine, isolated = await self._sandboxes.workshop(image)
        try:
            builder = Builder(machine, image, log=log, archive=self.archive, isolated=isolated)
            await builder.run(recipe)
            await machine.pause()
            tree = await machine.copy()
        finally:
            await uninterrupted(machine.aclose())
        made = Image(id=build.template_id, alias=build.name, cpu_count=build.cpu_count, memory_mb=build.memory_mb)
        return builder.image(made, tree)

    def _begin(self, recipe: Recipe) -> Image:
        if not recipe.fromTemplate:
            return Image(id="base")
        if recipe.fromTemplate in BASES:
            return Image(id=recipe.fromTemplate)
        image = self._find(recipe.fromTemplate)
        if image is None:
            raise StepFailed("base", f"template '{recipe.fromTemplate}' not found")
        return image


def _drop(file: BinaryIO | None, path: Path) -> None:
    if file is not None:
        file.close()
    if os.path.lexists(path):
        path.unlink()
