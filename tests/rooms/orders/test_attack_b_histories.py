"""Random histories: what is charged less what is given back is what was had, worked out by hand from spans of time.

A subscription is looked at whenever anything about it may change; each span costs its part of its full period's price, and
its use at the price of its plan. Of whole cents each line is off by less than one.
"""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import pytest

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
from guilder.domain.gateways.model import Outcome, OutcomeKind, RequestKind
from guilder.domain.invoicing import handlers as invoicing_handlers
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Status as InvoiceStatus
from guilder.domain.invoicing.rules.expected import Fault
from guilder.domain.invoicing.service.progressive import Heard
from guilder.domain.orders import service as orders
from guilder.domain.orders.rules.change import When
from guilder.domain.payments import service as payments
from guilder.domain.payments.events import RefundSucceeded
from guilder.domain.payments.model import Answer, NewRefund, NoteWish
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Status
from guilder.domain.usage import service as usage
from guilder.domain.usage.service.correcting import Amendment
from guilder.kernel.errors import Conflict, Invalid
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.kernel.period import Interval, Period, Unit
from tests.rooms.invoicing.test_healing import differences, in_short
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
PRICES = {"one": 3_100, "two": 4_999, "three": 700, "free": 0}
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
    events: dict[str, tuple[str, datetime, int]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    is_rough: bool = False  # money goes back for other reasons, too
    goodwill: int = 0  # what staff gave back or for nothing, in minor units with its tax

    async def now(self) -> Any:
        return await self.shop.act(lambda tx: subscriptions.one(tx, ref=self.ref))

    async def look(self) -> Any:
        found = await self.now()
        self.seen.append((self.shop.now, found))
        return found

    async def wait(self, to: datetime) -> None:
        while (at := (await self.now()).next_due_at) is not None and self.shop.now < at <= to:
            await self.shop.advance(at)
            await self.look()
        await self.shop.advance(max(to, self.shop.now))
        await self.look()

    def spans(self) -> list[tuple[Period, Any]]:
        pairs = zip(self.seen, self.seen[1:], strict=False)
        return [(Period(at, until), was) for (at, was), (until, _) in pairs if at < until and was.status in RUNNING]

    def had(self) -> Fraction:
        """What its time and use come to, before discounts."""
        found = Fraction(0)
        for span, was in self.spans():
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
    for code, price in PRICES.items():
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
    await life.look()
    part = 1 - Fraction(off or 0) / 100
    return life, part / (1 + Fraction(percent) / 100 if is_inclusive else 1)


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
        + ["correct", "day", "cancel_later", "keep", "plan"]
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
    shop, rng, ref = life.shop, life.rng, life.ref
    if what == "refund":
        return await refunding(life)
    if what == "note":
        return await noting(life)
    if what == "gift":
        amount = rng.randint(100, 3_000)
        gift = {"priority": 1, "expires_at": None, "name": "Gift", "is_paid": False}
        await shop.act(
            lambda tx: invoicing.grant_prepaid(
                tx, customer_id=life.customer.id, amount=Money(amount, "EUR"), now=shop.now, **gift
            )
        )
        life.goodwill += amount * 119 // 100 + 1
        return str(amount)
    if what in ("change", "plan"):
        wish: dict[str, Any] = rng.choice(
            [
                {"plan": rng.choice(list(PRICES))},
                {"quantity": rng.randint(1, 4)},
                {"billing_cycle": rng.choice(list(CYCLES))},
            ]
        )
        if what == "plan" and rng.random() < 0.5:
            wish["effective_at"] = shop.now + timedelta(days=rng.randint(1, 40), seconds=rng.randint(0, 9))
        else:
            wish["when"] = When.NOW if what == "change" else When.PERIOD_END
        await checked(
            shop,
            lambda tx: orders.change(tx, subscription_id=ref.id, wish=orders.Wish(**wish), asked=asked(), now=shop.now),
        )
        return str(wish)
    if what == "pause":
        how: dict[str, Any] = {"when": rng.choice([When.NOW, When.NOW, When.PERIOD_END])}
        if rng.random() < 0.4:
            how["resume_at"] = shop.now + timedelta(days=rng.randint(1, 50))
        await shop.act(lambda tx: orders.pause(tx, subscription_id=ref.id, now=shop.now, **how))
        return str(how)
    if what == "resume":
        await shop.act(lambda tx: orders.resume(tx, subscription_id=ref.id, base_url=BASE_URL, now=shop.now))
    if what == "day":
        day = rng.choice([1, 15, 29, 31])
        await shop.act(
            lambda tx: orders.move_billing_day(
                tx, subscription_id=ref.id, alignment=Alignment.BILLING_DAY, billing_day=day, now=shop.now
            )
        )
        return str(day)
    if what == "cancel_later":
        at = shop.now + timedelta(days=rng.randint(10, 40))
        await shop.act(lambda tx: orders.cancel(tx, subscription_id=ref.id, at=at, now=shop.now))
    if what == "keep":
        await shop.act(lambda tx: orders.auto_renew(tx, subscription_id=ref.id, is_on=True, now=shop.now))
    if what == "use":
        return await using(life)
    if what == "correct" and life.events:
        name = rng.choice(sorted(life.events))
        meter, at, _ = life.events[name]
        if rng.random() < 0.5:
            await shop.act(lambda tx: usage.cancel(tx, event_id=name, now=shop.now))
            del life.events[name]
            return f"{name} is nothing"
        units = rng.randint(0, 300)
        await shop.act(
            lambda tx: usage.amend(tx, event_id=name, amendment=Amendment(value=Decimal(units)), now=shop.now)
        )
        life.events[name] = (meter, at, units)
        return f"{name} {units}"
    return ""


async def refunding(life: Life) -> str:
    """Give back some of a payment, with a note or without; it may be on its way for ever."""
    shop, rng = life.shop, life.rng
    paid = (await shop.act(lambda tx: payments.history(tx, query=PageQuery(limit=200)))).items
    taken_in = sorted((each for each in paid if each.status == "succeeded"), key=lambda each: each.id)
    if not taken_in:
        return "nothing"
    payment = rng.choice(taken_in)
    amount = rng.choice([None, rng.randint(1, payment.amount.minor)])
    note = rng.choice([NoteWish.NONE, NoteWish.NONE, NoteWish.FULL])
    wanted = NewRefund(payment_id=payment.id, reason="Sorry", amount_minor=amount, credit_note=note)
    made = await shop.act(lambda tx: payments.make_refund(tx, refund=wanted, now=shop.now))
    life.goodwill += made.amount.minor
    if rng.random() < 0.7:
        done = Outcome(kind=OutcomeKind.SUCCEEDED, amount=made.amount, provider_ref=f"re_{made.id.hex}")
        answer = Answer(
            tenant_id=made.tenant_id, business_key=made.business_key, kind=RequestKind.REFUND, outcome=done, at=shop.now
        )
        await shop.act(lambda tx: payments.record_refunds(tx, answers=[answer], now=shop.now))
        heard = [each for each in shop.heard if isinstance(each, RefundSucceeded) and each.refund_id == made.id]
        for handler in (invoicing_handlers.on_refund_succeeded, invoicing_handlers.on_refund_with_note):
            await shop.tell(handler, heard)
        await shop.drain()
    return f"{made.amount.minor} of {payment.amount.minor} {note}"


async def noting(life: Life) -> str:
    """Credit some of an invoice."""
    shop, rng = life.shop, life.rng
    found = (await shop.act(lambda tx: invoicing.listing(tx, query=PageQuery(limit=200)))).items
    charged = sorted((each for each in found if each.kind == "invoice" and each.total.minor), key=lambda each: each.id)
    if not charged:
        return "nothing"
    invoice = rng.choice(charged)
    amount = rng.choice([None, rng.randint(1, invoice.total.minor)])
    said = invoicing.Correction(reason="Sorry", amount_minor=amount)
    note = await shop.act(
        lambda tx: invoicing.credit_note(tx, invoice_id=invoice.id, correction=said, by_two=True, now=shop.now)
    )
    life.goodwill -= note.total.minor
    return f"{-note.total.minor} of {invoice.number}"


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


async def ended(life: Life) -> None:
    """End it, giving back what is unused; and let what waits for its grace be billed."""
    shop, was = life.shop, await life.now()
    if was.ended_at is None:
        await checked(
            shop,
            lambda tx: orders.cancel(
                tx, subscription_id=life.ref.id, when=When.NOW, unused=Unused.CREDIT, now=shop.now
            ),
        )
        await life.look()
    await shop.advance(shop.now + timedelta(days=8))
    await life.look()
    heard = Heard(
        tenant_id=shop.tenant.tenant_id, customer_id=life.customer.id, at=shop.now, earliest_at=life.seen[0][0]
    )
    await shop.act(lambda tx: invoicing.bill_heard(tx, heard=[heard], now=shop.now))
    await shop.drain()


async def lived(database: Any, seed: int, *, is_rough: bool = False, steps: int = 9) -> None:
    life, part = await a_life(database, Random(seed))
    life.is_rough = is_rough
    shop = life.shop
    try:
        for _ in range(steps):
            if (await life.now()).ended_at is not None:
                break
            life.said.append(await step(life))
            # Of two changes at one instant the first leaves no time behind: what is taken for a hole there is none.
            assert [each for each in in_short(await differences(shop)) if each[0] is not Fault.HOLE] == []
        await ended(life)
        found = await shop.act(lambda tx: invoicing.listing(tx, query=PageQuery(limit=200)))
        standing = [each for each in found.items if each.status is not InvoiceStatus.VOID]
        lines = [line for each in standing for line in each.lines]
        kept = sum(line.amount.minor for line in lines)
        wanted = life.had() * part
        if is_rough:
            await between(life, wanted * Fraction(119, 100), len(lines))
        else:
            assert abs(kept - wanted) <= len(lines) + 1, (kept, float(wanted), len(lines))
            await money_adds_up(shop, life, standing)
        assert all(each.due.minor == 0 for each in standing)
        for each in standing:
            assert all(line.is_reproduced for line in invoicing.explained(each).lines), each.number
    except Exception as error:
        found = await shop.act(lambda tx: invoicing.listing(tx, query=PageQuery(limit=200)))
        error.add_note(f"seed {seed}\n" + "\n".join([*life.said, *told(life), *billed(found.items)]))
        raise


async def money_adds_up(shop: Shop, life: Life, standing: Any) -> None:
    """What came in and did not go back is what was charged, and the credit that is left."""
    paid = await shop.act(lambda tx: payments.history(tx, query=PageQuery(limit=200)))
    came = sum(each.amount.minor for each in paid.items if each.status == "succeeded")
    went = sum(
        each.amount.minor
        for each in (await shop.act(lambda tx: payments.refunds(tx, query=PageQuery(limit=200)))).items
    )
    credit = await shop.act(lambda tx: invoicing.credit_balance(tx, customer_id=life.customer.id))
    left = sum(each.minor for each in credit.values())
    assert came - went == sum(each.total.minor for each in standing) + left
    assert left >= 0


async def between(life: Life, wanted: Fraction, lines: int) -> None:
    """What was kept in the end is no more than what was had, and less by no more than was given for other reasons."""
    shop = life.shop
    paid = await shop.act(lambda tx: payments.history(tx, query=PageQuery(limit=200)))
    back = await shop.act(lambda tx: payments.refunds(tx, query=PageQuery(limit=200)))
    credit = await shop.act(lambda tx: invoicing.credit_balance(tx, customer_id=life.customer.id))
    kept = sum(each.amount.minor for each in paid.items if each.status == "succeeded")
    kept -= sum(each.amount.minor for each in back.items if each.status != "failed")
    kept -= sum(each.minor for each in credit.values())
    room = 2 * lines + 2
    assert wanted - life.goodwill - room <= kept <= wanted + room, (kept, float(wanted), life.goodwill)
    assert kept >= -room, kept


def told(life: Life) -> list[str]:
    return [
        f"  {at:%Y-%m-%d %H:%M:%S} {was.status} {was.terms.plan_code} {was.terms.billing_cycle} x{was.terms.quantity} "
        f"{was.current_period.starts_at:%Y-%m-%d %H:%M:%S}/{was.current_period.ends_at:%Y-%m-%d %H:%M:%S} "
        f"{was.full_period and was.full_period.starts_at}"
        for at, was in life.seen
    ]


def billed(found: Any) -> list[str]:
    return [
        f"  {each.number} {each.issued_at:%Y-%m-%d %H:%M:%S} {each.status} {line.kind} {line.amount.minor} "
        f"{line.period and f'{line.period.starts_at:%Y-%m-%d %H:%M:%S}/{line.period.ends_at:%Y-%m-%d %H:%M:%S}'} "
        f"{line.description}"
        for each in reversed(found)
        for line in each.lines
    ]


SEEDS = range(*map(int, os.environ.get("SEEDS", "0 12").split()))


@pytest.mark.parametrize("seed", SEEDS)
async def test_what_is_kept_is_what_was_had(database, seed):
    await lived(database, seed)


@pytest.mark.parametrize("seed", SEEDS)
async def test_with_refunds_notes_and_gifts_no_more_goes_back_than_came_in(database, seed):
    await lived(database, seed, is_rough=True)
