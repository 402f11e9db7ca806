"""What a notebook shows: the files that are in memory, else their links; and nothing that a server could smuggle in."""

from __future__ import annotations

import base64
import html.parser
import re

import pytest
from helpers import BASE, Server, connected, json_reply

from novita_async import Reply
from novita_async.media import notebook
from novita_async.media.results import Audio, Image, MediaResult, Video, media_result
from novita_async.runtime.call import Call

LINK = "https://files.test/a.png?Expires=1&Signature=2"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


async def answered(novita):
    runtime = novita._core()
    return media_result(runtime, await runtime.request(Call(method="POST", url=f"{BASE}/v3/any-model")))


def shown(answer, clock, *files):
    return connected(Server(clock, answer, *files), clock)


class Elements(html.parser.HTMLParser):
    """The elements of a piece of HTML, with their attributes as a browser reads them, and its text."""

    def __init__(self, text):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


async def test_a_picture_in_the_answer_is_shown_itself(clock):
    async with shown({"image_file": base64.b64encode(PNG).decode(), "image_type": "png"}, clock) as novita:
        result = await answered(novita)
    image, data = result.images[0], base64.b64encode(PNG).decode()
    assert image._repr_png_() == result._repr_png_() == PNG
    ((tag, attributes),) = Elements(image._repr_html_()).found
    assert (tag, attributes["src"]) == ("img", f"data:image/png;base64,{data}")
    bundle = image._repr_mimebundle_()
    assert (bundle["image/png"], set(bundle)) == (data, {"image/png", "text/html", "text/plain"})


async def test_a_linked_picture_is_its_link_until_it_was_fetched(clock):
    async with shown({"images": [LINK]}, clock, Reply(200, {}, PNG)) as novita:
        result = await answered(novita)
        image = result.images[0]
        assert image._repr_png_() is None
        assert Elements(image._repr_html_()).found[0][1]["src"] == LINK
        assert "image/png" not in image._repr_mimebundle_()
        await image.bytes()
    assert image._repr_png_() == result._repr_png_() == PNG
    assert Elements(image._repr_html_()).found[0][1]["src"].startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    ("answer", "tag"),
    [
        ({"videos": [{"video_url": LINK, "video_type": "mp4"}]}, "video"),
        ({"audio": LINK}, "audio"),
        ({"audio": (b"RIFF\0\0\0\0WAVE" + bytes(50)).hex()}, "audio"),
    ],
)
async def test_what_plays_has_controls(clock, answer, tag):
    async with shown(answer, clock) as novita:
        output = (await answered(novita)).outputs[0]
    ((found, attributes),) = Elements(output._repr_html_()).found
    assert (found, "controls" in attributes) == (tag, True)
    assert attributes["src"].startswith(("https://", "data:audio/wav;base64,"))
    assert output._repr_png_() is None


@pytest.mark.parametrize("media_type", ["jpeg", "webp"])
async def test_only_what_notebooks_know_beside_html_stands_beside_it(clock, media_type):
    data = {"image_file": base64.b64encode(PNG).decode(), "image_type": media_type}
    async with shown(data, clock) as novita:
        image = (await answered(novita)).images[0]
    assert ("image/jpeg" in image._repr_mimebundle_()) == (media_type == "jpeg")
    assert image._repr_png_() is None
    assert f"data:image/{media_type};base64," in image._repr_html_()


async def test_what_no_browser_can_show_is_said_in_words(clock, monkeypatch):
    async with shown({"data": {"audio": "00010203"}, "extra_info": {"audio_format": "pcm"}}, clock) as novita:
        assert Elements((await answered(novita)).audios[0]._repr_html_()).text == "Audio pcm, 4 bytes"
    async with shown({"images": ["not a file!"]}, clock) as novita:
        assert Elements((await answered(novita)).images[0]._repr_html_()).text == "Image of an unknown type"
    assert Elements(Image()._repr_html_()).text == "Image of an unknown type"
    monkeypatch.setattr(notebook, "_EMBEDDED", 10)
    async with shown({"image_file": base64.b64encode(PNG).decode(), "image_type": "png"}, clock) as novita:
        image = (await answered(novita)).images[0]
        assert (image._repr_png_(), Elements(image._repr_html_()).text) == (None, "Image png")


async def test_a_result_shows_its_words_and_all_its_files(clock):
    answer = {"text": "a <b>rock</b>", "images": [LINK, f"{LINK}2"], "audio": LINK}
    async with shown(answer, clock) as novita:
        result = await answered(novita)
    page = Elements(result._repr_html_())
    assert [tag for tag, _ in page.found] == ["p", "img", "img", "audio"]
    assert "a <b>rock</b>" in page.text
    assert result._repr_png_() is None
    assert result._repr_mimebundle_()["text/html"] == result._repr_html_()
    assert Elements(MediaResult()._repr_html_()).text.startswith("MediaResult(")


async def test_a_notebook_may_say_what_it_wants(clock):
    async with shown({"images": [LINK]}, clock) as novita:
        result = await answered(novita)
    for thing in (result, result.images[0]):
        assert set(thing._repr_mimebundle_(include={"text/html"})) == {"text/html"}
        assert set(thing._repr_mimebundle_(exclude={"text/html"})) == {"text/plain"}


EVIL = ['x" onerror="alert(1)', "'><script>alert(1)</script>", "</video><script>alert(1)</script>"]


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("kind", [Image, Video, Audio])
def test_nothing_of_a_server_becomes_markup(kind, evil):
    for output in (kind(url=f"https://files.test/{evil}", type=evil), kind(type=evil)):
        page = Elements(output._repr_html_())
        assert len(page.found) == 1
        assert not {"onerror", "onload"} & set(page.found[0][1])
    result = MediaResult(text=evil, outputs=[Image(url=f"https://files.test/{evil}")], extra={"x": evil})
    assert [tag for tag, _ in Elements(result._repr_html_()).found] == ["p", "img"]
    assert not re.search("<script", MediaResult(extra={"x": evil})._repr_html_())


@pytest.mark.parametrize("url", ["javascript://alert(1)", "file:///etc/passwd", "data://text/html,x"])
def test_only_web_links_are_links(url):
    assert [tag for tag, _ in Elements(Image(url=url, type="png")._repr_html_()).found] == ["p"]


async def test_a_notebook_sends_nothing(clock):
    server = Server(clock, {"images": [LINK]}, json_reply({}, 500))
    async with connected(server, clock) as novita:
        result = await answered(novita)
        for thing in (result, *result.outputs):
            thing._repr_html_(), thing._repr_png_(), thing._repr_mimebundle_()
    assert len(server.requests) == 1
