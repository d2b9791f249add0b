"""Plans that charge for use, and the use of them."""

import secrets
from datetime import datetime
from decimal import Decimal
from typing import Any

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Aggregation, Charge, ChargeModel, ChargePrice, NewMeter, Plan, PriceModel, Tier
from guilder.domain.customers.model import Customer
from guilder.domain.subscriptions.model import Subscription
from guilder.domain.usage import service as usage
from guilder.domain.usage.model import NewEvent
from guilder.kernel.noun import replace
from guilder.platform.db.tx import Tx
from tests.support.builders.catalog import a_plan
from tests.support.builders.identity import NOW
from tests.support.builders.subscriptions import a_subscription, terms_of

METER = "calls"


def per_unit(unit_amount: int | str = 10) -> PriceModel:
    return PriceModel(model=ChargeModel.PER_UNIT, unit_amount=Decimal(unit_amount))


def graduated(*tiers: tuple[int | None, str]) -> PriceModel:
    """Price units by (up to, unit amount)."""
    return PriceModel(
        model=ChargeModel.GRADUATED,
        tiers=tuple(
            Tier(up_to=None if up_to is None else Decimal(up_to), unit_amount=Decimal(unit)) for up_to, unit in tiers
        ),
    )


def a_charge(model: PriceModel | None = None, **over: Any) -> Charge:
    """Charge 10 cents for a call, or as the model says; `cap_minor` is the most of a period."""
    price = ChargePrice(currency="EUR", model=model or per_unit(), cap_minor=over.pop("cap_minor", None))
    return Charge(**{"code": METER, "name": "Calls", "meter": METER, "prices": (price,), **over})


async def a_metered_plan(tx: Tx, *charges: Charge, **over: Any) -> Plan:
    """Put a plan on sale that charges for a meter `calls`, which sums the values of its readings."""
    if not await catalog.meters(tx, tenant_codes=[(tx.tenant_id, METER)]):
        meter = NewMeter(code=METER, name="Calls", aggregation=over.pop("aggregation", Aggregation.SUM))
        await catalog.create_meter(tx, meter=meter, now=over.get("now", NOW))
    return await a_plan(tx, **{"charges": charges or (a_charge(),), **over})


async def a_metered(tx: Tx, customer: Customer, plan: Plan, **over: Any) -> Subscription:
    """Subscribe to a plan that charges for use, on the plan's own terms."""
    billing = over.pop("billing", plan.billing)
    agreed = replace(terms_of(plan), billing=billing, has_charges=bool(plan.charges), **over.pop("terms", {}))
    return await a_subscription(tx, customer, plan, **{"terms": agreed, "is_active": not billing.in_arrears, **over})


async def uses(tx: Tx, customer: Customer, value: int | str, *, at: datetime, **over: Any) -> str:
    """Count one reading of the meter, received when it is dated unless `now` says later; return its id."""
    meters = await catalog.meters(tx, tenant_codes=[(tx.tenant_id, METER)])
    now = over.pop("now", at)
    event = NewEvent(
        **{
            "event_id": f"e-{secrets.token_hex(8)}",
            "customer_id": customer.id,
            "meter": meters[tx.tenant_id, METER],
            "at": at,
            "value": Decimal(value),
            **over,
        }
    )
    await usage.record(tx, events=[event], now=now)
    return event.event_id
