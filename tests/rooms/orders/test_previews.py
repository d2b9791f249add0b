"""A preview is what then happens: over random histories, the real verb made what its preview showed, to the cent."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import AnchorRule, Basis, Billing, Duration, NewPrice, NewPromoCode, Unused
from guilder.domain.invoicing import service as invoicing
from guilder.domain.orders import service as orders
from guilder.domain.orders.rules.change import When
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel.lifecycle import IllegalStep
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.kernel.period import Interval, Unit
from tests.support.builders.orders import a_shop, asked, days

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)
PRICES = (3333, 9999, 700)


@dataclass(frozen=True)
class Step:
    """Something asked for after a while."""

    after_s: int
    plan: int
    quantity: int
    when: When | None
    is_yearly: bool = False
    ends: Unused | None = None


steps = st.builds(
    Step,
    after_s=st.sampled_from([0, 1, 3600, 86_400 * 5 + 77, 86_400 * 40]),
    plan=st.integers(0, len(PRICES) - 1),
    quantity=st.integers(1, 4),
    when=st.sampled_from([None, When.NOW, When.PERIOD_END]),
    is_yearly=st.booleans(),
)
histories = st.tuples(
    st.sampled_from(Basis),
    st.sampled_from(AnchorRule),
    st.booleans(),
    st.lists(steps, min_size=1, max_size=4),
    st.sampled_from([None, *Unused]),
)


def seen(invoice):
    """All that is promised of an invoice: not its ids, nor its number."""
    lines = [
        (
            line.kind,
            line.description,
            line.quantity,
            line.amount,
            line.discount,
            line.tax,
            line.period,
            line.explanation.get("sentence"),
        )
        for line in invoice.lines
    ]
    credit = invoice.credit_applied
    return lines, invoice.kind, invoice.total, invoice.tax, invoice.taxes, credit, invoice.due, invoice.issued_at


async def invoices(shop):
    found = await shop.act(lambda tx: invoicing.listing(tx, query=PageQuery(limit=200)))
    return {each.ref: each for each in reversed(found.items)}


async def checked(shop, verb):
    """Preview, then do; return what was made. The one is seen to be the other."""
    before = await invoices(shop)
    shown = await shop.act(lambda tx: orders.preview(tx, lambda: verb(tx)))
    assert await invoices(shop) == before, "a preview makes nothing"
    answer = await shop.act(verb)
    made = [each for ref, each in (await invoices(shop)).items() if ref not in before]
    assert sorted(map(seen, shown.invoices), key=str) == sorted(map(seen, made), key=str)
    after = await shop.act(lambda tx: subscriptions.one(tx, ref=answer.subscription.ref))
    if shown.subscription is not None and shown.subscription.id == after.id:
        assert shown.subscription.terms == after.terms
        assert shown.subscription.current_period == after.current_period
        assert shown.subscription.status == after.status
    await shop.drain()
    return answer


async def a_catalog(shop, basis, anchor):
    billing = Billing(basis=basis, interval_change=anchor)
    plans = []
    for n, price in enumerate(PRICES):
        prices = tuple(
            NewPrice(interval=Interval(unit), unit_amount=Money(minor, "EUR"), cycle=cycle)
            for unit, minor, cycle in ((Unit.MONTH, price, "monthly"), (Unit.YEAR, price * 10, "yearly"))
        )
        plans.append(await shop.plan(name=f"Plan {n}", prices=prices, billing=billing))
    await shop.act(
        lambda tx: catalog.set_default_tax_rate(
            tx, name="VAT", percent=Decimal(21), country="", legal_note="", now=shop.now
        )
    )
    promo = NewPromoCode(code="THIRD", name="A third", percent=Decimal("33.3"), duration=Duration.PERIODS, periods=2)
    await shop.act(lambda tx: catalog.create_promo_code(tx, promo=promo, now=shop.now))
    return plans


async def lives(database, history):
    basis, anchor, has_code, asked_for, ends = history
    shop = await a_shop(database, now=NOW, time_zone="Europe/Amsterdam")
    plans = await a_catalog(shop, basis, anchor)
    customer = await shop.customer(time_zone="Europe/Amsterdam")
    card = await shop.card(customer)

    def subscribing(tx):
        return shop.subscribed(
            tx, customer, plans[0], payment_method_id=card.id, promo_code="third" if has_code else None
        )

    answer = await checked(shop, subscribing)
    for step in asked_for:
        await shop.advance(shop.now + timedelta(seconds=step.after_s))
        wish = orders.Wish(
            plan=plans[step.plan].code,
            quantity=step.quantity,
            when=step.when,
            billing_cycle="yearly" if step.is_yearly else "monthly",
        )

        def changing(tx, wish=wish):
            return orders.change(tx, subscription_id=answer.subscription.id, wish=wish, asked=asked(), now=shop.now)

        await checked(shop, changing)
    await next_is(shop, answer.subscription)
    if ends is not None:
        await shop.advance(shop.now + days(3))
        await checked(
            shop,
            lambda tx: orders.cancel(
                tx, subscription_id=answer.subscription.id, when=When.NOW, unused=ends, now=shop.now
            ),
        )


async def next_is(shop, subscription):
    """See that the clock brings just what was said to be next."""
    shown = await shop.act(lambda tx: orders.next_invoice(tx, subscription_id=subscription.id, now=shop.now))
    before = await invoices(shop)
    assert shown.invoices
    await shop.advance(shown.invoices[0].issued_at)
    made = [each for ref, each in (await invoices(shop)).items() if ref not in before]
    # By now it is paid: what was due is what was asked for then.
    assert [seen(each)[:6] for each in made] == [seen(each)[:6] for each in shown.invoices]
    assert [each.paid for each in made] == [each.due for each in shown.invoices]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories)
async def test_what_is_previewed_is_what_then_happens(database, history):
    await lives(database, history)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories)
async def test_what_is_previewed_is_what_then_happens_over_many_histories(database, history):
    await lives(database, history)


async def test_a_preview_leaves_no_trace(database):
    shop = await a_shop(database, now=NOW)
    customer, plan = await shop.customer(), await shop.plan(amount=3000)
    shop.heard.clear()
    shop.pending.clear()
    shown = await shop.act(lambda tx: orders.preview(tx, lambda: shop.subscribed(tx, customer, plan)))
    assert [each.total.minor for each in shown.invoices] == [3000]
    assert (shown.due.minor, shown.subscription.status) == (3000, "processing")
    assert (shop.heard, shop.pending) == ([], [])
    assert await shop.act(lambda tx: subscriptions.of_customer(tx, customer_id=customer.id)) == []
    made = await shop.subscribe(customer, plan)
    assert (await shop.number(made)).endswith("00001"), "no number was used up"


async def test_what_would_be_refused_is_refused(database):
    shop = await a_shop(database, now=NOW)
    answer = await shop.subscribe(await shop.customer(), await shop.plan())
    better = await shop.plan(amount=9000)
    wish = orders.Wish(plan=better.code, when=When.NOW)
    with pytest.raises(IllegalStep):
        await shop.act(
            lambda tx: orders.preview(
                tx,
                lambda: orders.change(
                    tx, subscription_id=answer.subscription.id, wish=wish, asked=asked(), now=shop.now
                ),
            )
        )
