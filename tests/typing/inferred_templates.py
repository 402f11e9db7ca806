"""What a type checker makes of `novita.sandboxes.templates`; see `inferred.py`."""
# pyright: reportUnnecessaryTypeIgnoreComment=error, reportUnusedCallResult=false

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

from novita_async.runtime.task import Task
from novita_async.sandbox import Build, BuildLog, TaggedBuild, Template, TemplateInfo, wait_for_port

if TYPE_CHECKING:
    from novita_async import AsyncNovita


async def templates(novita: AsyncNovita) -> None:
    template = Template().from_python_image().copy(["a", "b"], "/app").set_start_cmd("serve", wait_for_port(80))
    assert_type(template, Template)
    assert_type(template.to_dockerfile(), str)
    task = await novita.sandboxes.templates.build(template, "web", tags=["v1"])
    assert_type(task, Task[Build])
    assert_type((await task.wait()).build_id, str)
    async for log in novita.sandboxes.templates.logs(task):
        assert_type(log, BuildLog)
    assert_type(await novita.sandboxes.templates.list(), list[TemplateInfo])
    assert_type(await novita.sandboxes.templates.exists("web"), bool)
    assert_type(await novita.sandboxes.templates.assign_tags("web:v1", "stable"), TaggedBuild)
    assert_type(await novita.sandboxes.templates.delete("web"), bool)
