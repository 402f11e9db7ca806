"""`novita.gpu.v2`: the newer API, under the same names and with the same types where the thing is the same.

What it lacks stays with `novita.gpu`: registry logins, network storages, metrics, and the quota of prewarms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .catalogue import V2Clusters, V2Products
from .control import V2Control
from .endpoints import V2Endpoints
from .images import Image, Images
from .instances import V2Instances
from .networks import V2Networks
from .templates import V2Templates
from .work import V2Jobs, V2Prewarms

if TYPE_CHECKING:
    from ...runtime.call import Runtime
    from ...runtime.tasks import TaskSet

__all__ = [
    "V2",
    "Image",
    "Images",
    "V2Clusters",
    "V2Endpoints",
    "V2Instances",
    "V2Jobs",
    "V2Networks",
    "V2Prewarms",
    "V2Products",
    "V2Templates",
]


class V2:
    """`novita.gpu.v2`.

    Attributes:
        instances: as `novita.gpu.instances`, and their web terminal.
        products: as `novita.gpu.products`.
        clusters: as `novita.gpu.clusters`; the API calls them regions.
        templates: as `novita.gpu.templates`.
        networks: as `novita.gpu.networks`.
        prewarms: as `novita.gpu.prewarms`, but for quota and notes, and with `get`.
        jobs: as `novita.gpu.jobs`.
        images: those that there are to make instances of.
        endpoints: serverless endpoints, whose jobs and calls are `novita.serverless`'s.
    """

    def __init__(self, runtime: Runtime, tasks: TaskSet) -> None:
        control = V2Control(runtime)
        self.instances = V2Instances(control, tasks)
        self.products = V2Products(control)
        self.clusters = V2Clusters(control)
        self.templates = V2Templates(control)
        self.networks = V2Networks(control)
        self.prewarms = V2Prewarms(control)
        self.jobs = V2Jobs(control, tasks)
        self.images = Images(control)
        self.endpoints = V2Endpoints(control)
