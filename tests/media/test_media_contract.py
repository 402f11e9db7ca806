"""Every operation of the image, video and audio specifications: called through the SDK, judged by the contract.

What the SDK sends and what the simulator answers is validated as it passes. An operation that no call here reaches
fails the last test.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
import openapi
import pytest
import samples
from helpers import BASE, KEY, inside, without_debug

from novita_async import AsyncNovita, MockTransport, Reply
from novita_async.catalog import load
from novita_async.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from novita_async import Request, Simulator
    from novita_async.catalog import Model
    from novita_async.media.results import MediaResult

pytestmark = pytest.mark.filterwarnings("ignore::novita_async.errors.ModelRetiredWarning")

CONTRACTS = [openapi.contract(name) for name in ("image", "video", "audio")]
for _contract in CONTRACTS:
    _contract.operations()  # reads the file, here and not on the event loop
CATALOG = load()
MODELS = [model for model in CATALOG.values() if model.product != "training"]
FAMILIES = {model.family: [each for each in MODELS if each.family == model.family] for model in MODELS}
OWN_TESTS: list[Callable[[AsyncNovita], Awaitable[None]]] = []


def own(function: Callable[[AsyncNovita], Awaitable[None]]) -> Callable[[AsyncNovita], Awaitable[None]]:
    OWN_TESTS.append(function)
    return function


class Judge:
    """A transport to a simulator that lets the contract look at what goes by.

    Attributes:
        seen: the operations that were called.
        sent: the requests.
    """

    def __init__(self, simulator: Simulator) -> None:
        self.seen: set[str] = set()
        self.sent: list[Request] = []
        self.transport = MockTransport(self._handle)
        self._simulator = simulator

    async def _handle(self, request: Request) -> Reply:
        path = "/" + request.url.partition("://")[2].partition("/")[2]
        body = request.body
        if body is not None and not isinstance(body, bytes):
            body = b"".join([part async for part in body])
            request = msgspec.structs.replace(request, body=body)
        self.sent.append(request)
        known = [each for each in CONTRACTS if each.operation_of(request.method, path) is not None]
        for each in known:
            each.check_request(request.method, path, request.headers.get("content-type"), body)
            self.seen.add(f"{each.name} {each.operation_of(request.method, path)}")
        reply = await self._simulator.handle(request)
        whole = reply.body if isinstance(reply.body, bytes) else b"".join([part async for part in reply.body])
        for each in known:
            each.check_response(request.method, path, reply.status, reply.headers.get("content-type"), whole)
        return Reply(reply.status, reply.headers, whole)


async def ready(novita: AsyncNovita, params: dict[str, Any]) -> dict[str, Any]:
    """The parameters with the assets uploaded that they speak of."""

    async def asset(value: Any, kind: str) -> Any:
        if isinstance(value, list):
            return [await asset(each, kind) for each in value]
        if value != "asset":
            return value
        return await novita.media.upload(samples.clip() if kind == "video" else samples.picture(), kind=kind)

    kinds = {name: "video" if "video" in name else "image" for name in params}
    return {name: await asset(value, kinds[name]) for name, value in params.items()}


async def run(novita: AsyncNovita, model: Model, params: dict[str, Any]) -> MediaResult:
    return await novita.media.run(model.id, **params)


def check_result(model: Model, result: MediaResult) -> None:
    made = {"images": result.images, "videos": result.videos, "audios": result.audios, "text": result.text}
    made["voice"] = result.voice_id
    assert made[model.output], f"{model.id} gives {model.output}"
    for output in result.outputs:
        assert output.type


# --------------------------------------------------------------------------------------------- the models


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("choose", [samples.fewest, samples.most], ids=["fewest", "most"])
async def test_a_valid_call_is_what_the_contract_says_and_comes_back_typed(
    family: str, choose: Callable[[Model], dict[str, Any]], sim: Simulator
) -> None:
    without_debug()
    judge = Judge(sim)
    async with inside(sim, transport=judge.transport) as novita:
        for model in FAMILIES[family]:
            check_result(model, await run(novita, model, await ready(novita, choose(model))))
            assert any(request.url.endswith(model.path) for request in judge.sent)


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_broken_call_is_refused_here_and_names_the_parameter(family: str) -> None:
    async def never(request: Request) -> Reply:
        raise AssertionError(f"sent {request.method} {request.url}")

    async def refused(model: Model, name: str, params: dict[str, Any]) -> None:
        with pytest.raises(ValidationError, match=f"{re.escape(model.id)}: (.* )?{name}"):
            await run(novita, model, params)

    without_debug()
    async with AsyncNovita(api_key=KEY, base_url=BASE, transport=MockTransport(never)) as novita:
        for model in FAMILIES[family]:
            good = samples.fewest(model)
            for name, schema in model.params.properties.items():
                for value in samples.wrong(schema):
                    await refused(model, name, {**good, name: value})
                if name in model.params.required and schema.default is msgspec.UNSET:
                    await refused(model, name, {key: value for key, value in good.items() if key != name})
            await refused(model, "no_such_parameter", {**good, "no_such_parameter": 1})


@pytest.mark.parametrize("family", [family for family, models in FAMILIES.items() if models[0].product == "videos"])
async def test_the_contracts_own_examples_pass(family: str, sim: Simulator) -> None:
    without_debug()
    video = openapi.contract("video")
    judge = Judge(sim)
    async with inside(sim, transport=judge.transport) as novita:
        for model in FAMILIES[family]:
            operation = video.operation_of("POST", model.path)
            assert operation is not None, model.id
            for body in video.examples(operation).values():
                flat = {name: value for name, value in body.items() if name not in model.sections}
                for section in model.sections:
                    flat |= body.get(section, {})
                for name, schema in model.params.properties.items():
                    if name in flat and schema.media is not None and schema.media.forms[0] in ("base64", "asset"):
                        flat[name] = samples.value(schema, name)  # the example has a few letters of one
                check_result(model, await run(novita, model, await ready(novita, flat)))


# ------------------------------------------------------------------------------------- the other operations


@own
async def weights(novita: AsyncNovita) -> None:
    found = [each async for each in novita.images.weights(type="lora", limit=3)]
    assert found


@own
async def assets(novita: AsyncNovita) -> None:
    assert await novita.media.upload(samples.picture(), kind="image")
    assert await novita.media.upload(samples.clip(), kind="video")


@own
async def training(novita: AsyncNovita) -> None:
    room = novita.images.training
    pictures = [samples.picture()] * 2
    subject = await room.create_subject(
        "keeper",
        base_model="v1-5-pruned-emaonly",
        images=pictures,
        instance_prompt="a photo of keeper",
        max_train_steps=100,
    )
    captioned = [(picture, "an etching") for picture in pictures]
    style = await room.create_style("etching", base_model="dreamshaper_8_93211", images=captioned)
    for task in (subject, style):
        trained = await task.wait()
        assert trained.lora(strength=0.5)["model_name"]
    assert len([each async for each in room.list()]) == 2


@own
async def unified(novita: AsyncNovita) -> None:
    room = novita.videos.unified
    model = (await room.models())[0]
    assert (await room.schema(model.model))["properties"]
    assert (await room.run(model.model, prompt="a paper boat", duration=5)).videos


@own
async def speech_streams(novita: AsyncNovita) -> None:
    for model in CATALOG.values():
        if model.stream == "events":
            async with await novita.audio.speech("Good evening.", model=model.id, stream=True) as stream:
                assert b"".join([part async for part in stream])


@pytest.mark.parametrize("call", OWN_TESTS, ids=lambda call: call.__name__)
async def test_what_is_no_model_is_what_the_contract_says(
    call: Callable[[AsyncNovita], Awaitable[None]], sim: Simulator
) -> None:
    judge = Judge(sim)
    async with inside(sim, transport=judge.transport) as novita:
        await call(novita)
    assert judge.seen


async def test_every_operation_is_called(sim: Simulator) -> None:
    without_debug()
    judge = Judge(sim)
    async with inside(sim, transport=judge.transport) as novita:
        for call in OWN_TESTS:
            await call(novita)
        for model in MODELS:
            await run(novita, model, await ready(novita, samples.fewest(model)))
    wanted = {f"{each.name} {operation}" for each in CONTRACTS for operation in each.operations()}
    assert wanted <= judge.seen, sorted(wanted - judge.seen)
