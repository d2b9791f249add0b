"""What happens in the demo, and when: days since the sandbox began, and what its people do then."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

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


STORY = (
    Chapter(
        0,
        "Aurora tries Pro, Brasserie and Kestrel subscribe to Starter",
        (
            _saves("aurora", "pm_card_ok"),
            _saves("brasserie", "pm_card_mastercard"),
            _saves("kestrel", "pm_card_ok"),
            _subscribes("aurora", "pro"),
            _subscribes("brasserie", "starter"),
            _subscribes("kestrel", "starter", "yearly"),
        ),
    ),
    Chapter(20, "Sakura tries Pro", (_saves("sakura", "pm_card_ok"), _subscribes("sakura", "pro"))),
    Chapter(45, "Sakura is asked to stay, and gives notice", (_leaves("sakura"),)),
    # The card pays once, and has no funds at the renewal three days before the present.
    Chapter(
        DAYS - 33,
        "Nordlys subscribes, with a card that will fail",
        (_saves("nordlys", "pm_card_once"), _subscribes("nordlys", "starter")),
    ),
    Chapter(
        DAYS - 10,
        "Maya buys a film",
        (_saves("maple", "pm_card_ok"), _buys("maple", "film-dikes")),
    ),
    Chapter(DAYS - 5, "Maya tries Pro", (_subscribes("maple", "pro"),)),
    Chapter(DAYS, "today", ()),
)
