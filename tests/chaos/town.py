"""Who lives there: a few sandboxes with a few customers each, so that clients meet at the same ones again and again."""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

from tests.support.world import World
from tests.support.worst_day import Counter

PLANS = {"basic": 1000, "pro": 3000, "metered": 500}
PRODUCT, PRODUCT_AMOUNT = "film", 499
AT_ONCE = 4
# What is typed or saved: most are good, some never are, some charge and say nothing, as at a provider on a bad day.
GOOD = "pm_card_ok"
TOKENS = (
    *(GOOD,) * 5,
    "pm_card_mastercard",
    "pm_card_insufficient_funds",
    "pm_card_third_time",
    "pm_card_once",
    "pm_card_charged_no_answer",
    "pm_card_not_charged_no_answer",
)


@dataclass
class Customer:
    """What clients know of one: they only ever write down what they were answered."""

    organization_id: str
    card: str
    subscription: str | None = None


@dataclass
class Sandbox:
    name: str
    world: World
    counter: Counter
    customers: list[Customer] = field(default_factory=list)
    is_moving: bool = False  # its clock

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.world.api_key}"}

    def anybody(self, rng: random.Random) -> Customer:
        return rng.choice(self.customers)


async def furnish(world: World, counter: Counter, *, number: int, customers: int) -> Sandbox:
    """Give a sandbox something to sell, and customers with a good card each, of whom half subscribe."""
    sandbox = Sandbox(f"sandbox{number}", world, counter)
    await world.tax("21")
    await world.meter("calls", "sum")
    calls = {"code": "calls", "name": "Calls", "meter": "calls"}
    each = {"currency": "EUR", "model": "per_unit", "unit_amount": "2"}
    for code, amount in PLANS.items():
        charges = [{**calls, "prices": [each]}] if code == "metered" else []
        await world.plan(code, amount=amount, charges=charges)
    price: dict[str, Any] = {"amount": PRODUCT_AMOUNT, "currency": "EUR"}
    await world.post("/api/products", {"code": PRODUCT, "name": "A film", "prices": [price]})
    slots = asyncio.Semaphore(AT_ONCE)

    async def moves_in(at: int) -> Customer:
        async with slots:
            return await _customer(
                world, f"town{number}-{at}", plan=list(PLANS)[at % len(PLANS)] if at % 2 == 0 else None
            )

    sandbox.customers = list(await asyncio.gather(*(moves_in(at) for at in range(customers))))
    return sandbox


async def _customer(world: World, name: str, *, plan: str | None) -> Customer:
    await world.customer(name)
    card = (await world.card(name, GOOD))["id"]
    if plan is None:
        return Customer(name, card)
    return Customer(name, card, (await world.subscribe(name, plan, payment_method_id=card))["id"])
