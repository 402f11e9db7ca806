"""Git in a sandbox, for real; the MCP gateway and the desktop, by what is sent."""

from __future__ import annotations

import asyncio
import base64
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiohttp import web
from fake_platform import Platform, ended, finished, script, settled, started, wrote

from novita_async.errors import (
    BadRequest,
    CommandFailed,
    CommandTimeout,
    NotFound,
    ProtocolError,
    SandboxUnreachable,
    ValidationError,
)
from novita_async.sandbox import CommandResult, GitBranches, GitFile, Point, Size
from novita_async.sandbox.git_login import credentials_of, without_login
from novita_async.sandbox.git_status import parse_status
from novita_async.transport.protocol import Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from novita_async import AsyncNovita
    from novita_async.sandbox import Sandbox
    from novita_async.transport.protocol import Request

pytestmark = [
    pytest.mark.filterwarnings("ignore::novita_async.simulator.sandbox.IsolationWarning"),
]
with_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed on this machine")

PASSWORD = "s3cret/of+the?user"
#: Of this machine, and not the one that a sandbox takes for itself.
HOST = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
ME: dict[str, Any] = {"author_name": "Me O'Neill", "author_email": "me@example.com"}


@pytest.fixture
async def sandbox(novita: AsyncNovita) -> AsyncIterator[Sandbox]:
    async with novita.sandboxes.create(lifetime=3600, allow_out=[HOST]) as sandbox:
        yield sandbox


@pytest.fixture
async def repository(sandbox: Sandbox) -> Sandbox:
    """A sandbox with a repository at `~/site` that has one commit, on main."""
    await sandbox.git.init("~/site", branch="main")
    await sandbox.files.write("site/a.txt", "a\n")
    await sandbox.git.add("site")
    await sandbox.git.commit("site", "First\n\nwith 'quotes' and $(nothing)", **ME)
    return sandbox


# ------------------------------------------------------------------------------------------------------- repositories


@with_git
async def test_a_status_tells_what_has_changed_in_which_way(repository: Sandbox) -> None:
    git, files = repository.git, repository.files
    clean = await git.status("~/site")
    assert (clean.branch, clean.upstream, clean.clean) == ("main", None, True)
    assert clean.commit is not None
    await files.write_many({"site/a.txt": "b\n", "site/new ä\n.txt": "", "site/staged": "x\n" * 50})
    await git.add("site", ["staged"])
    status = await git.status("site")
    assert {file.path: (file.index, file.worktree) for file in status.files} == {
        "a.txt": (".", "M"),
        "staged": ("A", "."),
        "new ä\n.txt": ("?", "?"),
    }
    assert [file.path for file in status.files if file.staged] == ["staged"]
    assert [file.path for file in status.files if file.untracked] == ["new ä\n.txt"]
    await git.restore("site", ["a.txt"])
    await git.restore("site", ["staged"], staged=True)
    assert {file.path for file in (await git.status("site")).files if not file.untracked} == set()


@with_git
async def test_commits_have_ids_and_the_words_that_were_given(repository: Sandbox) -> None:
    git = repository.git
    shown = await repository.commands.run("git log --format='%H|%an|%ae|%B'", cwd="site")
    first = (await git.status("site")).commit
    assert shown.stdout.startswith(f"{first}|Me O'Neill|me@example.com|First\n\nwith 'quotes' and $(nothing)")
    with pytest.raises(CommandFailed):
        await git.commit("site", "nothing is staged", **ME)
    second = await git.commit("site", "Second", allow_empty=True, **ME)
    assert (await git.status("site")).commit == second != first
    await git.reset("site", to="HEAD~1", mode="hard")
    assert (await git.status("site")).commit == first


@with_git
async def test_branches_are_made_listed_switched_and_deleted(repository: Sandbox) -> None:
    git = repository.git
    assert await git.branches("site") == GitBranches("main", ["main"])
    await git.checkout("site", "feature/x", create=True)
    await git.commit("site", "On x", allow_empty=True, **ME)
    assert await git.branches("site") == GitBranches("feature/x", ["feature/x", "main"])
    head = (await git.status("site")).commit
    assert head is not None
    await git.checkout("site", head)
    assert (await git.branches("site")).current is None
    assert (await git.status("site")).branch is None
    await git.checkout("site", "main")
    with pytest.raises(CommandFailed, match="exit code 1"):
        await git.delete_branch("site", "feature/x")
    await git.delete_branch("site", "feature/x", force=True)
    assert (await git.branches("site")).names == ["main"]


@with_git
async def test_work_goes_to_a_remote_and_comes_from_there(repository: Sandbox) -> None:
    git, files = repository.git, repository.files
    await git.init("hub.git", bare=True, branch="main")
    await git.remote_add("site", "origin", "../hub.git")
    assert await git.remote_url("site") == "../hub.git"
    assert await git.remote_url("site", "other") is None
    await git.push("site", set_upstream=True)
    await git.clone("./hub.git", "~/copy", branch="main")
    assert await files.read("copy/a.txt") == "a\n"
    await files.write("copy/a.txt", "from the copy\n")
    await git.add("copy")
    await git.commit("copy", "Change", **ME)
    ahead = await git.status("copy")
    assert (ahead.upstream, ahead.ahead, ahead.behind) == ("origin/main", 1, 0)
    await git.push("copy", branch="main")
    await git.pull("site")
    assert await files.read("site/a.txt") == "from the copy\n"


@with_git
async def test_settings_are_the_users_or_a_repositorys(repository: Sandbox) -> None:
    git = repository.git
    assert await git.get_config("user.name") is None
    await git.set_config("user.name", "All 'of' them")
    await git.set_config("user.name", "This one", path="site")
    assert await git.get_config("user.name") == "All 'of' them"
    assert await git.get_config("user.name", path="site") == "This one"


@with_git
async def test_what_git_refuses_is_a_failed_command(sandbox: Sandbox) -> None:
    await sandbox.files.make_dir("plain")
    with pytest.raises(CommandFailed, match="not a git repository") as caught:
        await sandbox.git.status("plain")
    assert caught.value.exit_code == 128
    with pytest.raises(BadRequest):
        await sandbox.git.status("nowhere")
    with pytest.raises(CommandFailed):
        await sandbox.git.clone("/home/user/plain", "copy")


# ----------------------------------------------------------------------------------------------------------- passwords


def spied(secret: str) -> list[str]:
    """The command lines on this machine that hold a secret; those of a sandbox are among them."""
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if secret in line:
                found.append(line)
    return found


class Host:
    """A host of repositories, which wants a name and a password."""

    def __init__(self, directory: Path) -> None:
        self.seen: set[str] = set()
        self.looked = False
        self.spied: list[str] = []
        self._directory = directory
        self._wanted = "Basic " + base64.b64encode(f"me:{PASSWORD}".encode()).decode()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        given = request.headers.get("authorization", "")
        self.seen.add(given)
        if given != self._wanted:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'}, text=f"no {PASSWORD}")
        self.spied += await asyncio.to_thread(lambda: spied(PASSWORD))
        self.looked = self.looked or bool(await asyncio.to_thread(lambda: spied("hub.git")))
        path = self._directory / request.path.lstrip("/")
        found = await asyncio.to_thread(lambda: path.read_bytes() if path.is_file() else None)
        return web.Response(status=404) if found is None else web.Response(body=found)


@pytest.fixture
async def host(repository: Sandbox, tmp_path: Path) -> AsyncIterator[tuple[str, Host]]:
    """Serves the repository at `/hub.git`."""
    await repository.commands.run("git clone -q --bare site hub.git && git -C hub.git update-server-info")
    await repository.files.download_tree("hub.git", tmp_path / "hub.git")
    answer = Host(tmp_path)
    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0)
    await site.start()
    name, port = runner.addresses[0]
    yield f"http://{name}:{port}", answer
    await runner.cleanup()


@with_git
async def test_a_password_reaches_the_host_and_nobody_else(repository: Sandbox, host: tuple[str, Host]) -> None:
    url, answers = host
    git = repository.git
    await git.clone(f"{url}/hub.git", "copy", username="me", password=PASSWORD)
    await git.clone(f"{url.replace('//', '//me:s3cret%2Fof%2Bthe%3Fuser@')}/hub.git", "~/again")
    assert await repository.files.read("copy/a.txt") == await repository.files.read("again/a.txt") == "a\n"
    assert answers.looked  # it would have been seen
    assert answers.spied == []
    assert await git.remote_url("again") == f"{url}/hub.git"
    everywhere = await repository.commands.run(f"grep -rlF '{PASSWORD}' ~ || true")
    assert everywhere.stdout == ""
    await git.pull("copy", username="me", password=PASSWORD)
    await git.commit("copy", "Not for this host, which takes nothing", allow_empty=True, **ME)
    with pytest.raises(CommandFailed) as caught:
        await git.push("copy", username="me", password=PASSWORD)
    assert PASSWORD not in f"{caught.value}{caught.value.stderr}{caught.value.partial}"

    answers.seen.clear()
    with pytest.raises(CommandFailed) as caught:
        await git.clone(f"{url}/hub.git", "refused", username="me", password="wr0ng-one")
    assert "wr0ng-one" not in f"{caught.value}{caught.value.stderr}"
    with pytest.raises(CommandFailed):
        await git.clone(f"{url}/hub.git", "refused")
    assert len(answers.seen) == 2
    assert not await repository.files.exists("refused")


def test_a_password_is_for_one_host_over_http() -> None:
    assert credentials_of("https://example.com/x", None, None) is None
    for url, username, password in (
        ("https://example.com/x", "me", None),
        ("https://example.com/x", None, "p"),
        ("git@example.com:x", "me", "p"),
        ("ssh://example.com/x", "me", "p"),
        ("https://example.com/x", "me\nhost=evil", "p"),
        ("https://example.com/x", "me", "p\0"),
    ):
        with pytest.raises(ValidationError):
            credentials_of(url, username, password)
    found = credentials_of("https://me@example.com:8443/x", "me", PASSWORD)
    assert found is not None
    line = found.wrapped(["clone", "$(evil)"])
    assert "credential.https://example.com:8443.helper=" in line
    assert "'$(evil)'" in line
    assert PASSWORD not in line + repr(found)
    assert without_login("https://a:b%20c@h/x?q") == ("https://h/x?q", ("a", "b c"))
    for url in ("https://h/x", "https://a@h/x", "ssh://a:b@h/x", "a:b@h:x"):
        assert without_login(url) == (url, None)


def test_errors_have_their_passwords_blotted_out() -> None:
    credentials = credentials_of("https://h/x", "me", PASSWORD)
    assert credentials is not None
    quoted = PASSWORD.replace("/", "%2F").replace("+", "%2B").replace("?", "%3F")
    words = f"fatal: {PASSWORD} {quoted}"
    failed = credentials.blotted(CommandFailed(128, stdout=words, stderr=words, error=words, sandbox_id="i"))
    late = credentials.blotted(CommandTimeout(3, stdout=words, stderr=words, sandbox_id="i"))
    lost = SandboxUnreachable("gone")
    lost.partial = CommandResult(-1, words, words)
    for error in (failed, late, credentials.blotted(lost)):
        shown = f"{error} {vars(error)} {error.partial}"
        assert PASSWORD not in shown
        assert quoted not in shown
        assert "fatal: *** ***" in shown


# ----------------------------------------------------------------------------------------------------- before it leaves


async def test_what_git_would_take_for_an_option_is_refused(client: AsyncNovita, platform: Platform) -> None:
    sandbox = await client.sandboxes.create()
    git, evil = sandbox.git, "--upload-pack=touch /tmp/evil"
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: git.clone(evil),
        lambda: git.clone("x", evil),
        lambda: git.clone("x", branch=evil),
        lambda: git.clone("x", depth=0),
        lambda: git.push("x", remote=evil),
        lambda: git.pull("x", branch=evil),
        lambda: git.checkout("x", evil),
        lambda: git.delete_branch("x", evil),
        lambda: git.init(evil),
        lambda: git.reset("x", to=evil),
        lambda: git.remote_add("x", "y", evil),
        lambda: git.remote_add("x", "y", "https://me:pass@h/x"),
        lambda: git.get_config(evil),
        lambda: git.add("x", []),
        lambda: git.add("x", "abc"),
        lambda: git.commit("x", " \n"),
        lambda: git.set_config("a.b", "c", scope="local"),
    ]
    for call in calls:
        with pytest.raises(ValidationError):
            await call()
    assert len(platform.requests) == 1


def test_a_status_of_every_kind_is_read() -> None:
    lines = [
        "# branch.oid (initial)",
        "# branch.head (detached)",
        "# later things",
        "1 .D N... 100644 100644 000000 aa bb gone file",
        "2 R. N... 100644 100644 100644 aa bb R100 new name",
        "old name",
        "u UU N... 1 2 3 4 a b c both",
        "? strange",
        "! ignored",
        "",
    ]
    status = parse_status("\0".join(lines))
    assert (status.branch, status.commit, status.ahead, status.behind) == (None, None, 0, 0)
    assert status.files == [
        GitFile("gone file", ".", "D"),
        GitFile("new name", "R", ".", "old name"),
        GitFile("both", "U", "U"),
        GitFile("strange", "?", "?"),
    ]
    assert [file.staged for file in status.files] == [False, True, False, False]
    for nonsense in ("1 M", "2 R. N... 1 1 1 a b R1 new", "# branch.ab x"):
        with pytest.raises(ProtocolError):
            parse_status(nonsense)


# ---------------------------------------------------------------------------------------------------- MCP and desktop


async def test_the_mcp_gateway_has_an_address_and_a_token(client: AsyncNovita, platform: Platform) -> None:
    async def token(request: Request) -> Reply:
        assert "path=%2Fetc%2Fmcp-gateway%2F.token&username=root" in request.url
        return Reply(200, {}, b"the-token\n")

    platform.routes["GET /files"] = token
    sandbox = await client.sandboxes.create()
    assert sandbox.mcp.url == f"https://50005-{sandbox.id}.us-phx-1.sandbox.novita.ai/mcp"
    assert await sandbox.mcp.token() == "the-token"
    del platform.routes["GET /files"]
    with pytest.raises(NotFound):
        await sandbox.mcp.token()


class Screen:
    """A desktop that the test plays: what every command line is answered with."""

    def __init__(self, platform: Platform) -> None:
        self.lines: list[str] = []
        self.out = b""
        self.code = 0
        platform.start = self._start

    def _start(self, sent: Any) -> AsyncIterator[bytes]:
        process = sent["process"]
        assert process["envs"] == {"DISPLAY": ":0"}
        self.lines.append(process["args"][-1])
        return script(started(), settled, wrote(self.out), ended(self.code), finished())(sent)


async def test_the_desktop_is_moved_by_commands_on_its_display(client: AsyncNovita, platform: Platform) -> None:
    screen = Screen(platform)
    desktop = (await client.sandboxes.create()).desktop
    await desktop.move_mouse(0, 5)
    await desktop.click()
    await desktop.click("right", x=0, y=0, count=2)
    await desktop.press_mouse("middle")
    await desktop.release_mouse()
    await desktop.scroll("up", amount=3)
    await desktop.press(["ctrl", "c"])
    await desktop.press("Enter")
    await desktop.press("?")
    assert screen.lines == [
        "xdotool mousemove --sync 0 5",
        "xdotool click --repeat 1 1",
        "xdotool mousemove --sync 0 0 && xdotool click --repeat 2 3",
        "xdotool mousedown 2",
        "xdotool mouseup 1",
        "xdotool click --repeat 3 4",
        "xdotool key Control_L+c",
        "xdotool key Return",
        "xdotool key U003F",
    ]
    screen.lines.clear()
    await desktop.drag((1, 2), Point(3, 4))
    await desktop.launch("firefox", "https://h/'$(x)'")
    await desktop.open("a b")
    assert "mousemove --sync 1 2 && xdotool mousedown 1 && xdotool mousemove --sync 3 4" in screen.lines[0]
    assert "gtk-launch firefox 'https://h/'\"'\"'$(x)'\"'\"''" in screen.lines[1]
    assert "xdg-open 'a b'" in screen.lines[2]


async def test_a_text_is_typed_as_it_is_and_stands_on_no_command_line(client: AsyncNovita, platform: Platform) -> None:
    screen = Screen(platform)
    desktop = (await client.sandboxes.create()).desktop
    await desktop.write("it's $HOME\n", delay=0.01)
    assert screen.lines == ["xdotool type --delay 10 --file -"]
    (sent,) = platform.sent("POST", "/SendInput")
    assert isinstance(sent.body, bytes)
    assert base64.b64decode(msgspec.json.decode(sent.body)["input"]["stdin"]) == b"it's $HOME\n"


async def test_what_the_desktop_says_is_typed(client: AsyncNovita, platform: Platform) -> None:
    screen = Screen(platform)
    desktop = (await client.sandboxes.create()).desktop
    screen.out = b"Screen 0: minimum 1 x 1, current 1280 x 720, maximum 1280 x 720\nscreen connected 1280x720+0+0\n"
    assert await desktop.screen_size() == Size(1280, 720)
    screen.out = b"x:12 y:345 screen:0 window:77\n"
    assert await desktop.cursor_position() == Point(12, 345)
    screen.out = b"101\n102\n"
    assert await desktop.windows("firefox") == ["101", "102"]
    assert await desktop.window_title("101") == "101\n102"
    screen.out, screen.code = b"", 1
    assert await desktop.windows("nothing") == []
    with pytest.raises(CommandFailed):
        await desktop.current_window()
    screen.code = 0
    with pytest.raises(ProtocolError):
        await desktop.screen_size()


async def test_a_screenshot_is_fetched_and_removed(client: AsyncNovita, platform: Platform) -> None:
    screen = Screen(platform)

    async def picture(request: Request) -> Reply:
        return Reply(200, {}, b"\x89PNG")

    platform.routes["GET /files"] = picture
    desktop = (await client.sandboxes.create()).desktop
    assert await desktop.screenshot() == b"\x89PNG"
    path = screen.lines[0].split()[-1]
    (removed,) = platform.sent("POST", "/Remove")
    assert isinstance(removed.body, bytes)
    assert msgspec.json.decode(removed.body) == {"path": path}


async def test_the_stream_of_a_desktop_has_a_password_that_only_its_url_tells(
    client: AsyncNovita, platform: Platform
) -> None:
    screen = Screen(platform)
    sandbox = await client.sandboxes.create()
    stream = sandbox.desktop.stream
    await stream.start()
    url = stream.url(view_only=True)
    base, _, password = url.partition("&password=")
    assert base == (
        f"https://6080-{sandbox.id}.us-phx-1.sandbox.novita.ai/vnc.html?autoconnect=true&view_only=true&resize=scale"
    )
    assert len(password) >= 8
    assert password not in "".join(screen.lines)
    await stream.stop()
    await stream.start(password=False, window="77")
    assert "password=" not in stream.url()
    assert "-nopw -id 77" in screen.lines[-1]


async def test_a_desktop_is_not_asked_for_what_it_cannot_do(client: AsyncNovita, platform: Platform) -> None:
    desktop = (await client.sandboxes.create()).desktop
    wrong: Any = "sideways"
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: desktop.move_mouse(-1, 0),
        lambda: desktop.click(wrong),
        lambda: desktop.click(x=1),
        lambda: desktop.click(count=0),
        lambda: desktop.scroll(wrong),
        lambda: desktop.press([]),
        lambda: desktop.press("a; rm"),
        lambda: desktop.write("x", delay=-1),
        lambda: desktop.open("--help"),
        lambda: desktop.launch(""),
        lambda: desktop.start(width=0),
    ]
    for call in calls:
        with pytest.raises(ValidationError):
            await call()
    assert len(platform.requests) == 1
