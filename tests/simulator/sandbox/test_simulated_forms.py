from __future__ import annotations

import pytest
from sandbox_room import form

from novita_async.simulator.sandbox.door import signature
from novita_async.simulator.sandbox.multipart import MultipartDecoder, MultipartError, Part


def test_signatures_are_those_of_the_contract() -> None:
    assert (
        signature("/home/user/a.txt", "read", "user", "secret-token")
        == "v1_powbkN3fI7yRlWaB5Ui2dRUwVP8UZprfSGludREq8sk"
    )
    assert (
        signature("/home/user/a.txt", "write", "", "secret-token", "1700000060")
        == "v1_7ghATdVMKQhVrknD+uNaG1d32LgQtJj8sFYK8UPlmY0"
    )


def parts_of(chunks: list[bytes], content_type: str) -> list[tuple[str, str, bytes]]:
    decoder = MultipartDecoder(content_type)
    found: list[tuple[str, str, bytes]] = []
    for chunk in chunks:
        for event in decoder.feed(chunk):
            if isinstance(event, Part):
                found.append((event.name, event.filename, b""))
            elif event is not None:
                found[-1] = (*found[-1][:2], found[-1][2] + event)
    decoder.close()
    return found


def test_a_form_is_the_same_at_every_cut() -> None:
    parts = [("file", "a", b"1\r\n-\r\n--\r\n--xY\r\n"), ("file", "d/\u00fc.txt", b""), ("note", "", b"\r\n\r\n")]
    body, headers = form(*parts)
    body = b"preamble\r\n" + body + b"epilogue"
    for cut in range(len(body) + 1):
        assert parts_of([body[:cut], body[cut:]], headers["content-type"]) == parts
    assert parts_of([bytes([byte]) for byte in body], headers["content-type"]) == parts


def test_file_names_of_other_clients_are_read() -> None:
    for disposition in ("filename=\"x\"; filename*=utf-8''d%2F%C3%BC", "filename*=UTF-8''d%2F%C3%BC"):
        body = f'--b\r\ncontent-disposition: form-data; name="file"; {disposition}\r\n\r\n1\r\n--b--'.encode()
        assert parts_of([body], 'multipart/form-data; boundary="b"')[0][0] == "file"


@pytest.mark.parametrize(
    "body", [b"", b"--b", b"--b\r\nx", b"--b\r\n\r\ndata", b"--b\r\n\r\ndata\r\n--b\r\n", b"--bx\r\n"]
)
def test_a_form_that_is_cut_short_or_wrong_is_an_error(body: bytes) -> None:
    with pytest.raises(MultipartError):
        parts_of([body], "multipart/form-data; boundary=b")


def test_headers_of_a_part_are_bounded() -> None:
    with pytest.raises(MultipartError):
        parts_of([b"--b\r\n" + b"x" * 40_000], "multipart/form-data; boundary=b")
