"""`embeddings.create`: vectors in both encodings, and inputs too many for one request."""

from __future__ import annotations

import asyncio
import base64
import builtins
import struct

import msgspec
import openapi
import pytest
from helpers import BASE, Server, connected, inside, json_reply, refusal, turns

from novita_async.errors import BadRequest, CallTimeout, ProtocolError, ValidationError

PATH = "/openai/v1/embeddings"
MODEL = "baai/bge-m3"
VECTOR = [0.5, -1.25, 0.1]
SINGLE = list(struct.unpack("<3f", struct.pack("<3f", *VECTOR)))  # what float32 keeps of them
PACKED = base64.b64encode(struct.pack("<3f", *VECTOR)).decode()


def listing(*vectors, **more):
    data = [{"object": "embedding", "index": number, "embedding": vector} for number, vector in enumerate(vectors)]
    usage = {"prompt_tokens": len(vectors), "total_tokens": len(vectors)}
    return {"object": "list", "data": data, "model": MODEL, "usage": usage, **more}


def asked(request):
    return msgspec.json.decode(request.body)


def lengths(request):
    """Answers each text with its length, as a vector of one number, and the last one first."""
    answer = listing(*([float(len(text))] for text in asked(request)["input"]))
    answer["data"].reverse()
    return answer


@pytest.fixture
async def server(clock):
    return Server(clock, listing(PACKED))


@pytest.fixture
async def embeddings(server, clock):
    async with connected(server, clock) as novita:
        yield novita.embeddings


# -------------------------------------------------------------------------------------------- encodings


async def test_base64_is_asked_for_and_numbers_are_given(embeddings, server):
    answer = await embeddings.create(model=MODEL, input="alpha")
    assert answer.data[0].embedding == SINGLE
    assert (answer.data[0].index, answer.data[0].object, answer.model) == (0, "embedding", MODEL)
    assert answer.usage.total_tokens == 1
    assert answer.raw == listing(PACKED)
    (request,) = server.requests
    assert (request.method, request.url) == ("POST", f"{BASE}{PATH}")
    assert asked(request) == {"model": MODEL, "input": "alpha", "encoding_format": "base64"}


@pytest.mark.parametrize("came", [VECTOR, PACKED], ids=["float", "base64"])
async def test_whatever_comes_the_caller_gets_what_he_asked_for(clock, came):
    server = Server(clock, listing(came))
    expected = VECTOR if came is VECTOR else SINGLE
    async with connected(server, clock) as novita:
        create = novita.embeddings.create
        assert (await create(model=MODEL, input="a")).data[0].embedding == expected
        assert (await create(model=MODEL, input="a", encoding_format="float")).data[0].embedding == expected
        assert (await create(model=MODEL, input="a", encoding_format="base64")).data[0].embedding == PACKED
    assert [asked(request)["encoding_format"] for request in server.requests] == ["base64", "float", "base64"]


@pytest.mark.parametrize("came", [VECTOR, PACKED], ids=["float", "base64"])
async def test_arrays_are_numpys_of_float32_and_ones_own(clock, came):
    numpy = pytest.importorskip("numpy", reason="arrays need numpy")
    async with connected(Server(clock, listing(came)), clock) as novita:
        vector = (await novita.embeddings.create(model=MODEL, input="a", as_array=True)).data[0].embedding
    assert (vector.dtype, vector.tolist()) == (numpy.dtype("float32"), SINGLE)
    vector[0] = 2


async def test_arrays_without_numpy_are_refused_before_anything_is_sent(embeddings, server, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "numpy":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValidationError, match="as_array needs numpy: install it"):
        await embeddings.create(model=MODEL, input="a", as_array=True)
    assert server.requests == []


@pytest.mark.parametrize("broken", ["?", "AAAA", "AAAAA"])
async def test_a_vector_that_cannot_be_read_is_nonsense(clock, broken):
    async with connected(Server(clock, listing(broken)), clock) as novita:
        with pytest.raises(ProtocolError, match="an embedding cannot be read"):
            await novita.embeddings.create(model=MODEL, input="a")


async def test_a_raw_response_has_the_text_and_the_numbers(embeddings, server):
    raw = await embeddings.with_raw_response.create(model=MODEL, input="a")
    assert msgspec.json.decode(raw.content) == listing(PACKED)
    assert raw.parse().data[0].embedding == SINGLE
    with pytest.raises(ValidationError, match="3 inputs in batches of 2"):
        await embeddings.with_raw_response.create(model=MODEL, input=["a", "b", "c"], batch_size=2)
    assert len(server.requests) == 1


# ------------------------------------------------------------------------------------------------- inputs


@pytest.mark.parametrize("given", ["a", ["a", "b"], [1, 2], [[1], [2, 3]]], ids=repr)
async def test_inputs_of_every_kind_are_sent_as_they_are(embeddings, server, given):
    await embeddings.create(model=MODEL, input=given)
    assert asked(server.requests[0])["input"] == given
    openapi.check_request("POST", PATH, "application/json", server.requests[0].body)


async def test_the_tokens_of_one_text_are_never_split(embeddings, server):
    await embeddings.create(model=MODEL, input=list(range(5000)))
    await embeddings.create(model=MODEL, input="x" * 5000)
    assert len(server.requests) == 2


async def test_many_inputs_make_several_requests_and_one_answer(clock):
    server = Server(clock, lambda request: json_reply(lengths(request)))
    texts = ["x" * (number % 7) for number in range(5000)]
    async with connected(server, clock) as novita:
        answer = await novita.embeddings.create(model=MODEL, input=texts)
    assert [len(asked(request)["input"]) for request in server.requests] == [2048, 2048, 904]
    assert [each.index for each in answer.data] == list(range(5000))
    assert [each.embedding for each in answer.data] == [[float(len(text))] for text in texts]
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens, answer.model) == (5000, 5000, MODEL)


async def test_so_many_requests_run_at_once_and_no_more(clock):
    running = most = 0

    async def slow(request):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await turns(3)
        running -= 1
        return json_reply(lengths(request))

    server = Server(clock, slow)
    async with connected(server, clock) as novita:
        await novita.embeddings.create(model=MODEL, input=[[1]] * 50, batch_size=2)
    assert len(server.requests) == 25
    assert most == 8


async def test_the_first_error_ends_the_others_and_a_timeout_holds_for_all(clock):
    def answer(request):
        if asked(request)["input"] == ["bad"]:
            return refusal(400, "INVALID_REQUEST_BODY")
        return asyncio.Event().wait()  # for ever

    async with connected(Server(clock, answer), clock) as novita:
        with pytest.raises(BadRequest):
            await novita.embeddings.create(model=MODEL, input=["a", "bad", "b"], batch_size=1)
        start = clock.monotonic()
        with pytest.raises(CallTimeout, match="'total' limit of 7 s"):
            await novita.embeddings.create(model=MODEL, input=["a"] * 20, batch_size=1, timeout=7)
        assert clock.monotonic() - start == pytest.approx(7)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"input": ""}, "input is empty"),
        ({"input": []}, "input is empty"),
        ({"input": None}, "input must be text, tokens or a list of either, got NoneType"),
        ({"input": ["a", 1]}, r"input\[1\] is a token, and input\[0\] is text"),
        ({"input": [[1], []]}, r"input\[1\] must be text or tokens, got list"),
        ({"model": ""}, "model is empty"),
        ({"encoding_format": "int8"}, "encoding_format must be 'float' or 'base64', got 'int8'"),
        ({"encoding_format": "base64", "as_array": True}, "as_array cannot go with"),
        ({"batch_size": 0}, "batch_size must be 1 to 2048, got 0"),
        ({"batch_size": 2049}, "batch_size must be 1 to 2048, got 2049"),
    ],
)
async def test_bad_arguments_are_refused_before_anything_is_sent(embeddings, server, arguments, words):
    with pytest.raises(ValidationError, match=words):
        await embeddings.create(**{"model": MODEL, "input": "a", **arguments})
    assert server.requests == []


# ------------------------------------------------------------------------------------------- the simulator


async def test_the_simulators_vectors_are_the_same_in_both_encodings(sim):
    async with inside(sim) as novita:
        create = novita.embeddings.create
        short = await create(model=MODEL, input=["alpha", "beta"])
        long = await create(model=MODEL, input=["alpha", "beta"], encoding_format="float")
        split = await create(model=MODEL, input=["alpha", "beta"], batch_size=1)
    assert [each.index for each in split.data] == [0, 1]
    assert [each.embedding for each in short.data] == [each.embedding for each in split.data]
    for one, other in zip(short.data, long.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, rel=1e-6)
    assert short.usage.total_tokens == split.usage.total_tokens > 0
