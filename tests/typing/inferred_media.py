"""What a type checker makes of the shorthands, trainings, weights and the unified call; see `inferred.py`."""
# pyright: reportUnnecessaryTypeIgnoreComment=error, reportUnusedCallResult=false

from __future__ import annotations

import datetime
import pathlib
from typing import TYPE_CHECKING, Any, assert_type

from novita_async.media.results import MediaResult
from novita_async.media.trained import TrainedModel, Training
from novita_async.media.unified import UnifiedModel
from novita_async.media.weights import Weights
from novita_async.runtime.pages import Pages
from novita_async.runtime.task import Task

if TYPE_CHECKING:
    from novita_async import AsyncNovita


async def shorthands(novita: AsyncNovita) -> None:
    assert_type(await novita.images.generate("a boat", size=(512, 512), n=2, steps=4), MediaResult)
    assert_type(await novita.images.edit("in winter", [b"", pathlib.Path("a.png")], mask="b.png"), MediaResult)
    assert_type(await novita.images.edit(None, b"", model="remove-text"), MediaResult)
    assert_type(await novita.images.upscale("a.png", scale=2), MediaResult)
    assert_type(await novita.images.describe("a.png"), str)
    assert_type(await novita.videos.generate(image="a.png", duration=5), MediaResult)
    assert_type(await novita.media.upload("a.mp4", kind="video"), str)
    await novita.images.generate("a boat", n="2")  # pyright: ignore[reportArgumentType]
    await novita.media.upload("a.mp4", kind="audio")  # pyright: ignore[reportArgumentType]


async def training(novita: AsyncNovita) -> None:
    training = novita.images.training
    images = [b"", "a.png", 7, ("b.png", "a pier"), {"assets_id": "1"}]
    task = await training.create_subject(
        "me", base_model="dreamshaper_8_93211", images=images, instance_prompt="ohwx person", lora_r=8
    )
    assert_type(task, Task[Training])
    done = await task.wait()
    assert_type(done.models, list[TrainedModel] | None)
    assert_type(done.created_at, datetime.datetime | None)
    assert_type(done.lora(strength=1), dict[str, Any])
    assert_type(await training.upload(b""), str | int)
    assert_type(training.list(), Pages[Training])
    assert_type(await training.list(limit=2), list[Training])
    await training.create_style("s", base_model="x", images=[], lora_x=8)  # pyright: ignore[reportCallIssue]


async def lists(novita: AsyncNovita) -> None:
    async for one in novita.images.weights(type="lora", is_sdxl=True):
        assert_type(one, Weights)
        assert_type(one.name_in_api, str)
    assert_type(await novita.videos.unified.models(), list[UnifiedModel])
    assert_type(await novita.videos.unified.submit("m", prompt="x"), Task[MediaResult])
    assert_type(await novita.videos.unified.run("m", prompt="x"), MediaResult)
