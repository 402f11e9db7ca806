"""Events that are larger than line readers like, and letters that line readers take for line ends."""

from __future__ import annotations

import pytest
from helpers import ASK, CHAT, DONE, chunk, connected, events, over_sockets

from novita_async import Limits
from novita_async.errors import EventTooLarge
from novita_async.simulator import Stream


async def test_row_03_a_single_event_of_five_megabytes_parses(sim):
    sim.fault("POST", CHAT, Stream.huge_event(size=5_000_000))
    async with over_sockets(sim) as novita, novita.chat.completions.stream(**ASK) as stream:
        completion = await stream.final()
    assert completion.choices[0].message.content.startswith("x" * 5_000_000)


async def test_row_03_above_the_limit_it_is_an_error_and_the_connection_is_given_back(sim):
    sim.fault("POST", CHAT, Stream.huge_event(size=5_000_000))
    async with over_sockets(sim, limits=Limits(max_event_bytes=1_000_000, requests=1)) as novita:
        with pytest.raises(EventTooLarge):
            async with novita.chat.completions.stream(**ASK) as stream:
                await stream.final()
        await novita.chat.completions.create(**ASK)
    assert len(sim.requests) == 2  # an event that is too large once is too large again


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
async def test_lines_end_at_lf_crlf_and_cr_and_nowhere_else(clock, end):
    """Also seen: open-metadata/OpenMetadata#29531, brainlid/langchain#569. Cut into single bytes on top of that."""
    text = "one\u2028two\u2029three\u0085four\x0bfive\x0csix\x1cseven: [DONE]"
    stream = b": data: not data\n\n" + chunk(text) + b":\n\ndata:" + chunk("!")[6:] + chunk(finish="stop") + DONE
    single = [bytes([byte]) for byte in stream.replace(b"\n", end)]

    async def server(request):
        return events(*single)

    async with connected(server, clock) as novita, novita.chat.completions.stream(**ASK) as answer:
        completion = await answer.final()
    assert completion.choices[0].message.content == text + "!"
