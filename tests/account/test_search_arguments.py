"""Arguments of search: what is wrong is said at once and all of it; what the engines refuse keeps their words."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from helpers import Server, connected, inside, json_reply

from novita_async import Request, Timeouts
from novita_async.account.queries import Extras, HighlightOptions, SummaryOptions, TextOptions
from novita_async.errors import BadRequest, CallTimeout, ServerError, ValidationError
from novita_async.simulator import Drop, Slow

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Judge

    from novita_async import AsyncNovita, Simulator
    from novita_async.testing.clock import JumpClock

T1 = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wrong", "problems"),
    [
        (lambda search: search.exa.search(""), ["query"]),
        (
            lambda search: search.exa.search("a", num_results=0, user_location="Germany"),
            ["num_results", "user_location"],
        ),
        (lambda search: search.exa.search("a", num_results=True, moderation=1), ["num_results", "moderation"]),
        (lambda search: search.exa.search("a", include_domains="a.org"), ["include_domains"]),
        (lambda search: search.exa.search("a", exclude_domains=["a"] * 1201), ["exclude_domains"]),
        (lambda search: search.exa.search("a", start_crawl_date=datetime(2026, 1, 1)), ["start_crawl_date"]),
        (
            lambda search: search.exa.search("a", start_published_date=T1, end_published_date=T1 - timedelta(1)),
            ["end_published_date: it is before start_published_date"],
        ),
        (lambda search: search.exa.search("a", additional_queries=[]), ["additional_queries"]),
        (lambda search: search.exa.search("a", text={"max_characters": 10_001}), ["text"]),
        (lambda search: search.exa.search("a", text=TextOptions(max_characters=0)), ["text"]),
        (lambda search: search.exa.search("a", highlights={"words": 3}), ["highlights"]),
        (lambda search: search.exa.search("a", extras={"links": 1001}), ["extras"]),
        (lambda search: search.exa.search("a", livecrawl_timeout=91, subpages=101), ["livecrawl_timeout", "subpages"]),
        (
            lambda search: search.exa.search("a", max_age_hours=-2, subpage_target="x" * 101),
            ["max_age", "subpage_target"],
        ),
        (lambda search: search.exa.contents([]), ["urls"]),
        (lambda search: search.exa.contents("https://a.org"), ["urls"]),
        (lambda search: search.exa.contents(["x" * 2049]), ["urls"]),
        (lambda search: search.exa.answer(None), ["query"]),
        (
            lambda search: search.tavily.search("a", search_depth="deep", max_results=21),
            ["search_depth", "max_results"],
        ),
        (lambda search: search.tavily.search("a", chunks_per_source=2), ["chunks_per_source goes with"]),
        (lambda search: search.tavily.search("a", topic="news", country="chile"), ["country goes with"]),
        (
            lambda search: search.tavily.search("a", start_date=date(2026, 1, 2), end_date=date(2026, 1, 1)),
            ["end_date"],
        ),
        (
            lambda search: search.tavily.search("a", include_answer="long", time_range="hour"),
            ["time_range", "include_answer"],
        ),
        (lambda search: search.tavily.extract([]), ["urls"]),
        (lambda search: search.tavily.extract(["a"] * 21), ["urls"]),
        (lambda search: search.tavily.extract("a", chunks_per_source=3), ["chunks_per_source goes with"]),
        (lambda search: search.tavily.extract("a", time_limit=61), ["time_limit"]),
        (
            lambda search: search.tavily.crawl("a", max_depth=6, max_breadth=0, limit=0),
            ["max_depth", "max_breadth", "limit"],
        ),
        (lambda search: search.tavily.crawl("a", chunks_per_source=1), ["chunks_per_source goes with"]),
        (lambda search: search.tavily.map("a", time_limit=float("nan")), ["time_limit"]),
        (lambda search: search.tavily.map("", select_paths="/a"), ["url", "select_paths"]),
        (lambda search: search.tavily.map("a", timeout=0), ["timeout"]),
    ],
)
async def test_everything_that_is_wrong_is_one_error_and_nothing_is_sent(
    wrong: Callable[[Any], Any], problems: list[str], novita: AsyncNovita, judge: Judge
) -> None:
    with pytest.raises(ValidationError) as caught:
        await wrong(novita.search)
    found = sorted(caught.value.problems)
    assert len(found) == len(problems)
    assert all(text.startswith(start) for text, start in zip(found, sorted(problems), strict=True)), found
    assert judge.sent == []


async def test_an_option_that_there_is_not_is_a_type_error(novita: AsyncNovita) -> None:
    with pytest.raises(TypeError, match="did you mean 'subpages'"):
        await novita.search.exa.contents(["https://a.org"], subpage=1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'depth'"):
        await novita.search.exa.search("a", depth=1)


async def test_options_stand_where_each_call_has_them_and_in_its_units(clock: JumpClock) -> None:
    server = Server(clock, {"results": []})
    options: dict[str, Any] = {
        "text": TextOptions(include_html_tags=True),
        "highlights": HighlightOptions(query="x"),
        "extras": Extras(image_links=2),
        "livecrawl_timeout": 1.5,
    }
    expected = {
        "text": {"includeHtmlTags": True},
        "highlights": {"query": "x"},
        "extras": {"imageLinks": 2},
        "livecrawlTimeout": 1500,
    }
    schema = {"type": "object", "max_items": {"a_b": None}}  # names in a schema are nobody's business
    async with connected(server, clock) as novita:
        room = novita.search.exa
        await room.search("a", summary=SummaryOptions(schema=schema), **options)
        await room.contents(["u"], summary=True, **options)
        await room.contents(["u"], summary=False)
        await room.search("a", start_crawl_date=T1, extra_body={"numResults": 3, "new": 1})
    bodies = [msgspec.json.decode(request.body) for request in server.requests]
    assert bodies == [
        {"query": "a", "contents": {**expected, "summary": {"schema": schema}}},
        {"urls": ["u"], "summary": {}, **expected},
        {"urls": ["u"]},
        {"query": "a", "startCrawlDate": "2026-01-01T00:00:00Z", "numResults": 3, "new": 1},
    ]


@pytest.mark.parametrize("limit", [None, 120])
async def test_a_long_crawl_is_waited_for_as_long_as_it_may_take(
    limit: float | None, sim: Simulator, clock: JumpClock, judge: Judge
) -> None:
    longest = (limit or 150) + 30
    async with inside(sim, transport=judge.transport, timeouts=Timeouts(attempt=20)) as novita:
        sim.fault("POST", "/v3/tavily/*", Slow.headers(longest - 1), Slow.headers(longest + 1))
        before = clock.monotonic()
        assert (await novita.search.tavily.crawl("https://a.org", time_limit=limit)).results
        assert clock.monotonic() - before == pytest.approx(longest - 1)
        with pytest.raises(CallTimeout, match="attempt"):
            await novita.search.tavily.map("https://a.org", time_limit=limit)
        sim.fault("POST", "/v3/tavily/crawl", Slow.headers(100))
        with pytest.raises(CallTimeout, match="total"):
            await novita.search.tavily.crawl("https://a.org", timeout=60)


async def test_the_words_of_the_engines_are_kept(novita: AsyncNovita, sim: Simulator, clock: JumpClock) -> None:
    with pytest.raises(BadRequest, match="cannot be read") as caught:
        await novita.search.tavily.map("https://a.org/missing")
    assert caught.value.message == "https://a.org/missing cannot be read"
    with pytest.raises(BadRequest, match="regular expression"):
        await novita.search.tavily.crawl("https://a.org", select_paths=["("])
    with pytest.raises(BadRequest) as caught:
        await novita.search.exa.answer("a", output_schema={"type": "unheard-of"})
    assert (caught.value.reason, len(caught.value.request_id or "")) == ("INVALID_REQUEST_BODY", 32)
    sim.reply("POST", "/v3/exa/answer", json_reply({"detail": "bad gateway"}, 502), times=3)
    with pytest.raises(ServerError, match="bad gateway"):
        await novita.search.exa.answer("a")


async def test_a_search_whose_answer_is_lost_is_asked_again(novita: AsyncNovita, sim: Simulator) -> None:
    script = sim.fault("POST", "/v3/exa/search", Drop.after_work())
    assert (await novita.search.exa.search("tides")).results
    assert script.hits == 1


async def test_answers_in_other_shapes_are_read(clock: JumpClock) -> None:
    answers = [
        {
            "results": [{"url": "u", "publishedDate": "2024-05-06", "new": 1}, {"publishedDate": "soon"}],
            "costDollars": {},
        },
        {"answer": {"a": 1}},
        {"results": [{"url": "u"}], "images": ["one", {"url": "two"}], "response_time": "1.5", "usage": {"credits": 2}},
        {"results": [], "failed_results": [], "response_time": 2},
        {},
    ]
    server = Server(clock, *answers)
    async with connected(server, clock) as novita:
        found = await novita.search.exa.search("a")
        assert [page.published_at for page in found.results] == [datetime(2024, 5, 6, tzinfo=UTC), None]
        assert found.raw["results"][0]["new"] == 1
        assert (await novita.search.exa.answer("a")).answer == {"a": 1}
        results = await novita.search.tavily.search("a")
        assert [image.url for image in results.images] == ["one", "two"]
        assert (results.response_time, results.credits) == (1.5, 2)
        assert (await novita.search.tavily.extract("a")).response_time == 2
        assert (await novita.search.tavily.crawl("a")).results == []


async def test_the_same_question_has_the_same_answer_and_pages_are_what_was_found(novita: AsyncNovita) -> None:
    first, again = [(await novita.search.exa.search("harbour tides", num_results=5, text=True)).raw for _ in range(2)]
    assert first == again
    addresses = [page["url"] for page in first["results"]]
    assert len(set(addresses)) == 5
    read = await novita.search.exa.contents(addresses, text=True)
    assert [page.text for page in read.results] == [page["text"] for page in first["results"]]
    extracted = await novita.search.tavily.extract(addresses[0])
    assert extracted.results[0].raw_content == first["results"][0]["text"]
    assert all("harbour tides" in page["title"].lower() for page in first["results"])


async def test_exas_own_client_is_let_in_with_its_own_header_and_dates(sim: Simulator) -> None:
    async def status(path: str, body: dict[str, Any], **headers: str) -> int:
        headers = {name.replace("_", "-"): value for name, value in headers.items()} | {
            "content-type": "application/json"
        }
        return (await sim.handle(Request("POST", f"{sim.base_url}{path}", headers, msgspec.json.encode(body)))).status

    asked = {"query": "tides", "startPublishedDate": "2024-01-01"}
    assert await status("/v3/exa/search", asked, x_api_key=sim.api_key) == 200
    assert await status("/v3/exa/search", asked, x_api_key="sk_another") == 403
    assert await status("/v3/exa/search", asked) == 400
    assert await status("/v3/exa/search", {"query": "tides", "endPublishedDate": "soon"}, x_api_key=sim.api_key) == 400
