"""What the platform's own client is made to do: `python official_flows.py NAME`, its server named by the environment.

A program of its own, because that client leaves its connections open and keeps them in a cache by event loop.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import pathlib
import sys
import tempfile

import httpx
import novita_sandbox.core as official
import pytest
from novita_sandbox import artifact_hosting


async def life() -> None:
    sandbox = await official.AsyncSandbox.create(timeout=60, envs={"A": "1"}, metadata={"a b": "c&d"})
    assert await sandbox.is_running()
    await sandbox.set_timeout(120)
    info = await sandbox.get_info()
    assert (info.metadata, info.state.value) == ({"a b": "c&d"}, "running")
    assert 110 < (info.end_at - info.started_at).total_seconds() < 130
    again = await official.AsyncSandbox.connect(sandbox.sandbox_id)
    assert (await again.commands.run("echo same")).stdout == "same\n"
    assert await sandbox.kill() is True
    assert await sandbox.kill() is False
    assert await sandbox.is_running() is False
    with pytest.raises(official.SandboxException):
        await sandbox.commands.run("true")


async def commands() -> None:
    sandbox = await official.AsyncSandbox.create(timeout=60, envs={"A": "1"}, metadata={"a b": "c&d"})
    seen: list[str] = []
    done = await sandbox.commands.run(
        "echo $A $B; echo err >&2; pwd", envs={"B": "2"}, cwd="/tmp", on_stdout=seen.append
    )
    assert (done.stdout.splitlines()[0], done.stderr, done.exit_code) == ("1 2", "err\n", 0)
    assert "".join(seen) == done.stdout
    with pytest.raises(official.CommandExitException) as failed:
        await sandbox.commands.run("echo out; exit 3")
    assert (failed.value.exit_code, failed.value.stdout) == (3, "out\n")
    with pytest.raises(official.TimeoutException):
        await sandbox.commands.run("sleep 60", timeout=0.2)
    with pytest.raises(official.InvalidArgumentException):
        await sandbox.commands.run("true", cwd="/nope")


async def background_commands() -> None:
    sandbox = await official.AsyncSandbox.create(timeout=60, envs={"A": "1"}, metadata={"a b": "c&d"})
    handle = await sandbox.commands.run("read line; echo got $line", background=True, stdin=True)
    assert [process.pid for process in await sandbox.commands.list()] == [handle.pid]
    await handle.disconnect()
    again = await sandbox.commands.connect(handle.pid)
    await sandbox.commands.send_stdin(handle.pid, "hi\n")
    assert (await again.wait()).stdout == "got hi\n"
    handle = await sandbox.commands.run("sleep 60", background=True)
    assert await handle.kill() is True
    with pytest.raises(official.CommandExitException) as killed:
        await handle.wait()
    assert (killed.value.exit_code, killed.value.error) == (-1, "signal: killed")
    assert await sandbox.commands.kill(handle.pid) is False


async def files() -> None:
    sandbox = await official.AsyncSandbox.create(timeout=60, envs={"A": "1"}, metadata={"a b": "c&d"})
    files = sandbox.files
    written = await files.write("notes/a.txt", "h\u00e9llo")
    assert (written.name, written.path) == ("a.txt", "/home/user/notes/a.txt")
    assert await files.read("notes/a.txt") == "h\u00e9llo"
    assert await files.read("notes/a.txt", format="bytes", gzip=True) == "h\u00e9llo".encode()
    both = await files.write_files([{"path": "x", "data": b"1" * 200_000}, {"path": "/tmp/y", "data": b""}])
    assert [entry.path for entry in both] == ["/home/user/x", "/tmp/y"]
    await files.write("x", b"2" * 200_000, gzip=True, use_octet_stream=True)
    assert await files.read("x", format="bytes") == b"2" * 200_000
    assert [entry.name for entry in await files.list("", depth=2)] == ["notes", "a.txt", "x"]
    assert (await files.rename("x", "z")).path == "/home/user/z"
    assert await files.make_dir("d/e") is True
    assert await files.make_dir("d/e") is False
    assert (await files.get_info("z")).size == 200_000
    await files.remove("z")
    assert await files.exists("z") is False
    assert await files.exists("d/e") is True
    with pytest.raises(official.NotFoundException):
        await files.read("z")


async def many_at_once() -> None:
    async def one(number: int) -> str:
        sandbox = await official.AsyncSandbox.create()
        await sandbox.files.write("n", str(number))
        done = await sandbox.commands.run("cat n")
        await sandbox.kill()
        return done.stdout

    assert await asyncio.gather(*map(one, range(8))) == [str(number) for number in range(8)]


async def sleep() -> None:
    sandbox = await official.AsyncSandbox.create(timeout=60, lifecycle={"on_timeout": "pause", "auto_resume": False})
    handle = await sandbox.commands.run("echo up; cat > got", background=True, stdin=True)
    await sandbox.pause()
    await sandbox.pause()  # once more is no error
    assert (await sandbox.get_info()).state.value == "paused"
    assert await sandbox.is_running() is False
    again = await official.AsyncSandbox.connect(sandbox.sandbox_id, timeout=60)
    assert [process.pid for process in await again.commands.list()] == [handle.pid]
    await again.commands.send_stdin(handle.pid, "hi\n")
    assert (await again.get_info()).state.value == "running"
    assert await official.AsyncSandbox.kill(sandbox.sandbox_id) is True
    with pytest.raises(official.NotFoundException):
        await official.AsyncSandbox.connect(sandbox.sandbox_id)


async def lists() -> None:
    labels = {"a b": "c&d"}
    made = [await official.AsyncSandbox.create(metadata=labels if number % 2 else {}) for number in range(5)]
    await made[1].pause()
    states = [official.SandboxState.RUNNING, official.SandboxState.PAUSED]

    async def ids(query: official.SandboxQuery, limit: int | None = None) -> list[str]:
        pages = official.AsyncSandbox.list(query=query, limit=limit)
        found: list[str] = []
        while pages.has_next:
            found += [one.sandbox_id for one in await pages.next_items()]
        return found

    every = [sandbox.sandbox_id for sandbox in reversed(made)]
    assert await ids(official.SandboxQuery(state=states), 2) == every
    assert await ids(official.SandboxQuery(metadata=labels)) == [made[3].sandbox_id, made[1].sandbox_id]
    assert await ids(official.SandboxQuery(metadata=labels, state=states[:1])) == [made[3].sandbox_id]
    await asyncio.gather(*(sandbox.kill() for sandbox in made))
    assert await ids(official.SandboxQuery()) == []


async def copies() -> None:
    sandbox = await official.AsyncSandbox.create(metadata={"team": "x"})
    await sandbox.files.write("a", "one")
    cloned = await official.AsyncSandbox.clone(sandbox.sandbox_id, count=2, strict=True, timeout=60)
    for clone in cloned.sandboxes:
        assert await clone.files.read("a") == "one"
        assert (await clone.get_info()).metadata == {"team": "x"}
    snapshot = await sandbox.create_snapshot()
    await sandbox.files.write("a", "two")
    pages = sandbox.list_snapshots()
    assert [one.snapshot_id for one in await pages.next_items()] == [snapshot.snapshot_id]
    restored = await official.AsyncSandbox.create(snapshot.snapshot_id)
    assert await restored.files.read("a") == "one"
    assert await sandbox.reset(timeout=60) is True
    assert await sandbox.files.read("a") == "two"
    assert await official.AsyncSandbox.delete_snapshot(snapshot.snapshot_id) is True
    assert await official.AsyncSandbox.delete_snapshot(snapshot.snapshot_id) is False
    with pytest.raises(official.SandboxException):
        await official.AsyncSandbox.create(snapshot.snapshot_id)


async def volumes() -> None:
    volume = await official.AsyncVolume.create("data", quota_size_gib=2)
    sandbox = await official.AsyncSandbox.create(volume_mounts={"/home/user/data": volume})
    await sandbox.files.write("data/a", "kept")
    assert [(one.name, one.volume_id) for one in await official.AsyncVolume.list()] == [("data", volume.volume_id)]
    await sandbox.kill()
    sandbox = await official.AsyncSandbox.create()
    await sandbox.mount_volume("data", "/mnt/data")
    assert await sandbox.files.read("/mnt/data/a") == "kept"
    await sandbox.unmount_volume("/mnt/data", force=True)
    assert await sandbox.files.exists("/mnt/data/a") is False
    assert (await official.AsyncVolume.update_quota(volume.volume_id, 3)).name == "data"
    assert (await official.AsyncVolume.connect(volume.volume_id)).token == volume.token
    assert await official.AsyncVolume.destroy(volume.volume_id) is True
    assert await official.AsyncVolume.destroy(volume.volume_id) is False


async def secrets() -> None:
    made = await official.AsyncSecret.create(name="token", value="s3cr3t", hosts=["API.example.com"])
    assert (made.name, made.hosts, made.has_secret) == ("token", ["api.example.com"], True)
    sandbox = await official.AsyncSandbox.create(secret_envs={"TOKEN": "token"})
    assert (await sandbox.commands.run("echo $TOKEN")).stdout.strip() == made.placeholder
    changed = await official.AsyncSecret.update(name="token", value="other", hosts=["b.example.com"])
    assert (await official.AsyncSecret.get(name="token")).hosts == changed.hosts == ["b.example.com"]
    assert [one.name for one in await official.AsyncSecret.list()] == ["token"]
    await official.AsyncSecret.delete(name="token")
    assert await official.AsyncSecret.list() == []


async def told() -> None:
    sandbox = await official.AsyncSandbox.create(network={"allow_out": ["example.com"], "deny_out": ["10.0.0.0/8"]})
    await sandbox.commands.run("head -c 100000 /dev/zero > big")
    (sample,) = await sandbox.get_metrics()
    assert sample.disk_used >= 100_000
    assert 0 <= sample.mem_used < sample.mem_total == 2**30
    await sandbox.set_network(allow_out=["b.example.com"])
    await sandbox.hotplug_memory(512)
    assert (await sandbox.get_info()).memory_mb == 1536
    quota = await official.AsyncSandbox.get_quota()
    assert quota.usage.concurrent_instances == 1 < quota.limit.concurrent_instances
    events = await official.AsyncSandbox.get_events(sandbox_id=sandbox.sandbox_id, order_asc=True)
    assert [event.event_name for event in events.items] == ["create", "network", "hotplug-memory"]


def hosting() -> None:
    """Its address is a constant of that client."""
    client = artifact_hosting.DeploymentClient()
    client._http.base_url = f"{os.environ['NOVITA_BASE_URL']}/v1"
    with official.Sandbox.create() as sandbox, client:
        project = client.create_project("my-app", description="d")
        assert [one.id for one in client.list_projects()] == [project.id]
        deployment = project.deploy(sandbox_id=sandbox.sandbox_id, arti_dir="/home/user")
        assert [entry.message for entry in deployment.stream_logs()][-1] == "The deployment is running"
        client.delete_project(project.id)


async def terminals() -> None:
    sandbox = await official.AsyncSandbox.create(timeout=60)
    seen = bytearray()
    size = official.PtySize(rows=24, cols=80)
    terminal = await sandbox.pty.create(size, on_data=seen.extend, envs={"A": "1"}, cwd="/tmp")
    await sandbox.pty.resize(terminal.pid, official.PtySize(rows=50, cols=132))
    await sandbox.pty.send_stdin(terminal.pid, b"stty size; echo $A$A ${PWD##*/}; exit 3\n")
    with pytest.raises(official.CommandExitException) as failed:
        await terminal.wait()
    assert failed.value.exit_code == 3
    assert b"50 132\r\n" in seen
    assert b"11 tmp\r\n" in seen
    terminal = await sandbox.pty.create(size, on_data=seen.extend)
    await terminal.disconnect()
    terminal = await sandbox.pty.connect(terminal.pid, on_data=seen.extend)
    await sandbox.pty.send_stdin(terminal.pid, b'echo a-"gain"; exit\n')
    assert (await terminal.wait()).exit_code == 0
    assert b"a-gain\r\n" in seen
    terminal = await sandbox.pty.create(size, on_data=seen.extend)
    assert await sandbox.pty.kill(terminal.pid) is True
    with pytest.raises(official.CommandExitException) as failed:
        await terminal.wait()
    assert (failed.value.exit_code, failed.value.error) == (-1, "signal: killed")
    assert await sandbox.pty.kill(terminal.pid) is False
    with pytest.raises(official.TimeoutException):
        await (await sandbox.pty.create(size, on_data=seen.extend, timeout=0.3)).wait()


async def watches() -> None:
    sandbox = await official.AsyncSandbox.create(timeout=60)
    await sandbox.files.make_dir("d/e")
    flat: list[tuple[str, str]] = []
    deep: list[tuple[str, str]] = []
    done = asyncio.Event()

    def take(event: official.FilesystemEvent) -> None:
        deep.append((event.name, event.type.value))
        if deep[-1] == ("end", "write"):
            done.set()

    first = await sandbox.files.watch_dir("d", on_event=lambda event: flat.append((event.name, event.type.value)))
    second = await sandbox.files.watch_dir("d", on_event=take, recursive=True)
    await sandbox.files.write("d/a", "1")
    await sandbox.files.write("d/e/b", "1")
    await sandbox.files.rename("d/a", "d/c")
    await sandbox.files.remove("d/c")
    await sandbox.files.write("d/end", "1")
    await asyncio.wait_for(done.wait(), 20)
    assert [kind for name, kind in deep if name in ("a", "c")] == [
        *("create", "chmod", "write", "rename", "create", "remove")
    ]
    assert ("e/b", "write") in deep
    assert ("e/b", "write") not in flat
    await first.stop()
    await second.stop()
    ended: list[Exception] = []
    await sandbox.files.watch_dir("d", on_event=take, on_exit=ended.append, timeout=1)
    while not ended:
        await asyncio.sleep(0.05)
    assert isinstance(ended[0], official.TimeoutException)
    with pytest.raises(official.NotFoundException):
        await sandbox.files.watch_dir("nope", on_event=take)
    with pytest.raises(official.InvalidArgumentException):
        await sandbox.files.watch_dir("d/end", on_event=take)


async def signed_urls() -> None:
    sandbox = await official.AsyncSandbox.create(timeout=60)
    content = "h\u00e9llo".encode() * 50_000
    async with httpx.AsyncClient() as browser:
        url = sandbox.upload_url("a b+c.txt", use_signature_expiration=60)
        assert (await browser.post(url, files={"file": content})).status_code == 200
        for user in (None, "user"):
            answer = await browser.get(sandbox.download_url("a b+c.txt", user=user))
            assert (answer.content, answer.headers["content-encoding"]) == (content, "gzip")
        url = sandbox.download_url("a b+c.txt", use_signature_expiration=60)
        assert (await browser.get(url)).content == content
        assert (await browser.post(url, files={"file": b"x"})).status_code == 401  # it was signed for reading
        assert (await browser.get(url.replace("a%20b", "x"))).status_code == 401
        assert (await browser.get(sandbox.download_url("a b+c.txt", use_signature_expiration=-5))).status_code == 401
    assert await sandbox.files.read("a b+c.txt", format="bytes", gzip=True) == content


def terminals_and_watches_at_once() -> None:
    """The same with the blocking client: it asks for what happened, again and again."""
    with official.Sandbox.create(timeout=60) as sandbox:
        terminal = sandbox.pty.create(official.PtySize(rows=24, cols=80))
        sandbox.pty.send_stdin(terminal.pid, b"stty size; exit\n")
        seen = bytearray()
        assert terminal.wait(on_pty=seen.extend).exit_code == 0
        assert b"24 80\r\n" in seen
        sandbox.files.make_dir("d")
        watch = sandbox.files.watch_dir("d", recursive=True)
        sandbox.files.write("d/a", "1")
        events: list[tuple[str, str]] = []
        while ("a", "write") not in events:
            events += [(event.name, event.type.value) for event in watch.get_new_events()]
        assert events == [("a", "create"), ("a", "chmod"), ("a", "write")]
        watch.stop()
        with pytest.raises(official.SandboxException):
            watch.get_new_events()


def at_once() -> None:
    """The client that does not use asyncio."""
    with official.Sandbox.create(envs={"A": "1"}) as sandbox:
        assert sandbox.commands.run("echo $A").stdout == "1\n"
        sandbox.files.write("a", "text")
        assert sandbox.files.read("a") == "text"
        assert [one.sandbox_id for one in official.Sandbox.list().next_items()] == [sandbox.sandbox_id]
        sandbox.pause()
        assert official.Sandbox.connect(sandbox.sandbox_id).files.read("a") == "text"
        assert len(official.Sandbox.clone(sandbox.sandbox_id, count=2).sandboxes) == 2
        snapshot = sandbox.create_snapshot()
        assert official.Sandbox.create(snapshot.snapshot_id).files.read("a") == "text"
    volume = official.Volume.create("data")
    assert [one.volume_id for one in official.Volume.list()] == [volume.volume_id]
    official.Secret.create(name="token", value="s3cr3t", hosts=["example.com"])
    assert [one.name for one in official.Secret.list()] == ["token"]


async def templates() -> None:
    with tempfile.TemporaryDirectory() as directory:
        context = pathlib.Path(directory)
        (context / "app/sub").mkdir(parents=True)
        (context / "app/main.py").write_text("print('hi')\n")
        (context / "app/sub/link").symlink_to("../main.py")
        template = (
            official.AsyncTemplate(file_context_path=context)
            .from_image("debian:12", inherit_config=False)
            .copy("app", "/app", mode=0o755)
            .set_workdir("/app")
            .set_envs({"A": "1", "PATH": "/app/bin:$PATH"})
            .run_cmd("cp main.py seen")
            .set_start_cmd("exec sleep 1000", official.wait_for_file("/app/main.py"))
        )
        lines: list[str] = []
        built = await official.AsyncTemplate.build(
            template, "web", tags=["v1"], on_build_logs=lambda entry: lines.append(entry.message)
        )
        await official.AsyncTemplate.build(template, "web:v2")  # with its files known by now
    assert "Uploaded 'app'" in lines
    ran = not any("noted down and not run" in line for line in lines)
    assert (await official.AsyncTemplate.get_build_status(built)).status.value == "ready"
    assert await official.AsyncTemplate.exists("web") is True
    assert await official.AsyncTemplate.exists("base") is True
    assert await official.AsyncTemplate.exists("none") is False
    [listed] = await official.AsyncTemplate.list()
    assert (listed.template_id, listed.names, listed.build_count) == (built.template_id, ["web"], 2)
    assert len((await official.AsyncTemplate.get(built.template_id)).builds) == 2
    await official.AsyncTemplate.assign_tags("web:v1", ["stable", "old"])
    await official.AsyncTemplate.remove_tags("web", "old")
    tags = await official.AsyncTemplate.get_tags("web")
    assert {tag.tag: tag.build_id for tag in tags if tag.tag != "v2"} == {
        "v1": built.build_id,
        "stable": built.build_id,
    }
    sandbox = await official.AsyncSandbox.create("web:stable", timeout=60)
    assert (await sandbox.commands.run("cat main.py sub/link; echo $A")).stdout == "print('hi')\n" * 2 + "1\n"
    if ran:
        assert (await sandbox.commands.run("cat seen; cat /etc/environment")).stdout.startswith("print('hi')\nA=1\n")
        broken = official.AsyncTemplate().from_template("web").run_cmd("exit 3")
        with pytest.raises(official.BuildException, match="exit status 3"):
            await official.AsyncTemplate.build(broken, "broken")
    assert await official.AsyncTemplate.delete(built.template_id) is True
    assert await official.AsyncTemplate.delete(built.template_id) is False
    await sandbox.kill()


def templates_at_once() -> None:
    """The same with the blocking client, in short."""
    template = official.Template().from_template("base").set_envs({"A": "1"})
    built = official.Template.build(template, "web")
    assert official.Template.exists("web") is True
    sandbox = official.Sandbox.create("web", timeout=60)
    assert sandbox.commands.run("echo $A").stdout == "1\n"
    sandbox.kill()
    assert official.Template.delete(built.template_id) is True


if __name__ == "__main__":
    flow = globals()[sys.argv[1]]
    asyncio.run(flow()) if inspect.iscoroutinefunction(flow) else flow()
