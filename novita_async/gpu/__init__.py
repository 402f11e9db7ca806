"""GPU instances."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .instances import Instance, Instances
from .products import Products
from .types import Product

if TYPE_CHECKING:
    from ..runtime.call import Runtime
    from ..runtime.tasks import TaskSet

__all__ = ["GPU", "Instance", "Instances", "Product", "Products"]


class GPU:
    """`novita.gpu`."""

    def __init__(self, runtime: Runtime, tasks: TaskSet) -> None:
        self.instances = Instances(runtime, tasks)
        self.products = Products(runtime)
