"""Problems: every "no" has one shape (RFC 9457), a stable code, the field at fault, and the id of its request."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import asyncpg
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from guilder.kernel import errors
from guilder.kernel.errors import Refusal
from guilder.platform.auth.permission import StepUpRequired
from guilder.platform.db.database import AILING, CLASHES, GONE

PROBLEM = "application/problem+json"
ERRORS_MAX = 20
FIELD_MAX = 200
RETRY_AFTER_S = 1

# The kinds, and only the kinds, become statuses.
STATUSES: dict[type[Refusal], int] = {
    errors.Malformed: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.TooLarge: 413,
    errors.Invalid: 422,
    errors.TooMany: 429,
    errors.Unavailable: 503,
}

_HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 408: "request_timeout", 415: "unsupported_media_type"}


class Busy(errors.Unavailable):
    """Too many others want the same thing right now; try again."""

    code = "busy"


class OutcomeUnknown(errors.Unavailable):
    """The database cannot be reached right now, and what became of this is not known: ask again with the same key."""

    code = "database_unavailable"


class CutOff(errors.Unavailable):
    """This process had to end before it was done, and what became of this is not known: ask again with the same key."""

    code = "shutting_down"


class OutOfRange(errors.Invalid):
    """Something in this is larger than can be kept."""

    code = "out_of_range"


class AlreadyThere(errors.Conflict):
    """Something else made the same thing at the same moment."""

    code = "already_exists"


class NotServed(errors.NotFound):
    """There is no such thing."""


# What a driver says that is not our mistake, as the kind that it is. Order matters: the first that fits is taken.
_FROM_DATABASE: tuple[tuple[tuple[type[BaseException], ...], type[Refusal]], ...] = (
    (CLASHES, Busy),
    ((asyncpg.DataError,), OutOfRange),
    ((asyncpg.UniqueViolationError, asyncpg.ExclusionViolationError, asyncpg.ForeignKeyViolationError), AlreadyThere),
    ((*GONE, *AILING), OutcomeUnknown),
)


def from_database(error: BaseException) -> Refusal | None:
    """Say which refusal a driver's error is; None if it is a mistake of ours."""
    for kinds, refusal in _FROM_DATABASE:
        if isinstance(error, kinds):
            return refusal(retry_after_s=RETRY_AFTER_S if issubclass(refusal, errors.Unavailable) else None)
    return None


def status_of(refusal: Refusal) -> int:
    return next(status for kind, status in STATUSES.items() if isinstance(refusal, kind))


def problem(
    *,
    status: int,
    code: str,
    detail: str,
    request_id: str,
    field: str | None = None,
    faults: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    body: dict[str, Any] = {
        "type": f"urn:guilder:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if field is not None:
        body["field"] = field[:FIELD_MAX]
    if faults:
        body["errors"] = list(faults)
    body["request_id"] = request_id
    return Response(json.dumps(body), status, headers, media_type=PROBLEM)


def from_refusal(refusal: Refusal, request_id: str) -> Response:
    headers = {}
    if refusal.retry_after_s is not None:
        headers["Retry-After"] = str(refusal.retry_after_s)
    if isinstance(refusal, errors.Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="guilder"'
    if isinstance(refusal, StepUpRequired):  # as RFC 9470 says it
        headers["WWW-Authenticate"] = f'Bearer error="insufficient_user_authentication", max_age={refusal.within_s}'
    return problem(
        status=status_of(refusal),
        code=refusal.code,
        detail=refusal.detail,
        field=refusal.field,
        request_id=request_id,
        headers=headers,
    )


def from_http(error: HTTPException, request_id: str) -> Response:
    code = _HTTP_CODES.get(error.status_code, HTTPStatus(error.status_code).name.lower())
    detail = NotServed().detail if error.status_code == 404 else HTTPStatus(error.status_code).description
    return problem(
        status=error.status_code,
        code=code,
        detail=detail or HTTPStatus(error.status_code).phrase,
        request_id=request_id,
        headers=error.headers,
    )


def from_validation(error: RequestValidationError, request_id: str) -> Response:
    """Answer with every fault and its path; never with what was sent, which may be a secret."""
    found = error.errors()
    # An id in a path that is no id is an address at which nothing can be: the same answer as for one that is not there.
    if any(fault["loc"][:1] == ("path",) for fault in found):
        return from_refusal(NotServed(), request_id)
    faults = [_fault(each) for each in found[:ERRORS_MAX]]
    return problem(
        status=422,
        code=faults[0]["code"],
        detail=f"{faults[0]['field']}: {faults[0]['detail']}"
        if faults[0]["field"]
        else f"the body {faults[0]['detail']}",
        field=faults[0]["field"] or None,
        faults=faults,
        request_id=request_id,
    )


def unexpected(request_id: str) -> Response:
    detail = "Something went wrong on our side. Tell us the request id."
    return problem(status=500, code="internal_error", detail=detail, request_id=request_id)


# Where pydantic's name for a fault would say how we check rather than what is wrong.
_CODES = {
    "extra_forbidden": "unknown_field",
    "missing": "required",
    "model_attributes_type": "object_expected",
    "model_type": "object_expected",
}
_DETAILS = {
    "unknown_field": "there is no such field",
    "object_expected": "should be an object",
    "required": "is required",
}


def _fault(error: Mapping[str, Any]) -> dict[str, str]:
    code = _CODES.get(error["type"], str(error["type"]))
    detail = _DETAILS.get(code, str(error["msg"]))
    # What looks at a whole model names the field within it that is at fault.
    within = error.get("ctx", {}).get("field")
    location = [*error["loc"][1:], *([] if within is None else [within])]
    return {"field": path_of(location)[:FIELD_MAX], "code": code, "detail": detail}


def path_of(location: Sequence[str | int]) -> str:
    """Write a path as a person would: `lines[0].amount`."""
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += f".{step}" if path else step
    return path
