"""`novita.gpu.instances`: GPU machines, from create to delete (contract/gpu.md 2, gpu.openapi.yaml)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

from ..catalog.gpu_life import LASTING
from ..errors import NovitaError, OutOfStock, ProtocolError, ValidationError
from ..runtime.arguments import check_timeout
from ..runtime.attempts import Attempts
from ..runtime.call import read_answer
from ..runtime.clock import uninterrupted
from ..runtime.retry import Replay, never_started
from ..runtime.task import Task
from ..runtime.undo import or_undo
from .checks import checked_id
from .instance import Instance
from .operations import Operations
from .orders import Order, ids_of, order_body
from .session import Session
from .waiting import Board, Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Unpack

    from ..runtime.call import Call
    from ..runtime.clock import Clock
    from ..runtime.pages import Pages
    from ..runtime.task import Update
    from ..runtime.tasks import TaskSet
    from .control import Control, Options, WriteOptions
    from .ports import PortLike
    from .products import Billing, CPUProduct, Product

__all__ = ["Instance", "Instances"]

_DEFAULT_WAIT = 1800.0
_LOOKS = (0.0, 2.0)  # seconds before each look for an instance whose order was not answered
_TAKE_BACK_LIMIT = 5.0  # seconds


class Instances(Operations):
    """`novita.gpu.instances`."""

    def __init__(self, control: Control, tasks: TaskSet) -> None:
        super().__init__(control)
        self._tasks = tasks
        self.runtime = control.runtime
        self.clock: Clock = control.runtime.clock
        self.board = Board(self)

    # -------------------------------------------------------------------------------------- making one

    async def create(
        self,
        product_id: str | Product | Sequence[str | Product],
        *,
        image: str,
        gpu_num: int = 1,
        rootfs_size: int = 60,
        name: str | None = None,
        ports: Sequence[PortLike] = (),
        envs: Mapping[str, str] | None = None,
        command: str | None = None,
        entrypoint: str | None = None,
        cluster_id: str | None = None,
        billing: Billing | None = None,
        months: int | None = None,
        auto_renew_months: int | None = None,
        jupyter: bool | int = False,
        storages: Mapping[str, str] | None = None,
        network_id: str | None = None,
        image_auth: str | None = None,
        image_auth_id: str | None = None,
        min_cuda_version: str | None = None,
        recover: bool = False,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Instance:
        """Order an instance. It is billed from the moment its image is pulled: see `wait_until` and `delete`.

        A caller that is cancelled in the middle of this leaves no instance behind: one that was ordered meanwhile is
        deleted first.

        Args:
            product_id: from `gpu.products`. Of several, in their order, the first that is not out of stock.
            image: container image.
            gpu_num: cards, 1 to 8.
            rootfs_size: container disk in GB, 10 to 6144; about 60 are free.
            name: display name, up to 255 characters.
            ports: such as `Port(80, "http")` or "22/tcp"; at most 15, and not 2222 to 2224.
            envs: environment of the container, at most 100.
            command: start command.
            entrypoint: instead of the image's own.
            cluster_id: region; any with stock when not given.
            billing: "onDemand" unless given.
            months: a subscription of so many months, which cannot be deleted early.
            auto_renew_months: renew the subscription by so many, 1 to 12, when it ends.
            jupyter: with JupyterLab, on port 8888 or another one.
            storages: network storages by id, each with the path that it is mounted at; of the same cluster.
            network_id: VPC network, of the same cluster.
            image_auth: "user:password" for a private registry.
            image_auth_id: a saved registry login.
            min_cuda_version: such as "12.4".
            recover: when the outcome of the order is unknown, look for an instance of this `name`, which must be one
                of its own, and order again only when there is none.
            extra_body: fields that the SDK does not know.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries included.

        Returns:
            The new instance with its id and nothing else yet.

        Raises:
            ValidationError: an argument is out of range. Nothing was sent.
            OutcomeUnknown: sent and not answered, and not sent again: look for it by name before repeating, or let
                `recover` do it.
            OutOfStock: no capacity of this product now; of the last one, where there were several.
            InsufficientBalance: no money left.

        Contract: gpu.md sections 2, 4 and 5.
        """
        products = ids_of(product_id)
        body = order_body(
            products,
            kind="gpu",
            image=image,
            gpu_num=gpu_num,
            rootfs_size=rootfs_size,
            name=name,
            ports=ports,
            envs=envs,
            command=command,
            entrypoint=entrypoint,
            cluster_id=cluster_id,
            billing=billing,
            months=months,
            auto_renew_months=auto_renew_months,
            jupyter=jupyter,
            storages=storages,
            network_id=network_id,
            image_auth=image_auth,
            image_auth_id=image_auth_id,
            min_cuda_version=min_cuda_version,
        )
        if recover and not name:
            raise ValidationError("recover finds an instance by its name: give it one that no other has")
        options: Any = {"extra_body": extra_body, "extra_headers": extra_headers, "timeout": timeout}
        order = self._recovered if recover else self._order
        for product in products[:-1]:
            try:
                return await order(product, body, options)
            except OutOfStock:
                continue
        return await order(products[-1], body, options)

    async def create_cpu(
        self,
        product_id: str | CPUProduct,
        *,
        image: str,
        name: str | None = None,
        ports: Sequence[PortLike] = (),
        envs: Mapping[str, str] | None = None,
        command: str | None = None,
        entrypoint: str | None = None,
        cluster_id: str | None = None,
        jupyter: bool | int = False,
        storages: Mapping[str, str] | None = None,
        network_id: str | None = None,
        image_auth: str | None = None,
        image_auth_id: str | None = None,
        local_mount: str | None = None,
        **options: Unpack[WriteOptions],
    ) -> Instance:
        """Order an instance without a card. See `create` for the arguments and errors it shares.

        Args:
            product_id: from `gpu.products.list_cpu`.
            local_mount: where its own volume is; /workspace when not given.
            options: see `WriteOptions`.

        Contract: gpu.openapi.yaml, CreateCpuInstance.
        """
        products = ids_of(product_id)
        body = order_body(
            products,
            kind="cpu",
            image=image,
            name=name,
            ports=ports,
            envs=envs,
            command=command,
            entrypoint=entrypoint,
            cluster_id=cluster_id,
            jupyter=jupyter,
            storages=storages,
            network_id=network_id,
            image_auth=image_auth,
            image_auth_id=image_auth_id,
            local_mount=local_mount,
        )
        return await self._order(products[0], body, options)

    def session(
        self,
        product_id: str | Product | Sequence[str | Product],
        *,
        image: str,
        on_exit: Literal["delete", "stop", "leave"] = "delete",
        start_timeout: float = _DEFAULT_WAIT,
        stall: float | None = None,
        lifetime: float | None = None,
        **order: Unpack[Order],
    ) -> Session:
        """An instance for as long as a block: ordered, waited for, and deleted or stopped at the end.

        The order is as safe as it can be: it has a name of its own, by which it is looked for when its outcome is
        unknown, before anything is sent again.

        Args:
            product_id: from `gpu.products`. Of several, in their order, the first that is not out of stock.
            image: container image.
            on_exit: "delete" it at the end of the block, "stop" it, or "leave" it running.
            start_timeout: seconds until it must be running.
            stall: seconds that it may stay in one passing status; None for as long as the rest allows.
            lifetime: seconds after the order at which it is ended as `on_exit` says, whatever the block does then. A
                client with a budget sets aside what it costs in that time, and wants to be told.
            order: as `create` takes it.

        Example:
            async with novita.gpu.instances.session(offers, image="ubuntu:24.04", ports=["8000/http"]) as session:
                print(session.ssh.ssh_command, session.endpoint(8000))
        """
        return Session(
            *(self, product_id, image),
            on_exit=on_exit,
            timeout=start_timeout,
            stall=stall,
            lifetime=lifetime,
            order=order,
        )

    # ----------------------------------------------------------------------------------------- reading

    async def get(self, instance_id: str, **options: Unpack[Options]) -> Instance:
        """Read an instance with all its details.

        Raises:
            NotFound: there is none of this id (the platform says so with a 400).

        Contract: gpu.openapi.yaml, GET /gpu/instance.
        """
        return await self.read(instance_id, **options)

    def list(
        self,
        *,
        name: str | None = None,
        product_name: str | None = None,
        status: str | None = None,
        **options: Unpack[Options],
    ) -> Pages[Instance]:
        """List instances: `async for instance in ...`, or `await ...` for all of them.

        Args:
            name: only those whose name has this in it.
            product_name: only those of this product.
            status: only those in this status.
            options: see `Options`.

        Contract: gpu.openapi.yaml, GET /gpu/instances.
        """
        return self.pages({"name": name, "productName": product_name, "status": status}, **options)

    # ----------------------------------------------------------------------------------------- waiting

    async def wait_until(
        self,
        instance_id: str,
        status: str = "running",
        *,
        timeout: float | None = None,
        stall: float | None = None,
        on_update: Callable[[Update], None] | None = None,
    ) -> Instance:
        """Wait until an instance is in a status that lasts.

        Args:
            instance_id: its id.
            status: "running", "exited" or "removed".
            timeout: seconds; half an hour when not given.
            stall: seconds that it may stay in one passing status before that is an error; None for ever.
            on_update: called after every read, with status and progress.

        Returns:
            The instance with all its details.

        Raises:
            TaskFailed: it fell back, was removed, has stalled, or the platform reports an error of it; `.reason`.
            TaskTimeout: not there in time; it names the last status. The instance goes on, and is billed.
        """
        checked_id("instance_id", instance_id)
        reader = self._reader(status, stall)
        try:
            task: Task[Instance] = Task(self._tasks, instance_id, "gpu", reader)
            limit = _DEFAULT_WAIT if timeout is None else check_timeout(timeout)
            instance = await task.wait(timeout=limit, on_update=on_update)
        finally:
            reader.leave()
        return await self.read(instance_id) if reader.listed and status != "removed" else instance

    async def wait_all(
        self,
        instances: Iterable[str | Instance],
        status: str = "running",
        *,
        timeout: float | None = None,
        stall: float | None = None,
        return_exceptions: bool = False,
        on_update: Callable[[Update], None] | None = None,
    ) -> list[Instance]:
        """Wait for many instances at once. Where they are many they are listed together, and not read one by one.

        Args:
            instances: they, or their ids.
            return_exceptions: put errors in place of instances; otherwise the first one ends the wait and is raised.

        The other arguments and the errors are those of `wait_until`.

        Returns:
            The instances in order, as the list has them when they were listed: `refresh` tells the rest.
        """
        ids = [checked_id("instance_id", each if isinstance(each, str) else each.id) for each in instances]
        readers: list[Reader] = []
        tasks: list[Task[Instance]] = []
        try:
            for id_ in ids:
                readers.append(self._reader(status, stall))
                tasks.append(Task(self._tasks, id_, "gpu", readers[-1]))
            limit = _DEFAULT_WAIT if timeout is None else check_timeout(timeout)
            return await self._tasks.wait_all(
                tasks, timeout=limit, return_exceptions=return_exceptions, on_update=on_update
            )
        finally:
            for reader in readers:
                reader.leave()

    # ------------------------------------------------------------------------------------ for this room

    def blank(self, instance_id: str, status: str, name: str = "") -> Instance:
        """An instance of which no more is known."""
        return Instance(id=instance_id, status=status, name=name).belong(self)

    async def read(self, instance_id: str, **options: Any) -> Instance:
        """Read an instance; `options` may limit the attempts."""
        query = {"instanceId": checked_id("instance_id", instance_id)}
        call = self._control.call("GET", "/gpu/instance", query=query, **options)
        return (await self._control.fetch(call, Instance, inside="instance")).belong(self)

    def pages(self, query: dict[str, str | None], **options: Any) -> Pages[Instance]:
        """The list, with each instance able to call."""
        return self._control.numbered(
            "/gpu/instances", Instance, "instances", query=query, adopt=lambda each: each.belong(self), **options
        )

    async def find(self, name: str) -> Instance | None:
        """The instance of exactly this name, the newest where there are several; None when there is none."""
        found = [instance for instance in await self.list(name=name) if instance.name == name]
        return found[0] if found else None

    # --------------------------------------------------------------------------------------------------

    def _reader(self, status: str, stall: float | None) -> Reader:
        if status not in LASTING:
            raise ValidationError(f"status must be one that lasts ({', '.join(sorted(LASTING))}), got {status!r}")
        check_timeout(stall, "stall")
        return Reader(self, status, stall)

    async def _order(self, product: str, body: Mapping[str, Any], options: Any) -> Instance:
        attempts = Attempts(self._control.runtime, self._create_call(product, body, options))

        async def work() -> Instance:
            answer = await attempts.run(read_answer)
            id_ = self._control.id_in(answer, "instanceId")
            if not id_:
                raise ProtocolError("the answer to an order has no id", body=answer.body)
            return self.blank(id_, "toCreate", body.get("name", ""))

        return await or_undo(self.clock, attempts, work(), Instance.delete)

    def _create_call(self, product: str, body: Mapping[str, Any], options: Any) -> Call:
        full = {"productId": product, **body}
        return self._control.call("POST", "/gpu/instance/create", full, replay=Replay.SUBMITS, **options)

    async def _recovered(self, product: str, body: Mapping[str, Any], options: Any) -> Instance:
        """Order; when it is unknown whether that worked, look, and order once more when there is nothing."""
        name = body["name"]
        try:
            return await self._order(product, body, options)
        except NovitaError as error:
            if never_started(error):
                raise
        try:
            for seconds in _LOOKS:  # what was just ordered may not be listed yet
                await self.clock.sleep(seconds)
                if (found := await self.find(name)) is not None:
                    return found
        except asyncio.CancelledError as cancelled:
            if problem := await uninterrupted(self._take_back(name)):
                cancelled.add_note(f"an instance called {name!r} may be left: {problem}")
            raise
        return await self._order(product, body, options)

    async def _take_back(self, name: str) -> Exception | None:
        """Delete the instance of this name, if there is one; what went wrong with that."""
        try:
            async with self.clock.timeout(_TAKE_BACK_LIMIT):
                if (found := await self.find(name)) is not None:
                    await found.delete()
        except (NovitaError, TimeoutError) as error:
            return error
        return None
