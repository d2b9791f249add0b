"""What a policy says beside its days: other methods, hard declines, pay days, what becomes of the subscription."""

from datetime import UTC, datetime

import pytest

from guilder.domain.dunning import service as dunning
from guilder.domain.dunning.events import AccessToBlock, CaseOpened, RetriesExhausted, RetryPlanned
from guilder.domain.dunning.model import FinalAction, Policy
from guilder.domain.gateways.model import Outcome, OutcomeKind
from guilder.domain.invoicing import service as invoicing
from guilder.domain.orders import service as orders
from guilder.domain.payments import service as payments
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel.errors import NotFound
from guilder.kernel.page import PageQuery
from tests.support.builders.dunning import a_customer_behind
from tests.support.builders.orders import a_shop, days, says_never, says_no, says_yes


def heard(shop, *kinds):
    return [type(event) for event in shop.heard if isinstance(event, kinds)]


def charging(number, *, others=says_no):
    """Make a bank that charges the customer's card of this number alone, the usual one being 0."""
    return lambda cards: (
        lambda payment: (says_yes if payment.payment_method_id == cards[number].id else others)(payment)
    )


async def all_cases(shop):
    return (await shop.act(lambda tx: dunning.listing(tx, query=PageQuery()))).items


async def methods_of(shop, customer):
    return await shop.act(lambda tx: payments.methods(tx, customer_id=customer.id))


async def an_unknown_link(shop, *, is_late=True):
    """A renewal without a card: its page is open, and nobody knows what came of it when it falls overdue."""
    customer = await shop.customer(time_zone="UTC")
    answer = await shop.subscribe(customer, await shop.plan())
    await shop.pays_by_link(answer)
    ref = answer.subscription.ref
    await shop.advance((await shop.act(lambda tx: subscriptions.one(tx, ref=ref))).current_period.ends_at)
    bills = await shop.act(lambda tx: invoicing.listing(tx, query=PageQuery(), subscription_id=ref.id))
    renewal = bills.items[0]
    opened = await shop.act(
        lambda tx: orders.open_checkout(tx, invoice_id=renewal.id, return_url="https://shop.example", now=shop.now)
    )
    await shop.drain()
    await shop.record(opened, Outcome(kind=OutcomeKind.UNKNOWN))
    if is_late:
        await shop.advance(renewal.due_at + days(1 / 12))
        await shop.act(lambda tx: dunning.unpaid(tx, invoices={renewal.ref: renewal.due_at}, now=shop.now))
    return customer, renewal, opened


async def test_a_soft_decline_has_the_other_cards_tried_at_once_and_uses_up_no_try(shop):
    behind = await a_customer_behind(shop, spare=["1111", "2222"])
    case = await behind.case()
    assert len(shop.charged_at) == 3
    assert set(shop.charged_at) == {behind.failed_at}
    assert (case.status, case.retries_made, case.next_retry_at) == ("open", 0, behind.failed_at + days(1))
    assert [each[0] for each in await behind.history()] == ["opened", "fell_back", "failed", "fell_back", "failed"]
    # Of what was tried on the spot nobody is told but once, and only when it is known that none of them pays.
    assert heard(shop, CaseOpened, RetryPlanned) == [CaseOpened, RetryPlanned]
    assert [each.is_tried_elsewhere for each in shop.heard if isinstance(each, CaseOpened)] == [True]
    await shop.advance(behind.failed_at + days(1))
    assert len(shop.charged_at) == 4


async def test_the_first_of_them_that_pays_recovers_it(shop):
    behind = await a_customer_behind(shop, spare=["1111", "2222"], bank_of=charging(1))
    assert len(shop.charged_at) == 2
    assert (await behind.case()).status == "recovered"
    assert (await behind.subscription()).status == "active"


async def test_without_a_planned_try_the_other_cards_come_before_the_end(shop):
    behind = await a_customer_behind(shop, spare=["1111"], bank_of=charging(1), rules={"retry_days": ()})
    assert (await behind.case()).status == "recovered"
    assert heard(shop, RetriesExhausted, AccessToBlock) == []


async def test_without_a_planned_try_and_when_the_others_fail_too_it_ends(shop):
    behind = await a_customer_behind(shop, spare=["1111"], rules={"retry_days": ()})
    assert (await behind.case()).status == "exhausted"
    assert len(shop.charged_at) == 2


@pytest.mark.parametrize(
    ("rules", "bank", "tries"),
    [
        ({"falls_back": False}, says_no, 1),
        ({}, says_never, 1),  # of a hard decline the bank said that there is no use
        ({"stops_at_hard_decline": False}, says_never, 2),
    ],
)
async def test_other_cards_are_not_tried_where_the_policy_says_so(shop, rules, bank, tries):
    await a_customer_behind(shop, spare=["1111"], bank=bank, rules=rules)
    assert len(shop.charged_at) == tries


async def test_a_hard_decline_goes_on_where_the_policy_does_not_stop_at_it(shop):
    behind = await a_customer_behind(shop, bank=says_never, rules={"stops_at_hard_decline": False})
    assert (await behind.case()).next_retry_at == behind.failed_at + days(1)


async def test_a_hard_decline_with_a_grace_is_past_due_until_the_grace_is_over(shop):
    behind = await a_customer_behind(shop, bank=says_never, rules={"grace_days": 5})
    assert (await behind.case()).status == "exhausted"
    assert (await behind.subscription()).status == "past_due"
    assert heard(shop, AccessToBlock) == []
    await shop.advance(behind.failed_at + days(5))
    assert (await behind.subscription()).status == "suspended"
    assert heard(shop, AccessToBlock) == [AccessToBlock]


@pytest.mark.parametrize("grace", [0, 4])
async def test_left_past_due_it_is_neither_suspended_nor_canceled_and_access_ends_by_grace(shop, grace):
    rules = {"final_action": FinalAction.LEAVE_PAST_DUE, "grace_days": grace}
    behind = await a_customer_behind(shop, rules=rules)
    await shop.advance(behind.failed_at + days(7 + grace) - days(0.01))
    assert heard(shop, AccessToBlock) == []
    await shop.advance(behind.failed_at + days(7 + grace))
    assert (await behind.subscription()).status == "past_due"
    assert ((await behind.case()).status, (await behind.case()).is_blocking) == ("exhausted", True)
    assert heard(shop, AccessToBlock) == [AccessToBlock]


async def test_a_try_moves_onto_a_pay_day_where_the_customer_lives(database):
    shop = await a_shop(database, now=datetime(2026, 2, 11, 8, 20, tzinfo=UTC))
    behind = await a_customer_behind(shop, rules={"pay_day_aware": True, "retry_days": (2, 9)})
    assert behind.failed_at == datetime(2026, 3, 11, 8, 20, tzinfo=UTC)
    # Planned for the 13th; the 15th is near, and this customer paid at eight before.
    assert (await behind.case()).next_retry_at == datetime(2026, 3, 15, 8, 0, tzinfo=UTC)


async def test_a_try_waits_for_the_hour_that_the_tenant_says(shop):
    behind = await a_customer_behind(shop, rules={"retry_hour": 18})
    assert (await behind.case()).next_retry_at == (behind.failed_at + days(1)).replace(hour=18)


async def test_a_plan_may_have_a_policy_of_its_own(shop):
    plan = await shop.plan()
    own = Policy(tenant_id=shop.tenant.tenant_id, plan_id=plan.id, retry_days=(2, 4))
    await shop.act(lambda tx: dunning.set_policy(tx, policy=own, now=shop.now))
    assert (await shop.act(lambda tx: dunning.policy(tx, plan=plan.code))).retry_days == (2, 4)
    customer = await shop.customer(time_zone="UTC")
    card = await shop.card(customer)
    answer = await shop.subscribe(customer, plan, payment_method_id=card.id)
    other = await a_customer_behind(shop)
    cases = {each.subscription_id: each for each in await all_cases(shop)}
    its_own = cases[answer.subscription.id]
    assert (its_own.plan_id, its_own.next_retry_at) == (plan.id, other.failed_at + days(2))
    assert cases[other.subscription_ref.id].next_retry_at == other.failed_at + days(1)


async def test_a_plans_policy_can_be_taken_back(shop):
    plan = await shop.plan()
    own = Policy(tenant_id=shop.tenant.tenant_id, plan_id=plan.id, retry_days=(2, 4))
    await shop.act(lambda tx: dunning.set_policy(tx, policy=own, now=shop.now))
    assert (await shop.act(lambda tx: dunning.remove_policy(tx, plan=plan.code))).retry_days == (1, 3, 7)
    assert (await shop.act(lambda tx: dunning.policy(tx, plan=plan.code))).retry_days == (1, 3, 7)
    with pytest.raises(NotFound):
        await shop.act(lambda tx: dunning.remove_policy(tx, plan=plan.code))


async def test_another_usual_card_is_tried_at_once(shop):
    rules = {"falls_back": False}
    behind = await a_customer_behind(shop, spare=["1111"], bank_of=charging(1), rules=rules)
    assert (await behind.case()).status == "open"
    spare = next(each for each in await methods_of(shop, behind.customer) if each.last4 == "1111")
    await shop.act(lambda tx: payments.set_default_method(tx, method_id=spare.id, now=shop.now))
    await shop.drain()
    assert (await behind.case()).status == "recovered"


async def test_a_link_that_was_unknown_when_its_invoice_fell_overdue_opens_the_case_when_it_comes_to_nothing(shop):
    customer, invoice, opened = await an_unknown_link(shop)
    assert await all_cases(shop) == []
    await shop.record(opened, Outcome(kind=OutcomeKind.DECLINED, decline_code="insufficient_funds"))
    [case] = await all_cases(shop)
    assert (case.invoice_id, case.first_failed_at, case.customer_id) == (invoice.id, invoice.due_at, customer.id)


async def test_one_that_pays_after_all_opens_none(shop):
    _, _, opened = await an_unknown_link(shop)
    await shop.record(opened, says_yes(opened))
    assert await all_cases(shop) == []


async def test_a_page_that_is_declined_before_the_date_opens_none(shop):
    _, _, opened = await an_unknown_link(shop, is_late=False)
    await shop.record(opened, Outcome(kind=OutcomeKind.DECLINED, decline_code="insufficient_funds"))
    assert await all_cases(shop) == []
