"""Linking: a subscription that a provider bills itself is followed here, with a plan that says what it grants."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from guilder.domain.catalog import service as catalog
from guilder.domain.gateways import service as gateways
from guilder.domain.identity import service as identity
from guilder.domain.orders.rules import terms as rules
from guilder.domain.orders.service.placing import held_customer
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Link, Subscription
from guilder.kernel.errors import Invalid, NotFound
from guilder.kernel.period import Period
from guilder.platform.db.tx import Tx


class BadPeriod(Invalid):
    """A period ends after it has begun."""

    code = "bad_period"


async def link(
    tx: Tx,
    *,
    organization_id: str,
    plan: UUID | str,
    billing_cycle: str | None,
    currency: str | None,
    account_id: UUID,
    provider_ref: str,
    starts_at: datetime,
    ends_at: datetime,
    metadata: Mapping[str, str],
    now: datetime,
) -> Subscription:
    """Follow a subscription that the provider of this account bills. Nothing is billed here.

    :raises NotFound: no such customer, plan or gateway account; names the field
    :raises NoSuchPrice: the plan has no price for that cycle and currency
    :raises AlreadyLinked: it is followed already
    """
    if not starts_at < ends_at:
        raise BadPeriod(field="current_period_end")
    customer = await held_customer(tx, text=organization_id, only=None, name="organization_id")
    try:
        account = await gateways.one(tx, account_id=account_id)
    except NotFound as error:
        raise NotFound("there is no such gateway account", field="gateway_account_id") from error
    try:
        found = await catalog.plan(tx, plan=plan)
    except NotFound as error:
        raise NotFound("there is no such plan", field="plan_id") from error
    price = rules.price_of(found, cycle=billing_cycle, currency=currency)
    tenant = await identity.tenant(tx)
    return await subscriptions.link(
        tx,
        link=Link(
            tenant_id=customer.tenant_id,
            customer_id=customer.id,
            organization_id=customer.organization_id or str(customer.id),
            terms=rules.agreed(found, price, quantity=1),
            account_id=account.id,
            provider_ref=provider_ref,
            period=Period(starts_at, ends_at),
            time_zone=customer.time_zone or tenant.time_zone,
            metadata=metadata,
        ),
        now=now,
    )
