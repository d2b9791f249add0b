"""Routing: where what is bound to no account goes, and the tenant's rules on that."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.gateways import service as gateways
from guilder.domain.payments.model import Route
from guilder.domain.payments.rules import routing
from guilder.domain.payments.rules.routing import Choice, Wish
from guilder.domain.payments.store import routes as rows
from guilder.kernel.errors import Conflict, Invalid
from guilder.platform.db.tx import Tx

ROUTES_MAX = 50


class NoGateway(Conflict):
    """No payment gateway is connected, so nothing can be paid."""

    code = "no_gateway"


class UnknownAccount(Invalid):
    """There is no such gateway account, or it is retired."""

    code = "unknown_gateway_account"


class BadRoute(Invalid):
    """This route could never be taken as it is meant."""

    code = "bad_payment_route"


async def choose(tx: Tx, *, wish: Wish, key: str, now: datetime) -> Choice:
    """Return where this may go, best first; the same key is sent the same way, as long as the accounts are as well."""
    accounts = (await gateways.takers(tx, tenant_ids=[tx.tenant_id]))[tx.tenant_id]
    return routing.choose(await rows.of_tenant(tx, tx.tenant_id), accounts, wish, key=key, now=now)


async def routes(tx: Tx) -> list[Route]:
    """Return the tenant's routes in their order."""
    return await rows.of_tenant(tx, tx.tenant_id)


async def set_routes(tx: Tx, *, routes: Sequence[Route], now: datetime) -> list[Route]:
    """Have these routes, in this order, in place of those that were.

    :raises UnknownAccount: a target is no account of the tenant's, or a retired one
    :raises BadRoute: it asks for amounts that are of no one currency, or none; or leads to one account twice
    """
    assert len(routes) <= ROUTES_MAX, len(routes)
    known = {each.id for each in (await gateways.takers(tx, tenant_ids=[tx.tenant_id]))[tx.tenant_id]}
    for place, route in enumerate(routes):
        _check(route, known, field=f"routes[{place}]")
    await rows.replace_all(tx, tx.tenant_id, routes, now=now)
    return await rows.of_tenant(tx, tx.tenant_id)


def _check(route: Route, known: Collection[UUID], *, field: str) -> None:
    bounds = [each for each in (route.amount_from, route.amount_to) if each is not None]
    if bounds and len(route.currencies) != 1:
        raise BadRoute("an amount is one of a currency: name one", field=f"{field}.conditions.currencies")
    if len(bounds) == len(("from", "to")) and bounds[0] >= bounds[1]:
        raise BadRoute("it should be more than amount_from", field=f"{field}.conditions.amount_to")
    seen: set[UUID] = set()
    for number, target in enumerate(route.targets):
        where = f"{field}.targets[{number}].gateway_account_id"
        if target.account_id not in known:
            raise UnknownAccount(field=where)
        if target.account_id in seen:
            raise BadRoute("it leads to this account already", field=where)
        seen.add(target.account_id)
