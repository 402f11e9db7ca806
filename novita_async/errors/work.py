"""Errors of what a call was for: a model's answer, a task, a sandbox."""

from __future__ import annotations

from typing import Any

from .calls import NovitaError

__all__ = [
    "AnswerCut",
    "AnswerError",
    "AnswerInvalid",
    "AnswerRefused",
    "CommandFailed",
    "CommandTimeout",
    "SandboxEnded",
    "SandboxError",
    "SandboxUnreachable",
    "TaskError",
    "TaskExpired",
    "TaskFailed",
    "TaskStateUnknown",
    "TaskTimeout",
    "TooManyTurns",
    "ToolError",
]

# ---------------------------------------------------------------------------------------- a model's


class AnswerError(NovitaError):
    """The answer of a model is not the value that was asked for.

    Attributes:
        text: what it said.
        completion: the whole answer, with its usage.
    """

    def __init__(self, message: str, *, text: str, completion: Any) -> None:
        self.text = text
        self.completion = completion
        super().__init__(message)


class AnswerRefused(AnswerError):
    """The model refused, or a filter stopped it. `text` is the refusal, where it gave one."""


class AnswerCut(AnswerError):
    """The answer was cut: `max_tokens` were used up before its end."""


class AnswerInvalid(AnswerError):
    """The answer is not JSON, or not of the type. `reason` says what is wrong where."""

    def __init__(self, reason: str, *, text: str, completion: Any) -> None:
        self.reason = reason
        super().__init__(f"the answer does not validate: {reason}", text=text, completion=completion)


class ToolError(NovitaError):
    """A tool failed, its arguments were wrong, or there is no such tool.

    Attributes:
        tool: its name, as the model wrote it.
        arguments: JSON text, as the model wrote it.
        reason: what went wrong; the model is told that, where the error is not raised.
    """

    def __init__(self, reason: str, *, tool: str, arguments: str) -> None:
        self.tool = tool
        self.arguments = arguments
        self.reason = reason
        super().__init__(f"{tool}: {reason}")


class TooManyTurns(NovitaError):
    """The model still called tools in its last turn.

    Attributes:
        messages: the conversation, answers of the tools included: it can be carried on.
        completion: the last answer.
    """

    def __init__(self, turns: int, *, messages: list[Any], completion: Any) -> None:
        self.messages = messages
        self.completion = completion
        super().__init__(f"the model still calls tools after {turns} {'turn' if turns == 1 else 'turns'}")


# ------------------------------------------------------------------------------------------- tasks


class TaskError(NovitaError):
    """Something about a submitted task. The paid work is never out of reach: `handle` can be waited on again.

    Attributes:
        task_id: the platform's id.
        handle: the `Task` it came from.
    """

    def __init__(self, message: str, *, task_id: str, handle: Any = None) -> None:
        self.task_id = task_id
        self.handle = handle
        super().__init__(f"{message} (task {task_id})")


class TaskFailed(TaskError):
    """The platform ended the task as failed. `reason` is its text, `task_type` its kind."""

    def __init__(self, reason: str, *, task_id: str, task_type: str = "", handle: Any = None) -> None:
        self.reason = reason
        self.task_type = task_type
        super().__init__(f"failed: {reason or 'no reason given'}", task_id=task_id, handle=handle)


class TaskExpired(TaskError):
    """The platform no longer has the task: results are dropped 30 days after their end, those of serverless
    jobs after 6 hours."""


class TaskTimeout(TaskError, TimeoutError):
    """The wait ended, not the task: it goes on at the platform."""


class TaskStateUnknown(TaskError):
    """The wait ended and the last status is one that nobody knows. `status` is its text."""

    def __init__(self, status: str, *, task_id: str, handle: Any = None) -> None:
        self.status = status
        super().__init__(f"unknown status {status!r}", task_id=task_id, handle=handle)


# ------------------------------------------------------------------------------------------ sandboxes


class SandboxError(NovitaError):
    """Something about a sandbox session. `sandbox_id` names it."""

    def __init__(self, message: str, *, sandbox_id: str = "") -> None:
        self.sandbox_id = sandbox_id
        super().__init__(f"{message} (sandbox {sandbox_id})" if sandbox_id else message)


class SandboxEnded(SandboxError):
    """The sandbox is gone. `reason` is one of killed, timeout, paused, unknown."""

    def __init__(self, reason: str, *, sandbox_id: str = "") -> None:
        self.reason = reason
        super().__init__(f"the sandbox has ended: {reason}", sandbox_id=sandbox_id)


class SandboxUnreachable(SandboxError):
    """The sandbox is said to run and does not answer."""


class CommandFailed(SandboxError):
    """A command ended with another exit code than 0. `stdout` and `stderr` have what it wrote."""

    def __init__(
        self, exit_code: int, *, stdout: str = "", stderr: str = "", error: str = "", sandbox_id: str = ""
    ) -> None:
        self.exit_code, self.stdout, self.stderr, self.error = exit_code, stdout, stderr, error
        tail = stderr.strip().splitlines()[-1:] or [error]
        super().__init__(f"exit code {exit_code}: {tail[0]}", sandbox_id=sandbox_id)


class CommandTimeout(SandboxError, TimeoutError):
    """A command was ended because it ran over its `timeout`. `stdout` and `stderr` have what it wrote."""

    def __init__(self, seconds: float, *, stdout: str = "", stderr: str = "", sandbox_id: str = "") -> None:
        self.seconds = seconds
        self.stdout, self.stderr = stdout, stderr
        super().__init__(f"the command ran over {seconds:g} s", sandbox_id=sandbox_id)
