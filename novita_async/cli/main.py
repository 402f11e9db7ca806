"""`novita-async`: runs a command; turns what goes wrong into one line on standard error, and an exit code.

0    done
1    a `NovitaError`, or a demo of which a part failed
2    wrong usage, an argument that cannot be sent, or the extra `cli` is not installed
130  ended by Ctrl-C or SIGTERM (the simulator: 0, because that is how it ends)

`sandbox exec`, `sandbox connect` and `gpu ssh` end as what they ran did.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from typing import TYPE_CHECKING

from ..errors import NovitaError, ValidationError
from .process import Stop, printable, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        argv: the arguments without the program's name; those of the process when not given.
    """
    stop = Stop()
    stop.listen()
    _open_all()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # better a question mark than no line at all
    try:
        import cyclopts  # it brings rich
    except ImportError:
        return _fail("the command line needs more packages: pip install 'novita-async[cli]'", 2)
    from .account import hoisted
    from .app import build

    warnings.showwarning = _warn
    try:
        words = sys.argv[1:] if argv is None else argv
        app = build(stop, {*words})
        code = app(
            hoisted(app, words),
            exit_on_error=False,
            print_error=False,
            result_action="return_int_as_exit_code_else_zero",
        )
        sys.stdout.flush()
    except cyclopts.CycloptsError as error:
        name = (error.command_chain or [""])[-1] if isinstance(error, cyclopts.UnknownOptionError) else ""
        example = {"exec": "sandbox exec", "ex": "sandbox exec", "ssh": "gpu ssh"}.get(name)
        hint = f" The options of a command stand behind --: {example} ID -- ls -l" if example else ""
        return _fail(_line(error) + hint, 2)
    except ValidationError as error:
        return _fail(_line(error), 2)
    except NovitaError as error:
        return _fail(_line(error), 1)
    except OSError as error:
        if error.filename is not None:
            raise  # not what was printed: a fault of ours
        # The interpreter flushes once more at its end, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        gone = isinstance(error, BrokenPipeError)
        return _fail(
            "nobody reads the output any more" if gone else f"the output cannot be written: {error.strerror}", 1
        )
    return code


def _open_all() -> None:
    """Give the process the three streams that it was started without, or the next socket would be one of them."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def _line(error: Exception) -> str:
    return " ".join(printable(str(error)).split())


def _fail(words: str, code: int) -> int:
    tell(words)
    return code


def _warn(message: Warning | str, *place: object, **more: object) -> None:
    tell(f"warning: {message}")
