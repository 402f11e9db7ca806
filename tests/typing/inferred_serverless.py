"""What a type checker makes of `novita.serverless`; see `inferred.py`."""
# pyright: reportUnnecessaryTypeIgnoreComment=error, reportUnusedCallResult=false

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, assert_type

from novita_async.gpu.serverless import (
    ConcurrencyPolicy,
    Endpoint,
    EndpointAnswer,
    EndpointHandle,
    EndpointLimits,
    EndpointStats,
    Health,
    Job,
    QueuePolicy,
)
from novita_async.runtime.pages import Pages
from novita_async.runtime.streams import EventStream
from novita_async.runtime.task import Task

if TYPE_CHECKING:
    from novita_async import AsyncNovita


async def endpoints(novita: AsyncNovita) -> None:
    assert_type(await novita.serverless.limits(), EndpointLimits)
    made = await novita.serverless.create("a", product_ids=["p"], port=80, policy=QueuePolicy(30), volumes={"/w": None})
    assert_type(made, Endpoint)
    assert_type(made.policy, QueuePolicy | ConcurrencyPolicy | None)
    assert_type(made.worker_config.max_workers, int | None)
    assert_type(made.created_at, datetime.datetime | None)
    assert_type(made.product_ids, list[str])
    assert_type(novita.serverless.list(), Pages[Endpoint])
    assert_type(await novita.serverless.update(made.id, max_workers=3, policy=ConcurrencyPolicy(2)), Endpoint)
    assert_type(await novita.serverless.wait_until_ready(made.id), Endpoint)
    assert_type(await novita.serverless.delete(made.id), bool)
    await novita.serverless.create("a", product_ids=["p"], port=80, policy="queue")  # pyright: ignore[reportArgumentType] - no policy
    await novita.serverless.update("a", max_worker=1)  # pyright: ignore[reportCallIssue] - no such setting


async def work(novita: AsyncNovita) -> None:
    endpoint = novita.serverless.endpoint("e")
    assert_type(endpoint, EndpointHandle)
    assert_type(await endpoint.run({"a": 1}), Task[Any])
    assert_type(await endpoint.status("j"), Job)
    assert_type(await endpoint.health(), Health)
    assert_type(await endpoint.stats(), EndpointStats)
    assert_type(await endpoint.purge(), dict[str, Any])
    assert_type(await endpoint.request("GET", "/"), EndpointAnswer)
    assert_type(await endpoint.request("POST", "/", json={}, stream=True), EventStream[bytes])
