"""The API key stays where it belongs: in the header of a request, and nowhere else."""

from __future__ import annotations

import asyncio
import logging
import traceback

import pytest
from helpers import ASK, BASE, CHAT, PICTURE, TXT2IMG, Server, connected, json_reply, over_sockets

from novita_async import AsyncNovita, NovitaError, Settings, log_requests
from novita_async.errors import AuthenticationError, ConfigError
from novita_async.simulator import Drop, Edit, Hang, Refuse, Stream


async def every_kind_of_call(sim, novita) -> list[BaseException]:
    """Good and bad ends of calls, streams and tasks; gives the errors."""
    errors: list[BaseException] = []

    async def bad(work):
        try:
            await work
        except NovitaError as error:
            errors.append(error)

    async def read():
        async with novita.chat.completions.stream(**ASK) as stream:
            await stream.final()

    await novita.chat.completions.create(**ASK)
    await read()
    result = await novita.images.run("txt2img", **PICTURE)
    await result.images[0].bytes()
    await novita.gpu.products.list()
    refusals = [Refuse.with_reason(401, "FAILED_TO_AUTH", f"the key {sim.api_key} is not good"), Drop.before_headers()]
    for fault in refusals:
        for path in (CHAT, TXT2IMG):
            sim.fault("POST", path, fault, times=3)
        await bad(novita.chat.completions.create(**ASK))
        await bad(novita.images.run("txt2img", **PICTURE))
    for fault in (Stream.error(after=1, message=f"not with {sim.api_key}"), Drop.in_body(after=1), Stream.cut(after=1)):
        sim.fault("POST", CHAT, fault)
        await bad(read())
    sim.fault("POST", TXT2IMG, Edit.having("task_id", 7), Edit.without("task_id"), Hang.before_headers())
    for _ in range(3):
        await bad(novita.images.run("txt2img", **PICTURE, timeout=10))
    assert len(errors) >= 9
    return errors


def everything_said(error: BaseException) -> str:
    """What a crash reporter would send: the whole chain, and every attribute."""
    parts = traceback.format_exception(error)
    while error is not None:
        parts += [str(error), repr(error), repr(vars(error))]
        error = error.__cause__ or error.__context__
    return "\n".join(parts)


async def test_the_key_is_in_no_log_record_of_a_run_at_debug_of_every_logger(sim, caplog):
    """Also seen: openai/openai-python#1196, #1082. The real transport, and our own logging at its chattiest."""
    asyncio.get_running_loop().set_debug(True)
    caplog.set_level(logging.DEBUG)
    for name in list(logging.root.manager.loggerDict):
        caplog.set_level(logging.DEBUG, logger=name)
    async with over_sockets(sim, middleware=[log_requests(bodies=True)]) as novita:
        errors = await every_kind_of_call(sim, novita)
    assert any(record.name == "novita_async" for record in caplog.records)
    said = [record.getMessage() + repr(record.args) + (record.exc_text or "") for record in caplog.records]
    assert not [line for line in said if sim.api_key in line]
    assert len(errors) >= 9


async def test_the_key_is_in_no_error_whatever_the_server_repeats(sim):
    async with over_sockets(sim) as novita:
        for error in await every_kind_of_call(sim, novita):
            assert sim.api_key not in everything_said(error)


SECRET = "sk_this_must_not_be_seen"  # a key that no test environment has otherwise


@pytest.mark.parametrize(
    "body",
    [
        {"code": 401, "reason": "FAILED_TO_AUTH", "message": f"bad key {SECRET}", "metadata": {"key": SECRET}},
        {"error": {"message": SECRET, "type": SECRET, "code": SECRET}},
        {"detail": [{"msg": SECRET}], "request_id": SECRET},
        SECRET,
    ],
)
async def test_the_key_is_blotted_out_of_everything_that_a_body_repeats(clock, body):
    server = Server(clock, json_reply(body, 401, x_request_id="1"))
    async with connected(server, clock, api_key=SECRET) as novita:
        with pytest.raises(AuthenticationError) as refused:
            await novita.chat.completions.create(**ASK)
    assert SECRET not in everything_said(refused.value)
    assert b"***" in refused.value.body


async def test_the_key_is_in_no_repr(clock):
    server = Server(clock, {"choices": []})
    async with connected(server, clock, api_key=SECRET) as novita:
        await novita.chat.completions.create(**ASK)
        assert server.requests[0].headers["authorization"] == f"Bearer {SECRET}"
        for thing in (novita, novita.settings, server.requests[0], novita._core(), vars(novita)):
            assert SECRET not in repr(thing)
    assert SECRET not in repr(Settings(api_key=SECRET))


@pytest.mark.parametrize("broken", [f"{SECRET}\n", f" {SECRET}", f"{SECRET}é", f"{SECRET} {SECRET}"])
def test_a_broken_key_is_not_shown_in_what_is_said_about_it(broken):
    with pytest.raises(ConfigError) as refused:
        AsyncNovita(api_key=broken)
    assert SECRET not in everything_said(refused.value)


async def test_a_link_to_another_host_is_not_sent_the_key(clock):
    picture = {"image_url": "https://files.test/picture.png", "image_type": "png"}
    server = Server(clock, {"task": {"task_id": "1"}, "images": [picture]}, lambda _: json_reply("a picture"))
    async with connected(server, clock, base_url=BASE) as novita:
        result = await novita.images.run(
            "flux-1-schnell", prompt="x", width=64, height=64, steps=4, seed=7, image_num=1
        )
        await result.images[0].bytes()
    submit, download = server.requests
    assert "authorization" in submit.headers
    assert not {"authorization", "x-api-key"} & set(download.headers)
