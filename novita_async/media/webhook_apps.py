"""The receiver of webhooks as an application of aiohttp and of ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from aiohttp import web

    from .webhooks import Receiver

__all__ = ["ASGIApp", "aiohttp_app", "asgi_app"]

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
#: An ASGI 3 application.
ASGIApp: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]


def aiohttp_app(receiver: Receiver) -> web.Application:
    """See `Receiver.aiohttp`."""
    from aiohttp import web

    async def answer(request: web.Request) -> web.Response:
        async def body() -> bytes:
            try:
                return await request.content.readany()
            except ConnectionError:
                return b""  # whoever sent it is gone

        token = request.path.rpartition("/")[2]
        status = await receiver.answer(request.method, token, request.content_length, body)
        response = web.Response(status=status, headers={"allow": "POST"} if status == 405 else None)
        if status in (404, 405, 408, 413):
            response.force_close()  # there may be a body on its way that nobody wants to read
        return response

    app = web.Application()
    app.router.add_route("*", "/{token:.*}", answer)
    return app


def asgi_app(receiver: Receiver) -> ASGIApp:
    """See `Receiver.asgi`."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await _http(receiver, scope, receive, send)
            case "lifespan":
                await _lifespan(receive, send)
            case "websocket":
                await send({"type": "websocket.close", "code": 1008})
            case other:
                raise ValueError(f"the receiver of webhooks has no use for an ASGI scope of type {other!r}")

    return app


async def _http(receiver: Receiver, scope: Message, receive: Receive, send: Send) -> None:
    over = False

    async def body() -> bytes:
        nonlocal over
        while not over:
            message = await receive()
            over = message["type"] != "http.request" or not message.get("more_body", False)
            if data := message.get("body", b""):
                return data
        return b""

    length = dict(scope["headers"]).get(b"content-length", b"")
    token = scope["path"].rpartition("/")[2]
    status = await receiver.answer(scope["method"], token, int(length) if length.isdigit() else None, body)
    headers = [(b"content-length", b"0")]
    if status == 405:
        headers.append((b"allow", b"POST"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _lifespan(receive: Receive, send: Send) -> None:
    """Nothing is to be opened or closed: the client is its owner's."""
    while True:
        event = (await receive())["type"]
        await send({"type": f"{event}.complete"})
        if event == "lifespan.shutdown":
            return
