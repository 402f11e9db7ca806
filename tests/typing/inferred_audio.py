"""What a type checker makes of `novita.audio`; see `inferred.py`."""
# pyright: reportUnnecessaryTypeIgnoreComment=error, reportUnusedCallResult=false

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, assert_type

from novita_async.media.results import MediaResult
from novita_async.media.speech import SpeechInfo, SpeechStream

if TYPE_CHECKING:
    from novita_async import AsyncNovita


async def speech(novita: AsyncNovita) -> None:
    speech = novita.audio.speech
    assert_type(await speech("hello", voice="Abbess", voice_setting={"emotion": "happy"}), MediaResult)
    async with await speech("hello", model="minimax-speech-2.8-hd", stream=True) as stream:
        assert_type(stream, SpeechStream)
        async for chunk in stream:
            assert_type(chunk, bytes)
        assert_type(stream.format, str)
        assert_type(stream.info, SpeechInfo | None)
        assert_type(await stream.bytes(), bytes)
        assert_type(await stream.save("hello.mp3"), pathlib.Path)
    await speech("hello", speed="fast")  # pyright: ignore[reportArgumentType]
    await speech("hello", "Abbess")  # pyright: ignore[reportCallIssue]


async def others(novita: AsyncNovita) -> None:
    audio = novita.audio
    heard = await audio.transcribe(pathlib.Path("a.wav"), hotwords=("a", "b"))
    assert_type(heard.text, str)
    cloned = await audio.clone_voice([b"", b""], model="fish-audio-voice-cloning", name="me")
    assert_type(cloned.voice_id, str)
    assert_type(await audio.design_voice("old", preview_text="hello"), MediaResult)
    assert_type(await audio.music(lyrics="la", instrumental=False), MediaResult)
    assert_type(await audio.lyrics(), MediaResult)
    await audio.design_voice("old")  # pyright: ignore[reportCallIssue]
