"""Plans and products, and what is sold, measured and taken off beside them."""

import secrets
from decimal import Decimal
from typing import Any

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import (
    Aggregation,
    Charge,
    ChargeModel,
    ChargePrice,
    Feature,
    Limit,
    Meter,
    NewMeter,
    NewPrice,
    NewPromoCode,
    Plan,
    PlanContent,
    PriceModel,
    PromoCode,
)
from guilder.kernel.money import Money
from guilder.kernel.period import Interval, Unit
from guilder.platform.db.tx import Tx
from tests.support.builders.identity import NOW


def a_plan_content(**over: Any) -> PlanContent:
    """Say what a monthly plan consists of; `amount` is in minor units of EUR, `model` prices it by tiers or the like."""
    amount, model = over.pop("amount", 3000), over.pop("model", None)
    month = Interval(Unit.MONTH)
    said = {
        "name": "Pro",
        "description": "",
        "prices": (NewPrice(interval=month, unit_amount=Money(amount, "EUR"), cycle="monthly", model=model),),
        "features": (Feature(code="reports", name="Reports"),),
        "limits": (Limit(code="seats", name="Seats", included=5),),
        "trial_days": 0,
    }
    return PlanContent(**{**said, **over})


async def a_plan(tx: Tx, **over: Any) -> Plan:
    """Put a plan on sale, in the transaction's one tenant."""
    now = over.pop("now", NOW)
    code = over.pop("code", f"pro-{secrets.token_hex(4)}")
    return await catalog.create_plan(tx, code=code, content=a_plan_content(**over), now=now)


async def a_meter(tx: Tx, **over: Any) -> Meter:
    """Count calls, or as said otherwise."""
    now = over.pop("now", NOW)
    said = {"code": "calls", "name": "Calls", "aggregation": Aggregation.COUNT}
    return await catalog.create_meter(tx, meter=NewMeter(**{**said, **over}), now=now)


def a_charge(**over: Any) -> Charge:
    """Charge 10 cents for each call; `model` and `cap_minor` are those of its price in `currency`."""
    model = over.pop("model", None) or PriceModel(model=ChargeModel.PER_UNIT, unit_amount=Decimal(10))
    price = ChargePrice(currency=over.pop("currency", "EUR"), model=model, cap_minor=over.pop("cap_minor", None))
    return Charge(**{"code": "calls", "name": "Calls", "meter": "calls", "prices": (price,), **over})


async def a_promo_code(tx: Tx, **over: Any) -> PromoCode:
    """Take 10 % off once, or as said otherwise."""
    now = over.pop("now", NOW)
    said: dict[str, Any] = {"code": f"OFF-{secrets.token_hex(4)}", "name": "Ten off"}
    if "amount" not in over:
        said["percent"] = Decimal(10)
    return await catalog.create_promo_code(tx, promo=NewPromoCode(**{**said, **over}), now=now)
