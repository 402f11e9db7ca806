"""A Jupyter server for an instance of the simulator: on loopback, and gone when its standard input ends.

Its argument is the path below which it is, and its token is in JUPYTER_TOKEN. It writes its port to standard output.
All that it keeps is in a directory of its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, cast


def main() -> None:
    base = tempfile.mkdtemp(prefix="novita-jupyter-")
    threading.Thread(target=end_with_input, args=(base,), daemon=True).start()
    for name in ("config", "data", "runtime"):
        os.environ[f"JUPYTER_{name.upper()}_DIR"] = f"{base}/{name}"
    os.environ["IPYTHONDIR"] = f"{base}/ipython"
    os.mkdir(f"{base}/root")
    sys.modules["rfc3987_syntax"] = cast(
        "Any", None
    )  # for one format in JSON Schema, and three quarters of the time to load
    from jupyter_server.serverapp import ServerApp

    app = ServerApp(
        ip="127.0.0.1",
        port=0,
        open_browser=False,
        allow_root=True,
        allow_remote_access=True,  # by whatever name the simulator is reached: there is a token
        base_url=sys.argv[1] if sys.argv[1:] else "/",
        root_dir=f"{base}/root",
        log_level="CRITICAL",
    )
    app.initialize([], find_extensions=False)
    loop: Any = app.io_loop
    loop.add_callback(tell, app.port)  # after the callback that lets it listen
    app.start()


def tell(port: int) -> None:
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()


def end_with_input(base: str) -> None:
    """Whoever started this holds the other end, and lets go of it however it ends."""
    with suppress(OSError):
        while os.read(0, 1024):
            pass
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            for kernel in (task / "children").read_text().split():
                os.killpg(int(kernel), signal.SIGKILL)  # each leads a group of its own
    shutil.rmtree(base, ignore_errors=True)
    os._exit(0)


main()
