"""The commands that the steps of a template are written as."""

from __future__ import annotations

import base64
import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["env_command", "shell_words"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NOT_EXPANDED = re.compile(r"\\|\"|`|\$\(")

# A value with a line end or a double quote cannot be said in /etc/environment.
_PUT = r"""set -e
mkdir -p /etc/profile.d
: > /etc/profile.d/99-image-env.sh
: > /etc/environment
put() {
  printf "export %s='%s'\n" "$1" "$(printf %s "$2" | sed "s/'/'\\\\''/g")" >> /etc/profile.d/99-image-env.sh
  case "$2" in
    '' | *'"'*) ;;
    *) [ "$(printf %s "$2" | wc -l)" -gt 0 ] || printf '%s=%s\n' "$1" "$2" >> /etc/environment ;;
  esac
}
"""


def shell_words(*words: str, paths: Iterable[str]) -> str:
    """Words as they are, then paths, quoted but for a `~/` in front."""
    quoted = [f"~/{shlex.quote(path[2:])}" if path[:2] == "~/" and path[2:] else shlex.quote(path) for path in paths]
    return " ".join([*words, *quoted])


def env_command(envs: Mapping[str, str]) -> str | None:
    """The last step of a build with variables: it writes them to where a sandbox's shells look.

    The platform gives the variables of a build to its steps and not to the sandboxes (contract/sandbox.md 11). Values
    are expanded there and then, in their order; nothing in them is run. None when there are none.
    """
    names = [name for name in envs if _NAME.fullmatch(name)]
    if not names:
        return None
    script = _PUT
    for name in names:
        value = _NOT_EXPANDED.sub(lambda found: f"\\{found[0]}", envs[name])
        script += f'export {name}="{value}"\nput {name} "${name}"\n'
    script += "chmod 0644 /etc/profile.d/99-image-env.sh /etc/environment\n"
    return f"echo {base64.b64encode(script.encode()).decode()} | base64 -d | sh"
