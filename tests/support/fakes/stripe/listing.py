"""Lists, searches and what is expanded in an answer."""

import re
from typing import Any

from tests.support.fakes.stripe.state import Account, Document, Refusal, shown

_QUERY = re.compile(r"metadata\['([^']{1,40})'\]:'((?:[^'\\]|\\.){1,500})'")
_FILTERS = ("customer", "payment_intent", "charge", "status")


def page(account: Account, kind: str, asked: Document) -> Document:
    """Return a page of a list, the newest first."""
    found = [each for each in account.of(kind) if _fits(each, asked)]
    if after := asked.get("starting_after"):
        number = account.get(after, kind, param="starting_after")["#"]
        found = [each for each in found if each["#"] < number]
    limit = _limit(asked)
    return {"object": "list", "url": "/v1/list", "has_more": len(found) > limit, "data": found[:limit]}


def search(account: Account, kind: str, asked: Document) -> Document:
    """Search metadata. What is new is not seen yet."""
    query = _QUERY.fullmatch(asked["query"])
    if query is None:
        raise Refusal(400, "", "We were unable to parse the search query.", param="query")
    wanted = re.sub(r"\\(.)", r"\1", query[2])
    seen_until = account.clock - account.search_lag_s
    found = [e for e in account.of(kind) if e["metadata"].get(query[1]) == wanted and e["created"] <= seen_until]
    limit = _limit(asked)
    return {
        "object": "search_result",
        "url": "/v1/search",
        "has_more": len(found) > limit,
        "next_page": None,
        "data": found[:limit],
    }


def expanded(account: Account, body: Document, asked: Document) -> Document:
    """Return the answer with the objects in it that were asked for, in place of their ids."""
    answer: Document
    if isinstance(body.get("data"), list):
        answer = {**body, "data": [shown(each) for each in body["data"]]}
    else:
        answer = shown(body)
    for path in asked.get("expand", []):
        _expand(account, answer, path.split("."))
    return answer


def _expand(account: Account, found: Any, path: list[str]) -> None:
    if isinstance(found, list):
        for each in found:
            _expand(account, each, path)
        return
    if not isinstance(found, dict):
        return
    if path[0] not in found:
        raise Refusal(400, "", f"This property cannot be expanded ({path[0]}).", param="expand")
    inside = found[path[0]]
    if isinstance(inside, str):
        inside = found[path[0]] = shown(account.objects[inside])
    if path[1:]:
        _expand(account, inside, path[1:])


def _fits(found: Document, asked: Document) -> bool:
    created = asked.get("created")
    at = found["created"]
    if isinstance(created, int) and at != created:
        return False
    if isinstance(created, dict):
        bounds = {"gt": at > created.get("gt", -1), "gte": at >= created.get("gte", 0)}
        bounds |= {"lt": at < created.get("lt", 2**60), "lte": at <= created.get("lte", 2**60)}
        if not all(bounds.values()):
            return False
    return all(found.get(name) == asked[name] for name in _FILTERS if name in asked)


def _limit(asked: Document) -> int:
    limit: int = asked.get("limit", 10)
    if not 1 <= limit <= 100:
        raise Refusal(400, "parameter_invalid_integer", "Limit is 1 to 100.", param="limit")
    return limit
