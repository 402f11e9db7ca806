"""Commands that talk to the platform: whose account it is, and how a command with a client becomes one of the app's."""

from __future__ import annotations

import asyncio
import inspect
import math
import typing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, cast

from cyclopts import App, Group, Parameter
from cyclopts.validators import Number

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ..client import AsyncNovita
    from .process import Stop

__all__ = ["Account", "adder", "group"]

_GRACE = 6.0  # seconds for taking things back when the user wants to end; killing a command or a sandbox has five
_GROUP = Group("Account", sort_key=9)


@Parameter(name="*", group=_GROUP)
@dataclass(frozen=True)
class Account:
    """What every command takes that talks to the platform."""

    api_key: str | None = field(default=None, repr=False)
    "the key; NOVITA_API_KEY when not given. Other users of this machine can see it while the command runs."
    api_url: str | None = None
    "the sandbox control plane; NOVITA_API_URL, or https://api.{domain}."
    domain: str | None = None
    "the sandbox domain; NOVITA_DOMAIN."
    request_timeout: Annotated[float | None, Parameter(validator=Number(gt=0, lt=math.inf))] = None
    "seconds for one request; what a command writes and a terminal shows may take longer."

    def client(self) -> AsyncNovita:
        """A client with these settings.

        Raises:
            ConfigError: a setting cannot work, or there is no key.
        """
        from ..client import AsyncNovita
        from ..config import Timeouts

        timeouts = None if self.request_timeout is None else Timeouts(attempt=self.request_timeout)
        novita = AsyncNovita(api_key=self.api_key, api_url=self.api_url, domain=self.domain, timeouts=timeouts)
        novita.settings.require_key()
        return novita


def group(*names: str, help: str) -> App:
    """A command that has commands of its own."""
    return App(name=names, help=help, default_parameter=Parameter(show_default=_default))


def _default(value: object) -> str | None:
    """What the help says is taken when nothing is given."""
    if value in (None, False, ()):
        return None
    return ",".join(cast("tuple[str, ...]", value)) if isinstance(value, tuple) else str(value)


def adder(app: App, stop: Stop) -> Callable[..., None]:
    """Gives `add(work, *names)`, which makes commands of coroutine functions.

    The first parameter of such a function is a client, in place of which the command has the options of `Account`.
    What it returns is the exit code, None for 0. When the user wishes to end it is cancelled.
    """

    def add(work: Callable[..., Coroutine[Any, Any, int | None]], *names: str) -> None:
        def command(*args: Any, account: Account | None = None, **options: Any) -> int:
            return asyncio.run(_run(account or Account(), lambda novita: work(novita, *args, **options), stop))

        # cyclopts reads the signature. It is that of `work` with the account in the place of the client.
        hints = typing.get_type_hints(work, localns={"AsyncNovita": object}, include_extras=True)
        _, *own = inspect.signature(work).parameters.values()
        parameters = [parameter.replace(annotation=hints[parameter.name]) for parameter in own]
        parameters.append(
            inspect.Parameter("account", inspect.Parameter.KEYWORD_ONLY, default=Account(), annotation=Account)
        )
        command.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess] - inspect looks for it
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        command.__name__, command.__doc__ = names[0], work.__doc__
        app.command(command, name=names)

    return add


async def _run(account: Account, work: Callable[[AsyncNovita], Coroutine[Any, Any, int | None]], stop: Stop) -> int:
    async with account.client() as novita:
        task, stopping = asyncio.create_task(work(novita)), asyncio.create_task(stop.wait())
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if stop.wanted:
            task.cancel()
            await asyncio.wait({task}, timeout=_GRACE)
            if not task.done() or task.cancelled():
                return 130
        return task.result() or 0
