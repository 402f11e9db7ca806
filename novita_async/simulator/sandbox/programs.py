"""Programs that sandboxes of the platform have and the /usr of this machine may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PATH", "install"]

#: Below /etc, and last on PATH: what this machine has itself comes first.
_DIRECTORY = "programs"

#: Of commands in sandboxes, unless they are given another.
PATH = f"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/etc/{_DIRECTORY}"

_PYTHON = """\
#!/bin/sh
exec python3 "$@"
"""

# Whoever runs commands in a sandbox may do all that can be done there, so to become root is to be called so: a user
# namespace with another number. It gives no right over anything outside of it, and every command could make one.
_SUDO = """\
#!/bin/sh
user=root keep= shell= login=
while [ $# -gt 0 ]; do
    case $1 in
    -u | --user) user=$2; shift ;;
    --user=*) user=${1#*=} ;;
    -u?*) user=${1#-u} ;;
    -g | --group | -h | --host | -p | --prompt | -C | -D | -R | -T) shift ;;
    --preserve-env*) keep=yes ;;
    --login) login=yes ;;
    --shell) shell=yes ;;
    --) shift; break ;;
    --*) ;;
    -*)
        case $1 in *E*) keep=yes ;; esac
        case $1 in *i*) login=yes ;; esac
        case $1 in *s*) shell=yes ;; esac ;;
    *) break ;;
    esac
    shift
done
line=$(grep "^$user:" /etc/passwd) || { echo "sudo: unknown user $user" >&2; exit 1; }
uid=$(echo "$line" | cut -d: -f3) gid=$(echo "$line" | cut -d: -f4) home=$(echo "$line" | cut -d: -f6)
[ -z "$login" ] || cd "$home"
if [ -n "$login$shell" ]; then
    [ $# -eq 0 ] || set -- -c "$*"
    set -- /bin/bash ${login:+-l} "$@"
elif [ $# -eq 0 ]; then
    echo "usage: sudo [-E] [-i] [-u user] [VAR=value] command" >&2
    exit 1
fi
set -- "HOME=$home" "USER=$user" "LOGNAME=$user" "SUDO_USER=$(id -un)" "SUDO_UID=$(id -u)" "SUDO_GID=$(id -g)" "$@"
if [ -n "$keep" ]; then
    set -- env "$@"
else
    for name in TERM LANG LC_ALL http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY \\
        SSL_CERT_FILE REQUESTS_CA_BUNDLE CURL_CA_BUNDLE GIT_SSL_CAINFO NODE_EXTRA_CA_CERTS; do
        value=$(printenv "$name") && set -- "$name=$value" "$@"
    done
    set -- env -i "PATH=$PATH" "$@"
fi
[ "$uid" = "$(id -u)" ] || set -- unshare --user --map-user="$uid" --map-group="$gid" -- "$@"
exec "$@"
"""


def install(etc: Path) -> None:
    """Write them into what a sandbox has as /etc. Blocks."""
    directory = etc / _DIRECTORY
    directory.mkdir()
    for name, text in {"python": _PYTHON, "sudo": _SUDO}.items():
        (directory / name).write_text(text)
        (directory / name).chmod(0o755)
