"""`sandbox.git`: repositories in a sandbox, by the `git` that is there (contract/sandbox.md 12)."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Literal

from ..errors import CommandFailed, NovitaError, ValidationError
from .git_login import Credentials, credentials_of, without_login
from .git_status import GitBranches, GitFile, GitStatus, parse_status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .commands import Commands
    from .output import CommandResult

__all__ = ["Git", "GitBranches", "GitFile", "GitStatus"]

_SOON = 60.0  # seconds for what happens in the sandbox alone
_FAR = 600.0  # seconds for what goes over its network

_ENVS = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"}  # nobody is there to be asked
_CONFIG_SCOPES = ("global", "local", "system")


class Git:
    """`sandbox.git`.

    A `path` is the directory of a repository, as in `Files`. In every call `user` is the Linux user that acts, None for
    the sandbox's own default, and `timeout` the seconds that git may run, None for as long as the sandbox lives.

    A `username` and a `password`, which may be a token, are for this one call and for the host of its repository alone.
    They reach git through its standard input: they stand on no command line and in no file of the sandbox, and are
    blotted out of errors.

    Every call may raise:
        ValidationError: an argument cannot be sent. Nothing was.
        CommandFailed: git refused, and says why in `stderr`; exit code 127 when there is no git.
        CommandTimeout: the `timeout` passed.
        BadRequest: there is no such directory.
        SandboxEnded: the sandbox is gone or paused.
        SandboxUnreachable: it is said to run and does not answer.

    Example:
        await sandbox.git.clone("https://example.com/me/site.git", "site", username="me", password=token)
        await sandbox.files.write("site/index.html", page)
        await sandbox.git.add("site")
        await sandbox.git.commit("site", "New page", author_name="Me", author_email="me@example.com")
        await sandbox.git.push("site", username="me", password=token)
    """

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    # ------------------------------------------------------------------------------------------- over the network

    async def clone(
        self,
        url: str,
        path: str | None = None,
        *,
        branch: str | None = None,
        depth: int | None = None,
        username: str | None = None,
        password: str | None = None,
        user: str | None = None,
        timeout: float | None = _FAR,
    ) -> CommandResult:
        """Clone a repository. A name and a password inside the URL are used, and not kept in the clone.

        Args:
            url: of the repository.
            path: the new directory; None for the repository's name in the user's home.
            branch: to check out, and the only one that is fetched.
            depth: so many commits of history; None for all.
            username: see `Git`.
            password: see `Git`.
            user: see `Git`.
            timeout: see `Git`.
        """
        url, login = without_login(_word("url", url))
        credentials = credentials_of(url, username, password) or (credentials_of(url, *login) if login else None)
        args = ["clone"]
        if branch is not None:
            args += ["--branch", _word("branch", branch), "--single-branch"]
        if depth is not None:
            args += ["--depth", str(_positive("depth", depth))]
        target = [] if path is None else [_from_home(_word("path", path))]
        return await self._run([*args, "--", url, *target], "~", user, timeout, credentials=credentials)

    async def push(
        self,
        path: str,
        *,
        remote: str = "origin",
        branch: str | None = None,
        set_upstream: bool = False,
        username: str | None = None,
        password: str | None = None,
        user: str | None = None,
        timeout: float | None = _FAR,
    ) -> CommandResult:
        """Push a branch.

        Args:
            path: see `Git`.
            remote: name of the remote.
            branch: to push; None for the current one.
            set_upstream: let the branch follow the remote's from now on.
            username: see `Git`.
            password: see `Git`.
            user: see `Git`.
            timeout: see `Git`.
        """
        credentials = await self._login(path, remote, username, password, user)
        args = ["push", *(["--set-upstream"] if set_upstream else []), "--", _word("remote", remote)]
        args.append("HEAD" if branch is None else _word("branch", branch))
        return await self._run(args, path, user, timeout, credentials=credentials)

    async def pull(
        self,
        path: str,
        *,
        remote: str = "origin",
        branch: str | None = None,
        username: str | None = None,
        password: str | None = None,
        user: str | None = None,
        timeout: float | None = _FAR,
    ) -> CommandResult:
        """Fetch and merge. Arguments as `push`; without a branch, what the current one follows."""
        credentials = await self._login(path, remote, username, password, user)
        args = ["pull", "--", _word("remote", remote), *([] if branch is None else [_word("branch", branch)])]
        return await self._run(args, path, user, timeout, credentials=credentials)

    async def _login(
        self, path: str, remote: str, username: str | None, password: str | None, user: str | None
    ) -> Credentials | None:
        """What to log in with at the host of a remote, which is looked up."""
        if username is None and password is None:
            return None
        url = await self.remote_url(path, remote, user=user)
        if url is None:
            raise ValidationError(f"remote: the repository has none of the name {remote!r}")
        return credentials_of(url, username, password)

    # ----------------------------------------------------------------------------------------------- the work tree

    async def status(self, path: str, *, user: str | None = None, timeout: float | None = _SOON) -> GitStatus:
        """Read the state of a work tree: its branch, and the files that have changed."""
        result = await self._run(["status", "--porcelain=v2", "--branch", "-z"], path, user, timeout)
        return parse_status(result.stdout)

    async def add(
        self,
        path: str,
        files: Sequence[str] | None = None,
        *,
        user: str | None = None,
        timeout: float | None = _SOON,
    ) -> CommandResult:
        """Stage files.

        Args:
            path: see `Git`.
            files: paths in the repository; None for everything that has changed.
            user: see `Git`.
            timeout: see `Git`.
        """
        args = ["add", "--all"] if files is None else ["add", "--", *_paths(files)]
        return await self._run(args, path, user, timeout)

    async def commit(
        self,
        path: str,
        message: str,
        *,
        author_name: str | None = None,
        author_email: str | None = None,
        allow_empty: bool = False,
        user: str | None = None,
        timeout: float | None = _SOON,
    ) -> str:
        """Commit what is staged.

        Args:
            path: see `Git`.
            message: of the commit.
            author_name: of author and committer; None for what is configured.
            author_email: the same.
            allow_empty: also when nothing is staged.
            user: see `Git`.
            timeout: see `Git`.

        Returns:
            The commit's id.
        """
        if not message.strip():
            raise ValidationError("message is empty")
        identity: list[str] = []
        for key, value in (("user.name", author_name), ("user.email", author_email)):
            if value is not None:
                identity += ["-c", f"{key}={_text(key, value)}"]
        args = [*identity, "commit", "--quiet", "--file=-", *(["--allow-empty"] if allow_empty else [])]
        result = await self._run(args, path, user, timeout, stdin=message, then="git rev-parse HEAD")
        return result.stdout.split()[-1]

    async def reset(
        self,
        path: str,
        *,
        mode: Literal["soft", "mixed", "hard"] = "mixed",
        to: str = "HEAD",
        user: str | None = None,
        timeout: float | None = _SOON,
    ) -> CommandResult:
        """Move the current branch to a commit; "mixed" unstages too, "hard" drops the changes as well."""
        if mode not in ("soft", "mixed", "hard"):
            raise ValidationError(f"mode must be 'soft', 'mixed' or 'hard', got {mode!r}")
        return await self._run(["reset", "--quiet", f"--{mode}", _word("to", to)], path, user, timeout)

    async def restore(
        self,
        path: str,
        files: Sequence[str],
        *,
        staged: bool = False,
        user: str | None = None,
        timeout: float | None = _SOON,
    ) -> CommandResult:
        """Take back changes of files in the work tree, or with `staged` unstage them."""
        args = ["restore", *(["--staged"] if staged else []), "--", *_paths(files)]
        return await self._run(args, path, user, timeout)

    # ------------------------------------------------------------------------------------------------- repositories

    async def init(
        self,
        path: str,
        *,
        branch: str | None = None,
        bare: bool = False,
        user: str | None = None,
        timeout: float | None = _SOON,
    ) -> CommandResult:
        """Make a repository; `branch` is the name of its first branch."""
        args = ["init", "--quiet", *(["--bare"] if bare else [])]
        if branch is not None:
            args.append(f"--initial-branch={_word('branch', branch)}")
        return await self._run([*args, "--", _from_home(_word("path", path))], "~", user, timeout)

    async def branches(self, path: str, *, user: str | None = None, timeout: float | None = _SOON) -> GitBranches:
        """List the local branches."""
        args = ["branch", "--list", "--format=%(HEAD)%(refname)"]
        lines = (await self._run(args, path, user, timeout)).stdout.splitlines()
        prefix = "refs/heads/"  # a detached head is listed among them under another name
        names = [line[1:].removeprefix(prefix) for line in lines if line[1:].startswith(prefix)]
        current = [line[1:].removeprefix(prefix) for line in lines if line.startswith(f"*{prefix}")]
        return GitBranches(current[0] if current else None, names)

    async def checkout(
        self,
        path: str,
        branch: str,
        *,
        create: bool = False,
        user: str | None = None,
        timeout: float | None = _SOON,
    ) -> CommandResult:
        """Switch to a branch or a commit; with `create` to a new branch."""
        args = ["checkout", "--quiet", *(["-b"] if create else []), _word("branch", branch), "--"]
        return await self._run(args, path, user, timeout)

    async def delete_branch(
        self,
        path: str,
        branch: str,
        *,
        force: bool = False,
        user: str | None = None,
        timeout: float | None = _SOON,
    ) -> CommandResult:
        """Delete a local branch; with `force` also one that is not merged."""
        return await self._run(["branch", "-D" if force else "-d", "--", _word("branch", branch)], path, user, timeout)

    async def remote_add(
        self, path: str, name: str, url: str, *, user: str | None = None, timeout: float | None = _SOON
    ) -> CommandResult:
        """Add a remote. A URL with a password in it is refused: it would stay in the repository's configuration."""
        url, login = without_login(_word("url", url))
        if login is not None:
            raise ValidationError("url has a password in it: give it to the calls that need it")
        return await self._run(["remote", "add", "--", _word("name", name), url], path, user, timeout)

    async def remote_url(
        self, path: str, name: str = "origin", *, user: str | None = None, timeout: float | None = _SOON
    ) -> str | None:
        """The URL of a remote; None when there is no such remote."""
        return await self._get(["remote", "get-url", "--", _word("name", name)], path, user, timeout, none=2)

    async def get_config(
        self,
        key: str,
        *,
        path: str | None = None,
        user: str | None = None,
        timeout: float | None = _SOON,
    ) -> str | None:
        """The value of a setting, such as "user.name": as it holds in a repository, or without `path` for the user;
        None when it is not set."""
        args = ["config", *(["--global"] if path is None else []), "--get", _word("key", key)]
        return await self._get(args, path or "~", user, timeout, none=1)

    async def set_config(
        self,
        key: str,
        value: str,
        *,
        path: str | None = None,
        scope: Literal["global", "local", "system"] | None = None,
        user: str | None = None,
        timeout: float | None = _SOON,
    ) -> CommandResult:
        """Give a setting a value: in the repository at `path`, else for the user, or as `scope` says."""
        scope = scope or ("global" if path is None else "local")
        if scope not in _CONFIG_SCOPES or (scope == "local" and path is None):
            raise ValidationError("scope must be 'global', 'system', or, with a path, 'local'")
        args = ["config", f"--{scope}", "--", _word("key", key), _text("value", value)]
        return await self._run(args, path or "~", user, timeout)

    # --------------------------------------------------------------------------------------------------------- calls

    async def _get(
        self, args: list[str], path: str, user: str | None, timeout: float | None, *, none: int
    ) -> str | None:
        try:
            return (await self._run(args, path, user, timeout)).stdout.removesuffix("\n")
        except CommandFailed as error:
            if error.exit_code != none:
                raise
            return None

    async def _run(
        self,
        args: list[str],
        path: str,
        user: str | None,
        timeout: float | None,
        *,
        stdin: str | None = None,
        then: str = "",
        credentials: Credentials | None = None,
    ) -> CommandResult:
        line = shlex.join(["git", *args]) + (f" && {then}" if then else "")
        if credentials is not None:
            line, stdin = credentials.wrapped(args), credentials.told
        try:
            return await self._commands.run(line, cwd=path, user=user, envs=_ENVS, stdin=stdin, timeout=timeout)
        except NovitaError as error:
            if credentials is not None:
                raise credentials.blotted(error) from None
            raise


def _from_home(path: str) -> str:
    """A path for a command that runs in the user's home. The shell, which knows `~`, gets every word quoted."""
    return f"./{path[2:]}" if path == "~" or path.startswith("~/") else path


def _text(name: str, value: str) -> str:
    if not isinstance(value, str) or "\0" in value:  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
        raise ValidationError(f"{name} must be text without a NUL byte, got {value!r}")
    return value


def _word(name: str, value: str) -> str:
    """Refuse what git would take for an option."""
    if not _text(name, value) or value.startswith("-"):
        raise ValidationError(f"{name} {'is empty' if not value else f'cannot begin with a dash, got {value!r}'}")
    return value


def _paths(files: Sequence[str]) -> list[str]:
    if isinstance(files, str) or not files:
        raise ValidationError(f"files must be a list of paths, got {files!r}")
    return [_text("files", file) for file in files]


def _positive(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
        raise ValidationError(f"{name} must be a whole number from 1 on, got {value!r}")
    return value
