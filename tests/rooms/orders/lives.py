"""Lives of a subscription and an add-on beside it: random, seeded, at odd instants, and what of them was had by the second."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import Any

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import (
    Aggregation,
    Alignment,
    AnchorRule,
    Basis,
    Billing,
    Duration,
    NewMeter,
    NewPrice,
    PaidTime,
    Unused,
)
from guilder.domain.orders import service as orders
from guilder.domain.orders.rules.change import When
from guilder.domain.orders.rules.starting import AddOnGrid
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Status
from guilder.domain.usage import service as usage
from guilder.domain.usage.service.correcting import Amendment
from guilder.kernel.errors import Conflict, Invalid
from guilder.kernel.money import Money
from guilder.kernel.period import Interval, Period, Unit
from tests.rooms.orders.goodwill import giving, noting, refunding
from tests.rooms.orders.test_previews import checked
from tests.support.builders.catalog import a_charge, a_promo_code
from tests.support.builders.metered import per_unit
from tests.support.builders.metered import uses as used
from tests.support.builders.orders import BASE_URL, Shop, a_shop, asked

STARTS = [  # the 31st, a leap day, the night before the clock changes, and an ordinary day
    datetime(2026, 1, 31, 9, tzinfo=UTC),
    datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC),
    datetime(2026, 3, 28, 1, 30, tzinfo=UTC),
    datetime(2026, 10, 24, 0, 30, tzinfo=UTC),
    datetime(2026, 6, 1, tzinfo=UTC),
    datetime(2026, 8, 31, 22, tzinfo=UTC),
]
ZONES = ["UTC", "Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe"]
CYCLES = {"monthly": (Interval(Unit.MONTH), 1), "yearly": (Interval(Unit.YEAR), 11), "weekly": (Interval(Unit.WEEK), 1)}
PRICES = {"one": 3_100, "two": 4_999, "three": 700, "free": 0, "extra": 900}
CALL = {"one": 10, "two": 15, "three": 7, "free": 20}
LEVEL = {"one": 100, "two": 170, "three": 40, "free": 300}
RUNNING = frozenset({Status.ACTIVE, Status.PAST_DUE})
SECOND = timedelta(seconds=1)


@dataclass
class Life:
    """One subscription, and what it was from when to when."""

    shop: Shop
    rng: Random
    customer: Any
    ref: Any = None
    seen: list[tuple[datetime, Any]] = field(default_factory=list)
    add_on: Any = None
    seen_beside: list[tuple[datetime, Any]] = field(default_factory=list)  # what the add-on was
    events: dict[str, tuple[str, datetime, int]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    is_rough: bool = False  # money goes back for other reasons, too
    off: Fraction = Fraction(0)
    goodwill: int = 0  # what staff gave back or for nothing, in minor units with its tax

    async def now(self) -> Any:
        return await self.shop.act(lambda tx: subscriptions.one(tx, ref=self.ref))

    async def look(self) -> Any:
        found = await self.now()
        self.seen.append((self.shop.now, found))
        if self.add_on is not None:
            beside = await self.shop.act(lambda tx: subscriptions.one(tx, ref=self.add_on))
            self.seen_beside.append((self.shop.now, beside))
        return found

    async def next_due(self) -> datetime | None:
        await self.look()
        last = [self.seen[-1], *self.seen_beside[-1:]]
        return min((was.next_due_at for _, was in last if was.next_due_at is not None), default=None)

    async def wait(self, to: datetime) -> None:
        while (at := await self.next_due()) is not None and self.shop.now < at <= to:
            await self.shop.advance(at)
            await self.look()
        await self.shop.advance(max(to, self.shop.now))
        await self.look()

    def spans(self, seen: list[tuple[datetime, Any]]) -> list[tuple[Period, Any]]:
        pairs = pairwise(seen)
        return [(Period(at, until), was) for (at, was), (until, _) in pairs if at < until and was.status in RUNNING]

    def had(self) -> Fraction:
        """What time and use come to; the discount is of the first subscription alone."""
        return self.came_to(self.seen) * (1 - self.off) + self.came_to(self.seen_beside)

    def came_to(self, seen: list[tuple[datetime, Any]]) -> Fraction:
        found = Fraction(0)
        for span, was in self.spans(seen):
            full = was.full_period or was.current_period
            price = PRICES[was.terms.plan_code] * CYCLES[was.terms.billing_cycle][1] * was.terms.quantity
            found += (
                price
                * Fraction((span.ends_at - span.starts_at) / SECOND)
                / Fraction((full.ends_at - full.starts_at) / SECOND)
            )
            if not was.terms.has_charges:
                continue
            found += sum(
                units * CALL[was.terms.plan_code]
                for meter, at, units in self.events.values()
                if meter == "calls" and span.holds(at)
            )
            for meter, at, units in self.events.values():
                if meter == "level" and at < span.ends_at:
                    stood = (span.ends_at - max(at, span.starts_at)) / SECOND
                    of = (full.ends_at - full.starts_at) / SECOND
                    found += Fraction(units * LEVEL[was.terms.plan_code]) * Fraction(stood) / Fraction(of)
        return found


async def a_life(database: Any, rng: Random) -> tuple[Life, Fraction]:
    shop = await a_shop(database, now=rng.choice(STARTS), time_zone="UTC")
    percent = Decimal(19)
    await shop.act(
        lambda tx: catalog.set_default_tax_rate(
            tx, name="VAT", percent=percent, country="DE", legal_note="", now=shop.now
        )
    )
    for code, aggregation in (("calls", Aggregation.SUM), ("level", Aggregation.WEIGHTED_SUM)):
        meter = NewMeter(code=code, name=code, aggregation=aggregation)
        await shop.act(lambda tx, meter=meter: catalog.create_meter(tx, meter=meter, now=shop.now))
    is_inclusive = rng.random() < 0.3
    is_metered = rng.random() < 0.6
    trial = rng.choice([0, 0, 0, 7])
    for code, price in list(PRICES.items())[:4]:
        alignment = rng.choice([Alignment.ANNIVERSARY] * 4 + [Alignment.CALENDAR])
        billing = Billing(
            alignment=alignment,
            in_arrears=rng.random() < 0.25,
            basis=Basis.SECOND,
            interval_change=rng.choice(list(AnchorRule)),
            paused_time=rng.choice(list(PaidTime)),
            unused_on_cancel=Unused.CREDIT,
            grace_days=rng.choice([0, 0, 3]),
            is_tax_inclusive=is_inclusive,
        )
        charges = (
            a_charge(code="calls", meter="calls", model=per_unit(CALL[code])),
            a_charge(code="level", name="Level", meter="level", model=per_unit(LEVEL[code])),
        )
        await shop.plan(
            code=code,
            billing=billing,
            trial_days=trial if code in ("one", "two") else 0,
            prices=tuple(
                NewPrice(interval=interval, unit_amount=Money(price * times, "EUR"), cycle=cycle)
                for cycle, (interval, times) in CYCLES.items()
            ),
            charges=charges if is_metered else (),
        )
    customer = await shop.customer(time_zone=rng.choice(ZONES))
    card = await shop.card(customer)
    off = rng.choice([None, None, Decimal("12.5"), Decimal("33.3")])
    over: dict[str, Any] = {"billing_cycle": rng.choice(["monthly", "monthly", "weekly", "yearly"])}
    if off is not None:
        code = await shop.act(lambda tx: a_promo_code(tx, percent=off, duration=Duration.FOREVER, now=shop.now))
        over["promo_code"] = code.code
    life = Life(shop, rng, customer)
    plan = await shop.act(lambda tx: catalog.plan(tx, plan=rng.choice(["one", "two", "three"])))
    answer = await shop.subscribe(customer, plan, payment_method_id=card.id, **over)
    life.ref = answer.subscription.ref
    if not trial and rng.random() < 0.5:
        await with_add_on(life, card, is_inclusive=is_inclusive)
    await life.look()
    life.off = Fraction(off or 0) / 100
    return life, 1 / (1 + Fraction(percent) / 100) if is_inclusive else Fraction(1)


async def with_add_on(life: Life, card: Any, *, is_inclusive: bool) -> None:
    shop, rng = life.shop, life.rng
    billing = Billing(
        in_arrears=rng.random() < 0.25,
        paused_time=rng.choice(list(PaidTime)),
        unused_on_cancel=Unused.CREDIT,
        is_tax_inclusive=is_inclusive,
    )
    prices = tuple(
        NewPrice(interval=interval, unit_amount=Money(PRICES["extra"] * times, "EUR"), cycle=cycle)
        for cycle, (interval, times) in CYCLES.items()
    )
    plan = await shop.plan(code="extra", billing=billing, prices=prices, is_add_on=True)
    beside = orders.Beside(parent_id=life.ref.id, grid=rng.choice(list(AddOnGrid)))
    cycle = rng.choice(list(CYCLES))
    answer = await shop.subscribe(
        life.customer, plan, payment_method_id=card.id, beside=beside, billing_cycle=cycle, quantity=2
    )
    life.add_on = answer.subscription.ref


async def step(life: Life) -> str:
    """Do something that customers or staff may do, at some odd instant."""
    shop, rng = life.shop, life.rng
    was = await life.now()
    ends = was.current_period.ends_at
    waits = [
        shop.now,
        shop.now + SECOND,
        shop.now + timedelta(days=rng.randint(1, 20), seconds=rng.randint(0, 86_399)),
        max(shop.now, ends - SECOND),
        ends if shop.now < ends < shop.now + timedelta(days=40) else shop.now,
        shop.now + timedelta(days=rng.randint(20, 45)),
    ]
    await life.wait(rng.choice(waits))
    rough = ["refund", "refund", "refund", "note", "note", "gift"] if life.is_rough else []
    what = rng.choice(
        rough
        + ["change"] * 5
        + ["pause"] * 3
        + ["resume"] * 4
        + ["use"] * 4
        + ["correct", "day", "cancel_later", "keep", "plan", "seats"]
    )
    said = f"{shop.now:%Y-%m-%d %H:%M:%S} {what}"
    try:
        said += f" {await taken(life, what)}"
    except (Conflict, Invalid) as error:
        shop.pending.clear()
        said += f" refused: {type(error).__name__}"
    await shop.drain()
    await life.look()
    return said


async def taken(life: Life, what: str) -> str:
    verbs = {
        "change": changing,
        "plan": changing,
        "seats": seating,
        "refund": refunding,
        "note": noting,
        "gift": giving,
        "use": using,
        "correct": correcting,
    }
    verb = verbs.get(what)
    if verb is None:
        return await standing(life, what)
    return await (verb(life, what) if verb is changing else verb(life))


async def changing(life: Life, what: str) -> str:
    rng, now = life.rng, life.shop.now
    wish = rng.choice(
        [
            {"plan": rng.choice(list(PRICES)[:4])},
            {"quantity": rng.randint(1, 4)},
            {"billing_cycle": rng.choice(list(CYCLES))},
        ]
    )
    if what == "plan" and rng.random() < 0.5:
        wish["effective_at"] = now + timedelta(days=rng.randint(1, 40), seconds=rng.randint(0, 9))
    else:
        wish["when"] = When.NOW if what == "change" else When.PERIOD_END
    return await wished(life, life.ref, wish)


async def seating(life: Life) -> str:
    if life.add_on is None:
        return "nobody"
    wish = {"quantity": life.rng.randint(1, 4), "when": life.rng.choice([When.NOW, When.NOW, When.PERIOD_END])}
    return await wished(life, life.add_on, wish)


async def wished(life: Life, ref: Any, wish: dict[str, Any]) -> str:
    """Change it, and see that the preview of that was right."""
    now = life.shop.now
    await checked(
        life.shop,
        lambda tx: orders.change(tx, subscription_id=ref.id, wish=orders.Wish(**wish), asked=asked(), now=now),
    )
    return str(wish)


async def standing(life: Life, what: str) -> str:
    """Let it, or what is had beside it, pause, go on, be billed on another day, or leave."""
    shop, rng = life.shop, life.rng
    ref = life.add_on if life.add_on is not None and rng.random() < 0.4 else life.ref
    how: dict[str, Any] = {"subscription_id": ref.id, "now": shop.now}
    verb: Any = {
        "pause": orders.pause,
        "resume": orders.resume,
        "day": orders.move_billing_day,
        "cancel_later": orders.cancel,
        "keep": orders.auto_renew,
    }[what]
    if what == "pause":
        how["when"] = rng.choice([When.NOW, When.NOW, When.PERIOD_END])
        if rng.random() < 0.4:
            how["resume_at"] = shop.now + timedelta(days=rng.randint(1, 50))
    elif what == "resume":
        how["base_url"] = BASE_URL
    elif what == "day":
        how |= {"alignment": Alignment.BILLING_DAY, "billing_day": rng.choice([1, 15, 29, 31])}
    elif what == "cancel_later":
        how["at"] = shop.now + timedelta(days=rng.randint(10, 40))
    else:
        how["is_on"] = True
    await shop.act(lambda tx: verb(tx, **how))
    return str({name: said for name, said in how.items() if name not in ("now", "base_url")})


async def correcting(life: Life) -> str:
    shop, rng = life.shop, life.rng
    if not life.events:
        return "nothing"
    name = rng.choice(sorted(life.events))
    meter, at, _ = life.events[name]
    if rng.random() < 0.5:
        await shop.act(lambda tx: usage.cancel(tx, event_id=name, now=shop.now))
        del life.events[name]
        return f"{name} is nothing"
    units = rng.randint(0, 300)
    said = Amendment(value=Decimal(units))
    await shop.act(lambda tx: usage.amend(tx, event_id=name, amendment=said, now=shop.now))
    life.events[name] = (meter, at, units)
    return f"{name} {units}"


async def using(life: Life) -> str:
    shop, rng = life.shop, life.rng
    since = life.seen[0][0]
    at = rng.choice([shop.now, since + (shop.now - since) * rng.random(), (await life.now()).current_period.starts_at])
    at = min(max(at, since), shop.now).replace(microsecond=0)
    meter, units = rng.choice(["calls", "calls", "level"]), rng.randint(1, 200)
    meters = await shop.act(lambda tx: catalog.meters(tx, tenant_codes=[(tx.tenant_id, meter)]))
    name = f"e{len(life.events)}-{rng.getrandbits(30)}"
    found = next(iter(meters.values()))
    await shop.act(lambda tx: used(tx, life.customer, units, at=at, now=shop.now, event_id=name, meter=found))
    life.events[name] = (meter, at, units)
    return f"{meter} {units} at {at:%Y-%m-%d %H:%M:%S}"
