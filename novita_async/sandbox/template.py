"""`Template`: what a sandbox is to start with, said step by step (contract/sandbox.md 11)."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias, cast

import msgspec

from ..errors import ValidationError
from .arguments import check_strings
from .context import Context, check_source
from .shell import env_command, shell_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["BASE_IMAGE", "Plan", "Step", "Template"]

#: What a template starts from when it says nothing else.
BASE_IMAGE = "novita/base"

_Path: TypeAlias = "str | os.PathLike[str]"
_DOCKERFILE_SIZE = 1 << 20


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a build: COPY, ENV, RUN, WORKDIR or USER, with its arguments as the platform takes them."""

    type: str
    args: tuple[str, ...]
    force: bool = False
    force_upload: bool = False
    resolve_symlinks: bool = False


class Plan(msgspec.Struct, frozen=True):
    """A build that can be sent.

    Attributes:
        body: of the call that starts it.
        copies: its COPY steps, by the hash of their files.
        context: where those are.
    """

    body: dict[str, Any]
    copies: dict[str, Step]
    context: Context


class Template:
    """A template on paper. `novita.sandboxes.templates.build` makes one of it that sandboxes start from.

    Each method adds something and returns the template, so that calls can be chained. Nothing is read, sent or run
    before the build. What the base image itself declares (variables, working directory, command) is not taken over:
    say it here.

    Args:
        file_context_path: the directory that `copy` copies from; that of the calling file when not given.
        file_ignore_patterns: what `copy` leaves out, beside the patterns of its .dockerignore.

    Example:
        template = (
            Template()
            .from_python_image("3.12")
            .pip_install(["fastapi", "uvicorn"])
            .copy("app", "/app")
            .set_workdir("/app")
            .set_start_cmd("uvicorn main:app --port 8000", wait_for_port(8000))
        )
        task = await novita.sandboxes.templates.build(template, "web")
        build = await task.wait()
    """

    def __init__(self, file_context_path: _Path | None = None, *, file_ignore_patterns: Sequence[str] = ()) -> None:
        if file_context_path is None:
            caller = sys._getframe(1).f_code.co_filename  # pyright: ignore[reportPrivateUsage]  # as in client.py
            file_context_path = os.path.dirname(caller) if not caller.startswith("<") else "."
        self._context_path = os.fspath(file_context_path) or "."
        self._ignore = tuple(file_ignore_patterns)
        self._image: str | None = BASE_IMAGE
        self._template: str | None = None
        self._registry: dict[str, str] | None = None
        self._steps: list[Step] = []
        self._dockerfile: tuple[int, Path, dict[str, str]] | None = None
        self._envs: dict[str, str] = {}
        self._start_cmd: str | None = None
        self._ready_cmd: str | None = None
        self._patch_cmd: str | None = None
        self._force = False
        self._force_next = False

    def __repr__(self) -> str:
        return f"<Template from {self._template or self._image} {len(self._steps)} steps>"

    # ---------------------------------------------------------------------------------- what it starts from

    def from_image(self, image: str, *, username: str | None = None, password: str | None = None) -> Self:
        """Start from an image of a registry; with a name and a password when it is a private one."""
        if (username is None) != (password is None):
            raise ValidationError("username and password are given together")
        registry = None if username is None else {"type": "registry", "username": username, "password": password or ""}
        return self._from(image=_text("image", image), registry=registry)

    def from_aws_registry(self, image: str, *, access_key_id: str, secret_access_key: str, region: str) -> Self:
        """Start from an image of Amazon's registry."""
        registry = {"awsAccessKeyId": access_key_id, "awsSecretAccessKey": secret_access_key, "awsRegion": region}
        return self._from(image=_text("image", image), registry={"type": "aws", **registry})

    def from_gcp_registry(self, image: str, *, service_account_json: str) -> Self:
        """Start from an image of Google's registry. The account is the text of its JSON file."""
        registry = {"type": "gcp", "serviceAccountJson": _text("service_account_json", service_account_json)}
        return self._from(image=_text("image", image), registry=registry)

    def from_template(self, template: str) -> Self:
        """Start from another template, by its name, `name:tag` or id."""
        return self._from(template=_text("template", template))

    def from_base_image(self) -> Self:
        """Start from the platform's own image."""
        return self.from_image(BASE_IMAGE)

    def from_debian_image(self, variant: str = "stable") -> Self:
        """Start from Debian."""
        return self.from_image(f"debian:{variant}")

    def from_ubuntu_image(self, variant: str = "latest") -> Self:
        """Start from Ubuntu."""
        return self.from_image(f"ubuntu:{variant}")

    def from_python_image(self, version: str = "3") -> Self:
        """Start from Python's image."""
        return self.from_image(f"python:{version}")

    def from_node_image(self, variant: str = "lts") -> Self:
        """Start from Node's image."""
        return self.from_image(f"node:{variant}")

    def from_bun_image(self, variant: str = "latest") -> Self:
        """Start from Bun's image."""
        return self.from_image(f"oven/bun:{variant}")

    def from_dockerfile(self, dockerfile: _Path, *, build_args: Mapping[str, str] | None = None) -> Self:
        """Start as a Dockerfile does, and do what it does.

        Args:
            dockerfile: its text, or its path, which is read when the template is built.
            build_args: values of its ARGs, in place of their defaults.

        Raises:
            ValidationError: it cannot be read, has several stages, does what a template cannot, or has no such ARG.
        """
        from .dockerfile import is_text, read_into

        args = check_strings("build_args", build_args, variables=True)
        if isinstance(dockerfile, str) and is_text(dockerfile):
            return self._from(image=read_into(self, dockerfile, args))
        if self._dockerfile is not None:
            raise ValidationError("a template has one Dockerfile")
        self._dockerfile = (len(self._steps), Path(dockerfile), args)
        return self._from(image=None)

    def _from(
        self, *, image: str | None = None, template: str | None = None, registry: dict[str, str] | None = None
    ) -> Self:
        self._image, self._template, self._registry = image, template, registry
        self._force = self._force or self._force_next
        return self

    # ---------------------------------------------------------------------------------------------- steps

    def copy(
        self,
        src: _Path | Sequence[_Path],
        dest: _Path,
        *,
        force_upload: bool = False,
        user: str | None = None,
        mode: int | None = None,
        resolve_symlinks: bool = False,
    ) -> Self:
        """Copy files of the build context.

        Args:
            src: paths or patterns (`*`, `?`, `[...]`, `**`) below the build context, one or several.
            dest: where to, in the sandbox.
            force_upload: upload them even when the platform has them.
            user: who is to own them; the user of the step when not given.
            mode: their mode, such as 0o755; their own when not given.
            resolve_symlinks: copy what links point to, in place of the links.
        """
        sources = [src] if isinstance(src, str | os.PathLike) else src
        for source in sources:
            args = (check_source(source), _path("dest", dest), user or "", "" if mode is None else f"{mode:04o}")
            self._add("COPY", *args, force=force_upload, force_upload=force_upload, resolve_symlinks=resolve_symlinks)
        return self

    def run_cmd(self, command: str | Sequence[str], *, user: str | None = None) -> Self:
        """Run a command of the shell, or several, each one if the one before succeeded. The build fails with it."""
        commands = [command] if isinstance(command, str) else list(command)
        text = _text("command", " && ".join(commands))
        return self._add("RUN", text, *([user] if user else []))

    def set_envs(self, envs: Mapping[str, str]) -> Self:
        """Set environment variables, of the steps that follow and of the sandboxes.

        `$NAME` in a value stands for what the variable is by then.
        """
        values = check_strings("envs", envs, variables=True)
        if not values:
            return self
        self._envs.update(values)
        return self._add("ENV", *(text for pair in values.items() for text in pair))

    def set_workdir(self, path: _Path) -> Self:
        """Set the directory of the steps that follow and of the sandboxes' commands."""
        return self._add("WORKDIR", _path("path", path))

    def set_user(self, user: str) -> Self:
        """Set the user of the steps that follow and of the sandboxes' commands."""
        return self._add("USER", _text("user", user))

    def make_dir(self, path: _Path | Sequence[_Path], *, mode: int | None = None, user: str | None = None) -> Self:
        """Make directories, with those above them."""
        flags = ["-p", *([] if mode is None else ["-m", f"{mode:04o}"])]
        return self.run_cmd(shell_words("mkdir", *flags, paths=_several(path)), user=user)

    def make_symlink(self, src: _Path, dest: _Path, *, force: bool = False, user: str | None = None) -> Self:
        """Make `dest` a link to `src`."""
        paths = [_path("src", src), _path("dest", dest)]
        return self.run_cmd(shell_words("ln", "-s", *["-f"] * force, paths=paths), user=user)

    def rename(self, src: _Path, dest: _Path, *, force: bool = False, user: str | None = None) -> Self:
        """Move a file or a directory."""
        paths = [_path("src", src), _path("dest", dest)]
        return self.run_cmd(shell_words("mv", *["-f"] * force, paths=paths), user=user)

    def remove(
        self, path: _Path | Sequence[_Path], *, force: bool = False, recursive: bool = False, user: str | None = None
    ) -> Self:
        """Remove files. Patterns are not expanded; `run_cmd` does that."""
        flags = ["-r"] * recursive + ["-f"] * force
        return self.run_cmd(shell_words("rm", *flags, paths=_several(path)), user=user)

    def pip_install(self, packages: str | Sequence[str] | None = None, *, g: bool = True) -> Self:
        """Install Python packages, or what is in the working directory; for everybody, or (`g=False`) for the user."""
        names = [packages] if isinstance(packages, str) else packages or ["."]
        words = ["pip", "install", *["--user"] * (not g), *names]
        return self.run_cmd(shlex.join(words), user="root" if g else None)

    def npm_install(self, packages: str | Sequence[str] | None = None, *, g: bool = False, dev: bool = False) -> Self:
        """Install packages of Node, or those of package.json; `g` for everybody, `dev` as needed for development."""
        return self._node_install("npm", packages, ["-g"] * g + ["--save-dev"] * dev, g)

    def bun_install(self, packages: str | Sequence[str] | None = None, *, g: bool = False, dev: bool = False) -> Self:
        """The same with Bun."""
        return self._node_install("bun", packages, ["-g"] * g + ["--dev"] * dev, g)

    def _node_install(self, tool: str, packages: str | Sequence[str] | None, flags: list[str], g: bool) -> Self:
        names = [packages] if isinstance(packages, str) else packages or []
        return self.run_cmd(shlex.join([tool, "install", *flags, *names]), user="root" if g else None)

    def apt_install(
        self, packages: str | Sequence[str], *, no_install_recommends: bool = False, fix_missing: bool = False
    ) -> Self:
        """Install packages of the distribution."""
        flags = ["--no-install-recommends"] * no_install_recommends + ["--fix-missing"] * fix_missing
        names = [packages] if isinstance(packages, str) else packages
        install = shlex.join(["apt-get", "install", "-y", *flags, *names])
        quiet = "DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes"
        return self.run_cmd(["apt-get update", f"{quiet} {install}"], user="root")

    def git_clone(
        self,
        url: str,
        path: _Path | None = None,
        *,
        branch: str | None = None,
        depth: int | None = None,
        user: str | None = None,
    ) -> Self:
        """Clone a repository; only a branch of it, or only so many commits."""
        flags = ["--branch", branch, "--single-branch"] if branch else []
        flags += ["--depth", str(depth)] if depth else []
        words = shlex.join(["git", "clone", *flags, _text("url", url)])
        return self.run_cmd(shell_words(words, paths=[] if path is None else [_path("path", path)]), user=user)

    def add_mcp_server(self, servers: str | Sequence[str]) -> Self:
        """Fetch MCP servers; for a template that starts from `mcp-gateway`."""
        if self._template != "mcp-gateway":
            raise ValidationError("MCP servers are for a template that starts with from_template('mcp-gateway')")
        names = [servers] if isinstance(servers, str) else servers
        return self.run_cmd(shlex.join(["mcp-gateway", "pull", *names]), user="root")

    # ------------------------------------------------------------------------------------- what is started

    def set_start_cmd(self, start_cmd: str, ready_cmd: str) -> Self:
        """Set what every sandbox runs from its start on, and the command that succeeds when it is ready.

        Example:
            template.set_start_cmd("python -m http.server 8000", wait_for_port(8000))
        """
        self._start_cmd = _text("start_cmd", start_cmd)
        return self.set_ready_cmd(ready_cmd)

    def set_ready_cmd(self, ready_cmd: str) -> Self:
        """Set the command that succeeds when a sandbox is ready. See `wait_for_port` and its neighbours."""
        self._ready_cmd = _text("ready_cmd", ready_cmd)
        return self

    def set_patch_cmd(self, cmd: str) -> Self:
        """Set a script that runs before the sandbox boots."""
        self._patch_cmd = _text("cmd", cmd)
        return self

    def skip_cache(self) -> Self:
        """Build what follows anew, whatever the platform has of it; before `from_...`, everything."""
        self._force_next = True
        return self

    # --------------------------------------------------------------------------------------------- as a whole

    def to_json(self) -> str:
        """The body of the build. Blocks: it reads the files that are copied.

        Raises:
            ValidationError: there is nothing to copy, or the Dockerfile cannot be read.
        """
        return msgspec.json.format(msgspec.json.encode(self.plan().body)).decode()

    def to_dockerfile(self) -> str:
        """The same as a Dockerfile. Blocks when it was itself read from one.

        Raises:
            ValidationError: it starts from another template.
        """
        from .dockerfile import written

        whole = self._read()
        if whole._image is None:
            raise ValidationError("a template that starts from another template has no Dockerfile")
        return written(whole._image, [(step.type, step.args) for step in whole._steps], whole._start_cmd)

    def plan(self, *, skip_cache: bool = False) -> Plan:
        """What is to be sent and uploaded. Blocks."""
        whole = self._read()
        context = Context(self._context_path, self._ignore)
        steps: list[dict[str, Any]] = []
        copies: dict[str, Step] = {}
        for step in whole._steps:
            sent: dict[str, Any] = {"type": step.type, "args": step.args, "force": step.force}
            if step.type == "COPY":
                hash_ = context.hash(step.args[0], step.args[1], resolve_symlinks=step.resolve_symlinks)
                sent["filesHash"] = hash_
                if step.force_upload:
                    sent["forceUpload"] = True
                copies[hash_] = step
            steps.append(sent)
        if command := env_command(whole._envs):
            steps.append({"type": "RUN", "args": [command, "root"], "force": whole._force_next})
        body: dict[str, Any] = {"steps": steps, "force": whole._force or skip_cache}
        for name, value in (
            ("fromImage", whole._image),
            ("fromTemplate", whole._template),
            ("fromImageRegistry", whole._registry),
            ("startCmd", whole._start_cmd),
            ("readyCmd", whole._ready_cmd),
            ("preBootScript", whole._patch_cmd),
        ):
            if value is not None:
                body[name] = value
        return Plan(body, copies, context)

    def _add(self, type_: str, *args: str, force: bool = False, **options: bool) -> Self:
        self._steps.append(Step(type=type_, args=args, force=force or self._force_next, **options))
        return self

    def _read(self) -> Template:
        """This template with the steps of its Dockerfile, if it has one that was not read yet."""
        if self._dockerfile is None:
            return self
        from .dockerfile import read_into

        place, path, args = self._dockerfile
        try:
            with path.open(encoding="utf-8") as file:
                text = file.read(_DOCKERFILE_SIZE)
        except (OSError, UnicodeDecodeError) as error:
            raise ValidationError(f"the Dockerfile cannot be read: {error}") from error
        whole = Template(self._context_path)
        vars(whole).update(vars(self), _dockerfile=None, _steps=[], _envs={}, _start_cmd=None, _ready_cmd=None)
        image = read_into(whole, text, args)
        whole._image = image if self._template is None and self._image is None else self._image
        whole._steps = self._steps[:place] + whole._steps + self._steps[place:]
        whole._envs |= self._envs
        whole._start_cmd = self._start_cmd or whole._start_cmd
        whole._ready_cmd = self._ready_cmd or whole._ready_cmd
        return whole


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValidationError(f"{name} must be text, and not empty, got {value!r}")
    return value


def _path(name: str, value: object) -> str:
    return _text(name, os.fspath(cast("_Path", value)) if isinstance(value, os.PathLike) else value)


def _several(paths: _Path | Sequence[_Path]) -> list[str]:
    return [_path("path", path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
