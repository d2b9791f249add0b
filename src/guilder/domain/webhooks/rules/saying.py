"""What a message says: the event's name, when it happened, and the event; or, thinly, only the ids in it."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from guilder.domain.gateways.events import CONVERSATION

BODY_BYTES_MAX = 20_000
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def payload(name: str, *, occurred_at: datetime, event_id: UUID, data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": name,
        "timestamp": occurred_at.isoformat().replace("+00:00", "Z"),
        "event_id": str(event_id),
        "data": dict(data),
    }


def told(name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what may be said of an event to whoever listens from outside: of a talk with a provider only its ids."""
    return thinned(data) if name.startswith(CONVERSATION) else dict(data)


def thinned(data: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what is an id, or a list of ids: enough to ask for the rest."""
    return {name: value for name, value in data.items() if _is_id(value) or _is_list_of_ids(value)}


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _is_list_of_ids(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_id(each) for each in value)
