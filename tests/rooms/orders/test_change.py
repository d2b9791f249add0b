"""Changing what is subscribed to."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import AnchorRule, Billing, Duration, NewPrice, NewPromoCode, TrialEnd, Unused
from guilder.domain.invoicing import service as invoicing
from guilder.domain.orders import service as orders
from guilder.domain.orders.rules.change import MethodNeeded, NowOrThen, When
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.service import DateIsPast
from guilder.kernel.lifecycle import IllegalStep
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.kernel.period import Interval, Unit
from tests.support.builders.catalog import a_plan_content
from tests.support.builders.orders import a_shop, asked, days

NOW = datetime(2026, 4, 1, 0, tzinfo=UTC)
HALF = days(15)  # of April


@pytest.fixture
async def shop(database):
    return await a_shop(database, now=NOW, time_zone="UTC")


async def a_subscriber(shop, *, amount=3000, with_card=True, language="en", **plan):
    """Subscribe to a plan, and pay its first month."""
    customer = await shop.customer(time_zone="UTC", language=language)
    card = await shop.card(customer) if with_card else None
    answer = await shop.subscribe(
        customer, await shop.plan(amount=amount, **plan), payment_method_id=card.id if card else None
    )
    if not with_card and amount:
        await shop.pays_by_link(answer)
    return answer.subscription.ref


async def change(shop, ref, **wish):
    answer = await shop.act(
        lambda tx: orders.change(tx, subscription_id=ref.id, wish=orders.Wish(**wish), asked=asked(), now=shop.now)
    )
    await shop.drain()
    return answer


async def now_of(shop, ref):
    return await shop.act(lambda tx: subscriptions.one(tx, ref=ref))


async def bills(shop, ref):
    found = await shop.act(lambda tx: invoicing.listing(tx, query=PageQuery(), subscription_id=ref.id))
    return found.items


def lines(answer):
    return [(line.kind.value, line.amount.minor) for line in answer.invoice.lines]


async def test_an_upgrade_takes_effect_now_and_charges_the_difference_for_the_rest(shop):
    ref = await a_subscriber(shop)
    better = await shop.plan(amount=9000)
    await shop.advance(NOW + HALF)
    answer = await change(shop, ref, plan=better.code)
    assert lines(answer) == [("proration_credit", -1500), ("proration_charge", 4500)]
    after = await now_of(shop, ref)
    assert (after.terms.plan_code, after.current_period.starts_at) == (better.code, NOW)
    order = await shop.act(lambda tx: orders.one(tx, order_id=answer.order.id))
    assert order.status == "completed"


async def test_what_it_bills_is_called_so_in_the_customers_language(shop):
    ref = await a_subscriber(shop, language="de-AT", name="Klein")
    better = await shop.plan(amount=9000, name="Groß")
    await shop.advance(NOW + HALF)
    answer = await change(shop, ref, plan=better.code)
    assert [line.description for line in answer.invoice.lines] == ["Nicht genutzte Zeit: Klein", "Restliche Zeit: Groß"]


async def test_a_second_upgrade_credits_what_the_first_one_billed(shop):
    ref = await a_subscriber(shop)
    second, third = await shop.plan(amount=6000), await shop.plan(amount=12000)
    await shop.advance(NOW + days(10))
    await change(shop, ref, plan=second.code)
    await shop.advance(NOW + days(20))
    answer = await change(shop, ref, plan=third.code)
    assert lines(answer) == [("proration_credit", -2000), ("proration_charge", 4000)]


async def test_a_downgrade_waits_for_the_next_period_and_can_be_taken_back(shop):
    ref = await a_subscriber(shop)
    less = await shop.plan(amount=1000)
    answer = await change(shop, ref, plan=less.code)
    assert (answer.order, answer.subscription.pending_terms.plan_code) == (None, less.code)
    back = await change(shop, ref, plan=answer.subscription.terms.plan_id)
    assert back.subscription.pending_terms is None

    await change(shop, ref, plan=less.code)
    await shop.advance(datetime(2026, 5, 1, tzinfo=UTC))
    after = await now_of(shop, ref)
    assert (after.terms.plan_code, after.terms.amount.minor) == (less.code, 1000)


async def test_a_downgrade_now_is_a_credit_note_and_its_amount_pays_the_next_invoice(shop):
    ref = await a_subscriber(shop)
    less = await shop.plan(amount=1000)
    await shop.advance(NOW + HALF)
    answer = await change(shop, ref, plan=less.code, when=When.NOW)
    assert lines(answer) == [("proration_credit", -1500), ("proration_charge", 500)]
    assert (answer.invoice.kind, answer.invoice.total.minor, answer.invoice.due.minor) == ("credit_note", -1000, 0)
    assert (answer.order.status, answer.subscription.terms.plan_code) == ("completed", less.code)
    await shop.advance(datetime(2026, 5, 1, tzinfo=UTC))
    [renewal, *_] = await bills(shop, ref)
    assert (renewal.total.minor, renewal.credit_applied.minor, renewal.status) == (1000, 1000, "paid")


async def test_more_seats_prorate_as_another_plan_does(shop):
    ref = await a_subscriber(shop)
    await shop.advance(NOW + HALF)
    answer = await change(shop, ref, quantity=3)
    assert lines(answer) == [("proration_credit", -1500), ("proration_charge", 4500)]
    assert (await now_of(shop, ref)).terms.quantity == 3


async def test_from_month_to_year_begins_a_year_now_and_credits_the_month(shop):
    prices = tuple(
        NewPrice(interval=Interval(unit), unit_amount=Money(minor, "EUR"), cycle=cycle)
        for unit, minor, cycle in ((Unit.MONTH, 3000, "monthly"), (Unit.YEAR, 30000, "yearly"))
    )
    ref = await a_subscriber(shop, prices=prices)
    await shop.advance(NOW + HALF)
    answer = await change(shop, ref, billing_cycle="yearly")
    assert lines(answer) == [("proration_credit", -1500), ("recurring", 30000)]
    after = await now_of(shop, ref)
    assert after.current_period.starts_at == NOW + HALF
    assert after.current_period.ends_at == datetime(2027, 4, 16, tzinfo=UTC)


async def test_an_upgrade_by_link_takes_effect_when_it_is_paid_dated_by_when_it_was_asked_for(shop):
    ref = await a_subscriber(shop, amount=0, with_card=False)
    better = await shop.plan(amount=3000)
    await shop.advance(NOW + HALF)
    answer = await change(shop, ref, plan=better.code)
    assert answer.payment_link
    assert (await now_of(shop, ref)).terms.amount.minor == 0, "nobody has paid yet"

    shop.now += days(2)
    await shop.pays_by_link(answer)
    after = await now_of(shop, ref)
    assert (after.terms.amount.minor, after.current_period.starts_at) == (3000, NOW)


async def test_an_upgrade_by_link_that_nobody_pays_leaves_everything_as_it_was(shop):
    ref = await a_subscriber(shop, amount=0, with_card=False)
    better = await shop.plan(amount=3000)
    answer = await change(shop, ref, plan=better.code)
    await shop.advance(NOW + days(8))
    assert (await now_of(shop, ref)).terms.amount.minor == 0
    invoice = await shop.act(lambda tx: invoicing.one(tx, invoice=answer.invoice.id))
    assert invoice.status == "void"


async def test_what_nobody_has_paid_for_is_given_up_before_what_is_planned_works_from_it(shop):
    ref = await a_subscriber(shop, amount=3000, with_card=False, billing=Billing(unused_on_cancel=Unused.CREDIT))
    ends_at = NOW + HALF
    await shop.act(lambda tx: orders.cancel(tx, subscription_id=ref.id, at=ends_at, now=shop.now))
    await shop.advance(ends_at - days(2))
    answer = await change(shop, ref, plan=(await shop.plan(amount=9000)).code)
    assert answer.payment_link
    await shop.advance(ends_at)
    assert (await now_of(shop, ref)).status == "canceled"
    assert [(each.status, each.total.minor) for each in await bills(shop, ref)] == [
        ("paid", -1500),
        ("void", 3400),
        ("paid", 3000),
    ]


async def test_the_last_wish_counts_of_several_that_wait_for_their_payment(shop):
    ref = await a_subscriber(shop, amount=0, with_card=False)
    first = await change(shop, ref, plan=(await shop.plan(amount=3000)).code)
    second = await change(shop, ref, plan=(await shop.plan(amount=5000)).code)
    order = await shop.act(lambda tx: orders.one(tx, order_id=first.order.id))
    assert order.status == "canceled"
    await shop.pays_by_link(second)
    assert (await now_of(shop, ref)).terms.amount.minor == 5000


async def test_a_trial_changes_for_nothing(shop):
    ref = await a_subscriber(shop, trial_days=14)
    better = await shop.plan(amount=9000, trial_days=14)
    answer = await change(shop, ref, plan=better.code)
    assert answer.invoice is None
    after = await now_of(shop, ref)
    assert (after.status, after.terms.amount.minor) == ("trialing", 9000)


async def test_a_trial_takes_the_new_plans_length_from_its_own_start(shop):
    ref = await a_subscriber(shop, trial_days=14)
    await shop.advance(NOW + days(5))
    longer, shorter = await shop.plan(amount=6000, trial_days=30), await shop.plan(amount=9000, trial_days=6)
    assert (await change(shop, ref, plan=longer.code)).subscription.trial_ends_at == NOW + days(30)
    assert (await change(shop, ref, plan=shorter.code)).subscription.trial_ends_at == NOW + days(6)
    without = await shop.plan(amount=12000)
    answer = await change(shop, ref, plan=without.code)
    assert (answer.subscription.status, lines(answer)) == ("active", [("recurring", 12000)])
    assert answer.subscription.current_period.starts_at == shop.now


async def test_a_trial_that_would_end_it_for_want_of_a_method_is_not_ended_by_a_change(shop):
    ref = await a_subscriber(shop, trial_days=14, with_card=False, amount=0)
    ends = await shop.plan(amount=9000, billing=Billing(trial_end=TrialEnd.CANCEL))
    with pytest.raises(MethodNeeded):
        await change(shop, ref, plan=ends.code)
    assert (await now_of(shop, ref)).status == "trialing"


async def test_on_a_date_it_changes_then_and_is_prorated_from_then(shop):
    ref = await a_subscriber(shop)
    better = await shop.plan(amount=9000)
    at = NOW + HALF
    answer = await change(shop, ref, plan=better.code, effective_at=at)
    assert (answer.order, answer.subscription.pending_at) == (None, at)
    await shop.advance(at - days(1))
    assert (await now_of(shop, ref)).terms.amount.minor == 3000
    await shop.advance(at)
    assert (await now_of(shop, ref)).terms.plan_code == better.code
    [made, _] = await bills(shop, ref)
    assert [line.amount.minor for line in made.lines] == [-1500, 4500]
    assert made.issued_at == at


@pytest.mark.parametrize(
    ("wish", "refusal"),
    [
        ({"effective_at": NOW - days(1)}, DateIsPast),
        ({"effective_at": NOW + days(1), "when": When.NOW}, NowOrThen),
    ],
)
async def test_a_date_that_is_past_or_one_word_too_many_is_refused(shop, wish, refusal):
    ref = await a_subscriber(shop)
    with pytest.raises(refusal):
        await change(shop, ref, quantity=2, **wish)


async def test_a_pending_change_is_revoked_and_so_is_one_that_waits_for_its_payment(shop):
    ref = await a_subscriber(shop)
    less = await shop.plan(amount=1000)
    await change(shop, ref, plan=less.code)

    async def revoke(ref):
        return await shop.act(lambda tx: orders.revoke_change(tx, subscription_id=ref.id, now=shop.now))

    assert (await revoke(ref)).pending_terms is None
    free = await a_subscriber(shop, amount=0, with_card=False)
    answer = await change(shop, free, plan=(await shop.plan(amount=3000)).code)
    await revoke(free)
    invoice = await shop.act(lambda tx: invoicing.one(tx, invoice=answer.invoice.id))
    assert invoice.status == "void"


@pytest.mark.parametrize("anchor", [AnchorRule.KEEP, None])
async def test_another_interval_may_keep_the_old_date(shop, anchor):
    rule = AnchorRule.RESET if anchor else AnchorRule.KEEP
    prices = tuple(
        NewPrice(interval=Interval(unit), unit_amount=Money(minor, "EUR"), cycle=cycle)
        for unit, minor, cycle in ((Unit.MONTH, 3000, "monthly"), (Unit.YEAR, 36500, "yearly"))
    )
    ref = await a_subscriber(shop, prices=prices, billing=Billing(interval_change=rule))
    await shop.advance(NOW + HALF)
    answer = await change(shop, ref, billing_cycle="yearly", anchor=anchor)
    # 350 of the 365 days up to 1 April 2027.
    assert lines(answer) == [("proration_credit", -1500), ("recurring", 35000)]
    assert (await now_of(shop, ref)).current_period.ends_at == datetime(2027, 4, 1, tzinfo=UTC)


async def test_a_discount_is_given_back_with_what_it_was_taken_off_and_an_undone_change_costs_nothing(shop):
    promo = NewPromoCode(code="HALF", name="Half", percent=Decimal(50), duration=Duration.ONCE)
    await shop.act(lambda tx: catalog.create_promo_code(tx, promo=promo, now=shop.now))
    customer = await shop.customer(time_zone="UTC")
    card = await shop.card(customer)
    plan = await shop.plan(amount=3000, billing=Billing(is_tax_inclusive=True))
    rate = {"name": "VAT", "percent": Decimal(21), "country": "", "legal_note": ""}
    await shop.act(lambda tx: catalog.set_default_tax_rate(tx, **rate, now=shop.now))
    first = await shop.subscribe(customer, plan, payment_method_id=card.id, promo_code="HALF")
    assert first.invoice.total.minor == 1500
    ref = first.subscription.ref
    better = await shop.plan(amount=9000, billing=Billing(is_tax_inclusive=True))
    await shop.advance(NOW + days(11))
    forth = await change(shop, ref, plan=better.code)
    back = await change(shop, ref, plan=plan.code, when=When.NOW)
    assert forth.invoice.total + back.invoice.total == Money(0, "EUR")
    assert forth.invoice.tax + back.invoice.tax == Money(0, "EUR")


async def test_what_waits_for_its_first_payment_cannot_be_changed_and_is_not_billed_for_it(shop):
    customer = await shop.customer()
    answer = await shop.subscribe(customer, await shop.plan())
    better = await shop.plan(amount=9000)
    with pytest.raises(IllegalStep):
        await change(shop, answer.subscription.ref, plan=better.code)


async def test_a_change_first_bills_what_is_already_due(shop):
    ref = await a_subscriber(shop)
    shop.now = datetime(2026, 5, 11, tzinfo=UTC)  # nobody rolled it on the first
    answer = await change(shop, ref, quantity=2)
    assert lines(answer)[1] == ("proration_charge", 4065)
    invoices = await shop.act(lambda tx: invoicing.listing(tx, query=PageQuery(), subscription_id=ref.id))
    assert [each.issued_at for each in invoices.items] == [shop.now, datetime(2026, 5, 1, tzinfo=UTC), NOW]


async def test_opting_out_ends_it_with_the_period_and_opting_in_undoes_that(shop):
    ref = await a_subscriber(shop)

    async def renews(is_on):
        return await shop.act(lambda tx: orders.auto_renew(tx, subscription_id=ref.id, is_on=is_on, now=shop.now))

    assert (await renews(is_on=False)).cancel_at_period_end
    assert (await renews(is_on=False)).cancel_at_period_end
    assert not (await renews(is_on=True)).cancel_at_period_end
    await renews(is_on=False)
    await shop.advance(datetime(2026, 5, 2, tzinfo=UTC))
    assert (await now_of(shop, ref)).status == "expired"


async def test_what_waits_for_its_first_payment_cannot_be_opted_out_of_and_stay_payable(shop):
    answer = await shop.subscribe(await shop.customer(), await shop.plan())
    ref = answer.subscription.ref
    with pytest.raises(IllegalStep):
        await shop.act(lambda tx: orders.auto_renew(tx, subscription_id=ref.id, is_on=False, now=shop.now))
    assert (await now_of(shop, ref)).status == "processing"


async def test_a_subscription_stays_on_its_version_until_it_is_moved_to_the_newest_one(shop):
    ref = await a_subscriber(shop)
    plan_id = (await now_of(shop, ref)).terms.plan_id
    content = a_plan_content(amount=6000)
    await shop.act(lambda tx: catalog.new_version(tx, plan_id=plan_id, content=content, now=shop.now))
    await shop.advance(NOW + HALF)
    stays = await change(shop, ref, quantity=2)
    assert (stays.subscription.terms.plan_version, stays.subscription.terms.unit_amount.minor) == (1, 3000)

    moved = await change(shop, ref, to_newest_version=True)

    assert lines(moved) == [("proration_credit", -3000), ("proration_charge", 6000)]
    assert (moved.subscription.terms.plan_version, moved.subscription.terms.quantity) == (2, 2)
    again = await change(shop, ref, to_newest_version=True)
    assert again.order is None, "it is on the newest version already"


@pytest.mark.parametrize(("then", "kept"), [("undone", 3000), ("ended", 2000)])
async def test_what_a_note_took_back_of_a_change_stands_as_it_was_billed_before(shop, then, kept):
    ref = await a_subscriber(shop)
    code = (await now_of(shop, ref)).terms.plan_code
    twice = await shop.plan(amount=6000)
    await shop.advance(NOW + HALF)
    dearer = await change(shop, ref, plan=twice.code, when=When.NOW)
    assert lines(dearer) == [("proration_credit", -1500), ("proration_charge", 3000)]
    said = invoicing.Correction(reason="A mistake")
    await shop.act(lambda tx: invoicing.credit_note(tx, invoice_id=dearer.invoice.id, correction=said, now=shop.now))
    if then == "undone":
        await change(shop, ref, plan=code, when=When.NOW)
    else:
        await shop.advance(NOW + days(20))
        how = {"when": When.NOW, "unused": Unused.CREDIT, "now": shop.now}
        await shop.act(lambda tx: orders.cancel(tx, subscription_id=ref.id, **how))
    # 30.00 for April were paid, and 15.00 for the change, which the note gave back: April is as it was.
    assert sum(each.total.minor for each in await bills(shop, ref)) == kept
