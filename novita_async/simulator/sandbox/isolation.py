"""How a command of a sandbox is kept away from this machine.

With bubblewrap: user, pid, ipc, uts and, when internet access is off, network namespaces of its own; the sandbox's
tree as `/`, the system directories on top of it read-only, and nothing else of this machine. The system directories
are mount points in every such namespace, so a command can neither move nor replace them; that matters, because the
next command's mounts are made over the same tree.

Without it: a plain process with a session, resource limits and an environment of its own. It can see and change what
the user of this Python process can. `IsolationWarning` says so.

In both, a command's processes end with the command: its namespace, or its process group, is killed when it exits.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from .interpreter import INSIDE, Interpreter
from .paths import Tree, is_system

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["USERS", "Command", "Isolation", "IsolationWarning", "Launch", "Layout", "User"]


class IsolationWarning(UserWarning):
    """Commands of simulated sandboxes run as plain processes of this machine."""


class User(msgspec.Struct, frozen=True):
    """A Linux user of the sandbox."""

    name: str
    uid: int
    home: str


USERS = {"user": User("user", 1000, "/home/user"), "root": User("root", 0, "/root")}


class Command(msgspec.Struct, frozen=True):
    """What is to run: `cwd` absolute in the sandbox, `envs` as the request has them."""

    cmd: str
    args: list[str]
    envs: dict[str, str]
    cwd: str
    user: User
    internet: bool
    terminal: bool = False  # its three streams are one, and become its controlling terminal


class Launch(msgspec.Struct, frozen=True):
    """The same for this machine, as `subprocess` wants it."""

    args: list[str]
    env: dict[str, str]
    cwd: str


class Layout:
    """The directories of one sandbox on this machine.

    Attributes:
        tree: what the sandbox has as `/`.
        staging: where uploads are written; on the tree's file system and out of its sight.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self.tree = Tree(base / "root")
        self.staging = base / "staging"
        self.etc = base / "etc"

    def build(self) -> None:
        """Make them. Blocks."""
        self.base.mkdir(mode=0o700)
        self.staging.mkdir()
        root = self.tree.root
        for name in ("home/user", "root", "tmp", "run", "opt", "mnt", "var/tmp", "usr", "etc", "dev", "proc"):
            (root / name).mkdir(parents=True)
        for name in ("tmp", "var/tmp"):
            (root / name).chmod(0o1777)
        for name in _LIBRARIES:
            host = Path("/", name)
            if host.is_symlink():
                (root / name).symlink_to(host.readlink())
            elif host.is_dir():
                (root / name).mkdir()
        self.etc.mkdir()
        for name, text in _ETC.items():
            (self.etc / name).write_text(text)
        for name in _shared_etc():
            if Path("/etc", name).is_dir():
                (self.etc / name).mkdir()
            else:
                (self.etc / name).touch()
        for name in ("python", "packages"):
            (self.etc / INSIDE / name).mkdir(parents=True)


#: Where programs and libraries are; on most machines links into /usr.
_LIBRARIES = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")

_ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/bash\nuser:x:1000:1000::/home/user:/bin/bash\n",
    "group": "root:x:0:\nuser:x:1000:\n",
    "hostname": "sandbox\n",
    "hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}

#: What programs need of this machine's /etc: the linker's cache, certificates, alternatives, the name servers.
_SHARED_ETC = (
    "alternatives",
    "ca-certificates",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "os-release",
    "pki",
    "resolv.conf",
    "ssl",
)

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# No core dumps, 20 GiB a file, 64 GiB of addresses: runtimes reserve far more than they use. The number of processes is
# left alone: it is counted over the whole user, and not at all for root. A limit that is lower already stays.
_LIMITED = "{ ulimit -c 0; ulimit -f 20971520; ulimit -v 67108864; } 2>/dev/null"

_PROBE_SECONDS = 20.0

_MARK = "NOVITA_SANDBOX_ID"


class Isolation:
    """What this machine can do. Made by `probe`; making one blocks.

    Attributes:
        reason: why commands are not isolated; "" when they are.
        interpreter: the Python that runs kernels in a sandbox.
    """

    def __init__(self, bwrap: str, setpriv: str, reason: str) -> None:
        self.bwrap = bwrap
        self.reason = reason
        self._setpriv = setpriv
        self.interpreter = Interpreter.find(isolated=bool(bwrap))
        self._system = _system_mounts()
        for name, path in self.interpreter.mounts.items():
            self._system += ["--ro-bind", path, f"/etc/{INSIDE}/{name}"]

    @classmethod
    def probe(cls) -> Isolation:
        """Try bubblewrap with all that a command will get. Blocks."""
        setpriv = shutil.which("setpriv") or ""
        # Small systems have one that cannot do this.
        if setpriv and _failure([setpriv, *_DIE_WITH_PARENT, "/bin/true"]):
            setpriv = ""
        bwrap = shutil.which("bwrap") or ""
        if not bwrap:
            return cls("", setpriv, "bwrap (bubblewrap) is not on PATH")
        isolation = cls(bwrap, setpriv, "")
        with tempfile.TemporaryDirectory(prefix="novita-probe-") as directory:
            layout = Layout(Path(directory, "sandbox"))
            layout.build()
            command = Command("/bin/true", [], {}, "/home/user", USERS["user"], internet=False)
            failure = _failure(isolation.launch(command, layout, "").args)
        return cls("", setpriv, f"bwrap does not work here: {failure}") if failure else isolation

    def launch(self, command: Command, layout: Layout, sandbox_id: str, *, line: int | None = None) -> Launch:
        """Say how to start a command. `line` is a socket on which it says that it is there and waits for an answer."""
        env = {"USER": command.user.name, "LOGNAME": command.user.name, **command.envs}
        hello = "" if line is None else f"{{ echo; read; }} <&{line} >&{line} || exit; exec {line}>&-; "
        begin = f'{_LIMITED}; {hello}exec "$@"'
        limited = ["/bin/bash", "-p", "-c", begin, "bash", command.cmd, *command.args]
        if command.terminal:
            # A session of its own as well. It must not lead a group yet, or another process would be the one to run it.
            limited = ["setsid", "--ctty", *limited]
        if not self.bwrap:
            defaults = {
                "PATH": os.environ.get("PATH", _PATH),
                "HOME": self.host(layout, command.user.home),
                "TMPDIR": self.host(layout, "/tmp"),  # noqa: S108 - a path of the sandbox
            }
            args = [self._setpriv, *_DIE_WITH_PARENT, *limited] if self._setpriv else limited
            # By the id, what the command leaves behind is found when the sandbox ends.
            return Launch(args, {**defaults, **env, _MARK: sandbox_id}, self.host(layout, command.cwd))
        inside = {"PATH": _PATH, "HOME": command.user.home, **env, _MARK: sandbox_id}
        args = [self.bwrap, "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
        if not command.internet:
            args.append("--unshare-net")
        uid = str(command.user.uid)
        args += ["--uid", uid, "--gid", uid, "--hostname", "sandbox", "--cap-drop", "ALL"]
        args += ["--die-with-parent", "--new-session"]
        args += ["--bind", str(layout.tree.root), "/", "--ro-bind", str(layout.etc), "/etc", *self._system]
        args += ["--chdir", command.cwd]
        # bubblewrap itself starts with no variable at all: LD_PRELOAD would be loaded outside the namespace.
        for name, value in inside.items():
            args += ["--setenv", name, value]
        return Launch([*args, "--", *limited], {}, "/")

    def host(self, layout: Layout, path: str) -> str:
        """Where an absolute path of the sandbox is for a plain process."""
        return path if is_system(path) else str(layout.tree.root) + path


_DIE_WITH_PARENT = ["--pdeathsig", "KILL", "--"]


def _system_mounts() -> list[str]:
    libraries = [f"/{name}" for name in _LIBRARIES if Path("/", name).is_dir() and not Path("/", name).is_symlink()]
    args = ["--proc", "/proc", "--dev", "/dev"]
    for path in ["/usr", *libraries, *(f"/etc/{name}" for name in _shared_etc())]:
        args += ["--ro-bind", path, path]
    return args


def _shared_etc() -> list[str]:
    return [name for name in _SHARED_ETC if Path("/etc", name).exists()]


def _failure(args: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    """Run a program that should succeed; return what went wrong, or ""."""
    try:
        done = subprocess.run(
            args, env=env or {}, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROBE_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    return done.stderr.decode("utf-8", "replace").strip() or f"exit code {done.returncode}"
