"""Ending and pausing: what becomes of time that is paid and not used, and of use that is not billed."""

from datetime import UTC, datetime

import pytest

from guilder.domain.catalog.model import Alignment, Basis, Billing, Collection, PaidTime, Unused
from guilder.domain.customers import service as customers
from guilder.domain.identity import service as identity
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.events import CreditNoteIssued
from guilder.domain.orders import service as orders
from guilder.domain.orders.rules.change import NowOrThen, When
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import NewRefund, RefundStatus
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel.lifecycle import IllegalStep
from guilder.kernel.noun import replace
from guilder.kernel.page import PageQuery
from tests.support.builders.metered import a_metered_plan, uses
from tests.support.builders.orders import BASE_URL, a_shop, asked, days

NOW = datetime(2026, 4, 1, 0, tzinfo=UTC)
HALF = days(15)
MAY = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
async def shop(database):
    return await a_shop(database, now=NOW, time_zone="UTC")


async def a_subscriber(shop, *, amount=3000, **billing):
    customer = await shop.customer(time_zone="UTC")
    card = await shop.card(customer)
    plan = await shop.plan(amount=amount, billing=Billing(**billing))
    return (await shop.subscribe(customer, plan, payment_method_id=card.id)).subscription


async def cancel(shop, subscription, **how):
    answer = await shop.act(
        lambda tx: orders.cancel(tx, subscription_id=subscription.id, **{"when": When.NOW, **how}, now=shop.now)
    )
    await shop.drain()
    return answer


async def pause(shop, subscription, **how):
    return await shop.act(
        lambda tx: orders.pause(tx, subscription_id=subscription.id, **{"when": When.NOW, **how}, now=shop.now)
    )


async def resume(shop, subscription, **how):
    return await shop.act(
        lambda tx: orders.resume(tx, subscription_id=subscription.id, base_url=BASE_URL, **how, now=shop.now)
    )


async def now_of(shop, subscription):
    return await shop.act(lambda tx: subscriptions.one(tx, ref=subscription.ref))


async def bills(shop, subscription):
    query = PageQuery(limit=50)
    found = await shop.act(lambda tx: invoicing.listing(tx, query=query, subscription_id=subscription.id))
    return [each.total.minor for each in reversed(found.items)]


async def credit_of(shop, subscription):
    held = await shop.act(lambda tx: invoicing.credit_balance(tx, customer_id=subscription.customer_id))
    return held["EUR"].minor if "EUR" in held else 0


@pytest.mark.parametrize(
    ("basis", "unused", "back"),
    [
        (Basis.SECOND, Unused.NOTHING, None),
        (Basis.SECOND, Unused.CREDIT, -1450),  # 14.5 of 30 days
        (Basis.DAY, Unused.CREDIT, -1400),  # the day on which it ends was used
        (Basis.NONE, Unused.CREDIT, None),
    ],
)
async def test_what_is_unused_becomes_what_its_plan_says(shop, basis, unused, back):
    subscription = await a_subscriber(shop, basis=basis, unused_on_cancel=unused)
    await shop.advance(datetime(2026, 4, 16, 12, tzinfo=UTC))
    answer = await cancel(shop, subscription)
    assert answer.subscription.status == "canceled"
    assert (answer.invoice.total.minor if answer.invoice else None) == back
    assert await credit_of(shop, subscription) == -(back or 0)


async def test_staff_may_say_otherwise_and_refund_what_there_are_payments_of(shop):
    subscription = await a_subscriber(shop)
    await shop.advance(NOW + HALF)
    answer = await cancel(shop, subscription, unused=Unused.REFUND)
    assert answer.invoice.total.minor == -1500
    refunds = await shop.act(lambda tx: payments.refunds(tx, query=PageQuery(), customer_id=subscription.customer_id))
    assert [each.amount.minor for each in refunds.items] == [1500]
    assert await credit_of(shop, subscription) == 0


async def test_what_is_not_paid_yet_is_refunded_to_nobody_and_owed_less(shop):
    subscription = await a_subscriber(shop, collection=Collection.SEND, net_days=30)
    await shop.advance(NOW + HALF)
    answer = await cancel(shop, subscription, unused=Unused.REFUND)
    assert answer.invoice.total.minor == -1500
    assert await credit_of(shop, subscription) == 0
    assert await owed(shop, subscription) == [("open", 1500)]


@pytest.mark.parametrize(("refunded", "back"), [(0, -1500), (1000, -1500), (2400, -600), (3000, 0)])
async def test_what_was_refunded_or_is_on_its_way_is_not_given_back_again(shop, refunded, back):
    subscription = await a_subscriber(shop, unused_on_cancel=Unused.CREDIT)
    [payment] = (await shop.act(lambda tx: payments.history(tx, query=PageQuery()))).items
    wanted = NewRefund(payment_id=payment.id, reason="It was not for me", amount_minor=refunded)
    await shop.advance(NOW + HALF)
    if refunded:
        # Nobody has answered it, and the invoice has heard of nothing.
        refund = await shop.act(lambda tx: payments.make_refund(tx, refund=wanted, now=shop.now))
        assert refund.status is RefundStatus.PENDING
    answer = await cancel(shop, subscription)
    # Of 0.00, where nothing is left: it says what is withheld, in case the refund fails.
    assert answer.invoice.total.minor == back
    withheld = [line.explanation.get("withheld", 0) for line in answer.invoice.lines]
    assert withheld == [1500 + back]


async def test_on_a_date_it_ends_then_and_can_be_kept_until_then(shop):
    subscription = await a_subscriber(shop, unused_on_cancel=Unused.CREDIT)
    at = NOW + HALF
    answer = await cancel(shop, subscription, when=None, at=at)
    assert (answer.subscription.status, answer.subscription.cancel_at) == ("active", at)
    await shop.act(lambda tx: orders.auto_renew(tx, subscription_id=subscription.id, is_on=True, now=shop.now))
    assert (await now_of(shop, subscription)).cancel_at is None
    await cancel(shop, subscription, when=None, at=at)
    await shop.advance(at)
    assert (await now_of(shop, subscription)).status == "canceled"
    assert await bills(shop, subscription) == [3000, -1500]


@pytest.mark.parametrize(
    ("how", "refusal"),
    [
        ({"when": When.NOW, "at": MAY}, NowOrThen),
        ({"when": None, "unused": Unused.CREDIT}, orders.OnlyNow),
        ({"when": When.PERIOD_END, "unused": Unused.REFUND}, orders.OnlyNow),
        ({"when": None, "at": NOW - days(1)}, subscriptions.DateIsPast),
    ],
)
async def test_what_contradicts_itself_is_refused(shop, how, refusal):
    subscription = await a_subscriber(shop)
    with pytest.raises(refusal):
        await cancel(shop, subscription, **how)


async def test_a_fee_in_arrears_is_billed_at_once_up_to_the_end(shop):
    subscription = await a_subscriber(shop, in_arrears=True)
    await shop.advance(NOW + HALF)
    answer = await cancel(shop, subscription)
    assert answer.invoice.total.minor == 1500
    assert await bills(shop, subscription) == [1500]


async def test_paid_time_is_kept_over_a_pause_and_a_change_after_it_works_from_it(shop):
    subscription = await a_subscriber(shop)
    await shop.advance(NOW + days(10))
    assert (await pause(shop, subscription)).invoice is None
    await shop.advance(MAY + days(5))
    assert await bills(shop, subscription) == [3000], "time paused is not charged"
    answer = await resume(shop, subscription)
    assert (answer.invoice, answer.subscription.status) == (None, "active")
    assert answer.subscription.current_period.ends_at == MAY + days(25), "20 days were left"
    better = await shop.plan(amount=6000)
    await shop.advance(MAY + days(15))
    changed = await shop.act(
        lambda tx: orders.change(
            tx, subscription_id=subscription.id, wish=orders.Wish(plan=better.code), asked=asked(), now=shop.now
        )
    )
    assert [line.amount.minor for line in changed.invoice.lines] == [-1000, 2000]
    again = await shop.plan(amount=9000)
    changed = await shop.act(
        lambda tx: orders.change(
            tx, subscription_id=subscription.id, wish=orders.Wish(plan=again.code), asked=asked(), now=shop.now
        )
    )
    assert [line.amount.minor for line in changed.invoice.lines] == [-2000, 3000], "nothing is given back twice"


async def test_time_kept_is_given_back_when_it_ends_in_the_pause(shop):
    subscription = await a_subscriber(shop, unused_on_cancel=Unused.CREDIT)
    await shop.advance(NOW + days(10))
    await pause(shop, subscription)
    await shop.advance(MAY + days(5))
    answer = await cancel(shop, subscription)
    assert (answer.subscription.status, answer.invoice.total.minor) == ("canceled", -2000)


@pytest.mark.parametrize("billing", [{"paused_time": PaidTime.CREDIT}, {"alignment": Alignment.CALENDAR}])
async def test_or_it_is_given_back_and_a_new_period_begins(shop, billing):
    subscription = await a_subscriber(shop, **billing)
    await shop.advance(NOW + HALF)
    answer = await pause(shop, subscription, resume_at=None)
    assert (answer.subscription.status, answer.invoice.total.minor) == ("paused", -1500)
    await shop.advance(MAY)
    answer = await resume(shop, subscription)
    assert (answer.subscription.status, answer.invoice.total.minor) == ("active", 3000)
    assert answer.invoice.credit_applied.minor == 1500


async def test_what_is_resumed_on_a_date_is_billed_by_the_clock(shop):
    subscription = await a_subscriber(shop, paused_time=PaidTime.CREDIT)
    await shop.advance(NOW + HALF)
    await pause(shop, subscription)
    await resume(shop, subscription, at=MAY + days(2))
    await shop.advance(MAY + days(2))
    assert (await now_of(shop, subscription)).status == "active"
    assert await bills(shop, subscription) == [3000, -1500, 3000]


async def test_a_pause_at_the_periods_end_can_be_taken_back(shop):
    subscription = await a_subscriber(shop)
    planned = await pause(shop, subscription, when=When.PERIOD_END)
    assert planned.subscription.pause_at_period_end
    assert not (await resume(shop, subscription)).subscription.pause_at_period_end
    await pause(shop, subscription, when=When.PERIOD_END)
    await shop.advance(MAY + days(9))
    assert (await now_of(shop, subscription)).status == "paused"
    assert await bills(shop, subscription) == [3000]
    with pytest.raises(IllegalStep):
        await pause(shop, subscription)


async def test_another_billing_day_never_shortens_what_is_paid(shop):
    subscription = await a_subscriber(shop)
    moved = await shop.act(
        lambda tx: orders.move_billing_day(
            tx,
            subscription_id=subscription.id,
            alignment=Alignment.BILLING_DAY,
            billing_day=16,
            now=shop.now,
        )
    )
    assert moved.current_period.ends_at == MAY
    await shop.advance(MAY + days(15))
    # From 1 to 16 May: 15 of the 30 days from 16 April on.
    assert await bills(shop, subscription) == [3000, 1500, 3000]


async def test_a_longer_trial_ends_later(shop):
    customer = await shop.customer(time_zone="UTC")
    subscription = (await shop.subscribe(customer, await shop.plan(trial_days=7))).subscription
    until = NOW + days(20)
    await shop.act(lambda tx: orders.extend_trial(tx, subscription_id=subscription.id, until=until, now=shop.now))
    await shop.advance(until - days(1))
    assert (await now_of(shop, subscription)).status == "trialing"
    assert await bills(shop, subscription) == []


async def test_what_nobody_paid_for_is_not_refunded_from_what_was_paid_for_something_else(shop):
    customer = await shop.customer(time_zone="UTC")
    card = await shop.card(customer)
    paid = await shop.plan(amount=3000)
    await shop.subscribe(customer, paid, payment_method_id=card.id)
    billing = Billing(collection=Collection.SEND, unused_on_cancel=Unused.REFUND)
    sent = await shop.plan(code="sent", amount=3000, billing=billing)
    owing = (await shop.subscribe(customer, sent, payment_method_id=card.id)).subscription
    shop.now += HALF
    await cancel(shop, owing)
    history = await shop.act(lambda tx: payments.history(tx, query=PageQuery(limit=9), customer_id=customer.id))
    assert [each.refundable.minor for each in history.items] == [1500, 3000, 3000], "nothing went back"
    assert await credit_of(shop, owing) == 0, "nor is there credit of what nobody has paid for"


async def owed(shop, subscription):
    query = PageQuery(limit=9)
    found = await shop.act(lambda tx: invoicing.listing(tx, query=query, subscription_id=subscription.id))
    return [(each.status.value, each.due.minor) for each in found.items if each.total.minor > 0]


async def test_what_is_not_paid_yet_is_owed_less_before_anything_becomes_credit(shop):
    subscription = await a_subscriber(shop, collection=Collection.SEND, unused_on_cancel=Unused.CREDIT)
    assert await owed(shop, subscription) == [("open", 3000)]
    shop.now += HALF
    await cancel(shop, subscription)
    assert await owed(shop, subscription) == [("open", 1500)]
    assert await credit_of(shop, subscription) == 0
    [note] = [each for each in shop.heard if isinstance(each, CreditNoteIssued)]
    assert (note.total.minor, note.credited.minor) == (-1500, 0)


async def test_what_was_sent_and_is_given_back_whole_is_paid_with_that(shop):
    subscription = await a_subscriber(shop, collection=Collection.SEND, unused_on_cancel=Unused.CREDIT)
    await cancel(shop, subscription)
    assert await owed(shop, subscription) == [("paid", 0)]
    assert await credit_of(shop, subscription) == 0


async def test_what_a_provider_is_being_asked_for_is_left_to_come_in(shop):
    subscription = await a_subscriber(shop, collection=Collection.SEND, unused_on_cancel=Unused.CREDIT)
    [sent] = (
        await shop.act(lambda tx: invoicing.listing(tx, query=PageQuery(), subscription_id=subscription.id))
    ).items
    await shop.act(lambda tx: payments.open_session(tx, invoice_id=sent.id, return_url=BASE_URL, now=shop.now))
    shop.now += HALF
    await cancel(shop, subscription)
    assert await owed(shop, subscription) == [("open", 3000)]
    assert await credit_of(shop, subscription) == 1500


async def test_unused_time_is_refunded_from_a_shared_credit_note_too(shop):
    await shop.act(lambda tx: _shares(tx, shop))
    subscription = await a_subscriber(shop, unused_on_cancel=Unused.REFUND)
    extra = await shop.plan(code="extra", amount=600, is_add_on=True, billing=Billing(unused_on_cancel=Unused.CREDIT))
    customer = await shop.act(lambda tx: customers.one(tx, customer_id=subscription.customer_id))
    await shop.subscribe(
        customer,
        extra,
        payment_method_id=subscription.payment_method_id,
        beside=orders.Beside(parent_id=subscription.id),
    )
    shop.now += HALF
    await cancel(shop, subscription)
    assert (await bills(shop, subscription))[-1] == -1800, "both are on one credit note"
    assert await credit_of(shop, subscription) == 300, "that of the add-on; the rest is refunded"


async def _shares(tx, shop):
    [issuer] = (await identity.issuer(tx, tenant_ids=[shop.tenant.tenant_id])).values()
    await identity.set_issuer(tx, issuer=replace(issuer, consolidates=True), now=NOW)


async def test_an_invoice_of_which_a_part_was_given_back_is_credited_and_not_voided(shop):
    subscription = await a_subscriber(shop, collection=Collection.SEND, unused_on_cancel=Unused.CREDIT)
    shop.now += HALF
    await cancel(shop, subscription)
    query = PageQuery(limit=9)
    found = await shop.act(lambda tx: invoicing.listing(tx, query=query, subscription_id=subscription.id))
    [sent] = [each for each in found.items if each.total.minor > 0]
    with pytest.raises(invoicing.InvoiceIsPaid):
        await shop.act(lambda tx: invoicing.void(tx, refs=[sent.ref], now=shop.now))
    await shop.act(
        lambda tx: invoicing.credit_note(
            tx, invoice_id=sent.id, correction=invoicing.Correction(reason="They left"), now=shop.now
        )
    )
    assert await bills(shop, subscription) == [3000, -1500, -1500]


async def test_use_that_came_late_is_billed_when_what_was_paused_ends(shop):
    customer = await shop.customer(time_zone="UTC")
    card = await shop.card(customer)
    plan = await shop.act(lambda tx: a_metered_plan(tx, amount=0, now=NOW))
    subscription = (await shop.subscribe(customer, plan, payment_method_id=card.id)).subscription
    await shop.act(lambda tx: uses(tx, customer, 10, at=NOW + days(1)))
    shop.now += HALF
    await pause(shop, subscription)
    shop.now += days(1)
    await shop.act(lambda tx: uses(tx, customer, 5, at=NOW + days(2), now=shop.now))
    shop.now += days(1)
    await cancel(shop, subscription)
    assert await bills(shop, subscription) == [0, 100, 50]


async def test_what_an_add_on_waits_to_be_paid_for_is_void_when_all_of_it_ends(shop):
    extra = await shop.plan(code="extra", amount=600, is_add_on=True, billing=Billing(unused_on_cancel=Unused.CREDIT))
    customer = await shop.customer(time_zone="UTC")
    parent = (await shop.subscribe(customer, await shop.plan(amount=0))).subscription
    added = await shop.subscribe(customer, extra, beside=orders.Beside(parent_id=parent.id))
    await shop.pays_by_link(added)
    more = orders.Wish(quantity=3, when=When.NOW)
    waiting = await shop.act(
        lambda tx: orders.change(tx, subscription_id=added.subscription.id, wish=more, asked=asked(), now=shop.now)
    )
    await shop.drain()
    shop.now += HALF
    await cancel(shop, parent)
    assert waiting.invoice.total.minor == 1200, "not paid yet"
    void = await shop.act(lambda tx: invoicing.one(tx, invoice=waiting.invoice.id))
    assert void.status == "void"
    assert await credit_of(shop, parent) == 300, "half of what was paid"
