"""What goes over the wire: strict JSON in, JSON or a refusal out, and the answer that never comes."""

import json
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

Document = dict[str, Any]
Model = TypeVar("Model", bound=BaseModel)

BODY_BYTES_MAX = 64 * 1024
DROP = "simulated_provider.drop"  # the ASGI extension that protocol.py adds

# What pydantic calls a mistake -> the code that we answer with.
MISTAKES = {"extra_forbidden": "parameter_unknown", "missing": "parameter_missing"}


class Problem(Exception):
    """A refusal: the HTTP status, and what {"error": ...} says. What the verb had written is rolled back."""

    def __init__(self, status: int, code: str, message: str, *, param: str | None = None, **more: object) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"type": _kind(status), "code": code, "message": message, "param": param, **more}}


class ConnectionDropped(Exception):
    """Raised instead of an answer where there is no socket to close (a test that calls the application itself)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a verb answers, and how: at once, late, or (what was done stays done) never."""

    body: Document
    status: int = 200
    is_lost: bool = False
    late_by_s: float = 0
    is_replayable: bool = True


class Dropped(Response):
    """No answer: the connection is closed without a byte."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        close = scope.get("extensions", {}).get(DROP)
        if close is None:
            raise ConnectionDropped
        close()
        while (await receive())["type"] != "http.disconnect":
            pass  # returning earlier would make the server answer 500 for us


def _kind(status: int) -> str:
    if status == 402:
        return "card_error"
    if status == 401:
        return "authentication_error"
    return "api_error" if status >= 500 else "invalid_request_error"


def missing(kind: str, object_id: str) -> NoReturn:
    raise Problem(404, "resource_missing", f"No such {kind.replace('_', ' ')}: '{object_id}'.", param="id")


async def raw_body(request: Request) -> bytes:
    """Read the body, refusing to buffer more than the limit."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > BODY_BYTES_MAX:
            raise Problem(413, "body_too_large", f"A body is at most {BODY_BYTES_MAX} bytes.")
        parts.append(part)
    return b"".join(parts)


def parse(raw: bytes, model: type[Model]) -> Model:
    """Read strict JSON: unknown fields, doubled keys and values of another type are refused, never guessed at."""
    try:
        document = json.loads(raw or b"{}", object_pairs_hook=_no_twins, parse_constant=_no_nan)
    except ValueError as mistake:
        raise Problem(400, "body_invalid", f"The body is not JSON: {mistake}.") from None
    try:
        return model.model_validate(document)
    except ValidationError as mistakes:
        first = mistakes.errors(include_url=False, include_input=False)[0]
        param = ".".join(str(step) for step in first["loc"]) or None
        code = MISTAKES.get(first["type"], "parameter_invalid")
        raise Problem(400, code, f"{param or 'The body'}: {first['msg']}.", param=param) from None


def _no_twins(pairs: list[tuple[str, Any]]) -> Document:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key is given twice")
    return document


def _no_nan(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def refusal(problem: Problem, *, retry_after_s: int | None = None) -> JSONResponse:
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return JSONResponse(problem.body, status_code=problem.status, headers=headers)


def public(value: Any) -> Any:
    """Return what others may see of an object: not the fields that we keep for ourselves, named with an underscore."""
    if isinstance(value, dict):
        return {key: public(inner) for key, inner in value.items() if not key.startswith("_")}
    return [public(inner) for inner in value] if isinstance(value, list) else value
