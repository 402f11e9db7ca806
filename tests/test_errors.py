"""Error answers of every shape become the class that their reason means (contract/llm.md 3, platform.md, gpu.md 8)."""

from __future__ import annotations

import pathlib
import re
from typing import TYPE_CHECKING

import msgspec
import pytest

from novita_async import errors
from novita_async.wire.problem import api_error, embedded_error, retry_after

if TYPE_CHECKING:
    from novita_async.errors import APIError

KEY = "sk_a_secret_key"
PLATFORM = (pathlib.Path(__file__).parent.parent / "contract" / "platform.md").read_text("utf-8")

#: What the words of the table's "meaning" column stand for; a reason that is not here goes by its status.
MEANT = {
    "BILLING_BALANCE_NOT_ENOUGH": errors.InsufficientBalance,
    "NOT_ENOUGH_BALANCE": errors.InsufficientBalance,
    "BALANCE_NOT_ENOUGH": errors.InsufficientBalance,
    "EXPIRED_OR_BALANCE_NOT_ENOUGH": errors.InsufficientBalance,
    "MISSING_API_KEY": errors.AuthenticationError,
    "INVALID_API_KEY": errors.AuthenticationError,
    "FAILED_TO_AUTH": errors.AuthenticationError,
    "UNAUTHORIZED": errors.AuthenticationError,
    "ILLEGAL_PROMPT": errors.ContentRefused,
    "ILLEGAL_IMAGE_CONTENT": errors.ContentRefused,
    "INSUFFICIENT_RESOURCE": errors.OutOfStock,
    "MIGRATE_INSUFFICIENT_RESOURCE": errors.OutOfStock,
    "GPU_SPEC_USED": errors.OutOfStock,
    "TEMPLATE_IS_PRIVATE": errors.PermissionDenied,
    "WALLET_NOT_FOUND": errors.NotFound,
    "SERVICE_NOT_AVAILABLE": errors.ServiceUnavailable,
    **dict.fromkeys(("CONFLICT", "OPERATION_LIMIT", "DEPENDENT_RESOURCE_STATE"), errors.Conflict),
    **dict.fromkeys(("CLUSTER_STATUS", "NODE_STATUS", "NETWORK_STORAGE_IN_USE"), errors.Conflict),
    **dict.fromkeys(("NETWORK_IN_USE", "IMAGE_AUTH_IN_USE", "SAVING_PLAN_ALREADY_EXISTS"), errors.Conflict),
    **dict.fromkeys(("SERVERLESS_APP_NAME_IS_EXIST", "PREPAID_INSTANCE_NOT_SUPPORT_RELEASE"), errors.Conflict),
    "CREATING_INSTANCE_NOT_SUPPORT_RENEWAL": errors.Conflict,
}
BY_STATUS = {
    400: errors.BadRequest,
    401: errors.AuthenticationError,
    403: errors.PermissionDenied,
    404: errors.NotFound,
    409: errors.Conflict,
    429: errors.RateLimited,
    500: errors.ServerError,
    503: errors.ServiceUnavailable,
}


def documented() -> list[tuple[str, int]]:
    """The (reason, status) pairs of the platform's table, all of them."""
    rows = re.findall(r"^\| (?:media|llm|billing|gpu) \| ([A-Z_, ]+) \| (\d{3}) \|", PLATFORM, re.MULTILINE)
    return [(reason.strip(), int(status)) for names, status in rows for reason in names.split(",")]


def read(status: int, body: object, headers: dict[str, str] | None = None) -> APIError:
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return api_error(status, headers or {}, data, secret=KEY, now=1_760_000_000.0)


def test_the_platforms_table_was_read():
    assert len(documented()) > 70


@pytest.mark.parametrize(("reason", "status"), documented(), ids=lambda value: str(value))
def test_a_documented_reason_gives_the_class_that_it_means(reason: str, status: int):
    error = read(status, {"code": status, "reason": reason, "message": "words", "metadata": {"a": 1}})
    wanted = MEANT.get(reason) or (errors.NotFound if reason.endswith("_NOT_FOUND") else BY_STATUS[status])
    assert type(error) is wanted
    assert (error.status, error.reason, error.message, error.metadata) == (status, reason, "words", {"a": 1})


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason", "message"),
    [
        (
            401,
            {"code": 401, "reason": "FAILED_TO_AUTH", "message": "no"},
            errors.AuthenticationError,
            "FAILED_TO_AUTH",
            "no",
        ),
        (
            429,
            {"error": {"message": "slow down", "type": "rate_limit_error", "param": None, "code": 0}},
            errors.RateLimited,
            "rate_limit_error",
            "slow down",
        ),
        (
            400,
            {"error": {"message": "no such model", "type": "invalid_request_error", "code": "MODEL_NOT_FOUND"}},
            errors.NotFound,
            "MODEL_NOT_FOUND",
            "no such model",
        ),
        (
            400,
            {"code": 0, "message": "bad trace_id: ab", "type": "invalid_request_error"},
            errors.BadRequest,
            "invalid_request_error",
            "bad trace_id: ab",
        ),
        (
            400,
            {"code": 0, "message": "insufficient instant inference quota", "type": "invalid_request_error"},
            errors.InsufficientBalance,
            "invalid_request_error",
            "insufficient instant inference quota",
        ),
        (
            529,
            {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}},
            errors.ServiceUnavailable,
            "overloaded_error",
            "busy",
        ),
        (
            403,
            {"code": 403, "reason": "NOT_ENOUGH_BALANCE", "message": "m"},
            errors.InsufficientBalance,
            "NOT_ENOUGH_BALANCE",
            "m",
        ),
        (403, {"reason": "model_access_denied", "message": "m"}, errors.PermissionDenied, "model_access_denied", "m"),
        (400, {"message": "short", "details": {"x": 1}}, errors.BadRequest, "", "short"),
        (404, {"error": {"code": 404, "message": "gone"}}, errors.NotFound, "", "gone"),
        (404, {"code": "not_found", "message": "no process"}, errors.NotFound, "not_found", "no process"),
        (401, {"code": 401, "message": "no key"}, errors.AuthenticationError, "", "no key"),
        (404, b"404 page not found", errors.NotFound, "", "404 page not found"),
        (502, b"<html>bad gateway</html>", errors.ServerError, "", "<html>bad gateway</html>"),
        (503, b"", errors.ServiceUnavailable, "", "the answer has no text"),
        (418, b"", errors.BadRequest, "", "the answer has no text"),
        (500, b"[1, 2]", errors.ServerError, "", "[1, 2]"),
        (500, b"\xff\xfe{", errors.ServerError, "", "\ufffd\ufffd{"),
    ],
)
def test_every_shape_of_body_is_read(status: int, body: object, kind: type[APIError], reason: str, message: str):
    error = read(status, body)
    assert type(error) is kind
    assert (error.reason, error.message, error.status) == (reason, message, status)


def test_the_key_is_blotted_out_wherever_the_server_repeats_it():
    error = read(401, {"reason": "FAILED_TO_AUTH", "message": f"{KEY} is wrong", "metadata": {"key": KEY}})
    for text in (str(error), repr(error), repr(error.metadata), error.message, error.body.decode()):
        assert KEY not in text
    assert "***" in error.message


def test_the_request_id_stands_in_the_text_for_support():
    error = read(500, {"message": "m"}, {"x-request-id": "req-7"})
    assert error.request_id == "req-7"
    assert "req-7" in str(error)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Thu, 09 Oct 2025 08:53:40 GMT"}, 20.0),
        # The server's own clock counts where it tells its time.
        ({"retry-after": "Thu, 09 Oct 2025 10:00:30 GMT", "date": "Thu, 09 Oct 2025 10:00:00 GMT"}, 30.0),
        ({"retry-after": "Thu, 09 Oct 2025 08:00:00 GMT"}, 0.0),
    ],
)
def test_retry_after_is_read_in_seconds_and_as_a_date(headers: dict[str, str], seconds: float | None):
    assert retry_after(headers, now=1_760_000_000.0) == seconds


@pytest.mark.parametrize("value", [{"choices": []}, {"id": "x"}, {"message": "hello"}, [], "text", None, {"code": 0}])
def test_a_body_that_is_no_error_is_none(value: object):
    assert embedded_error(value, headers={}, body=msgspec.json.encode(value)) is None


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"code": 503, "reason": "SERVICE_NOT_AVAILABLE", "message": "m"}, errors.ServiceUnavailable),
        ({"error": {"message": "m", "type": "rate_limit_error", "code": 429}}, errors.RateLimited),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}, errors.ServiceUnavailable),
        ({"code": 0, "message": "m", "type": "invalid_request_error"}, errors.BadRequest),
        ({"code": 500, "message": "m"}, errors.ServerError),
    ],
)
def test_an_error_inside_a_200_is_the_same_class_as_one_with_a_status(value: dict[str, object], kind: type[APIError]):
    error = embedded_error(value, headers={}, body=msgspec.json.encode(value))
    assert type(error) is kind


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes():
    drawn: dict[str, str] = {}
    stack: list[tuple[int, str]] = [(0, "NovitaError")]
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^    (?:[|` ]*(?:--)?)\s*([A-Z]\w+)\s{2,}", line)
        if match is None:
            if re.match(r"^    [|`]--", line):
                stack = stack[:1]
            continue
        indent = match.start(1)
        while len(stack) > 1 and stack[-1][0] >= indent:
            stack.pop()
        drawn[match[1]] = stack[-1][1]
        stack.append((indent, match[1]))
    real = {
        name: next(base.__name__ for base in getattr(errors, name).__mro__[1:] if base.__name__ in errors.__all__)
        for name in errors.__all__
        if name not in ("NovitaError", "ModelRetiredWarning")
    }
    assert drawn == real


def test_timeouts_are_timeouts_and_bad_values_are_value_errors():
    for kind in (errors.CallTimeout, errors.StreamStalled, errors.TaskTimeout, errors.CommandTimeout):
        assert issubclass(kind, TimeoutError)
    assert issubclass(errors.ValidationError, ValueError)
