"""The public names: said once, all there, all documented, and cheap to import."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

import novita_async

#: The classes whose methods are the product.
FACING = (
    *("AsyncNovita", "Simulator", "ChatAccumulator", "MockTransport", "config.Settings"),
    *("llm.Completions", "llm.ChatStream", "llm.ParsedStream", "llm.Tool", "runtime.streams.EventStream"),
    *("llm.files.Files", "llm.downloads.FileContent", "llm.batches.Batches", "llm.batch_run.BatchRun"),
    *("media.images.Images", "media.videos.Videos", "media.results.MediaResult", "media.results.Image"),
    *("media.audio.Audio", "media.speech.SpeechStream", "media.webhooks.Webhooks", "media.webhooks.Receiver"),
    *("media.facade.Media", "media.training.Trainings", "media.unified.UnifiedVideos", "media.weights.Weights"),
    *("runtime.task.Task", "runtime.tasks.TaskSet", "runtime.pages.Pages"),
    *("account.Account", "account.facade.Balance", "account.bills.Bills", "account.MonthlyBill", "account.UsageBill"),
    *("account.budgets.Budgets", "account.MemberBudget", "account.keys.Keys", "account.Policy", "account.Quota"),
    *("account.search.WebSearch", "account.search.Exa", "account.search.Tavily", "simulator.ledger.Ledger"),
    *("gpu.serverless.Serverless", "gpu.serverless.EndpointHandle", "gpu.serverless.Endpoint"),
    *("gpu.Instances", "gpu.Instance", "gpu.Product", "gpu.Products"),
    *("gpu.Kernel", "gpu.ExecutionStream", "gpu.Execution", "gpu.LogLines", "gpu.TerminalSocket"),
    *("sandbox.Sandboxes", "sandbox.Sandbox", "sandbox.Commands", "sandbox.Command", "sandbox.Files"),
    *("sandbox.Code", "sandbox.CodeStream", "sandbox.Execution", "sandbox.Result"),
    *("sandbox.SandboxHandle", "sandbox.Pool", "sandbox.PortSocket", "sandbox.PortAnswer", "sandbox.Projects"),
    *("sandbox.Snapshots", "sandbox.Volumes", "sandbox.Secrets", "sandbox.Teams"),
    *("simulator.Script", "simulator.Received", "simulator.Refuse", "simulator.Drop", "simulator.Stream"),
    *("testing.JumpClock",),
)


def modules() -> list[str]:
    """Every module of the package but the command line, which is no library."""
    found = [each.name for each in pkgutil.walk_packages(novita_async.__path__, "novita_async.")]
    return [name for name in found if ".cli" not in name and not name.endswith("__main__")]


def test_every_public_name_resolves_and_dir_tells_them():
    for name in novita_async.__all__:
        assert getattr(novita_async, name) is not None
    assert dir(novita_async) == sorted(novita_async.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = novita_async.nothing


def test_the_lazy_table_is_what_a_type_checker_sees():
    source = inspect.getsource(novita_async)
    seen = source[source.index("if TYPE_CHECKING:") : source.index("__all__")]
    for name in set(novita_async.__all__) - {"__version__"}:
        assert name in seen, f"{name} is missing from the imports for type checkers"


@pytest.mark.parametrize("name", modules())
def test_what_a_module_exports_is_there_and_documented(name: str):
    module = importlib.import_module(name)
    for exported in getattr(module, "__all__", ()):
        thing = getattr(module, exported)
        if (inspect.isclass(thing) or inspect.isfunction(thing)) and thing.__module__ == name:
            assert thing.__doc__, f"{name}.{exported} has no docstring"


@pytest.mark.parametrize("name", FACING)
def test_every_method_that_users_call_is_documented(name: str):
    home, _, kind = name.rpartition(".")
    thing = getattr(importlib.import_module(f"novita_async.{home}" if home else "novita_async"), kind)
    for attribute, value in inspect.getmembers(thing):
        function = value.fget if isinstance(value, property) else value
        if attribute.startswith("_") or not inspect.isfunction(function):
            continue
        # An attribute may be told of in the docstring of its class.
        said = function.__doc__ or (isinstance(value, property) and f"{attribute}:" in (thing.__doc__ or ""))
        assert said, f"{name}.{attribute} has no docstring"


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def test_importing_the_client_loads_little_and_no_transport():
    count, heavy = run(
        "import sys\nfrom novita_async import AsyncNovita\n"
        "heavy = [m for m in ('aiohttp', 'websockets', 'rich', 'cyclopts', 'sqlite3', 'backoff') if m in sys.modules]\n"
        "print(len(sys.modules), ','.join(heavy) or 'none')"
    ).split()
    assert int(count) <= 200
    assert heavy == "none"


def test_a_simulator_in_process_needs_no_aiohttp():
    code = (
        "import asyncio, sys\nfrom novita_async import AsyncNovita, Simulator\n"
        "async def main():\n"
        "    async with Simulator() as sim:\n"
        "        async with AsyncNovita(api_key=sim.api_key, base_url=sim.base_url, transport=sim.transport()) as n:\n"
        "            await n.gpu.products.list()\n"
        "asyncio.run(main())\nprint('aiohttp' in sys.modules, 'websockets' in sys.modules)"
    )
    assert run(code) == "False False"
