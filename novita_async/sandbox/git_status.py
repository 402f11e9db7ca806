"""What git says of a work tree, as values (git-status(1), "Porcelain Format Version 2")."""

from __future__ import annotations

import msgspec

from ..errors import ProtocolError

__all__ = ["GitBranches", "GitFile", "GitStatus", "parse_status"]


class GitFile(msgspec.Struct, frozen=True):
    """A file that is not as in the last commit.

    Attributes:
        path: in the repository.
        index: what is staged, as one letter of git: M, A, D, R, C, T, U; "." for nothing, "?" for an unknown file.
        worktree: the same for what is not staged.
        renamed_from: its path before; None when it is the same.
    """

    path: str
    index: str
    worktree: str
    renamed_from: str | None = None

    @property
    def staged(self) -> bool:
        """Whether something of it is in the next commit."""
        return self.index not in (".", "?", "U")

    @property
    def untracked(self) -> bool:
        """Whether git does not know it."""
        return self.index == "?"


class GitStatus(msgspec.Struct, frozen=True):
    """The state of a work tree.

    Attributes:
        branch: the current one; None when the head is detached.
        commit: id of the last commit; None before the first.
        upstream: what the branch follows, such as "origin/main"; None for nothing.
        ahead: commits that the upstream does not have.
        behind: commits of the upstream that are not here.
        files: those that have changed, in git's order.
    """

    branch: str | None
    commit: str | None
    upstream: str | None
    ahead: int
    behind: int
    files: list[GitFile]

    @property
    def clean(self) -> bool:
        """Whether everything is as in the last commit."""
        return not self.files


class GitBranches(msgspec.Struct, frozen=True):
    """Local branches: the current one, None when the head is detached, and the names of all."""

    current: str | None
    names: list[str]


def parse_status(text: str) -> GitStatus:
    """Read the output of `git status --porcelain=v2 --branch -z`."""
    about: dict[str, str] = {}
    files: list[GitFile] = []
    records = iter(text.split("\0"))
    try:
        for record in records:
            kind, _, rest = record.partition(" ")
            match kind:
                case "#":
                    name, _, value = rest.partition(" ")
                    about[name] = value
                case "1":
                    changes, *_, path = rest.split(" ", 7)
                    files.append(GitFile(path, *changes))
                case "2":
                    changes, *_, path = rest.split(" ", 8)
                    files.append(GitFile(path, *changes, renamed_from=next(records)))
                case "u":
                    changes, *_, path = rest.split(" ", 9)
                    files.append(GitFile(path, *changes))
                case "?":
                    files.append(GitFile(rest, "?", "?"))
                case _:
                    pass  # nothing, or something that a later git has to say
        ahead, behind = (abs(int(count)) for count in about.get("branch.ab", "+0 -0").split())
    except (TypeError, ValueError, StopIteration) as error:
        raise ProtocolError("git's words on the work tree cannot be understood", body=text.encode()) from error
    head, commit = about.get("branch.head"), about.get("branch.oid")
    return GitStatus(
        None if head == "(detached)" else head,
        None if commit == "(initial)" else commit,
        about.get("branch.upstream"),
        ahead,
        behind,
        files,
    )
