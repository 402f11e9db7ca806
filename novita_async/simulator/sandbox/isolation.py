"""How the commands of a sandbox are kept away from this machine.

With bubblewrap: a sandbox has user, pid, ipc, uts and network namespaces; its tree as `/`, the system directories on
top of it read-only, and nothing else of this machine. Its commands join them with nsenter. The system directories are
mount points there, so a command can neither move nor replace them; that matters, because the mounts of a copy of the
sandbox are made over a copy of its tree. Its network is a loopback: what leaves it goes through a proxy (egress.py).

Without it: a plain process with a session, resource limits and an environment of its own. It can see and change what
the user of this Python process can. `IsolationWarning` says so.

What a command leaves running goes on until the sandbox ends.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ...runtime.clock import uninterrupted
from . import programs
from .copying import copy_tree
from .interpreter import INSIDE, Interpreter
from .namespace import Namespace
from .paths import SYSTEM, Tree, is_system, remove_directory
from .ports import Gate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...runtime.clock import Clock

__all__ = ["MARK", "PROBE", "USERS", "Command", "Isolation", "IsolationWarning", "Launch", "Layout", "User"]


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

    def build(self, source: Path | None = None) -> None:
        """Make them, the tree as a copy of another one if there is one. Blocks."""
        self.base.mkdir(mode=0o700)
        self.staging.mkdir()
        root = self.tree.root
        if source is not None:
            copy_tree(source, root)
        else:
            root.mkdir()
            for name in (*SYSTEM, "tmp", "var"):
                if name not in _LIBRARIES or Path("/", name).is_dir():
                    (root / name).mkdir()
            (root / "var/tmp").mkdir()
            for name in ("tmp", "var/tmp"):
                (root / name).chmod(0o1777)
        for name in ("home/user", "root", "tmp", "run", "opt", "mnt", "var/tmp"):
            # A copied tree may have something else there, or a link.
            with suppress(OSError), self.tree.locate(f"/{name}/.", make=True):
                pass
        self.etc.mkdir()
        # What templates write down of their variables stays in the tree.
        (root / "var/lib/image/profile.d").mkdir(parents=True, exist_ok=True)
        (self.etc / "profile.d").symlink_to("/var/lib/image/profile.d")
        (self.etc / "environment").symlink_to("/var/lib/image/environment")
        for name, text in _ETC.items():
            (self.etc / name).write_text(text)
        for name in _shared_etc():
            if Path("/etc", name).is_dir():
                (self.etc / name).mkdir()
            else:
                (self.etc / name).touch()
        (self.etc / Path(_USERS).name).touch()
        programs.install(self.etc)
        for name in ("python", "packages"):
            (self.etc / INSIDE / name).mkdir(parents=True)


#: Where programs and libraries are. On most machines links into /usr, here mounts: a command could replace a link, and
#: the loader of the next one's first programs, which are not confined yet, would come from there.
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

_SETTINGS = tuple(f"/proc/{name}" for name in ("acpi", "bus", "driver", "fs", "irq", "scsi", "sys", "sysrq-trigger"))

# No core dumps, 20 GiB a file, 64 GiB of addresses, which runtimes reserve and do not use, and the descriptors that a
# shell gives, whatever this process has. A limit that is lower already stays.
_LIMITED = "{ ulimit -c 0; ulimit -f 20971520; ulimit -v 67108864; ulimit -Sn 1024; } 2>/dev/null"
#: In one sandbox. Not counted for plain processes, where it would be over the whole user.
_MOST_PROCESSES = 4096

#: The first process of a sandbox's namespaces. From inside it gets no signal but those that bash itself listens to.
_FIRST = "trap '' HUP INT QUIT TERM ALRM USR1 USR2 XCPU XFSZ VTALRM; echo first; exec 2>/dev/null; read; exit 0"

#: Below /etc: the user namespace of the sandbox's `user`, in the one of its root.
_USERS = "/etc/users"

#: It is there as long as it is mounted; until then a process that waits keeps it.
_ADMIT = f"""
[ -z "$4" ] || {{ echo "$3" > "$4"; }} 2>/dev/null
coproc held {{ exec "$1" --user --map-user=1000 --map-group=1000 -- "$0" -p -c 'echo; read'; }}
read <&${{held[0]}} && exec "$2" --bind /proc/$held_PID/ns/user {_USERS}
"""

_TOOLS = ("bash", "env", "mount", "nsenter", "setpriv", "setsid", "unshare")

#: How the directories are called in which it is tried.
PROBE = "novita-probe-"
_PROBE_SECONDS = 20.0

#: The variable that every process of a sandbox starts with: by it plain ones are found.
MARK = "NOVITA_SANDBOX_ID"


class Isolation:
    """What this machine can do. Made by `probe`.

    Attributes:
        reason: why commands are not isolated; "" when they are.
        gate: the way into the networks of sandboxes.
        interpreter: the Python that runs kernels in a sandbox.
    """

    def __init__(self, bwrap: str, reason: str, tools: dict[str, str]) -> None:
        self.bwrap = bwrap
        self.reason = reason
        self.gate = Gate()
        self.interpreter = Interpreter.find(isolated=bool(bwrap))
        self._tools = tools
        self._system = _system_mounts()
        for name, path in self.interpreter.mounts.items():
            self._system += ["--ro-bind", path, f"/etc/{INSIDE}/{name}"]

    @classmethod
    async def probe(cls, clock: Clock) -> Isolation:
        """Try bubblewrap with all that a command will get."""
        isolation = await clock.to_thread(cls._find)
        if isolation.reason:
            return isolation
        failure = await uninterrupted(isolation._try(clock))
        if not failure:
            return isolation
        return await clock.to_thread(lambda: cls("", f"bwrap does not work here: {failure}", isolation._tools))

    @classmethod
    def _find(cls) -> Isolation:
        # Where they really are: inside, a link on the way could be the sandbox's.
        tools = {
            name: os.path.join(os.path.realpath(os.path.dirname(path)), name)
            for name in _TOOLS
            if (path := shutil.which(name))
        }
        # Small systems have one that cannot do this.
        if "setpriv" in tools and _failure([tools["setpriv"], *_DIE_WITH_PARENT, "/bin/true"]):
            del tools["setpriv"]
        bwrap = shutil.which("bwrap")
        if not bwrap:
            return cls("", "bwrap (bubblewrap) is not on PATH", tools)
        missing = [name for name in _TOOLS if name not in tools]
        return cls("", f"{missing[0]} is not on PATH", tools) if missing else cls(bwrap, "", tools)

    async def _try(self, clock: Clock) -> str:
        """Let a command of each user join namespaces; return what went wrong, or ""."""
        temporary = Path(await clock.to_thread(lambda: tempfile.mkdtemp(prefix=PROBE)))
        layout = Layout(temporary / "sandbox")
        namespace = Namespace(self, layout)
        try:
            await clock.to_thread(layout.build)
            await namespace.open()
            for user in USERS.values():
                command = Command("/bin/true", [], {}, user.home, user)
                directory = namespace.enter()
                try:
                    launch = self.launch(command, layout, "", namespace=namespace, directory=directory)
                    failure = await clock.to_thread(lambda args=launch.args, d=directory: _failure(args, [d]))
                finally:
                    os.close(directory)
                if failure:
                    return failure
        except OSError as error:
            return str(error)
        finally:
            await namespace.aclose()
            await clock.to_thread(lambda: remove_directory(temporary))
        return ""

    def hold(self, layout: Layout) -> list[str]:
        """How to start the process that holds a sandbox's namespaces."""
        args = [self.bwrap, "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net"]
        args += ["--unshare-cgroup-try", "--uid", "0", "--gid", "0", "--hostname", "sandbox", "--cap-drop", "ALL"]
        args += ["--die-with-parent", "--new-session", "--as-pid-1"]
        args += ["--bind", str(layout.tree.root), "/", "--ro-bind", str(layout.etc), "/etc", *self._system]
        return [*args, "--", self._tools["bash"], "-p", "-c", _FIRST]

    def join(self, directory: int, *kinds: str) -> list[str]:
        """How to start what follows in namespaces of these kinds; `directory` as `Namespace.enter` gives it."""
        files = {"mount": "mnt"}
        entered = [f"--{kind}=/proc/self/fd/{directory}/ns/{files.get(kind, kind)}" for kind in kinds]
        return [self._tools["nsenter"], "--preserve-credentials", *entered, "--"]

    def admit(self, directory: int) -> list[str]:
        """How to make the user namespace of the sandbox's `user`, once they are there, and to limit the processes."""
        tools = [self._tools[name] for name in ("bash", "unshare", "mount")]
        # In this machine's /proc: that of the sandbox cannot be written to.
        limit = f"/proc/self/fd/{directory}/../sys/kernel/pid_max" if _pids_are_limited_inside() else ""
        args = [tools[0], "-p", "-c", _ADMIT, *tools, str(_MOST_PROCESSES), limit]
        return [*self.join(directory, "user", "mount", "pid"), *args]

    def kill(self, directory: int, number: int) -> list[str]:
        """How to send a signal to every process inside but the first. Fails when there is none."""
        return [*self.join(directory, "user", "pid"), self._tools["bash"], "-p", "-c", f"kill -{number} -1"]

    def launch(
        self,
        command: Command,
        layout: Layout,
        sandbox_id: str,
        *,
        namespace: Namespace | None = None,
        directory: int = -1,
        line: int = -1,
        memory_mb: int = 0,
    ) -> Launch:
        """Say how to start a command.

        Args:
            namespace: what it joins, with `directory` from its `enter`; None for a plain process.
            line: a socket on which it says its pid and waits for an answer.
            memory_mb: the most that each of its processes may have for data; 0 for no limit.
        """
        env = {"USER": command.user.name, "LOGNAME": command.user.name, **command.envs, MARK: sandbox_id}
        hello = "" if line < 0 else f"{{ echo $$; read; }} <&{line} >&{line} || exit; exec {line}>&-; "
        if namespace is None:
            return self._plain(command, layout, env, f"{_data_limit(memory_mb)}{_LIMITED}; {hello}")
        kinds = ["user", "mount", "pid", "ipc", "uts", "net"]
        # What waits out here for it ends with this process even while it is stopped, as that of a paused sandbox is.
        args = [self._tools["setpriv"], *_DIE_WITH_PARENT, *self.join(directory, *kinds)]
        args += [self._tools["setsid"], *(["--ctty"] if command.terminal else [])]
        # Up to here it has every capability in the sandbox, and the directory is a way out. Who is inside can see
        # neither, so it is let go of before the capabilities are.
        limits = f"{_data_limit(memory_mb)}{_LIMITED}; ulimit -u {_MOST_PROCESSES} 2>/dev/null"
        begin = f'{limits}; exec {directory}<&-; {hello}exec "$@"'
        args += [self._tools["bash"], "-p", "-c", begin, "bash"]
        drop = ["--no-new-privs"]
        if command.user.uid:
            args += [self._tools["nsenter"], "--preserve-credentials", f"--user={_USERS}", "--"]
        else:
            drop += ["--bounding-set=-all", "--inh-caps=-all"]
        # Nor does a variable of the command's come near a program before that: LD_PRELOAD would be loaded there.
        args += [self._tools["setpriv"], *drop, "--", self._tools["env"], "-i", "-C", command.cwd, "--"]
        env = {"PATH": programs.PATH, "HOME": command.user.home, **namespace.envs, **env}
        args += [f"{name}={value}" for name, value in env.items()]
        if "=" in command.cmd:
            args += [self._tools["bash"], "-p", "-c", 'exec "$@"', "bash"]  # env would take it for a variable
        return Launch([*args, command.cmd, *command.args], {}, "/")

    def _plain(self, command: Command, layout: Layout, env: dict[str, str], begin: str) -> Launch:
        defaults = {
            "PATH": os.environ.get("PATH", programs.PATH),
            "HOME": self.host(layout, command.user.home),
            "TMPDIR": self.host(layout, "/tmp"),  # noqa: S108 - a path of the sandbox
        }
        args = ["/bin/bash", "-p", "-c", f'{begin}exec "$@"', "bash", command.cmd, *command.args]
        if command.terminal:
            # A session of its own as well. It must not lead a group yet, or another process would be the one to run it.
            args = ["setsid", "--ctty", *args]
        if "setpriv" in self._tools:
            args = [self._tools["setpriv"], *_DIE_WITH_PARENT, *args]
        return Launch(args, {**defaults, **env}, self.host(layout, command.cwd))

    def host(self, layout: Layout, path: str) -> str:
        """Where an absolute path of the sandbox is for a plain process."""
        return path if is_system(path) else str(layout.tree.root) + path


_DIE_WITH_PARENT = ["--pdeathsig", "KILL", "--"]


def _data_limit(memory_mb: int) -> str:
    # Not of what is only reserved, nor of files that are mapped. Each process has it for itself.
    return f"ulimit -d {memory_mb * 1024} 2>/dev/null; " if memory_mb else ""


def _pids_are_limited_inside() -> bool:
    """Whether a pid namespace has a limit of its own (Linux 6.14), which counts root's too. Before, there was only one
    for the whole machine, which root could change from inside."""
    major, minor = re.findall(r"\d+", f"{os.uname().release}.0.0")[:2]
    return (int(major), int(minor)) >= (6, 14)


def _system_mounts() -> list[str]:
    libraries = [f"/{name}" for name in _LIBRARIES if Path("/", name).is_dir()]
    args = ["--proc", "/proc", "--dev", "/dev"]
    # This machine's settings. Where this process is root, what runs inside still owns them, without any capability.
    for path in _SETTINGS:
        args += ["--ro-bind-try", path, path]
    for path in ["/usr", *libraries, *(f"/etc/{name}" for name in _shared_etc())]:
        args += ["--ro-bind", path, path]
    return args


def _shared_etc() -> list[str]:
    return [name for name in _SHARED_ETC if Path("/etc", name).exists()]


def _failure(args: Sequence[str], descriptors: Sequence[int] = ()) -> str:
    """Run a program that should succeed; return what went wrong, or ""."""
    try:
        done = subprocess.run(
            args,
            env={},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_SECONDS,
            pass_fds=descriptors,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    return done.stderr.decode("utf-8", "replace").strip() or f"exit code {done.returncode}"
