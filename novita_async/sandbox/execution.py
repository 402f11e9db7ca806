"""What comes of code: its results, what it wrote, its error (contract/sandbox.md 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from ..wire.json import Object, remember
from .charts import Chart, chart_of
from .output import Output

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CodeEvent", "CodeMessage", "Execution", "ExecutionError", "Logs", "Result"]

#: Fields of a result and the types they stand for.
_MIME_TYPES = {
    "text": "text/plain",
    "html": "text/html",
    "markdown": "text/markdown",
    "svg": "image/svg+xml",
    "png": "image/png",
    "jpeg": "image/jpeg",
    "pdf": "application/pdf",
    "latex": "text/latex",
    "json": "application/json",
    "javascript": "application/javascript",
    "data": "e2b/data",
    "chart": "e2b/chart",
}


class _Forms(Object):
    """A value in the forms that a kernel made of it; None for those that it did not make."""

    is_main_result: bool = False
    text: str | None = None
    html: str | None = None
    markdown: str | None = None
    svg: str | None = None
    png: str | None = None
    jpeg: str | None = None
    pdf: str | None = None
    latex: str | None = None
    json: Any = None
    javascript: str | None = None
    data: Any = None


class CodeMessage(_Forms):
    """A line of the stream, as it is on the wire. One of a type that is not known is a sign of life."""

    type: str = ""
    chart: dict[str, Any] | None = None
    extra: dict[str, Any] | None = None
    name: str = ""
    value: str = ""
    traceback: str = ""
    execution_count: int | None = None


class Result(_Forms):
    """A value that code has given: that of its last expression, or one that it displays.

    It is there in every form that the kernel made of it, pictures and PDF as base64. Notebooks show it as they would
    show the value itself.

    Attributes:
        is_main_result: it is the value of the last expression.
        text: as text, without the quotes of a string.
        data: the columns of a table, each a list.
        chart: what a plot shows.
        extra: every other form by its MIME type.
    """

    chart: Chart | None = None
    extra: dict[str, Any] = msgspec.field(default_factory=dict)

    @classmethod
    def of(cls, message: CodeMessage) -> Result:
        """The result that a line of the stream tells."""
        fields = {name: getattr(message, name) for name in _MIME_TYPES if name != "chart"}
        chart = chart_of(message.chart) if message.chart else None
        result = cls(is_main_result=message.is_main_result, chart=chart, extra=message.extra or {}, **fields)
        remember(result, vars(message).get("_body", b"{}"))
        return result

    def formats(self) -> list[str]:
        """The forms that it has: names of fields, and the MIME types of `extra`."""
        return [*(name for name in _MIME_TYPES if getattr(self, name) is not None), *self.extra]

    def __str__(self) -> str:
        return self.text if self.text is not None else f"<Result {' '.join(self.formats())}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        shown = {_MIME_TYPES[name]: getattr(self, name) for name in _MIME_TYPES if getattr(self, name) is not None}
        if self.chart is not None:
            shown["e2b/chart"] = self.chart.raw
        return {**shown, **self.extra}

    def _repr_html_(self) -> str | None:
        return self.html

    def _repr_markdown_(self) -> str | None:
        return self.markdown

    def _repr_svg_(self) -> str | None:
        return self.svg

    def _repr_png_(self) -> str | None:
        return self.png

    def _repr_jpeg_(self) -> str | None:
        return self.jpeg

    def _repr_pdf_(self) -> str | None:
        return self.pdf

    def _repr_latex_(self) -> str | None:
        return self.latex

    def _repr_json_(self) -> Any:
        return self.json

    def _repr_javascript_(self) -> str | None:
        return self.javascript


class ExecutionError(msgspec.Struct, frozen=True, kw_only=True):
    """How code failed.

    Attributes:
        name: such as NameError; "" for bash, where `value` is the exit code.
        value: what it says.
        traceback: as the kernel prints it, with the colours of a terminal where it has some.
    """

    name: str = ""
    value: str = ""
    traceback: str = ""


class Logs(msgspec.Struct, kw_only=True):
    """What code wrote, piece by piece."""

    stdout: list[str] = msgspec.field(default_factory=list)
    stderr: list[str] = msgspec.field(default_factory=list)


#: What a `CodeStream` gives.
CodeEvent: TypeAlias = Output | Result | ExecutionError


class Execution(msgspec.Struct, kw_only=True):
    """What came of code.

    Attributes:
        results: in the order they came.
        logs: what it wrote.
        error: how it failed; None when it did not.
        execution_count: how many pieces of code its context has run, this one included.
    """

    results: list[Result] = msgspec.field(default_factory=list)
    logs: Logs = msgspec.field(default_factory=Logs)
    error: ExecutionError | None = None
    execution_count: int | None = None

    @property
    def text(self) -> str | None:
        """The value of the last expression as text; None where it had none."""
        return next((result.text for result in self.results if result.is_main_result), None)

    @property
    def stdout(self) -> str:
        """All that it wrote there."""
        return "".join(self.logs.stdout)

    @property
    def stderr(self) -> str:
        """All that it wrote there."""
        return "".join(self.logs.stderr)

    def take(self, message: CodeMessage) -> Iterator[CodeEvent]:
        """Add what a line of the stream tells, and yield it."""
        match message.type:
            case "stdout" | "stderr" as name if message.text:
                (self.logs.stdout if name == "stdout" else self.logs.stderr).append(message.text)
                yield Output(name, message.text)
            case "result":
                result = Result.of(message)
                self.results.append(result)
                yield result
            case "error":
                self.error = ExecutionError(name=message.name, value=message.value, traceback=message.traceback)
                yield self.error
            case "number_of_executions":
                self.execution_count = message.execution_count
            case _:
                pass
