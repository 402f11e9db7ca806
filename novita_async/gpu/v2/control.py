"""The newer API: its addresses, its lists, and its answers in the types of the older one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ...errors import ProtocolError
from ...wire.json import Object, encode, remember
from ..clusters import Cluster
from ..control import Control
from ..instance import Instance
from ..jobs import Job
from ..networks import Network
from ..prewarms import Prewarm
from ..products import CPUProduct, Product
from ..serverless_types import Endpoint
from ..templates import Template
from . import wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...runtime.call import Runtime

__all__ = ["V2Control"]

T = TypeVar("T", bound=Object)

_OLDER: dict[type[Object], Callable[[dict[str, Any]], dict[str, Any]]] = {
    Cluster: wire.cluster,
    CPUProduct: wire.cpu_product,
    Endpoint: wire.endpoint,
    Instance: wire.instance,
    Job: wire.job,
    Network: wire.network,
    Prewarm: wire.prewarm,
    Product: wire.product,
    Template: wire.template,
}


class V2Control(Control):
    """The newer API."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime, "/gpus/v2")

    def item(self, body: bytes, type_: type[T]) -> T:
        older = _OLDER.get(type_)
        if older is None:
            return super().item(body, type_)
        try:
            value = msgspec.json.decode(body, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise ProtocolError(f"unreadable answer: {error}", body=body) from error
        item = super().item(encode(older(value)), type_)
        remember(item, body)
        return item
