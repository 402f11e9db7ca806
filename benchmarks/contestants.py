"""Who is measured. Each does the same useful work: encode a request, send it, get typed objects, read their text.

`raw` is the floor: what a programmer would write by hand on aiohttp and msgspec for this one server, with nothing that
a service needs beside it: no retries, no limits of time, no errors read, no streams closed on a cancel.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from typing import TYPE_CHECKING, Any, Protocol

from .payloads import KEY, MESSAGES

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CONTESTANTS", "Contestant", "available"]

_RETRIES = 2  # what both packages do by default; the stub gives no reason for one
_MOST = 1024  # connections; more than any case opens


class Contestant(Protocol):
    """One client of one package."""

    async def chat(self) -> None:
        """Make one call and read its whole answer."""
        ...

    async def stream(self, model: str) -> tuple[float, int]:
        """Read one streamed answer to its end; give the moment of its first chunk and the number of chunks."""
        ...

    async def aclose(self) -> None: ...


class Raw:
    def __init__(self, base_url: str) -> None:
        import aiohttp
        import msgspec

        from novita_async.llm.types import ChatCompletion, ChatCompletionChunk

        self._url = f"{base_url}/chat/completions"
        self._headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(ChatCompletion).decode
        self._decode_chunk = msgspec.json.Decoder(ChatCompletionChunk).decode
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
        )

    async def chat(self) -> None:
        body = self._encode({"model": "stub", "messages": MESSAGES, "max_tokens": 256, "temperature": 0.7})
        async with self._session.post(self._url, data=body, headers=self._headers) as response:
            completion = self._decode(await response.read())
        if not completion.choices[0].message.content:
            raise ValueError("no answer")

    async def stream(self, model: str) -> tuple[float, int]:
        body = self._encode(
            {"model": model, "messages": MESSAGES, "max_tokens": 256, "temperature": 0.7, "stream": True}
        )
        first = 0.0
        count = size = 0
        async with self._session.post(self._url, data=body, headers=self._headers) as response:
            rest = b""
            async for data in response.content.iter_any():
                *events, rest = (rest + data).split(b"\n\n")
                for event in events:
                    if event == b"data: [DONE]":
                        break
                    chunk = self._decode_chunk(event[6:])
                    if not count:
                        first = time.perf_counter()
                    count += 1
                    size += len(chunk.choices[0].delta.content or "")
        return first, count if size else 0

    async def aclose(self) -> None:
        await self._session.close()


class Novita:
    def __init__(self, base_url: str) -> None:
        from novita_async import AsyncNovita, Limits, RetryPolicy

        self._client = AsyncNovita(
            api_key=KEY, llm_base_url=base_url, limits=Limits(requests=_MOST), retry=RetryPolicy(attempts=_RETRIES + 1)
        )

    async def chat(self) -> None:
        completion = await self._client.chat.completions.create(
            model="stub", messages=MESSAGES, max_tokens=256, temperature=0.7
        )
        if not completion.choices[0].message.content:
            raise ValueError("no answer")

    async def stream(self, model: str) -> tuple[float, int]:
        first = 0.0
        count = size = 0
        async with await self._client.chat.completions.create(
            model=model, messages=MESSAGES, max_tokens=256, temperature=0.7, stream=True
        ) as chunks:
            async for chunk in chunks:
                if not count:
                    first = time.perf_counter()
                count += 1
                size += len(chunk.choices[0].delta.content or "")
        return first, count if size else 0

    async def aclose(self) -> None:
        await self._client.aclose()


class OpenAI:
    """`AsyncOpenAI` with the limits of its HTTP client raised, as its README shows, for 512 calls at once."""

    def __init__(self, base_url: str, *, aiohttp: bool = False) -> None:
        import openai

        # openai 3 stands on httpx2, openai 2 on httpx; it does not say which by a public name.
        httpx: Any = sys.modules.get("httpx2") or sys.modules["httpx"]
        make = openai.DefaultAioHttpClient if aiohttp else openai.DefaultAsyncHttpxClient
        limits = httpx.Limits(max_connections=_MOST, max_keepalive_connections=_MOST)
        self._client = openai.AsyncOpenAI(
            api_key=KEY, base_url=base_url, max_retries=_RETRIES, http_client=make(limits=limits)
        )

    async def chat(self) -> None:
        messages: Any = MESSAGES
        completion = await self._client.chat.completions.create(
            model="stub", messages=messages, max_tokens=256, temperature=0.7
        )
        if not completion.choices[0].message.content:
            raise ValueError("no answer")

    async def stream(self, model: str) -> tuple[float, int]:
        messages: Any = MESSAGES
        first = 0.0
        count = size = 0
        async with await self._client.chat.completions.create(
            model=model, messages=messages, max_tokens=256, temperature=0.7, stream=True
        ) as chunks:
            async for chunk in chunks:
                if not count:
                    first = time.perf_counter()
                count += 1
                size += len(chunk.choices[0].delta.content or "")
        return first, count if size else 0

    async def aclose(self) -> None:
        await self._client.close()


def _openai_aiohttp(base_url: str) -> Contestant:
    return OpenAI(base_url, aiohttp=True)


#: By name, the floor first.
CONTESTANTS: dict[str, Callable[[str], Contestant]] = {
    "raw": Raw,
    "novita": Novita,
    "openai": OpenAI,
    "openai-aiohttp": _openai_aiohttp,
}


def available() -> dict[str, str]:
    """The contestants that cannot take part here, each with the reason."""
    missing: dict[str, str] = {}
    if importlib.util.find_spec("openai") is None:
        missing["openai"] = missing["openai-aiohttp"] = "the openai package is not installed"
    return missing
