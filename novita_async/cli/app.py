"""The commands of `novita-async` and their options."""

from __future__ import annotations

import asyncio
import importlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from .._version import __version__
from ..errors import ValidationError
from .account import group

if TYPE_CHECKING:
    from collections.abc import Set

    from .process import Stop

__all__ = ["build"]

#: Modules with commands: what their group is called, and what it is about.
_GROUPS = {
    "auth": (("auth",), "The API key, kept in a file of yours."),
    "sandbox": (("sandbox", "sbx"), "Sandboxes: make, list, enter, end them."),
    "template": (("template", "tpl"), "Templates: what sandboxes start from."),
    "volume": (("volume",), "Volumes: storage that outlives sandboxes."),
    "secret": (("secret",), "Secrets: values that sandboxes use and never see."),
    "snapshot": (("snapshot",), "Snapshots: images of sandboxes, to make others from."),
    "gpu": (("gpu",), "GPU machines: what there is, and one's own from create to delete."),
    "serverless": (("serverless",), "Serverless: GPU endpoints whose workers come and go, and their jobs."),
    "billing": (("account",), "The account: its balance, bills, budgets, keys and quotas."),
    "search": (("search",), "The web: search, pages and answers, through Exa and Tavily."),
}

_Seconds = Annotated[float, Parameter(validator=Number(gte=0, lt=math.inf))]


def _named(type_: object, host: str) -> None:
    """asyncio takes an empty host for "every address of this machine"."""
    if not host:
        raise ValueError("Must not be empty.")


def _local(type_: object, url: str | None) -> None:
    if url is not None:
        from ..simulator.upstream import check  # loads aiohttp

        check(url)


def build(stop: Stop, words: Set[str] = frozenset()) -> App:
    """The application, as far as it is needed.

    Args:
        stop: ends its commands when it is wanted.
        words: that the user said. A group of commands that is not among them is empty: loading it takes its time.
    """
    app = App(name="novita-async", version=__version__, help="An asyncio-native SDK for the Novita AI cloud.")

    @app.command
    def simulator(
        *,
        host: Annotated[str, Parameter(validator=_named)] = "127.0.0.1",
        port: Annotated[int, Parameter(validator=Number(gte=0, lte=65535))] = 0,
        tls_cert: Path | None = None,
        tls_key: Path | None = None,
        domain: str | None = None,
        seed: int = 0,
        task_seconds: _Seconds = 5.0,
        chunk_delay: _Seconds = 0.02,
        gpu_step_seconds: _Seconds = 1.0,
        gpu_jupyter: Annotated[bool, Parameter(negative="")] = False,
        llm_upstream: Annotated[str | None, Parameter(validator=_local)] = None,
        require_isolation: Annotated[bool, Parameter(negative="")] = False,
    ) -> int:
        """Serve a simulated Novita on this machine until Ctrl-C, and print the environment that points at it.

        Args:
            host: address to listen on. Another than loopback lets other machines run commands on this one.
            port: TCP port; 0 takes a free one.
            tls_cert: file with the certificate of the server, in PEM, for HTTPS.
            tls_key: file with its key, when that is another.
            domain: a name whose api.{domain} and {port}-{id}.{domain} lead here, as at the real platform. Wants
                --tls-cert.
            seed: decides texts, pictures, ids and the API key.
            task_seconds: how long a media task takes.
            chunk_delay: seconds between two chunks of a chat stream.
            gpu_step_seconds: how long a GPU instance stays in each state that it passes through.
            gpu_jupyter: start a real Jupyter server for each GPU instance that was ordered with one. Its code runs on
                this machine, isolated from nothing.
            llm_upstream: URL of an OpenAI-compatible server on this machine, such as http://127.0.0.1:8000/v1, that
                answers the chats.
            require_isolation: refuse to make a sandbox unless bubblewrap isolates its commands from this machine.
        """
        from ..simulator import Simulator
        from .simulator import certified, serve

        if tls_cert is None and (tls_key or domain):
            raise ValidationError(f"--{'tls-key' if tls_key else 'domain'} wants --tls-cert too")
        tls = certified(tls_cert, tls_key)
        served = Simulator(
            seed=seed,
            task_seconds=task_seconds,
            chunk_delay=chunk_delay,
            gpu_step_seconds=gpu_step_seconds,
            gpu_jupyter=gpu_jupyter,
            llm_upstream=llm_upstream,
            require_isolation=require_isolation,
        )
        return asyncio.run(serve(served, host=host, port=port, tls=tls, domain=domain or "", stop=stop))

    @app.command
    def demo(
        *,
        out: Path = Path("novita-demo"),
        live: Annotated[bool, Parameter(negative="")] = False,
        speed: Annotated[float, Parameter(validator=Number(gt=0, lt=math.inf))] = 1.0,
    ) -> int:
        """Show all four products at once from one client: chat, pictures and a video, a sandbox, a GPU instance.

        Args:
            out: directory for the files that are made.
            live: use NOVITA_API_KEY and the real platform, which costs a little money, in place of the simulator.
            speed: of the simulator; 2 is twice as fast.
        """
        from .demo import show

        return asyncio.run(show(out=out, live=live, speed=speed, stop=stop))

    for module, (names, about) in _GROUPS.items():
        commands = group(*names, help=about)
        if not words.isdisjoint(names):
            importlib.import_module(f".{module}", __package__).fill(commands, stop)
        app.command(commands)
    return app
