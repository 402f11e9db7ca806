"""What comes of code in a kernel: what it wrote, what it shows, how it failed (messages of Jupyter, version 5)."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

__all__ = ["Clear", "Display", "Execution", "Failure", "KernelEvent", "Text"]


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of text that code wrote."""

    name: Literal["stdout", "stderr"]
    text: str


class Display(msgspec.Struct, frozen=True, kw_only=True):
    """A value that code has given: that of its last expression, or one that it displays. Notebooks show it as such.

    Attributes:
        data: the value in every form that the kernel made of it, by MIME type; pictures and PDF as base64.
        metadata: what the kernel says about those forms.
        is_result: it is the value of the last expression.
        display_id: the name by which it can be replaced later.
        updates: it replaces what was displayed under that name.
    """

    data: dict[str, Any]
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    is_result: bool = False
    display_id: str | None = None
    updates: bool = False

    @property
    def text(self) -> str | None:
        """As plain text."""
        return self.data.get("text/plain")

    @property
    def html(self) -> str | None:
        """As HTML."""
        return self.data.get("text/html")

    @property
    def png(self) -> str | None:
        """As a picture, in base64."""
        return self.data.get("image/png")

    def __str__(self) -> str:
        return self.text if self.text is not None else f"<Display {' '.join(self.data)}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.data, self.metadata


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """How code failed.

    Attributes:
        name: such as NameError; KeyboardInterrupt for what was interrupted.
        value: what it says.
        traceback: line by line, with the colours of a terminal.
    """

    name: str = ""
    value: str = ""
    traceback: list[str] = msgspec.field(default_factory=list)


class Clear(msgspec.Struct, frozen=True, kw_only=True):
    """The code wants what it gave so far to be taken off the screen.

    Attributes:
        wait: not before the next output comes.
    """

    wait: bool = False


#: What an `ExecutionStream` gives.
KernelEvent: TypeAlias = Text | Display | Failure | Clear


class Execution(msgspec.Struct, kw_only=True):
    """What came of code.

    Attributes:
        outputs: all that it gave, in order. What was displayed anew under its name stands there as it is now.
        execution_count: how many pieces of code the kernel has run, this one included.
        reconnects: how often the connection dropped meanwhile.
    """

    outputs: list[KernelEvent] = msgspec.field(default_factory=list)
    execution_count: int | None = None
    reconnects: int = 0

    @property
    def text(self) -> str | None:
        """The value of the last expression as text; None where it had none."""
        return next((each.text for each in self.results if each.is_result), None)

    @property
    def results(self) -> list[Display]:
        """The values that it gave."""
        return [each for each in self.outputs if isinstance(each, Display)]

    @property
    def error(self) -> Failure | None:
        """How it failed; None when it did not."""
        return next((each for each in self.outputs if isinstance(each, Failure)), None)

    @property
    def stdout(self) -> str:
        """All that it wrote there."""
        return self._text("stdout")

    @property
    def stderr(self) -> str:
        """All that it wrote there."""
        return self._text("stderr")

    def _text(self, name: str) -> str:
        return "".join(each.text for each in self.outputs if isinstance(each, Text) and each.name == name)

    def take(self, type_: str, content: dict[str, Any]) -> KernelEvent | None:
        """Add what a message of the kernel tells, and give it; None where it gives nothing."""
        event: KernelEvent
        match type_:
            case "stream":
                name = "stderr" if content.get("name") == "stderr" else "stdout"
                event = Text(name=name, text=str(content.get("text", "")))
            case "execute_result" | "display_data" | "update_display_data":
                event = Display(
                    data=content.get("data") or {},
                    metadata=content.get("metadata") or {},
                    is_result=type_ == "execute_result",
                    display_id=_display_id(content.get("transient")),
                    updates=type_ == "update_display_data",
                )
                if event.updates and self._replace(event):
                    return event
            case "error":
                event = _failure(content)
            case "clear_output":
                event = Clear(wait=bool(content.get("wait")))
            case "execute_reply":
                self.execution_count = content.get("execution_count")
                if content.get("status") in (None, "ok") or self.error is not None:
                    return None
                # It told so here alone: one that was never begun, because another before it failed, or a silent one.
                event = _failure({"ename": content.get("status"), **content})
            case _:
                return None
        self.outputs.append(event)
        return event

    def _replace(self, display: Display) -> bool:
        found = False
        for index, each in enumerate(self.outputs):
            if isinstance(each, Display) and display.display_id and each.display_id == display.display_id:
                self.outputs[index] = msgspec.structs.replace(each, data=display.data, metadata=display.metadata)
                found = True
        return found


def _failure(content: dict[str, Any]) -> Failure:
    return Failure(
        name=str(content.get("ename") or ""),
        value=str(content.get("evalue") or ""),
        traceback=[str(line) for line in content.get("traceback") or ()],
    )


def _display_id(transient: dict[str, Any] | None) -> str | None:
    return transient.get("display_id") if transient else None
