"""What a command writes, as text and as the bytes that it was."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from novita_async.errors import ValidationError
from novita_async.sandbox.output import Output, Text

if TYPE_CHECKING:
    from novita_async import AsyncNovita

PIECES = [
    b"plain",
    "na\u00efve \U0001f600".encode(),
    "\ufffd".encode(),
    b"\xff\xfe\x00",
    b"\xe2\x82",
    b"\xf0\x9f",
    b"\x80",
    b"",
]


def read(chunks: list[bytes]) -> list[Output]:
    text = Text("stdout")
    found = [text.feed(chunk) for chunk in chunks] + [text.feed(b"", final=True)]
    outputs = [output for output in found if output is not None]
    assert "".join(output.text for output in outputs) == str(text)
    return outputs


def test_no_byte_is_lost_wherever_the_chunks_are_cut_and_the_text_is_that_of_the_whole() -> None:
    draw = random.Random(7)
    for _ in range(500):
        data = b"".join(draw.choices(PIECES, k=draw.randint(0, 8)))
        cuts = sorted(draw.choices(range(len(data) + 1), k=draw.randint(0, 6)))
        outputs = read([data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)])
        assert b"".join(output.data for output in outputs) == data
        assert "".join(output.text for output in outputs) == data.decode("utf-8", "replace")
        assert all(output.data.decode("utf-8", "replace") == output.text for output in outputs)


def test_a_piece_that_is_text_is_kept_once() -> None:
    assert read([b"a\xc3", b"\xa9"]) == [Output("stdout", "a"), Output("stdout", "\u00e9")]
    assert read(["\ufffd".encode()]) == [Output("stdout", "\ufffd")]
    assert read([b"\xff"]) == [Output("stdout", "\ufffd", b"\xff")]


async def test_a_command_may_write_any_bytes(novita: AsyncNovita) -> None:
    sandbox = await novita.sandboxes.create()
    for durable in (False, True):
        line = "printf 'a\\377\\000\\342\\202'; printf '\\254\\001' >&2"
        async with await sandbox.commands.run(line, background=True, durable=durable) as command:
            outputs = [output async for output in command]
        written = {name: b"".join(o.data for o in outputs if o.type == name) for name in ("stdout", "stderr")}
        assert written == {"stdout": b"a\xff\x00\xe2\x82", "stderr": b"\xac\x01"}


async def test_a_command_whose_output_is_not_kept_gives_it_once(novita: AsyncNovita) -> None:
    sandbox = await novita.sandboxes.create()
    async with await sandbox.commands.run("echo a; exit 3", background=True, keep_output=False) as command:
        assert [output.text async for output in command] == ["a\n"]
        result = await command.wait(check=False)
    assert (result.exit_code, result.stdout) == (3, "")
    with pytest.raises(ValidationError, match="keep_output"):
        await sandbox.commands.run("true", keep_output=False)  # type: ignore[call-overload] - what a caller may do
