"""The house rules of docs/design.md, read off the source: who may know whom, who may wait, how large a room may be."""

from __future__ import annotations

import ast
import functools
import pathlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = pathlib.Path(__file__).parent.parent / "novita_async"
MODULES = {path.relative_to(PACKAGE.parent).with_suffix(""): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {module: ast.parse(path.read_text("utf-8")) for module, path in MODULES.items()}

LONGEST = 450  # lines of a module
FACADES = ("llm", "media", "sandbox", "gpu", "account")

#: What a room may import from the rest of the package. A name with a dot is a module, without one a whole room.
MAY_KNOW = {
    "errors": set(),
    "_version": set(),
    "config": {"errors"},
    "wire": {"errors"},
    "catalog": set(),
    "transport": {"errors", "config"},
    "runtime": {"wire", "transport.protocol", "transport.middleware", "errors", "config", "_version"},
    **{facade: {"runtime", "wire", "errors", "transport.protocol"} for facade in FACADES},
    "media": {"runtime", "wire", "errors", "transport.protocol", "catalog"},
    "gpu": {"runtime", "wire", "errors", "transport.protocol", "catalog"},
    # The clock is a source of time for everyone who waits; the mock is how the simulator is reached in process, and the
    # real transport how its webhooks go out.
    "simulator": {
        "wire",
        "transport.protocol",
        "transport.mock",
        "transport.aiohttp",
        "runtime.clock",
        "errors",
        "catalog",
    },
}
#: Which module may import which library.
ONLY_IN = {
    "aiohttp": {"transport/aiohttp", "simulator/server", "simulator/upstream", "media/webhook_apps"},
    "websockets": {"transport/websocket"},
    "sqlite3": {"runtime/journal"},
    "PIL": {"simulator/encode", "simulator/clip", "simulator/works"},
    "google": {"simulator/sandbox/protobuf"},
    "rich": {"cli/"},
    "cyclopts": {"cli/"},
    "pytest": {"testing/"},
}
SLEEPS = {("asyncio", "sleep"), ("anyio", "sleep"), ("time", "sleep")}
SCHEDULES = {
    "create_task",
    "ensure_future",
    "call_soon",
    "call_later",
    "call_soon_threadsafe",
    "run_coroutine_threadsafe",
}
MUTABLE = {"dict", "list", "set", "deque", "defaultdict", "OrderedDict", "Counter", "WeakSet", "WeakKeyDictionary"}


def room_of(module: pathlib.Path) -> str:
    """The first part of a module's name inside the package; "" for the package itself."""
    parts = module.parts[1:]
    return "" if parts == ("__init__",) else parts[0]


def dotted(module: pathlib.Path) -> str:
    """The name of a module inside the package, such as `runtime.clock`; of a room, `runtime`."""
    parts = [part for part in module.parts[1:] if part != "__init__"]
    return ".".join(parts)


def imports_of(module: pathlib.Path) -> list[tuple[str, bool, int]]:
    """Every import of a module: its absolute name, whether it is for types only, and its line."""
    found: list[tuple[str, bool, int]] = []
    package = list(module.parts[:-1])

    def visit(node: ast.AST, typing_only: bool) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for child in node.body:
                visit(child, True)
            for child in node.orelse:
                visit(child, typing_only)
            return
        if isinstance(node, ast.Import):
            found.extend((alias.name, typing_only, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *(node.module.split(".") if node.module else [])])
            if node.level and not node.module:  # from . import x: each name is a module
                found.extend((f"{name}.{alias.name}", typing_only, node.lineno) for alias in node.names)
            else:
                found.append((name, typing_only, node.lineno))
        for child in ast.iter_child_nodes(node):
            visit(child, typing_only)

    visit(TREES[module], False)
    return found


def each_module(check: Callable[[pathlib.Path], None]) -> Callable[[], None]:
    """Make a test of a check: it runs on every module, and tells of all that break the rule."""

    @functools.wraps(check)
    def test() -> None:
        broken: list[str] = []
        for module in MODULES:
            try:
                check(module)
            except AssertionError as error:
                broken.append(str(error).partition("\nassert")[0])
        assert not broken, "\n".join(broken)

    del test.__wrapped__  # or pytest would look for a fixture called module
    return test


def test_the_package_was_found():
    assert len(MODULES) > 60


@each_module
def test_a_room_knows_only_whom_it_may(module: pathlib.Path):
    room = room_of(module)
    if room not in MAY_KNOW:
        return  # client, cli, testing and the package's own front may know any public thing; see the tests below
    allowed = MAY_KNOW[room] | {room}
    for name, _, line in imports_of(module):
        if not name.startswith("novita_async"):
            continue
        target = name.removeprefix("novita_async").lstrip(".")
        known = any(target == each or target.startswith(f"{each}.") for each in allowed)
        assert known, f"{module}:{line} imports {name}; {room} may know {', '.join(sorted(allowed))}"


@each_module
def test_nothing_in_the_package_imports_testing(module: pathlib.Path):
    if room_of(module) != "testing":
        for name, _, line in imports_of(module):
            assert not name.startswith("novita_async.testing"), (
                f"{module}:{line}: what users test with is not for use here"
            )


@each_module
def test_a_library_has_its_one_door(module: pathlib.Path):
    here = "/".join(module.parts[1:])
    for name, typing_only, line in imports_of(module):
        doors = ONLY_IN.get(name.split(".")[0])
        if doors is None or typing_only:
            continue
        assert any(here == door or (door.endswith("/") and here.startswith(door)) for door in doors), (
            f"{module}:{line} imports {name}, which only {', '.join(sorted(doors))} may"
        )


@each_module
def test_only_clocks_sleep(module: pathlib.Path):
    if dotted(module) in ("runtime.clock", "testing.clock", "testing.probes", "testing.endings", "testing.conformance"):
        return  # a conformance check must let a real network take its time
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            call = (owner.id if isinstance(owner, ast.Name) else "", node.func.attr)
            assert call not in SLEEPS, (
                f"{module}:{node.lineno} sleeps: wait on the client's clock, so that a test can turn it"
            )


@each_module
def test_a_module_holds_no_state(module: pathlib.Path):
    """A table with a name in capitals is a constant; anything else that can change at module level is state."""
    for node in TREES[module].body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        value = getattr(node, "value", None)
        for target in targets:
            name = target.id if isinstance(target, ast.Name) else ""
            if not name or name.lstrip("_").isupper() or name.startswith("__"):
                continue
            called = value.func if isinstance(value, ast.Call) else None
            kind = getattr(called, "id", getattr(called, "attr", ""))
            mutable = isinstance(value, ast.Dict | ast.List | ast.Set) or kind in MUTABLE
            assert not mutable, f"{module}:{node.lineno}: {name} is state of a module; give it to an object"


@each_module
def test_constants_stay_constant(module: pathlib.Path):
    """No module-level table is written to, and no function rebinds a global."""
    tables = {
        target.id
        for node in TREES[module].body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id.lstrip("_").isupper()
    }
    for node in ast.walk(TREES[module]):
        assert not isinstance(node, ast.Global), f"{module}:{node.lineno} rebinds a global"
        written = None
        if isinstance(node, ast.Assign | ast.AugAssign | ast.Delete):
            places = node.targets if isinstance(node, ast.Assign | ast.Delete) else [node.target]
            written = [place.value for place in places if isinstance(place, ast.Subscript)]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            changing = {
                "append",
                "add",
                "update",
                "setdefault",
                "pop",
                "clear",
                "extend",
                "insert",
                "popitem",
                "remove",
            }
            written = [node.func.value] if node.func.attr in changing else None
        for place in written or ():
            name = place.id if isinstance(place, ast.Name) else ""
            assert name not in tables, f"{module}:{node.lineno} changes the constant {name}"


@each_module
def test_no_finalizer_schedules_work(module: pathlib.Path):
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == "__del__":
            for inner in ast.walk(node):
                name = getattr(getattr(inner, "func", None), "attr", "")
                assert name not in SCHEDULES, f"{module}:{inner.lineno}: a finalizer runs on any loop, or on none"
                assert not isinstance(inner, ast.Await)


@each_module
def test_nothing_is_kept_by_the_id_of_a_loop(module: pathlib.Path):
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "id" and node.args:
            assert "loop" not in ast.unparse(node.args[0]), (
                f"{module}:{node.lineno}: ids are reused, loops are not the same"
            )


@each_module
def test_only_the_command_line_prints(module: pathlib.Path):
    if room_of(module) in ("cli", "__main__"):
        return
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"{module}:{node.lineno} prints: a library logs or raises"


@each_module
def test_a_module_can_be_read_in_one_sitting(module: pathlib.Path):
    lines = len(MODULES[module].read_text("utf-8").splitlines())
    assert lines <= LONGEST, f"{module} has {lines} lines; {LONGEST} are the most. Split it where its subject does"


@each_module
def test_a_module_says_what_it_is(module: pathlib.Path):
    if MODULES[module].read_text("utf-8").strip() and dotted(module) != "_version":
        assert ast.get_docstring(TREES[module]), f"{module} has no docstring"


@each_module
def test_a_silenced_check_gives_its_reason(module: pathlib.Path):
    for number, line in enumerate(MODULES[module].read_text("utf-8").splitlines(), 1):
        for mark in ("# noqa", "# type: ignore", "# pyright: ignore"):
            _before, found, comment = line.partition(mark)
            if found:
                reason = comment.partition("]")[2] if "[" in comment else comment.partition(" ")[2].partition(" ")[2]
                assert len(reason.strip(" -#")) > 5, f"{module}:{number} silences a check and does not say why"
