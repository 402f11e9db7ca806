"""`rerank.create`: the results as they came, with the documents in them."""

from __future__ import annotations

import msgspec
import openapi
import pytest
from helpers import BASE, Server, connected, inside

from novita_async.errors import ProtocolError, ValidationError

PATH = "/openai/v1/rerank"
ASKED = {"model": "baai/bge-reranker-v2-m3", "query": "red fruit", "documents": ["sky", "apple", "sea"]}
ANSWER = {
    "id": "r-1",
    "results": [
        {"index": 1, "relevance_score": 0.9},
        {"index": 2, "relevance_score": 0.1, "document": None},
        {"index": 0, "relevance_score": 0.2, "document": {"text": "SKY", "novel": 1}},
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9},
}


@pytest.fixture
async def server(clock):
    return Server(clock, ANSWER)


@pytest.fixture
async def rerank(server, clock):
    async with connected(server, clock) as novita:
        yield novita.rerank


async def test_results_keep_their_order_and_get_the_documents_that_they_lack(rerank, server):
    response = await rerank.create(**ASKED, top_n=3)
    assert [(each.index, each.document.text) for each in response.results] == [(1, "apple"), (2, "sea"), (0, "SKY")]
    assert response.results[0].relevance_score == 0.9
    assert (response.id, response.usage.total_tokens) == ("r-1", 9)
    assert response.raw == ANSWER
    (request,) = server.requests
    assert (request.method, request.url) == ("POST", f"{BASE}{PATH}")
    assert msgspec.json.decode(request.body) == {**ASKED, "top_n": 3}
    openapi.check_request("POST", PATH, "application/json", request.body)


async def test_what_is_not_given_is_not_sent(rerank, server):
    await rerank.create(**ASKED)
    assert msgspec.json.decode(server.requests[0].body) == ASKED


async def test_an_index_that_points_nowhere_has_no_document(clock):
    server = Server(clock, {"results": [{"index": 7}, {"index": -1}], "usage": None}, {"id": "r-1"})
    async with connected(server, clock) as novita:
        response = await novita.rerank.create(**ASKED)
        assert [each.document for each in response.results] == [None, None]
        with pytest.raises(ProtocolError, match="results"):
            await novita.rerank.create(**ASKED)


async def test_a_raw_response_gives_the_same_results(rerank):
    raw = await rerank.with_raw_response.create(**ASKED)
    assert msgspec.json.decode(raw.content) == ANSWER
    assert raw.parse().results[0].document.text == "apple"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"documents": []}, "documents is empty"),
        ({"documents": "apple"}, "documents must be a list of texts, got str"),
        ({"documents": {"a": 1}}, "got dict"),
        ({"documents": ["a", {"text": "b"}]}, r"documents\[1\] must be text, got dict"),
        ({"query": ""}, "query is empty"),
        ({"query": None}, "query must be text, got NoneType"),
        ({"model": ""}, "model is empty"),
        ({"top_n": 0}, "top_n must be at least 1, got 0"),
        ({"top_n": 1.5}, "top_n must be a whole number, got 1.5"),
        ({"top_n": True}, "top_n must be a whole number, got True"),
    ],
)
async def test_bad_arguments_are_refused_before_anything_is_sent(rerank, server, arguments, words):
    with pytest.raises(ValidationError, match=words):
        await rerank.create(**{**ASKED, **arguments})
    assert server.requests == []


async def test_the_simulator_puts_the_best_first(sim):
    async with inside(sim) as novita:
        response = await novita.rerank.create(**ASKED, top_n=2)
    scores = [each.relevance_score for each in response.results]
    assert len(scores) == 2
    assert scores == sorted(scores, reverse=True)
    assert all(each.document.text == ASKED["documents"][each.index] for each in response.results)
