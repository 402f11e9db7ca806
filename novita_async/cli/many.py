"""`template create --from-file`: a template for each image of a file, and a record of those that were built."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ..errors import NovitaError, ValidationError
from ..runtime.clock import SystemClock
from .output import show
from .process import CannotGoOn, tell
from .toml import save

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from ..sandbox.builds import Build

__all__ = ["build_each"]

_LONGEST = 128  # letters of a name


async def build_each(
    file: Path,
    prefix: str,
    build: Callable[[str, str], Awaitable[Build]],
    *,
    workers: int,
    record: Path | None,
    force: bool,
    output: str,
) -> int:
    """Build a template for each image of a file; one that fails does not keep the others.

    Args:
        file: an image a line.
        prefix: of the templates' names.
        build: builds the template of an image, with a name.
        workers: how many are built at once.
        record: the file that holds which were built, as JSON.
        force: build those again.
        output: "pretty", "json" or "yaml".

    Returns:
        The exit code.
    """
    to_thread = SystemClock().to_thread
    names = await to_thread(lambda: _names(file, prefix))
    known = {} if record is None else await to_thread(lambda: _read(record))
    results: dict[str, dict[str, str]] = {}
    turn, writing = asyncio.Semaphore(workers), asyncio.Lock()

    async def one(image: str, name: str) -> None:
        async with turn:
            tell(f"{name}: builds from {image}")
            try:
                done = await build(image, name)
            except NovitaError as error:
                tell(f"{name}: {error}")
                results[image] = {"name": name, "result": str(error)}
                return
        results[image] = {"name": name, "templateID": done.template_id, "result": "built"}
        if record is not None:
            async with writing:
                known[image] = {"name": name, "templateID": done.template_id, "buildID": done.build_id}
                text = msgspec.json.format(msgspec.json.encode({"templates": known})).decode()
                await to_thread(lambda record=record: save(record, f"{text}\n"))

    try:
        async with asyncio.TaskGroup() as group:
            for image, name in names.items():
                if image in known and not force:
                    results[image] = {**known[image], "result": "built before"}
                else:
                    group.create_task(one(image, name))
    except* CannotGoOn as errors:
        raise CannotGoOn(str(errors.exceptions[0])) from errors
    rows = [{"image": image, **results[image]} for image in names]
    columns: dict[str, Callable[[dict[str, str]], object]] = {
        "id": lambda it: it.get("templateID"),
        "name": lambda it: it["name"],
        "image": lambda it: it["image"],
        "result": lambda it: it["result"],
    }
    await show(rows, columns, output)
    return 0 if all("templateID" in row for row in rows) else 1


def _names(file: Path, prefix: str) -> dict[str, str]:
    """The images of a file, and what their templates are to be called."""
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValidationError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    images = [image for line in lines if (image := line.partition("#")[0].strip())]
    if not images:
        raise ValidationError(f"there is no image in {file}")
    names = {image: (prefix + re.sub("[^a-z0-9]+", "-", image.lower()).strip("-"))[:_LONGEST] for image in images}
    if len({*names.values()}) < len(names):
        raise ValidationError(f"two images of {file} give the same name; build one of them by itself")
    return names


def _read(record: Path) -> dict[str, dict[str, str]]:
    try:
        said: Any = msgspec.json.decode(record.read_bytes())
        templates: Any = said["templates"]
        if all(isinstance(entry["name"] + entry["templateID"], str) for entry in templates.values()):
            return cast("dict[str, dict[str, str]]", templates)
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError, KeyError, TypeError, AttributeError):
        pass
    raise CannotGoOn(f"{record} is no record of templates: --manifest names another one, --no-manifest none")
