"""`novita.files`: what is uploaded and how, what comes back, and nothing half-written."""

from __future__ import annotations

import email.parser
import io
import re

import msgspec
import openapi
import pytest
from helpers import BASE, Server, connected, inside, json_reply, over_sockets, refusal, several

from novita_async import Reply, Simulator
from novita_async.errors import BadRequest, ConnectionLost, NotFound, ProtocolError, ValidationError
from novita_async.llm.files import File
from novita_async.simulator import Drop, Refuse

FILES = "/openai/v1/files"
LINES = b'{"custom_id": "a", "body": {}}\n{"custom_id": "b", "body": {}}\n'
openapi.operations()  # reads the contract now, and not on the loop of a test
FILE = {"id": "file_1", "object": "file", "bytes": 3, "created_at": 1760000000, "filename": "x", "purpose": "batch"}


async def whole(body):
    return body if isinstance(body, bytes) else b"".join([chunk async for chunk in body])


def parts(content_type, body):
    """A form as Python's own parser sees it: headers and content of each field by its name."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = email.parser.BytesParser().parsebytes(head + body)
    return {
        part.get_param("name", header="content-disposition"): (part, part.get_payload(decode=True))
        for part in message.get_payload()
    }


class Forms:
    """Reads every upload, and answers with a file."""

    def __init__(self):
        self.forms = []
        self.lengths = []
        self.chunks = 0

    async def __call__(self, request):
        body = b""
        async for chunk in request.body:
            body += chunk
            self.chunks += 1
        self.forms.append(parts(request.headers["content-type"], body))
        self.lengths.append((int(request.headers["content-length"]), len(body)))
        openapi.check_request("POST", FILES, request.headers["content-type"], body)
        return json_reply(FILE)


# ------------------------------------------------------------------------------------------------- upload


@pytest.mark.parametrize("kind", ["path", "text path", "bytes", "tuple", "typed tuple", "file", "pipe", "named path"])
async def test_whatever_holds_bytes_can_be_uploaded(clock, tmp_path, kind):
    path = tmp_path / "lines.jsonl"
    path.write_bytes(LINES)
    given = {
        "path": path,
        "text path": str(path),
        "bytes": LINES,
        "tuple": ("mine.jsonl", LINES),
        "typed tuple": ("mine.jsonl", io.BytesIO(LINES), "text/plain"),
        "file": io.BytesIO(b"before" + LINES),
        "pipe": Pipe(LINES),
        "named path": ("mine.jsonl", path),
    }[kind]
    if kind == "file":
        given.seek(len(b"before"))  # an open file is read from where it stands
    forms = Forms()
    async with connected(forms, clock) as novita:
        file = await novita.files.create(file=given, purpose="batch")
    assert isinstance(file, File)
    (form,) = forms.forms
    part, content = form["file"]
    assert content == LINES
    assert form["purpose"][1] == b"batch"
    assert part.get_filename() == {"path": "lines.jsonl", "text path": "lines.jsonl"}.get(
        kind, "mine.jsonl" if "tuple" in kind or "named" in kind else "upload.jsonl"
    )
    assert part.get_content_type() == ("text/plain" if kind == "typed tuple" else "application/jsonl")
    assert forms.lengths[0][0] == forms.lengths[0][1], "the length is known, and right"
    if kind == "file":
        assert not given.closed, "what the caller opened stays the caller's"


class Pipe:
    """A file that cannot be sought in."""

    def __init__(self, data):
        self._data = data

    def read(self):
        return self._data


async def test_a_large_file_is_read_in_pieces(clock, tmp_path):
    path = tmp_path / "large.jsonl"
    path.write_bytes(b"x" * (5 << 20))
    forms = Forms()
    async with connected(forms, clock) as novita:
        await novita.files.create(file=path)
    assert forms.chunks == 7  # five, between the head and the tail of the form


async def test_names_and_more_fields_go_into_the_form_safely(clock):
    forms = Forms()
    async with connected(forms, clock) as novita:
        await novita.files.create(file=('a"b\r\nc.jsonl', LINES), extra_body={"days": 3, "who": "me"})
    form = forms.forms[0]
    assert form["file"][0].get_filename() == "a%22b%0D%0Ac.jsonl"
    assert (form["days"][1], form["who"][1]) == (b"3", b"me")


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (42, "path, bytes or an open binary file"),
        (b"", "is empty"),
        (("a", b"x", "y", "z"), "a tuple is"),
        ((1, b"x"), "a tuple is"),
        ("/no/such/file.jsonl", "cannot be read"),
        ("/", "is not a file"),
        ("bad\0name", "cannot be read"),
        (io.StringIO("text"), "open as text"),
    ],
)
async def test_what_cannot_be_uploaded_is_refused_before_a_byte_leaves(clock, given, complaint):
    server = Server(clock, FILE)
    async with connected(server, clock) as novita:
        with pytest.raises(ValidationError, match=re.escape(complaint)):
            await novita.files.create(file=given)
        with pytest.raises(ValidationError, match="purpose must be text"):
            await novita.files.create(file=LINES, purpose="")
    assert server.requests == []


async def test_a_file_over_100_mb_is_refused_before_a_byte_leaves(clock, tmp_path):
    path = tmp_path / "huge.jsonl"
    with path.open("wb") as file:
        file.truncate(100 * 1024 * 1024 + 1)
    server = Server(clock, FILE)
    async with connected(server, clock) as novita:
        with pytest.raises(ValidationError, match="100 MB are the most"):
            await novita.files.create(file=path)
    assert server.requests == []


@pytest.mark.parametrize("trouble", [refusal(503), refusal(429), ConnectionLost("gone")], ids=["503", "429", "lost"])
async def test_an_upload_is_repeated_from_its_beginning(clock, trouble):
    forms = Forms()
    answers = [trouble, None]

    async def server(request):
        answer = answers.pop(0)
        if answer is None:
            return await forms(request)
        await anext(aiter(request.body))
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with connected(server, clock) as novita:
        await novita.files.create(file=LINES)
    assert forms.forms[0]["file"][1] == LINES


async def test_a_file_that_shrinks_while_it_is_sent_is_told_as_such(clock, tmp_path):
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"x" * (3 << 20))

    async def server(request):
        source = aiter(request.body)
        await anext(source)
        await clock.to_thread(lambda: path.write_bytes(b""))
        async for _ in source:
            pass
        return json_reply(FILE)

    async with connected(server, clock) as novita:
        with pytest.raises(ValidationError, match="became shorter"):
            await novita.files.create(file=path)


# ------------------------------------------------------------------------------------------ the other calls


async def test_the_life_of_a_file_through_sockets(clock, tmp_path):
    async with Simulator(clock=clock) as sim, over_sockets(sim) as novita:
        file = await novita.files.create(file=("a.jsonl", LINES))
        assert (file.bytes, file.filename, file.purpose) == (len(LINES), "a.jsonl", "batch")
        assert file.metadata == {"total_requests": 2}
        assert file.created_at == int(clock.time())
        assert (await novita.files.retrieve(file.id)).raw == file.raw
        listed = await novita.files.list()
        assert [each.id for each in listed.data] == [file.id]
        assert listed.raw["code"] == "200"
        assert [each.id async for each in novita.files.list()] == [file.id]
        assert [each.id async for each in listed] == [file.id]
        content = await novita.files.content(file.id)
        assert content.content == content.read() == await content.aread() == LINES
        assert content.text == LINES.decode()
        assert [line async for line in content.aiter_lines()] == LINES.decode().splitlines()
        assert b"".join([chunk async for chunk in content.aiter_bytes(7)]) == LINES
        await content.stream_to_file(tmp_path / "copy.jsonl")
        saved = await novita.files.save(file.id, tmp_path / "new" / "saved.jsonl")
        assert (await clock.to_thread(saved.read_bytes)) == LINES
        assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["copy.jsonl", "saved.jsonl"]
        deleted = await novita.files.delete(file.id)
        assert (deleted.id, deleted.deleted) == (file.id, True)
        with pytest.raises(NotFound):
            await novita.files.retrieve(file.id)


async def test_a_list_may_be_null(clock):
    async with connected(Server(clock, {"code": "200", "message": "", "data": None}), clock) as novita:
        assert (await novita.files.list()).data == []


async def test_an_error_in_place_of_a_list_is_raised(clock):
    answer = {"code": 400, "reason": "INVALID_REQUEST_BODY", "message": "no"}
    async with connected(Server(clock, answer), clock) as novita:
        with pytest.raises(BadRequest):
            await novita.files.list()


async def test_ids_are_checked_and_quoted(clock):
    server = Server(clock, FILE)
    async with connected(server, clock) as novita:
        await novita.files.retrieve("a/b?c", extra_query={"x": 1}, extra_headers={"X-Y": "z"})
        for bad in ("", None, 7):
            with pytest.raises(ValidationError, match="file_id must be an id"):
                await novita.files.delete(bad)
    (request,) = server.requests
    assert request.url == f"{BASE}{FILES}/a%2Fb%3Fc?x=1"
    assert request.headers["x-y"] == "z"


async def test_raw_responses_have_status_headers_and_what_they_mean(sim):
    async with inside(sim) as novita:
        raw = await novita.files.with_raw_response.create(file=LINES)
        assert (raw.status_code, raw.headers["content-type"]) == (200, "application/json")
        file = raw.parse()
        assert msgspec.json.decode(raw.content)["id"] == file.id
        assert (await novita.files.with_raw_response.retrieve(file.id)).parse().id == file.id
        assert (await novita.files.with_raw_response.list()).parse().data[0].id == file.id
        assert (await novita.files.with_raw_response.content(file.id)).parse().text == LINES.decode()
        assert (await novita.files.with_raw_response.delete(file.id)).parse().deleted


async def test_a_download_that_breaks_off_is_begun_again(sim, clock, tmp_path):
    async with inside(sim) as novita:
        file = await novita.files.create(file=("a.jsonl", LINES))
        sim.fault("GET", f"{FILES}/{file.id}/content", Drop.in_body(after=1), Refuse.with_status(503))
        path = await novita.files.save(file.id, tmp_path / "a.jsonl")
        assert (await clock.to_thread(path.read_bytes)) == LINES


async def test_a_download_that_cannot_be_had_leaves_nothing_on_the_disk(clock, tmp_path):
    def short(request):
        return Reply(200, {"content-length": "1000"}, several(b"not all of it"))

    async with connected(Server(clock, short), clock) as novita:
        with pytest.raises(ConnectionLost):
            await novita.files.save("file_1", tmp_path / "a.jsonl")
        (tmp_path / "there").mkdir()
        with pytest.raises(OSError, match="there"):
            await novita.files.save("file_1", tmp_path / "there" / ("x" * 300))
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


async def test_an_answer_that_is_no_file_is_told_as_such(clock):
    async with connected(Server(clock, {"nothing": True}), clock) as novita:
        with pytest.raises(ProtocolError):
            await novita.files.retrieve("file_1")
