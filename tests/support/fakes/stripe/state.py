"""What the fake remembers of an account: objects, keys, events, faults, and the journal of what money did."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

Document = dict[str, Any]

_numbers = count(1)


class Refusal(Exception):
    """An answer that is an error, in Stripe's form."""

    def __init__(self, status: int, code: str, message: str, *, param: str = "", kind: str = "", **more: Any) -> None:
        super().__init__(message)
        self.status, self.code = status, code
        default = "card_error" if status == 402 else "invalid_request_error"
        said = {
            "type": kind or default,
            "code": code or None,
            "message": message,
            **({"param": param} if param else {}),
        }
        self.body: Document = {"error": said | more}


@dataclass(slots=True, kw_only=True)
class Fault:
    """What goes wrong with the next calls of a kind. "drop_before", "status" and "broken" spare the effect.

    "broken" is a 500 that Stripe keeps and repeats under the call's idempotency key.
    """

    mode: str
    op: str = "any"
    times: int = 1
    status: int = 503
    retry_after: int | None = None
    seconds: float = 5


@dataclass(slots=True)
class Kept:
    """What was answered under an idempotency key."""

    asked: str
    at: float
    status: int = 0
    body: Document | None = None


@dataclass(slots=True)
class Account:
    """A merchant's account, of one mode, with the clock that it lives on."""

    id: str
    secret_key: str
    charges_enabled: bool = True
    is_revoked: bool = False
    objects: dict[str, Document] = field(default_factory=dict)
    keys: dict[str, Kept] = field(default_factory=dict)
    events: list[Document] = field(default_factory=list)
    deliveries: list[Document] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    journal: list[Document] = field(default_factory=list)
    asked: list[Document] = field(default_factory=list)
    # Rights that this key lacks, as a restricted one may: "webhook_endpoints", "balance".
    forbidden: set[str] = field(default_factory=set)
    # "deliver" sends at once, "hold" keeps them until released, "drop" loses them.
    hooks: str = "deliver"
    # A new object is not found by searching for so long.
    search_lag_s: float = 60
    # Keys are forgotten after so long, and a session closes by itself.
    keys_kept_s: float = 24 * 3600
    # How a refund is when it is made: "pending" where the balance is too low, or a bank takes its time.
    refunds_begin: str = "succeeded"
    offset_s: float = 0

    @property
    def is_live(self) -> bool:
        return "_live_" in self.secret_key[:9]

    @property
    def clock(self) -> float:
        return time.time() + self.offset_s

    @property
    def now(self) -> int:
        return int(self.clock)

    def add(self, prefix: str, said: Document) -> Document:
        """Keep a new object under an id of its own; it sees the light only in answers, by a copy."""
        number = next(_numbers)
        made = {"id": f"{prefix}_{number:06d}{self.id[-10:]}", **said, "created": self.now, "livemode": self.is_live}
        made["#"] = number
        self.objects[made["id"]] = made
        return made

    def of(self, kind: str) -> Iterator[Document]:
        """Return the objects of a kind, the newest first."""
        found = [each for each in self.objects.values() if each["object"] == kind]
        return iter(sorted(found, key=lambda each: each["#"], reverse=True))

    def get(self, ref: str, kind: str, *, param: str = "id") -> Document:
        found = self.objects.get(ref)
        if found is None or found["object"] != kind:
            raise Refusal(404, "resource_missing", f"No such {kind}: '{ref}'", param=param)
        return found

    def take(self, op: str) -> Fault | None:
        """Return the fault that this call meets, and count it."""
        for fault in self.faults:
            if fault.op in {op, "any"}:
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
                return fault
        return None

    def tell(self, kind: str, about: Document, *, was: Document | None = None) -> Document:
        """Write an event with the object as it is now, and what `was` otherwise; it is sent to whoever listens."""
        event = self.add(
            "evt",
            {
                "object": "event",
                "type": kind,
                "api_version": "2026-10-28.endive",
                "data": {"object": shown(about), **({"previous_attributes": was} if was else {})},
                "pending_webhooks": 1,
                "request": {"id": None, "idempotency_key": None},
            },
        )
        self.events.append(event)
        return event


def shown(found: Document) -> Document:
    """Return an object as the world sees it, apart from what changes later."""
    copy: Document = json.loads(json.dumps({name: value for name, value in found.items() if not name.startswith("#")}))
    return copy
