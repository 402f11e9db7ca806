"""Error bodies of every shape, read into one exception class (contract/llm.md 3, platform.md, gpu.md 8).

The class is chosen by the reason first and by the status second: 403 alone may mean a missing key, an empty wallet or a
forbidden route. A body is never the end of the world: whatever cannot be read is kept as text.
"""

from __future__ import annotations

import datetime
import email.utils
from typing import TYPE_CHECKING, Any, cast

import msgspec

from .. import errors
from ..errors import APIError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["api_error", "embedded_error", "retry_after"]

_SHOWN = 500


def _by_reason() -> dict[str, type[APIError]]:
    table: dict[type[APIError], str] = {
        errors.InsufficientBalance: "BILLING_BALANCE_NOT_ENOUGH NOT_ENOUGH_BALANCE BALANCE_NOT_ENOUGH"
        " EXPIRED_OR_BALANCE_NOT_ENOUGH INSUFFICIENT_QUOTA BILLING_ERROR",
        errors.AuthenticationError: "FAILED_TO_AUTH INVALID_API_KEY MISSING_API_KEY UNAUTHORIZED"
        " AUTHENTICATION_ERROR UNAUTHENTICATED 1004",
        errors.PermissionDenied: "ACCESS_DENY FORBIDDEN FEATURE_NOT_ALLOWED API_NOT_ALLOWED NEED_REAL_NAME_VERIFY"
        " BILLING_AUTH_FAILED MODEL_ACCESS_DENIED PERMISSION_DENIED PERMISSION_ERROR TEMPLATE_IS_PRIVATE",
        errors.NotFound: "MODEL_NOT_FOUND API_NOT_FOUND TASK_NOT_FOUND RESOURCE_NOT_FOUND IMAGE_NOT_FOUND"
        " NETWORK_NOT_FOUND NETWORK_STORAGE_NOT_FOUND JOB_NOT_FOUND ORDER_NOT_FOUND TEMPLATE_NOT_FOUND"
        " SERVERLESS_ENDPOINT_NOT_FOUND SERVERLESS_WORKER_NOT_FOUND SERVERLESS_PRODUCT_NOT_FOUND"
        " INSTANCE_LOCAL_STORAGE_NOT_FOUND USER_NOT_FOUND WALLET_NOT_FOUND NOT_FOUND NOT_FOUND_ERROR",
        errors.Conflict: "CONFLICT OPERATION_LIMIT DEPENDENT_RESOURCE_STATE CLUSTER_STATUS NODE_STATUS"
        " NETWORK_STORAGE_IN_USE NETWORK_IN_USE IMAGE_AUTH_IN_USE SAVING_PLAN_ALREADY_EXISTS"
        " SERVERLESS_APP_NAME_IS_EXIST PREPAID_INSTANCE_NOT_SUPPORT_RELEASE CREATING_INSTANCE_NOT_SUPPORT_RENEWAL"
        " ALREADY_EXISTS ABORTED FAILED_PRECONDITION",
        errors.OutOfStock: "INSUFFICIENT_RESOURCE MIGRATE_INSUFFICIENT_RESOURCE GPU_SPEC_USED",
        errors.RateLimited: "RATE_LIMIT_EXCEEDED TOKEN_LIMIT_EXCEEDED LIST_BILL_TOO_FAST SEND_CODE_TOO_FAST"
        " RATE_LIMIT_ERROR RESOURCE_EXHAUSTED 1002 1039",
        errors.ServiceUnavailable: "SERVICE_NOT_AVAILABLE OVERLOADED_ERROR UNAVAILABLE",
        errors.ContentRefused: "ILLEGAL_PROMPT ILLEGAL_IMAGE_CONTENT CONTENT_POLICY_VIOLATION",
        errors.BadRequest: "INVALID_REQUEST_BODY INVALID_REQUEST_ERROR INVALID_ARGUMENT VALIDATOR_PARAM REQUEST"
        " 1042 2013",
        errors.ServerError: "CREATE_TASK_FAILED GET_RESULT_FAILED TASK_FAILED BILLING_FAILED API_ERROR SERVER_ERROR"
        " INTERNAL 1000 1001",
    }
    return {reason: kind for kind, names in table.items() for reason in names.split()}


_REASONS = _by_reason()
_STATUSES: dict[int, type[APIError]] = {
    400: errors.BadRequest,
    401: errors.AuthenticationError,
    403: errors.PermissionDenied,
    404: errors.NotFound,
    409: errors.Conflict,
    413: errors.BadRequest,
    422: errors.BadRequest,
    429: errors.RateLimited,
    503: errors.ServiceUnavailable,
}


def api_error(
    status: int, headers: Mapping[str, str], body: bytes, *, secret: str = "", now: float | None = None
) -> APIError:
    """Read an error answer.

    Args:
        status: HTTP status.
        headers: the answer's headers.
        body: the answer's bytes, in any shape, also empty.
        secret: the API key, blotted out wherever the body repeats it.
        now: Unix seconds, for a `Retry-After` that is a date.
    """
    if secret:
        body = body.replace(secret.encode(), b"***")
    try:
        value = msgspec.json.decode(body) if body else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = None
    fields = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    text = body[:_SHOWN].decode("utf-8", "replace").strip()
    return _build(fields, status=status, headers=headers, body=body, text=text, now=now)


def embedded_error(value: object, *, headers: Mapping[str, str], body: bytes, secret: str = "") -> APIError | None:
    """Read an error that came inside an HTTP 200: a stream's event, a body with `reason` and `code` of an error, or
    MiniMax's `base_resp` with another code than 0.

    Returns:
        The error, or None when the value is no error in any of the shapes.
    """
    if not isinstance(value, dict):
        return None
    fields = cast("dict[str, Any]", value)
    code = fields.get("code")
    wrapped = code in (0, 200) and "data" in fields  # a success that says so (contract/image.md 8)
    wrong = bool(fields.get("error")) or bool(fields.get("reason"))
    wrong = wrong or ("message" in fields and code is not None and not wrapped)
    if not wrong and not _upstream(fields)[0]:
        return None
    if secret:
        body = body.replace(secret.encode(), b"***")
        fields = msgspec.json.decode(body)
    status = code if isinstance(code, int) and 400 <= code < 600 else 0
    return _build(fields, status=status, headers=headers, body=body, text=body[:_SHOWN].decode("utf-8", "replace"))


def _build(
    fields: dict[str, Any],
    *,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    text: str,
    now: float | None = None,
) -> APIError:
    inner = fields.get("error")
    error = cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}
    upstream, words = _upstream(fields)
    detail = fields.get("detail")
    if isinstance(detail, dict):  # Tavily's, as it was passed on
        detail = cast("dict[str, Any]", detail).get("error")
    message = error.get("message") or fields.get("message") or fields.get("msg") or detail or words
    if not message:
        message = inner if isinstance(inner, str) else text
    tag = fields.get("tag")  # Exa's, as it was passed on
    reason = _first_text(fields.get("reason"), error.get("code"), error.get("type"), fields.get("code"), upstream, tag)
    if not reason and (kind := fields.get("type")) != "error":
        reason = _first_text(kind)
    inside = error.get("code")
    if not status and isinstance(inside, int) and 400 <= inside < 600:
        status = inside
    kind = _class_for(status, reason, str(message))
    metadata = fields.get("metadata") or fields.get("details")
    return kind(
        str(message) or "the answer has no text",
        status=status,
        reason=reason,
        metadata=cast("dict[str, Any]", metadata) if isinstance(metadata, dict) else None,
        request_id=headers.get("x-request-id")
        or _first_text(
            fields.get("request_id"), fields.get("requestId"), error.get("request_id"), fields.get("trace_id")
        )
        or None,
        headers=headers,
        body=body,
        retry_after=retry_after(headers, now=now),
    )


def _upstream(fields: dict[str, Any]) -> tuple[str, str]:
    """The code and the words of a failure that MiniMax tells in `base_resp`; two empty texts for a success."""
    said = fields.get("base_resp")
    told = cast("dict[str, Any]", said) if isinstance(said, dict) else {}
    code = str(told.get("status_code") or "")
    return ("", "") if code in ("", "0") else (code, str(told.get("status_msg") or ""))


def _class_for(status: int, reason: str, message: str) -> type[APIError]:
    kind = _REASONS.get(reason.upper())
    if kind is errors.BadRequest and "insufficient" in message and "quota" in message:
        # Seen live as a 400 invalid_request_error (contract/llm.md 3.3).
        return errors.InsufficientBalance
    if kind is None:
        kind = _STATUSES.get(status)
    if kind is None:
        kind = errors.ServerError if status >= 500 else errors.BadRequest if status >= 400 else APIError
    return kind


def _first_text(*candidates: object) -> str:
    return next((value for value in candidates if isinstance(value, str) and value), "")


def retry_after(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """The seconds that `Retry-After` asks to wait, from its number or its HTTP-date; None when absent or unreadable.

    Args:
        headers: the answer's headers.
        now: Unix seconds; a date is measured from here, and from the answer's own `Date` header first, because the
            clocks of two machines differ.
    """
    value = headers.get("retry-after")
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    until = _http_date(value)
    since = _http_date(headers.get("date", "")) or now
    return max(0.0, until - since) if until is not None and since is not None else None


def _http_date(value: str) -> float | None:
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return moment.timestamp()
