"""`sandbox.desktop`: screen, mouse and keyboard of a sandbox of the `desktop` template (contract/sandbox.md 12)."""

from __future__ import annotations

import re
import secrets
import shlex
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import urlencode

import msgspec

from ..errors import CommandFailed, ProtocolError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .commands import Commands
    from .files import Files
    from .output import CommandResult

__all__ = ["Button", "Desktop", "DesktopStream", "Point", "Size"]

Button: TypeAlias = Literal["left", "middle", "right"]

_BUTTONS = {"left": 1, "middle": 2, "right": 3}
_WHEEL = {"up": 4, "down": 5, "left": 6, "right": 7}
#: Names of keys that X knows under others. Every other one is X's own, or the sign on the key.
_KEYS = {
    "alt": "Alt_L",
    "backspace": "BackSpace",
    "caps_lock": "Caps_Lock",
    "cmd": "Super_L",
    "control": "Control_L",
    "ctrl": "Control_L",
    "delete": "Delete",
    "down": "Down",
    "end": "End",
    "enter": "Return",
    "esc": "Escape",
    "escape": "Escape",
    "home": "Home",
    "insert": "Insert",
    "left": "Left",
    "page_down": "Page_Down",
    "page_up": "Page_Up",
    "right": "Right",
    "shift": "Shift_L",
    "space": "space",
    "super": "Super_L",
    "tab": "Tab",
    "up": "Up",
    "win": "Super_L",
}
_KEY = re.compile(r"[A-Za-z0-9_]+")
_SIZE = re.compile(r"current\s+(\d+)\s*x\s*(\d+)")
_PLACE = re.compile(r"x:(-?\d+)\s+y:(-?\d+)")
_PORT, _VNC_PORT = 6080, 5900
_PASSWORD = "~/.vnc/novita"  # noqa: S105 - the file that it stands in
_SOON = 60.0  # seconds

# Both run on when the call is over; the second line of each waits until it can be used.
_START = """
setsid Xvfb {display} -ac -screen 0 {width}x{height}x24 -dpi {dpi} -nolisten tcp >/tmp/xvfb.log 2>&1 </dev/null &
for try in {{1..100}}; do xdpyinfo >/dev/null 2>&1 && break; [ "$try" = 100 ] && exit 1; sleep 0.1; done
setsid startxfce4 >/tmp/xfce4.log 2>&1 </dev/null &
"""
_STREAM = """
umask 077; mkdir -p ~/.vnc && cat >{password} || exit 1
pgrep -x x11vnc >/dev/null && exit 3
x11vnc -bg -display {display} -forever -wait 50 -shared -rfbport {vnc} {options} >/tmp/x11vnc.log 2>&1 || exit 1
cd /opt/noVNC/utils || exit 1
setsid ./novnc_proxy --vnc localhost:{vnc} --listen {port} --web /opt/noVNC >/tmp/novnc.log 2>&1 </dev/null &
for try in {{1..100}}; do netstat -tln | grep -q ':{port} ' && exit 0; sleep 0.1; done; exit 1
"""


class Point(msgspec.Struct, frozen=True):
    """A place on the screen, in pixels from its upper left corner."""

    x: int
    y: int


class Size(msgspec.Struct, frozen=True):
    """Of the screen, in pixels."""

    width: int
    height: int


class Desktop:
    """`sandbox.desktop`.

    Everything is done by programs in the sandbox, which a sandbox of the template `desktop` has.

    Every call may raise:
        ValidationError: an argument cannot be sent. Nothing was.
        CommandFailed: the program is not there, or refused; with its `stderr`.
        SandboxEnded: the sandbox is gone or paused.
        SandboxUnreachable: it is said to run and does not answer.

    Attributes:
        display: of the X server that is meant.
        stream: the screen, live in a browser.

    Example:
        async with novita.sandboxes.create(template="desktop") as sandbox:
            await sandbox.desktop.start()
            await sandbox.desktop.launch("firefox")
            await sandbox.desktop.click(x=100, y=200)
            pathlib.Path("screen.png").write_bytes(await sandbox.desktop.screenshot())
    """

    def __init__(self, commands: Commands, files: Files, host: Callable[[int], str]) -> None:
        self.display = ":0"
        self._commands = commands
        self._files = files
        self.stream = DesktopStream(self, host)

    async def start(self, *, width: int = 1024, height: int = 768, dpi: int = 96) -> None:
        """Start the X server and the desktop on it, and wait until it takes programs.

        Args:
            width: of the screen in pixels.
            height: of the screen in pixels.
            dpi: dots per inch.
        """
        numbers = {"width": width, "height": height, "dpi": dpi}
        for name, value in numbers.items():
            _whole(name, value, least=1)
        await self.run(_START.format(display=self.display, **numbers))

    # -------------------------------------------------------------------------------------------------- the screen

    async def screenshot(self) -> bytes:
        """Take a picture of the screen, with the pointer, as PNG."""
        path = f"/tmp/.novita-{secrets.token_hex(8)}.png"  # noqa: S108 - in the sandbox, and nobody can guess it
        try:
            await self.run(f"scrot --pointer {path}")
            return await self._files.read(path, format="bytes")
        finally:
            await self._files.remove(path)

    async def screen_size(self) -> Size:
        """The size of the screen."""
        width, height = _numbers(_SIZE, (await self.run("xrandr")).stdout)
        return Size(width, height)

    async def windows(self, application: str) -> list[str]:
        """The ids of the visible windows of an application, by its window class; [] for none."""
        try:
            found = await self.run(f"xdotool search --onlyvisible --class {_word('application', application)}")
        except CommandFailed as error:
            if error.exit_code != 1 or error.stderr.strip():
                raise
            return []
        return found.stdout.split()

    async def current_window(self) -> str:
        """The id of the window that has the keyboard."""
        return (await self.run("xdotool getwindowfocus")).stdout.strip()

    async def window_title(self, window: str) -> str:
        """The title of a window."""
        return (await self.run(f"xdotool getwindowname {_word('window', window)}")).stdout.removesuffix("\n")

    # --------------------------------------------------------------------------------------------------- the mouse

    async def move_mouse(self, x: int, y: int) -> None:
        """Move the pointer."""
        await self.run(_move(x, y))

    async def click(
        self, button: Button = "left", *, x: int | None = None, y: int | None = None, count: int = 1
    ) -> None:
        """Click, where the pointer is or at a place.

        Args:
            button: "left", "middle" or "right".
            x: of the place in pixels; given with `y` or not at all.
            y: of the place in pixels.
            count: 2 for a double click.
        """
        if (x is None) != (y is None):
            raise ValidationError("x and y go together")
        move = "" if x is None or y is None else f"{_move(x, y)} && "
        await self.run(f"{move}xdotool click --repeat {_whole('count', count, least=1)} {_button(button)}")

    async def press_mouse(self, button: Button = "left") -> None:
        """Press a button and keep it down."""
        await self.run(f"xdotool mousedown {_button(button)}")

    async def release_mouse(self, button: Button = "left") -> None:
        """Let go of a button."""
        await self.run(f"xdotool mouseup {_button(button)}")

    async def drag(self, start: Point | tuple[int, int], end: Point | tuple[int, int]) -> None:
        """Press the left button at one place and let go of it at another."""
        first, last = _move(*_pair(start)), _move(*_pair(end))
        await self.run(f"{first} && xdotool mousedown 1 && {last}; code=$?; xdotool mouseup 1 && exit $code")

    async def scroll(self, direction: Literal["up", "down", "left", "right"] = "down", *, amount: int = 1) -> None:
        """Turn the wheel so many steps."""
        if direction not in _WHEEL:
            raise ValidationError(f"direction must be one of {', '.join(_WHEEL)}, got {direction!r}")
        await self.run(f"xdotool click --repeat {_whole('amount', amount, least=1)} {_WHEEL[direction]}")

    async def cursor_position(self) -> Point:
        """Where the pointer is."""
        x, y = _numbers(_PLACE, (await self.run("xdotool getmouselocation")).stdout)
        return Point(x, y)

    # ------------------------------------------------------------------------------------------------ the keyboard

    async def write(self, text: str, *, delay: float = 0.075) -> None:
        """Type a text.

        Args:
            text: as it is; a line end is the Return key.
            delay: seconds between two keys.
        """
        if not 0 <= delay <= 10:
            raise ValidationError(f"delay must be a number of seconds up to 10, got {delay!r}")
        milliseconds = round(delay * 1000)
        # It takes its time: each key is pressed and let go of.
        timeout = _SOON + len(text) * (delay + 0.1)
        await self.run(f"xdotool type --delay {milliseconds} --file -", stdin=text, timeout=timeout)

    async def press(self, keys: str | Sequence[str]) -> None:
        """Press a key, or several together, such as ["ctrl", "c"].

        Args:
            keys: by X's names, such as "F5" or "a", or by common ones, such as "enter", "page_up" or "cmd".
        """
        names = [keys] if isinstance(keys, str) else list(keys)
        known = [_KEYS.get(name.lower(), name) for name in names]
        # A sign on a key is named by its number in Unicode.
        signs = [f"U{ord(name):04X}" if len(name) == 1 and not name.isalnum() else name for name in known]
        for name in signs or [""]:
            if not _KEY.fullmatch(name):
                raise ValidationError(f"keys: {name!r} is not the name of a key")
        await self.run(f"xdotool key {'+'.join(signs)}")

    # --------------------------------------------------------------------------------------------------- programs

    async def open(self, target: str) -> None:
        """Open a file or a URL with the program that is for it."""
        await self._leave(f"xdg-open {_word('target', target)}")

    async def launch(self, application: str, target: str | None = None) -> None:
        """Start an application by the name of its desktop file, such as "firefox", perhaps with a file or a URL."""
        words = [_word("application", application), *([] if target is None else [_word("target", target)])]
        await self._leave(f"gtk-launch {' '.join(words)}")

    async def _leave(self, line: str) -> None:
        await self.run(
            f"command -v {line.split()[0]} >/dev/null || exit 127; setsid {line} >/dev/null 2>&1 </dev/null &"
        )

    async def run(self, line: str, *, stdin: str | None = None, timeout: float | None = _SOON) -> CommandResult:
        """Run a command on this display."""
        return await self._commands.run(line, envs={"DISPLAY": self.display}, stdin=stdin, timeout=timeout)


class DesktopStream:
    """The screen, live in a browser: VNC in the sandbox, noVNC before it."""

    def __init__(self, desktop: Desktop, host: Callable[[int], str]) -> None:
        self._desktop = desktop
        self._host = host
        self._password = ""

    async def start(self, *, password: bool = True, window: str | None = None) -> None:
        """Begin to show the screen.

        Args:
            password: let it be asked for one, which is made up and stands in `url`. Without, everybody who can reach
                the sandbox's ports can see and use the desktop.
            window: id of the one window to be shown; None for all.

        Raises:
            CommandFailed: also when it is shown already: exit code 3.
        """
        chosen = secrets.token_urlsafe(6) if password else ""  # VNC looks at eight signs
        options = ["-nopw"] if not password else ["-passwdfile", _PASSWORD]
        if window is not None:
            options += ["-id", _word("window", window)]
        line = _STREAM.format(
            display=self._desktop.display,
            password=_PASSWORD,
            vnc=_VNC_PORT,
            port=_PORT,
            options=" ".join(options),
        )
        await self._desktop.run(line, stdin=f"{chosen}\n")
        self._password = chosen

    def url(self, *, view_only: bool = False, autoconnect: bool = True, resize: str = "scale") -> str:
        """Where a browser sees it; with the password, so the URL is a secret.

        Args:
            view_only: let it only be looked at, by a browser that keeps to that.
            autoconnect: begin without a click.
            resize: "off", "scale" or "remote".
        """
        query = {
            "autoconnect": str(autoconnect).lower(),
            "view_only": str(view_only).lower(),
            "resize": resize,
            **({"password": self._password} if self._password else {}),
        }
        return f"https://{self._host(_PORT)}/vnc.html?{urlencode(query)}"

    async def stop(self) -> None:
        """Show it no more. Nothing happens when it is not shown."""
        await self._desktop.run(f"pkill -x x11vnc; pkill -f '[n]ovnc_proxy'; rm -f {_PASSWORD}")
        self._password = ""


def _move(x: int, y: int) -> str:
    return f"xdotool mousemove --sync {_whole('x', x)} {_whole('y', y)}"


def _pair(place: Point | tuple[int, int]) -> tuple[int, int]:
    return (place.x, place.y) if isinstance(place, Point) else place


def _button(button: str) -> int:
    if button not in _BUTTONS:
        raise ValidationError(f"button must be one of {', '.join(_BUTTONS)}, got {button!r}")
    return _BUTTONS[button]


def _whole(name: str, value: int, *, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
        raise ValidationError(f"{name} must be a whole number from {least} on, got {value!r}")
    return value


def _word(name: str, value: str) -> str:
    """A word of a command line, quoted; what the program would take for an option is refused."""
    if not isinstance(value, str) or not value or value.startswith("-") or "\0" in value:  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
        raise ValidationError(f"{name} must be text that does not begin with a dash, got {value!r}")
    return shlex.quote(value)


def _numbers(pattern: re.Pattern[str], text: str) -> tuple[int, int]:
    found = pattern.search(text)
    if found is None:
        raise ProtocolError(f"what the sandbox says of its screen cannot be understood: {text[:200]!r}")
    return int(found[1]), int(found[2])
