"""Runs Python cells on a Jupyter kernel. See this package for what it reads and writes.

    python -I -c THIS driver PACKAGES
    python -P -c THIS kernel PACKAGES CWD

The first starts the second, which is the kernel, and speaks to it over Unix sockets in a directory of their own: a
sandbox may have no network. The names of the sockets are relative, because those of Unix sockets must be short.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import queue
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from typing import Any

CONNECTION = "connection.json"
#: Seconds before another interrupt, when one had no effect: a kernel that has not begun yet ignores it.
AGAIN = 5.0
#: Fields of a result by MIME type. Any other type goes into `extra`.
FIELDS = {
    "text/plain": "text",
    "text/html": "html",
    "text/markdown": "markdown",
    "text/latex": "latex",
    "image/svg+xml": "svg",
    "image/png": "png",
    "image/jpeg": "jpeg",
    "application/pdf": "pdf",
    "application/json": "json",
    "application/javascript": "javascript",
    "e2b/data": "data",
    "e2b/chart": "chart",
}


# ------------------------------------------------------------------------------------------ the kernel


def kernel(cwd: str) -> None:
    from ipykernel.kernelapp import IPKernelApp

    directory = os.environ["IPYTHONDIR"] = os.getcwd()  # nothing of it goes into the user's home
    app: Any = IPKernelApp.instance()
    app.initialize(["-f", os.path.join(directory, CONNECTION), "--HistoryManager.hist_file=:memory:"])
    del os.environ["IPYTHONDIR"]
    os.chdir(cwd)
    show_data(app.shell)
    sys.meta_path.insert(0, SavedPictures())
    app.shell.push({"_novita_envs": Variables()}, interactive=False)
    app.start()


class Variables:
    """Environment variables for one cell."""

    def __init__(self) -> None:
        self._before: dict[str, str | None] = {}

    def set(self, envs: dict[str, str]) -> None:
        self._before = {name: os.environ.get(name) for name in envs}
        os.environ.update(envs)

    def undo(self) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class SavedPictures:
    """Lets pictures of Pillow that are saved to a file be displayed too, as the platform's own image does."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "PIL.Image":
            return None
        sys.meta_path.remove(self)
        spec: Any = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            execute(module)
            save = module.Image.save

            def save_and_display(image: Any, fp: Any, *args: Any, **options: Any) -> None:
                save(image, fp, *args, **options)
                if isinstance(fp, str | os.PathLike):  # a kernel itself saves to buffers
                    shown: Any = importlib.import_module("IPython.display")
                    shown.display(image)

            module.Image.save = save_and_display

        spec.loader.exec_module = exec_module
        return spec


def show_data(shell: Any) -> None:
    """Let results have the platform's two private types: tables as data, and charts."""
    from IPython.core.formatters import BaseFormatter
    from traitlets import ObjectName, Unicode

    class DataFormatter(BaseFormatter):
        format_type: Any = Unicode("e2b/data")
        print_method: Any = ObjectName("_repr_e2b_data_")
        _return_type = dict

    class ChartFormatter(BaseFormatter):
        format_type: Any = Unicode("e2b/chart")
        print_method: Any = ObjectName("_repr_e2b_chart_")
        _return_type = dict

    display = shell.display_formatter
    for formatter in (DataFormatter(parent=display), ChartFormatter(parent=display)):
        display.formatters[formatter.format_type] = formatter
        display.active_types = [*display.active_types, formatter.format_type]
    for module in ("pandas.core.frame", "pandas"):  # before and since 3.0
        display.formatters["e2b/data"].for_type_by_name(module, "DataFrame", table)
    # What is known of Figure itself is forgotten whenever the format of its pictures is set.
    display.formatters["e2b/chart"].for_type_by_name("matplotlib.figure", "FigureBase", chart)


def table(frame: Any) -> dict[str, list[Any]]:
    """The columns of a data frame, times as text."""
    told = json.loads(frame.to_json(orient="split", date_format="iso"))
    return {str(name): [row[number] for row in told["data"]] for number, name in enumerate(told["columns"])}


def chart(figure: Any) -> dict[str, Any]:
    """What a figure of matplotlib shows; several charts in one are a superchart."""
    charts = [chart_of(axes) for axes in figure.axes]
    if len(charts) == 1:
        return charts[0]
    title = figure.get_suptitle() or None
    return {"type": "superchart" if charts else "unknown", "title": title, "elements": charts}


def chart_of(axes: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"type": "unknown", "title": axes.get_title() or None, "elements": []}
    for name in "xy":
        label = getattr(axes, f"get_{name}label")()
        unit = re.search(r"\(([^)]*)\)", label)
        told |= {f"{name}_label": label or None, f"{name}_unit": unit[1] if unit else None}
    wedges = [patch for patch in axes.patches if is_a(patch, "Wedge")]
    bars = [each for each in axes.containers if is_a(each, "BarContainer")]
    dots = [each for each in axes.collections if is_a(each, "PathCollection")]
    boxes = [drawn for drawn in (*axes.lines, *axes.patches) if is_box(drawn)]
    if wedges:
        return {"type": "pie", "title": told["title"], "elements": [slice_of(wedge) for wedge in wedges]}
    if bars:
        return told | {"type": "bar", "elements": [bar for group in bars for bar in bars_of(axes, group)]}
    if boxes:
        return told | {"type": "box_and_whisker", "elements": [box_of(axes, drawn) for drawn in boxes]}
    if not axes.lines and not dots:
        return told
    elements = [points_of(line, zip(*line.get_data(orig=True), strict=True)) for line in axes.lines]
    elements += [points_of(each, each.get_offsets().tolist()) for each in dots]
    for name in "xy":
        axis = getattr(axes, f"{name}axis")
        told |= {
            f"{name}_scale": scale_of(axis),
            f"{name}_ticks": ticks_of(axis),
            f"{name}_tick_labels": [label.get_text() for label in axis.get_ticklabels()],
        }
    return told | {"type": "line" if axes.lines else "scatter", "elements": elements}


def is_a(thing: Any, name: str) -> bool:
    return name in (kind.__name__ for kind in type(thing).__mro__)


def slice_of(wedge: Any) -> dict[str, Any]:
    angle = round(float(wedge.theta2 - wedge.theta1), 6)  # the ends are the sums of the slices before
    return {"label": wedge.get_label(), "angle": angle, "radius": plain(wedge.r)}


def bars_of(axes: Any, group: Any) -> list[dict[str, Any]]:
    """The bars of a group, which lie along x or along y; they are called as the ticks in their middle are."""
    upright = group.orientation != "horizontal"
    names = tick_names(axes.xaxis if upright else axes.yaxis)
    told: list[dict[str, Any]] = []
    for bar in group:
        middle = bar.get_x() + bar.get_width() / 2 if upright else bar.get_y() + bar.get_height() / 2
        value = plain(bar.get_height() if upright else bar.get_width())
        label = names.get(round(float(middle), 6), str(plain(middle)))
        told.append({"label": label, "group": group.get_label(), "value": value})
    return told


def is_box(drawn: Any) -> bool:
    """Whether a line, or a filled path, goes once around a box of a box plot."""
    if is_a(drawn, "Line2D"):
        x, y = drawn.get_data()
        return len(x) >= 5 and (x[0], y[0]) == (x[-1], y[-1]) and str(drawn.get_label()).startswith("_")
    return is_a(drawn, "PathPatch") and len(drawn.get_path().vertices) >= 5


def box_of(axes: Any, box: Any) -> dict[str, Any]:
    """A box, with the median, the whiskers and the outliers that are drawn at its place, upright as it stands."""
    x, y = box.get_data() if is_a(box, "Line2D") else box.get_path().vertices.T
    middle, low, high = (min(x) + max(x)) / 2, min(y), max(y)
    median, ends, outliers = low, [low, high], []
    for line in axes.lines:
        xs, ys = line.get_data()
        if line is box or not len(xs) or abs((min(xs) + max(xs)) / 2 - middle) > 1e-9:
            continue
        if line.get_linestyle() == "None":
            outliers = [plain(value) for value in ys]
        elif len(ys) == 2 and ys[0] == ys[1] and low <= ys[0] <= high:
            median = ys[0]
        else:
            ends += list(ys)
    return {
        "label": tick_names(axes.xaxis).get(round(float(middle), 6), str(plain(middle))),
        "min": plain(min(ends)),
        "first_quartile": plain(low),
        "median": plain(median),
        "third_quartile": plain(high),
        "max": plain(max(ends)),
        "outliers": outliers,
    }


def points_of(drawn: Any, points: Any) -> dict[str, Any]:
    return {"label": str(drawn.get_label()), "points": [[plain(x), plain(y)] for x, y in points]}


def ticks_of(axis: Any) -> list[Any]:
    ticks = axis.get_ticklocs()
    if scale_of(axis) == "datetime":
        ticks = importlib.import_module("matplotlib.dates").num2date(ticks)
    return [plain(tick) for tick in ticks]


def scale_of(axis: Any) -> str:
    converter = type(axis.get_converter()).__name__
    if "Date" in converter:
        return "datetime"
    return "categorical" if "StrCategory" in converter else axis.get_scale()


def tick_names(axis: Any) -> dict[float, str]:
    """The labels of an axis by where they stand."""
    places = zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=False)
    return {round(float(place), 6): label.get_text() for place, label in places if label.get_text()}


def plain(value: Any) -> Any:
    """A number or a moment as JSON has it."""
    value = value.item() if hasattr(value, "item") else value
    return value.isoformat() if hasattr(value, "isoformat") else value


# ------------------------------------------------------------------------------------------ the driver


class Driver:
    """Takes requests one after the other, and interrupts at any time."""

    def __init__(self, packages: str, cwd: str) -> None:
        from jupyter_client.blocking.client import BlockingKernelClient

        source = sys.orig_argv[sys.orig_argv.index("-c") + 1]
        with open(CONNECTION, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            names = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
            ports = {name: number for number, name in enumerate(names, 1)}
            key = secrets.token_hex(16)
            json.dump({"transport": "ipc", "ip": "k", "key": key, "signature_scheme": "hmac-sha256", **ports}, file)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", source, "kernel", packages, cwd],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        threading.Thread(target=self.end_with_kernel, daemon=True).start()
        self.client: Any = BlockingKernelClient(connection_file=CONNECTION)
        self.client.load_connection_file()
        # Without a heartbeat, which takes a kernel that is slow to start for one that has died.
        self.client.start_channels(stdin=False, control=False, hb=False)
        while not self.execute("", None, patience=1):
            pass
        shutil.rmtree(os.getcwd())  # now that the channels are connected, their names are of no more use
        self.requests: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self.lock = threading.Lock()
        self.current: int | None = None
        self.given_up: set[int] = set()

    def end_with_kernel(self) -> None:
        self.process.wait()
        os._exit(1)

    def run(self) -> None:
        threading.Thread(target=self.read, daemon=True).start()
        write({"ready": True})
        while (request := self.requests.get()) is not None:
            with self.lock:
                self.current = request["id"]
                if self.current in self.given_up:
                    continue
            self.answer(request)
            with self.lock:
                self.current = None
                self.given_up.clear()
            write({"id": request["id"], "event": {"type": "end_of_execution"}})
        os._exit(0)  # with it, whatever waits in threads

    def read(self) -> None:
        for line in sys.stdin.buffer:
            request = json.loads(line)
            if "interrupt" not in request:
                self.requests.put(request)
                continue
            with self.lock:
                self.given_up.add(request["interrupt"])
                begun = request["interrupt"] == self.current
            if begun:
                threading.Thread(target=self.interrupt, args=[request["interrupt"]], daemon=True).start()
        self.requests.put(None)

    def interrupt(self, number: int) -> None:
        over = threading.Event()
        while True:
            with self.lock:
                if number != self.current:
                    return
                self.process.send_signal(signal.SIGINT)
            over.wait(AGAIN)

    def answer(self, request: dict[str, Any]) -> None:
        envs = request.get("envs")
        if envs:
            self.execute(f"_novita_envs.set({envs!r})", None)
        self.execute(request["code"], request["id"])
        if envs:
            self.execute("_novita_envs.undo()", None)

    def execute(self, code: str, number: int | None, *, patience: float | None = None) -> bool:
        """Run code to its end and tell what it does; silently without a number. Return whether the end was seen."""
        wanted = self.client.execute(code, silent=number is None, store_history=number is not None, allow_stdin=False)
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=patience)
            except queue.Empty:  # a kernel that starts tells nothing before somebody listens
                return False
            if message["parent_header"].get("msg_id") != wanted:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            event = event_of(kind, content)
            if number is not None and event is not None:
                write({"id": number, "event": event})
        while self.client.get_shell_msg()["parent_header"].get("msg_id") != wanted:
            pass  # its reply says nothing more
        return True


def event_of(kind: str, content: dict[str, Any]) -> dict[str, Any] | None:
    match kind:
        case "execute_input":
            return {"type": "number_of_executions", "execution_count": content["execution_count"]}
        case "stream":
            return {"type": content["name"], "text": content["text"]}
        case "execute_result" | "display_data":
            return {"type": "result", "is_main_result": kind == "execute_result", **result_of(content["data"])}
        case "error":
            traceback = "\n".join(content["traceback"])
            return {"type": "error", "name": content["ename"], "value": content["evalue"], "traceback": traceback}
        case _:
            return None


def result_of(data: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {FIELDS[type_]: value for type_, value in data.items() if type_ in FIELDS}
    result["extra"] = {type_: value for type_, value in data.items() if type_ not in FIELDS}
    text = result.get("text")
    if text and len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        result["text"] = text[1:-1]
    return result


def write(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main(role: str, packages: str, cwd: str = "") -> None:
    # Before those of the interpreter itself, which may be of other versions.
    sys.path.insert(next((place for place, path in enumerate(sys.path) if path.endswith("-packages")), 99), packages)
    if role == "kernel":
        kernel(cwd)
        return
    cwd = os.getcwd()
    os.chdir(tempfile.mkdtemp(prefix="kernel-"))
    Driver(packages, cwd).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
