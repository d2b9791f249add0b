"""A mixed book: what a tenant's customers have who are not all alike. Who has what is drawn once, and the same every time."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from _cohort import PRICE, Cohort, House, a_cohort, a_customer
from _server import Admin, Wrong, one_row

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import (
    Aggregation,
    Charge,
    ChargeModel,
    ChargePrice,
    NewMeter,
    NewPrice,
    NewPromoCode,
    PlanContent,
    PriceModel,
    Tier,
)
from guilder.domain.catalog.model.promotions import Duration
from guilder.domain.customers.model import NewCustomer
from guilder.domain.orders import service as orders
from guilder.domain.orders.rules.change import When
from guilder.domain.usage import service as usage
from guilder.domain.usage.model import NewEvent
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.money import Money
from guilder.kernel.period import Interval, Unit
from guilder.platform.db.tx import Tx

SEED = 7
USED, DISCOUNTED, TAXED, CHANGING, FAILING = 0.30, 0.20, 0.40, 0.05, 0.02
CURRENCIES = ("EUR", "GBP", "USD")
PLAIN, METERED, BIGGER, PROMO, METER = "book-plain", "book-metered", "book-bigger", "TENTH", "calls"
NO_MONEY = "pm_card_no_money"
READINGS, CALLS = 5, Decimal(50)
TAXED_IN, NOT_TAXED_IN = "DE", "GB"
MONTH = Interval(Unit.MONTH)
# 100 calls at 0.03, 100 at 0.02, 50 at 0.01.
TIERS = PriceModel(
    model=ChargeModel.GRADUATED,
    tiers=(
        Tier(up_to=Decimal(100), unit_amount=Decimal(3)),
        Tier(up_to=Decimal(200), unit_amount=Decimal(2)),
        Tier(up_to=None, unit_amount=Decimal(1)),
    ),
)
ASKED = orders.Asked(base_url="https://billing.example.com")


@dataclass(frozen=True, slots=True)
class Trait:
    """What one customer has."""

    uses: bool
    is_discounted: bool
    is_taxed: bool
    is_changing: bool
    fails: bool
    currency: str


def traits(size: int) -> list[Trait]:
    chance = random.Random(SEED)

    def draw() -> Trait:
        uses, discounted, taxed, changing, fails = (
            chance.random() < share for share in (USED, DISCOUNTED, TAXED, CHANGING, FAILING)
        )
        return Trait(uses, discounted, taxed, changing, fails, chance.choice(CURRENCIES))

    return [draw() for _ in range(size)]


async def a_mixed_cohort(house: House, *, size: int) -> Cohort:
    """Make the book: all subscribed and paid, use counted, changes wished for with the end of the period."""
    drawn, now = traits(size), house.clock.now()

    def person(tenant_id: TenantId, number: int) -> tuple[NewCustomer, str]:
        trait = drawn[number]
        country = TAXED_IN if trait.is_taxed else NOT_TAXED_IN
        return a_customer(tenant_id, country=country), NO_MONEY if trait.fails else "pm_card_ok"

    cohort = await a_cohort(house, size=size, person=person)
    async with house.database.transaction({cohort.tenant_id}, actor="bench") as tx:
        await _sell(tx, now=now)
    for (customer, card), trait in zip(cohort.customers, drawn, strict=True):
        async with house.database.transaction({cohort.tenant_id}, actor="bench") as tx:
            sign_up = orders.SignUp(
                organization_id=customer.organization_id,
                plan=METERED if trait.uses else PLAIN,
                currency=trait.currency,
                promo_code=PROMO if trait.is_discounted else None,
                payment_method_id=card,
                asked=ASKED,
            )
            await orders.subscribe(tx, sign_up=sign_up, now=now)
    await house.settle()
    await _live(house, cohort, drawn, now=now)
    await house.settle()
    return cohort


async def _sell(tx: Tx, *, now: datetime) -> None:
    await catalog.create_tax_rate(tx, name="VAT", percent=Decimal(19), country=TAXED_IN, now=now)
    promo = NewPromoCode(code=PROMO, name="Ten off", percent=Decimal(10), duration=Duration.FOREVER)
    await catalog.create_promo_code(tx, promo=promo, now=now)
    await catalog.create_meter(tx, meter=NewMeter(code=METER, name="Calls", aggregation=Aggregation.SUM), now=now)
    calls = Charge(
        code=METER,
        name="Calls",
        meter=METER,
        prices=tuple(ChargePrice(currency=currency, model=TIERS) for currency in CURRENCIES),
    )
    for code, amount, charges in ((PLAIN, PRICE.minor, ()), (METERED, PRICE.minor, (calls,)), (BIGGER, 9_000, ())):
        prices = tuple(
            NewPrice(interval=MONTH, unit_amount=Money(amount, currency), cycle="monthly") for currency in CURRENCIES
        )
        content = PlanContent(
            name=code, description="", prices=prices, features=(), limits=(), trial_days=0, charges=charges
        )
        await catalog.create_plan(tx, code=code, content=content, now=now)


async def _live(house: House, cohort: Cohort, drawn: Sequence[Trait], *, now: datetime) -> None:
    async with house.database.transaction({cohort.tenant_id}, actor="bench") as tx:
        meter = await catalog.meter(tx, meter=METER)
        readings = [
            NewEvent(
                event_id=f"{customer.id}-{n}", customer_id=CustomerId(customer.id), meter=meter, at=now, value=CALLS
            )
            for (customer, _), trait in zip(cohort.customers, drawn, strict=True)
            if trait.uses
            for n in range(READINGS)
        ]
        for start in range(0, len(readings), 1_000):
            await usage.record(tx, events=readings[start : start + 1_000], now=now)
        rows = await tx.fetch("select customer_id, id from subscriptions.subscriptions")
        of = {row["customer_id"]: row["id"] for row in rows}
        wish = orders.Wish(plan=BIGGER, when=When.PERIOD_END)
        for (customer, _), trait in zip(cohort.customers, drawn, strict=True):
            if trait.is_changing:
                await orders.change(tx, subscription_id=of[customer.id], wish=wish, asked=ASKED, now=now)


async def check_book(admin: Admin, cohort: Cohort) -> None:
    """Hold the renewals of a book against what was drawn.

    :raises Wrong: says what is another
    """
    drawn = traits(len(cohort.customers))
    row = await one_row(
        admin,
        """with last as (select distinct on (subscription_id) * from invoicing.invoices
                          where tenant_id = $1 order by subscription_id, sequence desc)
           select (select count(*) from invoicing.invoices where tenant_id = $1) as invoices,
                  (select count(*) from last where tax_minor > 0) as taxed,
                  (select count(*) from last where status = 'open') as unpaid,
                  (select count(*) from last join invoicing.lines l on (l.tenant_id, l.invoice_id) = (last.tenant_id, last.id)
                    where l.kind = 'usage' and l.quantity = $2) as used,
                  (select count(distinct u.invoice_id) from last
                     join invoicing.discount_uses u on (u.tenant_id, u.invoice_id) = (last.tenant_id, last.id)) as discounted,
                  (select count(*) from subscriptions.subscriptions where tenant_id = $1 and terms ->> 'plan_code' = $3)
                    as changed""",
        cohort.tenant_id,
        READINGS * CALLS,
        BIGGER,
    )
    wanted = {
        "invoices": 2 * len(drawn),
        "taxed": sum(each.is_taxed for each in drawn),
        "unpaid": sum(each.fails for each in drawn),
        "used": sum(each.uses for each in drawn),
        "discounted": sum(each.is_discounted for each in drawn),
        "changed": sum(each.is_changing for each in drawn),
    }
    if dict(row) != wanted:
        raise Wrong(f"the book says {dict(row)}, and not {wanted}")
    found = await admin.fetch(
        "select currency, count(*) as n from subscriptions.subscriptions where tenant_id = $1 group by 1",
        cohort.tenant_id,
    )
    if {each["currency"]: each["n"] for each in found} != Counter(each.currency for each in drawn):
        raise Wrong(f"currencies: {[tuple(each) for each in found]}")
    books = await admin.fetch(
        "select currency, sum(amount_minor) as sum from ledger.postings where tenant_id = $1 group by 1",
        cohort.tenant_id,
    )
    if any(each["sum"] for each in books):
        raise Wrong(f"the books add up to {[tuple(each) for each in books]}")
