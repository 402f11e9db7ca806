"""Messages of Jupyter kernels over a websocket, in both of its forms.

The newer one, a subprotocol, frames the parts of a message as the kernel made them; the older one is a JSON object with
its channel, and binary when it has buffers. Buffers, which widgets use, are passed over.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

import msgspec

from ..errors import ProtocolError

__all__ = ["FRAMED", "KernelMessage", "pack", "unpack"]

#: The subprotocol of the newer form.
FRAMED = "v1.kernel.websocket.jupyter.org"

_VERSION = "5.3"
_MOST_PARTS = 1024
_ENDS = frozenset({"restarting", "autorestarting", "dead"})


class _Header(msgspec.Struct):
    msg_id: str = ""
    msg_type: str = ""


class _Told(msgspec.Struct):
    header: _Header
    parent_header: _Header = msgspec.field(default_factory=_Header)
    content: dict[str, Any] = msgspec.field(default_factory=dict)
    channel: str | None = None


class KernelMessage(msgspec.Struct, frozen=True):
    """A message from a kernel.

    Attributes:
        channel: shell, control, iopub or stdin.
        id: that no other message has.
        type: such as stream, execute_reply or status.
        parent: id of the request that it is about; "" for none.
        content: what it says.
    """

    channel: str
    id: str
    type: str
    parent: str
    content: dict[str, Any]

    @property
    def state(self) -> object:
        """The state of the kernel that a status tells; None for any other message."""
        return self.content.get("execution_state") if self.type == "status" else None

    @property
    def restarts(self) -> bool:
        """Whether it tells that the kernel is started anew, or is dead."""
        return self.state in _ENDS or self.type == "shutdown_reply"


_HEADER = msgspec.json.Decoder(_Header)
_TOLD = msgspec.json.Decoder(_Told)
_CONTENT = msgspec.json.Decoder(dict[str, Any])


def pack(channel: str, id_: str, type_: str, content: dict[str, Any], *, session: str, framed: bool) -> str | bytes:
    """Write a message to a kernel."""
    header = {
        "msg_id": id_,
        "msg_type": type_,
        "session": session,
        "username": "novita-async",
        "version": _VERSION,
        "date": "1970-01-01T00:00:00Z",  # wanted by the form, and looked at by nobody
    }
    if not framed:
        told = {"channel": channel, "header": header, "parent_header": {}, "metadata": {}, "content": content}
        return msgspec.json.encode({**told, "buffers": []}).decode()
    parts = [channel.encode(), *(msgspec.json.encode(part) for part in (header, {}, {}, content))]
    offsets = [8 * (2 + len(parts))]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets) + b"".join(parts)


def unpack(data: str | bytes, *, framed: bool) -> KernelMessage:
    """Read a message from a kernel.

    Raises:
        ProtocolError: it is none.
    """
    try:
        if framed and isinstance(data, bytes):
            channel, header, parent, _, content = _parts(data, "<Q")[:5]
            head, about = _HEADER.decode(header), _HEADER.decode(parent)
            return KernelMessage(channel.decode(), head.msg_id, head.msg_type, about.msg_id, _CONTENT.decode(content))
        told = _TOLD.decode(data if isinstance(data, str) else _parts(data, ">I", total=False)[0])
    except (msgspec.DecodeError, UnicodeDecodeError, struct.error, ValueError) as error:
        body = data.encode() if isinstance(data, str) else data
        raise ProtocolError(f"not a message of a Jupyter kernel: {error}", body=body) from error
    head = told.header
    return KernelMessage(told.channel or "", head.msg_id, head.msg_type, told.parent_header.msg_id, told.content)


def _parts(data: bytes, form: str, *, total: bool = True) -> list[bytes]:
    """Cut a message at the offsets that it begins with. `total`: the last offset is the end."""
    (count,) = struct.unpack_from(form, data)
    if not 0 < count <= _MOST_PARTS:
        raise ValueError(f"{count} parts")
    offsets = list(struct.unpack_from(f"{form[0]}{count}{form[1]}", data, struct.calcsize(form)))
    if not total:
        offsets.append(len(data))
    return [data[start:end] for start, end in pairwise(offsets)]
