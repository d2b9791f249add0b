"""Other ways to begin: on a date, in the past, sent with terms, in arrears, beside another, with a code, at a price."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Alignment, Billing, Collection, Duration, NewPromoCode
from guilder.domain.gateways import service as gateways
from guilder.domain.invoicing import service as invoicing
from guilder.domain.orders import service as orders
from guilder.domain.orders.rules import starting
from guilder.domain.orders.rules.change import MethodNeeded, When
from guilder.domain.orders.rules.starting import AddOnGrid, PastPeriods
from guilder.domain.orders.rules.terms import Own
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel.errors import Invalid, NotFound
from guilder.kernel.page import PageQuery
from tests.support.builders.orders import a_shop, days

NOW = datetime(2026, 4, 1, 0, tzinfo=UTC)


@pytest.fixture
async def shop(database):
    return await a_shop(database, now=NOW, time_zone="UTC")


async def begin(shop, plan, *, with_card=True, customer=None, **over):
    customer = customer or await shop.customer(time_zone="UTC")
    card = await shop.card(customer) if with_card else None
    return await shop.subscribe(customer, plan, payment_method_id=card.id if card else None, **over)


async def now_of(shop, answer):
    return await shop.act(lambda tx: subscriptions.one(tx, ref=answer.subscription.ref))


async def bills(shop, answer):
    query = PageQuery(limit=50)
    found = await shop.act(lambda tx: invoicing.listing(tx, query=query, subscription_id=answer.subscription.id))
    return [(each.issued_at, each.total.minor) for each in reversed(found.items)]


async def a_code(shop, **over):
    said = {"code": "TENTH", "name": "A tenth", "percent": Decimal(10), "duration": Duration.FOREVER}
    promo = NewPromoCode(**{**said, **over})
    return await shop.act(lambda tx: catalog.create_promo_code(tx, promo=promo, now=shop.now))


async def test_what_starts_on_a_later_date_is_scheduled_and_owes_nothing_until_then(shop):
    starts_at = NOW + days(9)
    answer = await begin(shop, await shop.plan(amount=3000), start=orders.Start(starts_at=starts_at))
    assert (answer.subscription.status, answer.invoice, answer.order.status) == ("scheduled", None, "completed")
    await shop.advance(starts_at - timedelta(seconds=1))
    assert await bills(shop, answer) == []
    await shop.advance(starts_at)
    assert await bills(shop, answer) == [(starts_at, 3000)]
    assert (await now_of(shop, answer)).status == "active"


async def test_what_began_in_the_past_is_billed_for_every_period_since(shop):
    starts_at = datetime(2026, 1, 20, tzinfo=UTC)
    answer = await begin(shop, await shop.plan(amount=3000), start=orders.Start(starts_at=starts_at))
    due = [datetime(2026, month, 20, tzinfo=UTC) for month in (1, 2, 3)]
    assert await bills(shop, answer) == [(at, 3000) for at in due]
    assert (answer.subscription.status, answer.invoice.issued_at) == ("active", due[-1])


async def test_or_only_from_the_present_one_on(shop):
    start = orders.Start(starts_at=datetime(2026, 1, 20, tzinfo=UTC), past_periods=PastPeriods.SKIP)
    answer = await begin(shop, await shop.plan(amount=3000), start=start)
    assert await bills(shop, answer) == [(NOW, 3000)]
    assert answer.subscription.current_period.starts_at == datetime(2026, 3, 20, tzinfo=UTC)


async def test_what_is_sent_with_terms_is_active_at_once_and_charges_nobody(shop):
    plan = await shop.plan(amount=3000, billing=Billing(collection=Collection.SEND, net_days=14))
    answer = await begin(shop, plan)
    assert answer.subscription.status == "active"
    assert (answer.invoice.status, answer.invoice.due_at) == ("open", NOW + days(14))
    assert shop.charged_at == []
    dearer = await shop.plan(amount=6000, billing=Billing(collection=Collection.SEND, net_days=14))
    wish = orders.Wish(plan=dearer.code)
    changed = await shop.act(
        lambda tx: orders.change(
            tx, subscription_id=answer.subscription.id, wish=wish, asked=orders.Asked(base_url="x"), now=shop.now
        )
    )
    assert changed.subscription.terms.plan_code == dearer.code, "it is trusted to be paid, too"


async def test_a_fee_in_arrears_owes_nothing_at_first(shop):
    answer = await begin(shop, await shop.plan(amount=3000, billing=Billing(in_arrears=True)), with_card=False)
    assert (answer.subscription.status, answer.invoice) == ("active", None)
    may = datetime(2026, 5, 1, tzinfo=UTC)
    await shop.advance(may)
    assert await bills(shop, answer) == [(may, 3000)]


async def test_a_part_of_a_period_comes_first_where_periods_keep_to_the_calendar(shop):
    shop.now = datetime(2026, 4, 16, tzinfo=UTC)
    answer = await begin(shop, await shop.plan(amount=3000), own=Own(alignment=Alignment.CALENDAR))
    assert answer.invoice.total.minor == 1500
    await shop.advance(datetime(2026, 5, 1, tzinfo=UTC))
    assert [total for _, total in await bills(shop, answer)] == [1500, 3000]


async def test_a_price_of_ones_own_stays_with_another_quantity(shop):
    answer = await begin(shop, await shop.plan(amount=3000), own=Own(unit_amount=700), quantity=2)
    assert answer.invoice.total.minor == 1400
    wish = orders.Wish(quantity=3)
    changed = await shop.act(
        lambda tx: orders.change(
            tx, subscription_id=answer.subscription.id, wish=wish, asked=orders.Asked(base_url="x"), now=shop.now
        )
    )
    assert changed.subscription.terms.amount.minor == 2100


async def test_a_code_takes_off_from_the_first_invoice_on_and_one_that_fails_leaves_nothing(shop):
    await a_code(shop)
    answer = await begin(shop, await shop.plan(amount=3000), promo_code="tenth")
    assert (answer.invoice.total.minor, answer.invoice.discount.minor) == (2700, 300)
    for code, refusal in (("nothing", NotFound), ("SOLD-OUT", Invalid)):
        if code == "SOLD-OUT":
            await a_code(shop, code=code, ends_at=NOW - days(1))
        with pytest.raises(refusal) as refused:
            await begin(shop, await shop.plan(amount=3000), promo_code=code)
        assert refused.value.field == "promo_code"


async def test_a_code_for_a_first_purchase_is_for_nobody_who_has_bought(shop):
    await a_code(shop, first_purchase_only=True)
    customer = await shop.customer(time_zone="UTC")
    first = await begin(shop, await shop.plan(amount=3000), customer=customer, promo_code="TENTH")
    assert first.invoice.total.minor == 2700
    with pytest.raises(Invalid) as refused:
        await begin(shop, await shop.plan(amount=5000), customer=customer, promo_code="TENTH")
    assert refused.value.code == "promo_first_purchase_only"


async def test_all_of_it_taken_off_begins_at_once(shop):
    await a_code(shop, percent=Decimal(100))
    answer = await begin(shop, await shop.plan(amount=3000), with_card=False, promo_code="TENTH")
    assert (answer.subscription.status, answer.order.status, answer.payment_link) == ("active", "completed", None)


async def test_a_trial_may_need_a_payment_method(shop):
    plan = await shop.plan(amount=3000, trial_days=14, billing=Billing(trial_needs_method=True))
    with pytest.raises(MethodNeeded):
        await begin(shop, plan, with_card=False)
    assert (await begin(shop, plan)).subscription.status == "trialing"
    free = orders.Start(trial_needs_method=False)
    assert (await begin(shop, plan, with_card=False, start=free)).subscription.status == "trialing"


async def test_a_trial_to_a_date_ends_then(shop):
    ends_at = NOW + timedelta(days=3, hours=5)
    answer = await begin(shop, await shop.plan(amount=3000), start=orders.Start(trial_ends_at=ends_at))
    assert (answer.subscription.status, answer.subscription.trial_ends_at) == ("trialing", ends_at)
    await shop.advance(ends_at)
    assert await bills(shop, answer) == [(ends_at, 3000)]


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"starts_at": NOW + days(9999)}, "starts_at"),
        ({"trial_ends_at": NOW}, "trial_ends_at"),
        ({"trial_ends_at": NOW + days(2), "trial_days": 3}, "trial_ends_at"),
    ],
)
async def test_a_start_that_nobody_could_mean_is_refused(shop, over, field):
    with pytest.raises(Invalid) as refused:
        await begin(shop, await shop.plan(), start=orders.Start(**over))
    assert refused.value.field == field


async def test_nothing_is_had_beside_what_a_provider_bills_itself(shop):
    [account] = await shop.act(gateways.accounts)
    customer = await shop.customer(time_zone="UTC")
    plan, seats = await shop.plan(amount=3000), await shop.plan(amount=1000, is_add_on=True)
    linked = await shop.act(
        lambda tx: orders.link(
            tx,
            organization_id=customer.organization_id,
            plan=plan.id,
            billing_cycle=None,
            currency=None,
            account_id=account.id,
            provider_ref="sub_there",
            starts_at=NOW,
            ends_at=NOW + days(30),
            metadata={},
            now=NOW,
        )
    )
    for grid in AddOnGrid:
        beside = orders.Beside(parent_id=linked.id, grid=grid)
        with pytest.raises(starting.ParentBilledElsewhere):
            await begin(shop, seats, customer=customer, beside=beside)


async def test_an_add_on_is_had_beside_something_counts_with_it_and_ends_with_it(shop):
    customer = await shop.customer(time_zone="UTC")
    base = await begin(shop, await shop.plan(amount=3000), customer=customer)
    seats = await shop.plan(amount=1000, is_add_on=True)
    await shop.advance(NOW + days(15))
    with pytest.raises(starting.NeedsParent):
        await begin(shop, seats, customer=customer)
    beside = orders.Beside(parent_id=base.subscription.id, grid=AddOnGrid.PARENT)
    with pytest.raises(starting.NotAnAddOn):
        await begin(shop, await shop.plan(amount=1), customer=customer, beside=beside)
    answer = await begin(shop, seats, customer=customer, beside=beside)
    assert (answer.invoice.total.minor, answer.subscription.parent_id) == (500, base.subscription.id)
    await shop.advance(datetime(2026, 5, 1, tzinfo=UTC))
    assert [total for _, total in await bills(shop, answer)] == [500, 1000]
    listed = await shop.act(lambda tx: orders.add_ons(tx, subscription_id=base.subscription.id))
    assert [each.id for each in listed] == [answer.subscription.id]
    await shop.act(lambda tx: orders.cancel(tx, subscription_id=base.subscription.id, when=When.NOW, now=shop.now))
    assert (await now_of(shop, answer)).status == "canceled"
