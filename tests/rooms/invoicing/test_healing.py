"""What is owed and what is billed are the same at all times; what is missing is billed once, and nothing else is touched."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Alignment, AnchorRule, Basis, Billing, Duration, NewPrice, PaidTime, Unused
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.rules.expected import Fault
from guilder.domain.orders import service as orders
from guilder.domain.orders.rules.change import When
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel.errors import Conflict, Invalid
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.kernel.period import Interval, Unit
from tests.support.builders.catalog import a_promo_code
from tests.support.builders.orders import BASE_URL, Shop, a_shop, asked, days, says_no, says_yes
from tests.support.database import connected

HOUR = days(1) / 24
MONTH, YEAR = Interval(Unit.MONTH), Interval(Unit.YEAR)
PRICES = (
    NewPrice(interval=MONTH, unit_amount=Money(3_100, "EUR"), cycle="monthly"),
    NewPrice(interval=YEAR, unit_amount=Money(29_900, "EUR"), cycle="yearly"),
)
DEARER = (
    NewPrice(interval=MONTH, unit_amount=Money(4_999, "EUR"), cycle="monthly"),
    NewPrice(interval=YEAR, unit_amount=Money(50_000, "EUR"), cycle="yearly"),
)


@pytest.fixture
async def shop(database):
    return await a_shop(database)


async def differences(shop: Shop, *refs: Ref):
    return await shop.act(lambda tx: invoicing.differences(tx, refs=list(refs) or None, limit=100, now=shop.now))


async def heal(shop: Shop, *refs: Ref):
    return await shop.act(lambda tx: invoicing.heal(tx, refs=refs, now=shop.now))


async def subscribed(shop: Shop, plan=None, **over):
    customer = await shop.customer(time_zone="Europe/Amsterdam")
    card = await shop.card(customer)
    answer = await shop.subscribe(customer, plan or await shop.plan(), payment_method_id=card.id, **over)
    return answer.subscription.ref


async def skip_billing(shop: Shop, ref: Ref) -> None:
    """Roll what is due, and bill nothing: what a fault in between would leave behind."""
    await shop.act(lambda tx: subscriptions.roll_due(tx, refs=[ref], now=shop.now))


async def lines(shop: Shop, ref: Ref):
    async with shop.database.transaction([shop.tenant.tenant_id], actor="test") as tx:
        rows = await tx.fetch(
            """select l.kind, l.amount_minor, l.period_start, l.period_end, i.issued_at from invoicing.lines l
               join invoicing.invoices i on i.tenant_id = l.tenant_id and i.id = l.invoice_id
               where l.subscription_id = $1 order by l.period_start, l.id""",
            ref.id,
        )
    return [tuple(row) for row in rows]


def in_short(found):
    return [(each.fault, each.expected and each.expected.minor, each.billed and each.billed.minor) for each in found]


async def test_a_subscription_that_is_billed_as_it_should_has_no_difference(shop):
    ref = await subscribed(shop)
    for _ in range(4):
        assert await differences(shop) == []
        await shop.advance(shop.now + days(20))
    assert len(await lines(shop, ref)) == 3
    assert await differences(shop, ref) == []


async def test_a_run_that_comes_late_leaves_no_difference(shop):
    ref = await subscribed(shop)
    shop.now += days(100)
    await shop.act(lambda tx: invoicing.bill_due(tx, refs=[ref], now=shop.now))
    assert len(await lines(shop, ref)) == 4
    assert await differences(shop) == []


async def test_what_was_skipped_is_billed_once_and_dated_by_when_it_fell_due(shop):
    ref, other = await subscribed(shop), await subscribed(shop)
    shop.now += days(65)  # two renewals
    await skip_billing(shop, ref)
    await shop.act(lambda tx: invoicing.bill_due(tx, refs=[other], now=shop.now))
    assert in_short(await differences(shop)) == [(Fault.MISSING, 3_000, None)] * 2
    made = await heal(shop, ref, other)
    assert [each.subtotal for each in made] == [Money(3_000, "EUR")] * 2
    assert await differences(shop) == []
    as_it_should = [line[1:] for line in await lines(shop, other)]
    assert [line[1:] for line in await lines(shop, ref)] == as_it_should
    assert await heal(shop, ref, other) == []
    await shop.advance(shop.now)
    assert len(await lines(shop, ref)) == 3


async def test_what_was_lost_whole_is_billed_again(shop, database_urls):
    ref = await subscribed(shop)
    await shop.advance(shop.now + days(40))
    before = await lines(shop, ref)
    await undone(
        database_urls,
        f"delete from invoicing.billed_items where billed_item like 'sub:{ref.id}:fee:%' and invoice_id in "
        f"(select id from invoicing.invoices where subscription_id = '{ref.id}' order by issued_at desc limit 1)",
        f"delete from invoicing.lines where subscription_id = '{ref.id}' and period_start = "
        f"(select max(period_start) from invoicing.lines where subscription_id = '{ref.id}')",
    )
    assert in_short(await differences(shop)) == [(Fault.MISSING, 3_000, None)]
    assert len(await heal(shop, ref)) == 1
    assert await lines(shop, ref) == before
    assert await heal(shop, ref) == []


async def test_what_is_billed_and_not_held_is_held_again_and_not_billed_again(shop, database_urls):
    ref = await subscribed(shop)
    await undone(database_urls, f"delete from invoicing.billed_items where billed_item like 'sub:{ref.id}:fee:%'")
    before = await lines(shop, ref)
    assert in_short(await differences(shop)) == [(Fault.UNHELD, 3_000, 3_000)]
    assert await heal(shop, ref) == []
    assert await differences(shop) == []
    assert await lines(shop, ref) == before


async def test_a_wrong_amount_is_told_and_left_alone(shop, database_urls):
    ref = await subscribed(shop)
    await undone(database_urls, f"update invoicing.lines set amount_minor = 2999 where subscription_id = '{ref.id}'")
    assert in_short(await differences(shop)) == [(Fault.WRONG_AMOUNT, 3_000, 2_999)]
    assert await heal(shop, ref) == []
    assert in_short(await differences(shop)) == [(Fault.WRONG_AMOUNT, 3_000, 2_999)]


async def test_a_fee_for_a_time_that_nothing_was_owed_for_is_told(shop, database_urls):
    ref = await subscribed(shop)
    await undone(
        database_urls,
        f"""update invoicing.lines set period_start = period_start + interval '7 days',
                billed_item = 'sub:{ref.id}:fee:elsewhere' where subscription_id = '{ref.id}'""",
    )
    assert {each.fault for each in await differences(shop)} >= {Fault.MISSING, Fault.UNEXPECTED}


async def test_a_period_that_is_not_there_is_a_hole(shop, database_urls):
    ref = await subscribed(shop)
    await shop.advance(shop.now + days(40))
    await undone(
        database_urls,
        f"""update subscriptions.history set current_period_start = current_period_start + interval '2 days'
            where subscription_id = '{ref.id}' and id = (select max(id) from subscriptions.history
                                                         where subscription_id = '{ref.id}')""",
    )
    assert Fault.HOLE in {each.fault for each in await differences(shop)}


async def test_what_was_voided_is_freed_and_not_billed_again(shop):
    customer = await shop.customer()
    answer = await shop.subscribe(customer, await shop.plan())
    ref = answer.subscription.ref
    await shop.act(lambda tx: orders.cancel(tx, subscription_id=ref.id, when=When.NOW, now=shop.now))
    await shop.drain()
    assert await differences(shop) == []
    assert await heal(shop, ref) == []


async def test_trials_pauses_suspensions_and_what_is_free_owe_nothing(shop):
    trial = await subscribed(shop, await shop.plan(trial_days=14))
    free = await subscribed(shop, await shop.plan(amount=0))
    paused, unpaid = await subscribed(shop), await subscribed(shop)
    debtor, start = await customer_of(shop, unpaid), shop.now
    shop.bank = lambda payment: says_no(payment) if payment.customer_id == debtor else says_yes(payment)
    await shop.advance(start + days(10))
    await shop.act(lambda tx: orders.pause(tx, subscription_id=paused.id, when=When.NOW, now=shop.now))
    await shop.drain()
    for _ in range(5):
        await shop.advance(shop.now + days(15))
        assert await differences(shop) == []
    assert {line[1] for line in await lines(shop, free)} <= {0}
    assert len(await lines(shop, paused)) == 1
    assert len(await lines(shop, unpaid)) == 2  # the renewal that nobody paid; then it was suspended
    assert len(await lines(shop, trial)) == 3


@pytest.mark.parametrize("alignment", [Alignment.ANNIVERSARY, Alignment.CALENDAR])
async def test_what_is_given_back_at_its_very_start_is_billed_anew_when_it_goes_on(shop, alignment):
    billing = Billing(paused_time=PaidTime.CREDIT, alignment=alignment)
    ref = await subscribed(shop, await shop.plan(billing=billing))
    for _ in range(2):
        await shop.act(lambda tx: orders.pause(tx, subscription_id=ref.id, when=When.NOW, now=shop.now))
        await shop.act(lambda tx: orders.resume(tx, subscription_id=ref.id, base_url=BASE_URL, now=shop.now))
        await shop.drain()
        assert await differences(shop) == []
    amounts = [line[1] for line in await lines(shop, ref)]
    assert sorted(amounts) == [-3_000, -3_000, 3_000, 3_000, 3_000]


async def test_what_is_billed_in_arrears_is_owed_when_it_is_over(shop):
    ref = await subscribed(shop, await shop.plan(billing=Billing(in_arrears=True)))
    assert await differences(shop) == []
    shop.now += days(45)
    await skip_billing(shop, ref)
    assert in_short(await differences(shop)) == [(Fault.MISSING, 3_000, None)]
    await heal(shop, ref)
    assert (await differences(shop), len(await lines(shop, ref))) == ([], 1)
    await heal(shop, ref)
    assert len(await lines(shop, ref)) == 1


PLANS = st.builds(
    Billing,
    alignment=st.sampled_from([Alignment.ANNIVERSARY, Alignment.CALENDAR]),
    basis=st.sampled_from(list(Basis)),
    in_arrears=st.sampled_from([False, False, True]),
    paused_time=st.sampled_from(list(PaidTime)),
    interval_change=st.sampled_from(list(AnchorRule)),
    unused_on_cancel=st.sampled_from([Unused.NOTHING, Unused.CREDIT]),
    is_tax_inclusive=st.booleans(),
)
STEPS = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 50)),
    st.tuples(st.just("late"), st.integers(40, 100)),
    st.tuples(st.just("skip"), st.integers(20, 70)),
    st.tuples(st.just("change"), st.sampled_from(["other", "yearly", "seats"])),
    st.tuples(st.just("plan"), st.sampled_from(["other", "yearly", "seats"])),
    st.tuples(st.just("pause"), st.sampled_from(list(When))),
    st.tuples(st.just("pause_until"), st.integers(1, 60)),
    st.tuples(st.just("resume"), st.just(0)),
    st.tuples(st.just("cancel"), st.sampled_from(list(When))),
)
HISTORIES = {
    "billing": PLANS,
    "other": PLANS,
    "trial_days": st.sampled_from([0, 0, 14]),
    "steps": st.lists(STEPS, min_size=3, max_size=7),
}
MODEST = {"deadline": None, "suppress_health_check": list(HealthCheck)}


A_FULL_LIFE = [
    ("wait", 10),
    ("change", "other"),
    ("wait", 5),
    ("change", "seats"),
    ("pause", When.NOW),
    ("wait", 20),
    ("resume", 0),
    ("late", 45),
    ("change", "yearly"),
    ("pause_until", 7),
    ("skip", 400),
    ("plan", "other"),
    ("pause", When.PERIOD_END),
    ("wait", 50),
    ("cancel", When.NOW),
]


@pytest.mark.parametrize(
    ("alignment", "paused_time", "in_arrears", "basis"),
    [
        (Alignment.ANNIVERSARY, PaidTime.KEEP, False, Basis.SECOND),
        (Alignment.ANNIVERSARY, PaidTime.CREDIT, False, Basis.DAY),
        (Alignment.ANNIVERSARY, PaidTime.KEEP, True, Basis.DAY_30),
        (Alignment.CALENDAR, PaidTime.KEEP, False, Basis.DAY_30),
        (Alignment.CALENDAR, PaidTime.CREDIT, True, Basis.SECOND),
        (Alignment.ANNIVERSARY, PaidTime.CREDIT, False, Basis.NONE),
        (Alignment.ANNIVERSARY, PaidTime.KEEP, False, Basis.DIFFERENCE),
    ],
)
async def test_a_full_life_leaves_no_difference(database, alignment, paused_time, in_arrears, basis):
    billing = Billing(
        alignment=alignment,
        paused_time=paused_time,
        in_arrears=in_arrears,
        basis=basis,
        unused_on_cancel=Unused.CREDIT,
        is_tax_inclusive=basis is Basis.DAY,
    )
    await lived(database, billing, billing, 0, A_FULL_LIFE)


@settings(max_examples=15, **MODEST)
@given(**HISTORIES)
async def test_no_history_leaves_a_difference(database, billing, other, trial_days, steps):
    await lived(database, billing, other, trial_days, steps)


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=200, **MODEST)
@given(**HISTORIES)
async def test_no_history_of_many_leaves_a_difference(database, billing, other, trial_days, steps):
    await lived(database, billing, other, trial_days, steps)


async def lived(database, billing, other, trial_days, steps):
    """Let a subscription live through this, and look at it after each step; what was skipped is healed, once."""
    shop = await a_shop(database)
    vat = {"name": "VAT", "percent": Decimal(19), "country": "DE", "legal_note": ""}
    await shop.act(lambda tx: catalog.set_default_tax_rate(tx, now=shop.now, **vat))
    off = {"percent": Decimal("12.5"), "duration": Duration.FOREVER}
    code = await shop.act(lambda tx: a_promo_code(tx, now=shop.now, **off))
    plan = await shop.plan(code="one", billing=billing, prices=PRICES, trial_days=trial_days)
    ref = await subscribed(shop, plan, promo_code=code.code)
    await shop.plan(code="two", billing=other, prices=DEARER)
    for name, how in steps:
        # Two things at the very start of one period are beside the point here.
        await shop.advance(shop.now + HOUR)
        await taken(shop, ref, name, how)
        if name == "skip":
            await heal(shop, ref)
            await shop.drain()
            again = await lines(shop, ref)
            assert await heal(shop, ref) == []
            assert await lines(shop, ref) == again
        assert in_short(await differences(shop)) == [], (name, how)
    await explained_to_the_last_unit(shop)


async def explained_to_the_last_unit(shop: Shop) -> None:
    """Work every line of every invoice out again from its explanation, and from nothing else."""
    made = await shop.act(lambda tx: invoicing.listing(tx, query=PageQuery(limit=100)))
    for invoice in made.items:
        for line in invoicing.explained(invoice).lines:
            assert line.is_reproduced, line


async def taken(shop: Shop, ref: Ref, name: str, how) -> None:
    wishes = {"other": {"plan": "two"}, "yearly": {"billing_cycle": "yearly"}, "seats": {"quantity": 3}}
    try:
        if name == "wait":
            await shop.advance(shop.now + days(how))
        elif name == "late":
            shop.now += days(how)
            await shop.act(lambda tx: invoicing.bill_due(tx, refs=[ref], now=shop.now))
        elif name == "skip":
            shop.now += days(how)
            await skip_billing(shop, ref)
        elif name in ("change", "plan"):
            wish = orders.Wish(**wishes[how], when=When.NOW if name == "change" else When.PERIOD_END)
            await shop.act(lambda tx: orders.change(tx, subscription_id=ref.id, wish=wish, asked=asked(), now=shop.now))
        elif name in ("pause", "pause_until"):
            said = {"when": how} if name == "pause" else {"when": When.NOW, "resume_at": shop.now + days(how)}
            await shop.act(lambda tx: orders.pause(tx, subscription_id=ref.id, now=shop.now, **said))
        elif name == "resume":
            await shop.act(lambda tx: orders.resume(tx, subscription_id=ref.id, base_url=BASE_URL, now=shop.now))
        else:
            await shop.act(lambda tx: orders.cancel(tx, subscription_id=ref.id, when=how, now=shop.now))
    except (Conflict, Invalid):
        shop.pending.clear()
    await shop.drain()


async def customer_of(shop: Shop, ref: Ref):
    found = await shop.act(lambda tx: subscriptions.one(tx, ref=ref))
    return found.customer_id


async def undone(urls, *statements: str) -> None:
    """Change what is final, as only a superuser can."""
    async with connected(urls.admin) as admin, admin.transaction():
        await admin.execute("set local session_replication_role = replica")
        for statement in statements:
            await admin.execute(statement)
