"""What happens in the demo, and when: days since the sandbox began, and what its people do then."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from guilder.entrypoints.demo.client import Api

DAYS = 92

Deed = Callable[[Api], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Chapter:
    """Some deeds on one day; each does nothing where it was done before."""

    day: int
    says: str
    deeds: tuple[Deed, ...]


def _saves(who: str, token: str) -> Deed:
    return lambda api: api.card(who, token)


def _subscribes(who: str, plan: str, cycle: str = "monthly") -> Deed:
    return lambda api: api.subscribe(who, plan, cycle)


def _buys(who: str, product: str) -> Deed:
    return lambda api: api.buy(who, product)


def _leaves(who: str) -> Deed:
    return lambda api: api.cancel(who)


def _redeems(who: str, plan: str, code: str) -> Deed:
    return lambda api: api.subscribe(who, plan, "monthly", code=code)


def _uses(who: str, first: int, after: int) -> Deed:
    """Use it every day from one up to another: days since the sandbox began."""
    return lambda api: api.use(readings(who, api.start, first, after))


def _takes_seats(who: str, quantity: int) -> Deed:
    return lambda api: api.take_seats(who, quantity)


def _pauses(who: str) -> Deed:
    return lambda api: api.pause(who)


def _resumes(who: str) -> Deed:
    return lambda api: api.resume(who)


def _is_billed(who: str) -> Deed:
    return lambda api: api.invoice(who, WORKSHOP)


def _is_credited(who: str, amount: int, reason: str) -> Deed:
    return lambda api: api.credit(who, amount, reason)


def readings(who: str, start: datetime, first: int, after: int) -> list[dict[str, Any]]:
    """Return the use of some days: calls that grow from week to week, and storage that only grows."""
    read = []
    for day in range(first, after):
        at = (start + timedelta(days=day, hours=4)).isoformat()
        said = {"organization_id": who, "timestamp": at}
        calls, gigabytes = 800 + 40 * day + 130 * (day % 7), 80 + 5 * day
        read += [
            {**said, "event_id": f"{who}-calls-{day}", "meter": "api_calls", "value": calls},
            {**said, "event_id": f"{who}-storage-{day}", "meter": "storage", "value": gigabytes},
        ]
    return read


WORKSHOP: dict[str, Any] = {
    "currency": "EUR",
    "lines": [{"description": "Workshop: moving your bills over, one day", "unit_amount": 120_000}],
    "collection": "send",
    "net_days": 14,
    "memo": "As agreed on the telephone. Thank you for your trust!",
}

STORY = (
    Chapter(
        0,
        "Aurora tries Pro, Brasserie and Kestrel subscribe to Starter, Lumen to Cloud with a promo code",
        (
            _saves("aurora", "pm_card_ok"),
            _saves("brasserie", "pm_card_mastercard"),
            _saves("kestrel", "pm_card_ok"),
            _subscribes("aurora", "pro"),
            _subscribes("brasserie", "starter"),
            _subscribes("kestrel", "starter", "yearly"),
            _saves("lumen", "pm_card_ok"),
            _redeems("lumen", "cloud", "WELCOME20"),
        ),
    ),
    Chapter(20, "Sakura tries Pro", (_saves("sakura", "pm_card_ok"), _subscribes("sakura", "pro"))),
    Chapter(27, "Lumen uses Cloud, more of it every week", (_uses("lumen", 0, 27),)),
    Chapter(
        45,
        "Sakura is asked to stay, and gives notice; Brasserie closes for two weeks, and pauses",
        (_leaves("sakura"), _pauses("brasserie"), _uses("lumen", 27, 45)),
    ),
    # The card pays once, and has no funds at the renewal three days before the present.
    Chapter(
        DAYS - 33,
        "Nordlys subscribes, with a card that will fail; Brasserie is back",
        (
            _saves("nordlys", "pm_card_once"),
            _subscribes("nordlys", "starter"),
            _resumes("brasserie"),
            _uses("lumen", 45, DAYS - 33),
        ),
    ),
    Chapter(
        DAYS - 10,
        "Maya buys a film, Kestrel takes two seats more, Aurora is credited a bad day",
        (
            _saves("maple", "pm_card_ok"),
            _buys("maple", "film-dikes"),
            _takes_seats("kestrel", 3),
            _is_credited("aurora", 500, "Reports were down on Tuesday"),
            _uses("lumen", DAYS - 33, DAYS - 10),
        ),
    ),
    Chapter(
        DAYS - 5,
        "Maya tries Pro, Kestrel is sent an invoice for a workshop",
        (_subscribes("maple", "pro"), _is_billed("kestrel"), _uses("lumen", DAYS - 10, DAYS - 5)),
    ),
    Chapter(DAYS, "today", ()),
)
