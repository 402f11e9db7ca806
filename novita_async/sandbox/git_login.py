"""Names and passwords for git, on their way into a sandbox: over standard input, for one call and one host."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from ..errors import CommandFailed, CommandTimeout, ValidationError
from .output import CommandResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..errors import NovitaError

__all__ = ["Credentials", "credentials_of", "without_login"]

# Its variables can be read by the processes of the same user alone. The command line says nothing but their names.
_READ = "IFS= read -r NOVITA_GIT_USERNAME; IFS= read -r NOVITA_GIT_PASSWORD; "
_EXPORT = "export NOVITA_GIT_USERNAME NOVITA_GIT_PASSWORD; "
_HELPER = (
    """!f() { test "$1" = get || exit 0; printf 'username=%s\\npassword=%s\\n' """
    """"$NOVITA_GIT_USERNAME" "$NOVITA_GIT_PASSWORD"; }; f"""
)


class Credentials:
    """A name and a password for one host.

    Args:
        host: with its scheme, such as "https://example.com".
        username: as the host knows it.
        password: or a token.
    """

    def __init__(self, host: str, username: str, password: str) -> None:
        self.told = f"{username}\n{password}\n"
        self._host = host
        self._secrets = sorted({password, quote(password, safe="")}, key=len, reverse=True)

    def __repr__(self) -> str:
        return f"<Credentials for {self._host}>"

    def wrapped(self, args: Sequence[str]) -> str:
        """The line that runs git with them. Helpers that are configured are not asked, and get nothing to store."""
        settings = ["-c", "credential.helper=", "-c", f"credential.{self._host}.helper={_HELPER}"]
        return f"{_READ}{_EXPORT}exec {shlex.join(['git', *settings, *args])}"

    def blotted(self, error: NovitaError) -> NovitaError:
        """An error without the password, whatever git or the server behind it has repeated."""
        if isinstance(error, CommandFailed):
            clean = CommandFailed(
                error.exit_code,
                stdout=self._blot(error.stdout),
                stderr=self._blot(error.stderr),
                error=self._blot(error.error),
                sandbox_id=error.sandbox_id,
            )
            clean.partial = CommandResult(clean.exit_code, clean.stdout, clean.stderr, clean.error)
            return clean
        if isinstance(error, CommandTimeout):
            out, err = self._blot(error.stdout), self._blot(error.stderr)
            return CommandTimeout(error.seconds, stdout=out, stderr=err, sandbox_id=error.sandbox_id)
        if isinstance(error.partial, CommandResult):
            was = error.partial
            error.partial = CommandResult(-1, self._blot(was.stdout), self._blot(was.stderr), was.error, was.gaps)
        return error

    def _blot(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def credentials_of(url: str, username: str | None, password: str | None) -> Credentials | None:
    """What to log in with at the host of a URL; None when nothing was given."""
    if username is None and password is None:
        return None
    problems: list[str] = []
    if not username or not password:
        problems.append("username and password go together")
    for name, value in (("username", username), ("password", password)):
        if value is not None and any(sign in value for sign in "\n\r\0"):
            problems.append(f"{name} holds a line end or a NUL byte")
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme not in ("http", "https") or not host or "=" in host:
        problems.append("a username and a password are for http and https URLs")
    if problems:
        raise ValidationError(*problems)
    return Credentials(f"{parts.scheme}://{host}", username or "", password or "")


def without_login(url: str) -> tuple[str, tuple[str, str] | None]:
    """A URL without the password that stands in it, and name and password."""
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    username, colon, password = login.partition(":")
    if parts.scheme not in ("http", "https") or not at or not colon:
        return url, None
    return urlunsplit(parts._replace(netloc=host)), (unquote(username), unquote(password))
