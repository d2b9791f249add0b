"""The body and the query, read once, within limits, strictly."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import unquote

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from guilder.kernel.errors import Invalid, Malformed, NotFound, TooLarge
from guilder.platform.cards import looks_like_card
from guilder.platform.http import parsing

QUERY_MAX_BYTES = 8_000
# The longest that a path names is a signed link's token.
PATH_PART_MAX = 1_024
# CloudEvents in structured and in batched form are JSON under names of their own.
JSON_TYPES = frozenset({"application/json", "application/cloudevents+json", "application/cloudevents-batch+json"})


# What these say is stored with what was asked.
KEPT_HEADERS = ("Idempotency-Key", "Guilder-Reason")


VERSION_HEADER = "Guilder-Version"


class UnknownVersion(Malformed):
    """There is no such version."""

    code = "unknown_version"


class BodyTooLarge(TooLarge):
    """The body is larger than this takes."""

    code = "body_too_large"


class BadLength(Malformed):
    """Content-Length is not a number."""

    code = "bad_content_length"


class BodyNotExpected(Invalid):
    """This takes no body."""

    code = "body_not_expected"


class QueryTooLong(Malformed):
    """The query is too long."""

    code = "query_too_long"


class UnknownParameter(Invalid):
    """There is no such parameter."""

    code = "unknown_parameter"


class RepeatedParameter(Invalid):
    """This parameter is given twice."""

    code = "repeated_parameter"


class EdgeRequest(Request):
    """FastAPI asks it for the body and for its JSON; it hands out what the edge has read and checked already."""

    parsed: Any = None

    def keep(self, body: bytes) -> None:
        self._body = body  # where Request.body() itself keeps it

    async def json(self) -> Any:
        return self.parsed


def check_length(request: Request, body_max: int) -> None:
    """Refuse before a byte is read.

    :raises TooLarge: it says that it is larger than this takes
    """
    length = request.headers.get("content-length")
    if length is None:
        return
    if not (length.isascii() and length.isdigit()):
        raise BadLength
    if len(length) > 15 or int(length) > body_max:
        raise BodyTooLarge(f"the body is larger than {body_max} bytes")


def version_of(request: Request, known: Sequence[str]) -> str:
    """Return the version of the API that is asked for; the newest where none is.

    :raises UnknownVersion: says which there are
    """
    wanted = request.headers.get(VERSION_HEADER, known[-1])
    if wanted not in known:
        raise UnknownVersion(f"versions are: {', '.join(known)}", field=VERSION_HEADER)
    return wanted


def check_headers(request: Request) -> None:
    """Refuse a card number in a header that is kept.

    :raises Invalid: it says which header
    """
    for name in KEPT_HEADERS:
        for value in request.headers.getlist(name):
            if not may_be_kept(value):
                raise parsing.CardNumberRefused(field=name)


def may_be_kept(said: str) -> bool:
    """Say whether a header's words may be written down: not what looks like a card number."""
    return not looks_like_card(unquote(said))


async def read_body(request: EdgeRequest, *, body_max: int, timeout_s: float) -> bytes:
    """Read the body into the request, never holding more than `body_max` of it.

    :raises TooLarge: it went on
    """
    chunks, size = [], 0
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                size += len(chunk)
                if size > body_max:
                    raise BodyTooLarge(f"the body is larger than {body_max} bytes")
                chunks.append(chunk)
    except TimeoutError as error:
        raise HTTPException(408) from error
    except ClientDisconnect as error:
        raise HTTPException(400) from error  # nobody is left to read it; the log has its line
    body = b"".join(chunks)
    request.keep(body)
    return body


def read_json(request: EdgeRequest, body: bytes, *, is_expected: bool) -> None:
    """Parse the body into the request.

    A type that a page elsewhere may send without asking (text/plain, a form) is not JSON, whatever the body says.

    :raises Malformed, Invalid: see `parsing`; HTTPException 415: it does not say that it is JSON
    """
    if not body:
        return
    if not is_plain_json(request):
        raise HTTPException(415)
    request.parsed = parsing.parse(body)
    if not is_expected and request.parsed != {}:
        raise BodyNotExpected


def is_plain_json(request: Request) -> bool:
    """Say whether the body says of itself that it is JSON, as it is."""
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        return False
    return _is_json(request.headers.getlist("content-type"))


def _is_json(given: list[str]) -> bool:
    if len(given) != 1:
        return False
    kind, _, options = given[0].partition(";")
    charset = options.strip().lower().replace('"', "")
    return kind.strip().lower() in JSON_TYPES and charset in {"", "charset=utf-8", "charset=utf8"}


def check_query(request: Request, *, known: Iterable[str] | None, lists: frozenset[str]) -> None:
    """Refuse what no parameter of this route is called, and the same one twice where it is not a list.

    `known` is None where others may pass (a page that strangers link to).

    :raises Invalid: it says which
    :raises NotFound: a part of the path is longer than anything is called
    """
    if len(request.scope["query_string"]) > QUERY_MAX_BYTES:
        raise QueryTooLong
    seen: set[str] = set()
    names = None if known is None else frozenset(known)
    for name, value in request.query_params.multi_items():
        parsing.check_text(name, "")
        parsing.check_text(value, name)
        if names is not None and name not in names:
            raise UnknownParameter(field=name)
        if name in seen and name not in lists and names is not None:
            raise RepeatedParameter(field=name)
        seen.add(name)
    for name, value in request.path_params.items():
        if len(str(value)) > PATH_PART_MAX:
            raise NotFound
        parsing.check_text(str(value), name)
