"""What a type checker makes of the public surface. Not run: basedpyright checks it with the package (`make test`).

`assert_type` holds what is inferred. A line that must be refused carries an ignore comment, and basedpyright reports an
ignore comment that has nothing to ignore: so the refusals are tested too.
"""
# pyright: reportUnnecessaryTypeIgnoreComment=error, reportUnusedCallResult=false

from __future__ import annotations

import datetime
import pathlib
from decimal import Decimal
from typing import assert_type

from novita_async import AsyncNovita, ChatAccumulator, MockTransport, Reply, Request, Simulator, run
from novita_async.gpu import Instance, Port, Product
from novita_async.llm import ChatCompletion, ChatCompletionChunk, ChatEvent, ChatStream
from novita_async.media.results import MediaResult
from novita_async.runtime.streams import EventStream
from novita_async.runtime.task import Task, Update
from novita_async.runtime.tasks import UnknownSubmit


async def chat(novita: AsyncNovita) -> None:
    messages = [{"role": "user", "content": "hello"}]
    create = novita.chat.completions.create
    answer = await create(model="m", messages=messages, temperature=0.5)
    assert_type(answer, ChatCompletion)
    assert_type(answer.choices[0].message.content, str | None)
    again = await create(model="m", messages=[answer.choices[0].message, {"role": "user", "content": "more"}])
    assert_type(again, ChatCompletion)
    chunks = await create(model="m", messages=messages, stream=True)
    assert_type(chunks, EventStream[ChatCompletionChunk])
    accumulator = ChatAccumulator()
    async for chunk in chunks:
        assert_type(chunk, ChatCompletionChunk)
        accumulator.add(chunk)
    async with novita.chat.completions.stream(model="m", messages=messages) as stream:
        assert_type(stream, ChatStream)
        async for event in stream:
            assert_type(event, ChatEvent)
            if event.type == "text":
                assert_type(event.text, str)
            elif event.type == "done":
                assert_type(event.completion, ChatCompletion)
    await create(model="m", messages=messages, max_token=5)  # pyright: ignore[reportCallIssue]
    await create(model="m", messages=messages, temperature="hot")  # pyright: ignore[reportArgumentType]
    await create("m", messages)  # pyright: ignore[reportCallIssue]


async def media(novita: AsyncNovita) -> None:
    video = await novita.videos.submit("kling-v3.0-std-t2v", prompt="a boat", duration=5)
    assert_type(video, Task[MediaResult])
    async for update in video:
        assert_type(update, Update)
    result = await video.wait(timeout=60)
    assert_type(result, MediaResult)
    assert_type(await result.save("videos"), list[pathlib.Path])
    async for task in novita.tasks.as_completed([video]):
        assert_type(task, Task[MediaResult])
    picture = await novita.images.run(
        "flux-1-schnell", prompt="a boat", width=512, height=512, steps=4, seed=1, image_num=1
    )
    assert_type(picture, MediaResult)
    for resumed in await novita.tasks.resume():
        if isinstance(resumed, UnknownSubmit):
            await resumed.forget()
    await novita.images.run("flux-1-schnell", prompt="a boat")  # pyright: ignore[reportCallIssue, reportArgumentType]
    await novita.videos.run("kling-v3.0-std-t2v", promt="a boat")  # pyright: ignore[reportCallIssue]
    await novita.images.submit("flux-1-schnell", prompt="x")  # pyright: ignore[reportCallIssue, reportArgumentType]


async def gpu(novita: AsyncNovita) -> None:
    products = await novita.gpu.products.list(name="4090")
    assert_type(products, list[Product])
    assert_type(products[0].price, Decimal | None)
    instance = await novita.gpu.instances.create(products[0].id, image="ubuntu", ports=["80/http"])
    assert_type(instance, Instance)
    assert_type(await instance.wait_until("running"), Instance)
    assert_type(instance.created_at, datetime.datetime | None)
    async for each in novita.gpu.instances.list():
        assert_type(each, Instance)
    assert_type(await novita.gpu.instances.list(), list[Instance])
    await novita.gpu.instances.create(products[0].id, image="ubuntu", gpus=2)  # pyright: ignore[reportCallIssue]
    assert_type(await novita.gpu.products.find(gpu="4090", max_price="1.50"), list[Product])
    async with novita.gpu.instances.session(products, image="ubuntu", ports=[Port(80, "http")]) as session:
        assert_type(session.instance, Instance)
        assert_type(session.endpoint(80), str)
    novita.gpu.instances.session(products, image="ubuntu", gpus=2)  # pyright: ignore[reportCallIssue]
    assert_type(await novita.gpu.v2.instances.get("i"), Instance)
    async for notice in novita.gpu.spot.watch(instance):
        assert_type(notice.time_left, float | None)


async def own_transport() -> None:
    async def handler(request: Request) -> Reply:
        return Reply(200, {}, request.url.encode())

    async with AsyncNovita(api_key="sk_x", transport=MockTransport(handler)) as novita:
        assert_type(await novita.gather([novita.gpu.products.list()], limit=1), list[list[Product]])
    simulator = Simulator()
    AsyncNovita(transport=simulator.transport(), timout=3)  # pyright: ignore[reportCallIssue]


async def main(novita: AsyncNovita) -> int:
    return len(novita.stats())


assert_type(run(main), int)
