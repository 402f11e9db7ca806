"""GPU instances, and what goes with them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from .clusters import Cluster, Clusters
from .control import Control
from .cost import Cost
from .instances import Instance, Instances
from .jobs import Job, Jobs
from .jupyter import ExecutionStream, Kernel
from .jupyter_output import Clear, Display, Execution, Failure, Text
from .logs import LogLines
from .metrics import Metrics, Usage
from .networks import Network, Networks
from .ports import Port
from .prewarms import Prewarm, Prewarms
from .products import CPUProduct, Product, Products
from .registries import Registries, RegistryLogin
from .session import Session
from .spot import Spot, SpotNotice, SpotWatch
from .storages import Storage, Storages
from .templates import Template, Templates
from .terminal import TerminalSocket

if TYPE_CHECKING:
    from ..runtime.call import Runtime
    from ..runtime.tasks import TaskSet
    from .v2 import V2

__all__ = [
    "GPU",
    "CPUProduct",
    "Clear",
    "Cluster",
    "Clusters",
    "Cost",
    "Display",
    "Execution",
    "ExecutionStream",
    "Failure",
    "Instance",
    "Instances",
    "Job",
    "Jobs",
    "Kernel",
    "LogLines",
    "Metrics",
    "Network",
    "Networks",
    "Port",
    "Prewarm",
    "Prewarms",
    "Product",
    "Products",
    "Registries",
    "RegistryLogin",
    "Session",
    "Spot",
    "SpotNotice",
    "SpotWatch",
    "Storage",
    "Storages",
    "Template",
    "Templates",
    "TerminalSocket",
    "Text",
    "Usage",
]


class GPU:
    """`novita.gpu`.

    Attributes:
        instances: machines, from create to delete.
        products: what can be ordered, and for how much.
        clusters: the regions.
        templates: images with their settings.
        registries: logins at container registries.
        networks: VPC networks between instances of a region.
        storages: disks that outlive the instances they are mounted in.
        prewarms: images that are fetched before they are wanted.
        jobs: what takes a while at the platform, such as saving an image.
        metrics: how much of an instance is used.
        spot: notices of spot instances that are taken back.
    """

    def __init__(self, runtime: Runtime, tasks: TaskSet) -> None:
        control = Control(runtime, "/gpu-instance/openapi/v1")
        self.instances = Instances(control, tasks)
        self.products = Products(control)
        self.clusters = Clusters(control)
        self.templates = Templates(control)
        self.registries = Registries(control)
        self.networks = Networks(control)
        self.storages = Storages(control)
        self.prewarms = Prewarms(control)
        self.jobs = Jobs(control, tasks)
        self.metrics = Metrics(Control(runtime, "/openapi/v1"))
        self.spot = Spot(self.instances, tasks)
        self._made_of = (runtime, tasks)

    @cached_property
    def v2(self) -> V2:
        """The newer API: the same names and types, where the thing is the same."""
        from .v2 import V2

        return V2(*self._made_of)
