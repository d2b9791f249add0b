"""Which account takes what is bound to none, and where a saved method's charge goes when its account is not well.

The first route that fits says where, several targets by their weights: drawn by a hash of the business key, so that
whoever asks again is sent the same way. What the routes do not name comes after them, the tenant's default first. An
account that is not well comes last, whoever names it. Worked out in docs/design/routing.md.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from guilder.domain.gateways.model import GatewayAccount
from guilder.domain.payments.model import MANUAL, PaymentMethod, Route, Target
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money

# After a refused key one call finds out, now and then, whether it is good again.
PROBE_AFTER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be routed. Nothing is asked of a method's kind where the customer has yet to choose one."""

    amount: Money | None = None
    country: str = ""
    method_kind: str = ""
    account_id: UUID | None = None  # the account that is named, whatever the routes say
    is_to_save: bool = False  # a method, to be charged later


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Where something may go, best first, with the route that says so and why each account is where it is."""

    accounts: tuple[GatewayAccount, ...]
    route: str = ""
    why: Mapping[UUID, str] = field(default_factory=dict)


def choose(
    routes: Sequence[Route], accounts: Sequence[GatewayAccount], wish: Wish, *, key: str, now: datetime
) -> Choice:
    """Return the accounts that may take this, best first. `accounts`: the tenant's, its default first."""
    open_ones = {each.id: each for each in accounts if each.is_active}
    if wish.account_id is not None:
        named = open_ones.get(wish.account_id)
        if named is None or not _can_take(named, wish):
            return Choice(accounts=())
        return Choice(accounts=(named,), why={named.id: "named"})
    route = next((each for each in routes if fits(each, wish)), None)
    drawn = _draw(route.targets, key=f"{route.id}:{key}") if route else []
    takes = [open_ones[each] for each in drawn if each in open_ones and _can_take(open_ones[each], wish)]
    others = [each for each in open_ones.values() if each.id not in drawn and _is_offered(each, wish)]
    ranked = sorted([*takes, *others], key=lambda each: not each.takes_money(now=now))  # stable: else as they stand
    first = ranked[0] if ranked else None
    why = {each.id: _why(each, route, is_named=each in takes, now=now) for each in ranked}
    return Choice(accounts=tuple(ranked), route=route.name if route and first in takes else "", why=why)


def fits(route: Route, wish: Wish) -> bool:
    """Say whether a route is for this. What a route asks about and the wish does not say does not fit."""
    if not route.is_active:
        return False
    if route.method_kinds and wish.method_kind not in route.method_kinds:
        return False
    if route.countries and wish.country not in route.countries:
        return False
    if route.currencies and (wish.amount is None or wish.amount.currency not in route.currencies):
        return False
    if route.amount_from is None and route.amount_to is None:
        return True
    if wish.amount is None:
        return False
    return (route.amount_from or 0) <= wish.amount.minor and (
        route.amount_to is None or wish.amount.minor < route.amount_to
    )


def may_ask(account: GatewayAccount, *, now: datetime) -> bool:
    """Say whether a charge that is bound to this account is asked of it now, rather than kept back."""
    if account.takes_money(now=now):
        return True
    is_well = account.quarantined_at is None and (account.down_until is None or account.down_until <= now)
    return is_well and account.refused_at is not None and now - account.refused_at >= PROBE_AFTER


def way_out(
    methods: Iterable[PaymentMethod], accounts: Mapping[Ref, GatewayAccount], *, now: datetime
) -> PaymentMethod | None:
    """Return the first of these methods whose account takes money; else the first whose account can be tried again."""
    can = [
        (each, accounts[ref]) for each in methods for ref in (Ref(each.tenant_id, each.account_id),) if ref in accounts
    ]
    well = (method for method, account in can if account.takes_money(now=now))
    ailing = (method for method, account in can if may_ask(account, now=now))
    return next(well, None) or next(ailing, None)


def _draw(targets: Sequence[Target], *, key: str) -> list[UUID]:
    """Put targets in an order in which each comes first as often as its weight is of all weights, over many keys."""
    left = list(targets)
    drawn: list[UUID] = []
    while left:
        lot = _hash(f"{key}:{len(drawn)}") % sum(each.weight for each in left)
        for each in left:
            if lot < each.weight:
                drawn.append(each.account_id)
                left.remove(each)
                break
            lot -= each.weight
    return drawn


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")


def _can_take(account: GatewayAccount, wish: Wish) -> bool:
    # A transfer is made anew each time: there is nothing to be saved.
    return not (wish.is_to_save and account.gateway == MANUAL)


def _is_offered(account: GatewayAccount, wish: Wish) -> bool:
    """Say whether an account takes what no route sends there: a manual one only if it is the tenant's default."""
    return _can_take(account, wish) and (account.gateway != MANUAL or account.is_default)


def _why(account: GatewayAccount, route: Route | None, *, is_named: bool, now: datetime) -> str:
    if account.quarantined_at is not None:
        return "last: quarantined"
    if account.refused_at is not None:
        return "last: key refused"
    if not account.takes_money(now=now):
        return "last: down"
    if is_named and route is not None:
        return f"route: {route.name}"
    return "default" if account.is_default else "not routed"
