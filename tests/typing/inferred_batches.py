"""What a type checker makes of files and batches; see `inferred.py`."""
# pyright: reportUnnecessaryTypeIgnoreComment=error, reportUnusedCallResult=false

from __future__ import annotations

import datetime
import pathlib
from typing import TYPE_CHECKING, assert_type

from novita_async.errors import NovitaError
from novita_async.llm.batches import Batch, BatchList
from novita_async.llm.completions import Completion
from novita_async.llm.endpoint import RawResponse
from novita_async.llm.files import File, FileList
from novita_async.llm.types import ChatCompletion

if TYPE_CHECKING:
    from novita_async import AsyncNovita


async def files(novita: AsyncNovita) -> None:
    assert_type(await novita.files.create(file="a.jsonl", purpose="batch"), File)
    await novita.files.create(file=("a.jsonl", b"{}"))
    await novita.files.create(file=12)  # pyright: ignore[reportArgumentType] - refused, which is the test
    assert_type(await novita.files.list(), FileList)
    async for file in novita.files.list():
        assert_type(file, File)
    assert_type((await novita.files.content("f")).content, bytes)
    assert_type(await novita.files.save("f", "a.jsonl"), pathlib.Path)
    assert_type(await novita.files.with_raw_response.retrieve("f"), RawResponse[File])


async def batches(novita: AsyncNovita) -> None:
    batch = await novita.batches.create(input_file_id="f", endpoint="/v1/chat/completions")
    assert_type(batch, Batch)
    assert_type(batch.created_at, datetime.datetime | None)
    assert_type(batch.errors, str | None)
    assert_type(await novita.batches.list(), BatchList)
    async for each in novita.batches.list():
        assert_type(each, Batch)


async def runs(novita: AsyncNovita) -> None:
    async with await novita.batches.run([{"messages": []}], model="m") as results:
        async for result in results:
            assert_type(result.value, ChatCompletion | None)
            assert_type(result.error, NovitaError | None)
    async with await novita.batches.run("a.jsonl", endpoint="/v1/completions") as texts:
        async for text in texts:
            assert_type(text.value, Completion | None)
