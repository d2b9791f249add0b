"""Plans and products."""

import secrets
from typing import Any

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Feature, Limit, NewPrice, Plan, PlanContent
from guilder.kernel.money import Money
from guilder.kernel.period import Interval, Unit
from guilder.platform.db.tx import Tx
from tests.support.builders.identity import NOW


def a_plan_content(**over: Any) -> PlanContent:
    """Say what a monthly plan consists of; `amount` is in minor units of EUR."""
    amount = over.pop("amount", 3000)
    said = {
        "name": "Pro",
        "description": "",
        "prices": (NewPrice(interval=Interval(Unit.MONTH), unit_amount=Money(amount, "EUR"), cycle="monthly"),),
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
