"""What was sent with payment terms, what credit pays, and what several subscriptions share."""

from types import SimpleNamespace

import pytest

from guilder.domain.catalog.model import Billing, Collection
from guilder.domain.customers import service as customers
from guilder.domain.dunning import handlers
from guilder.domain.dunning import service as dunning
from guilder.domain.dunning.events import AccessToBlock, CaseOpened, ReminderDue, RetriesExhausted, RetryPlanned
from guilder.domain.dunning.model import FinalAction, Policy
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.events import InvoiceOverdue
from guilder.domain.invoicing.model import Draft, LineKind, NewLine
from guilder.domain.invoicing.service import Correction
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Payable, Via
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Status
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.kernel.page import PageQuery
from tests.support.builders.dunning import a_customer_behind
from tests.support.builders.invoicing import a_line
from tests.support.builders.orders import days, says_no

SENT = Billing(collection=Collection.SEND, net_days=14)


async def cases(shop):
    return list((await shop.act(lambda tx: dunning.listing(tx, query=PageQuery()))).items)


async def status(shop, ref):
    return (await shop.act(lambda tx: subscriptions.one(tx, ref=ref))).status


async def overdue(shop, invoice):
    """Let the terms run out, and have dunning hear of it."""
    await shop.advance(invoice.due_at + days(1 / 24))
    await shop.act(lambda tx: invoicing.tell_overdue(tx, refs=[invoice.ref], now=shop.now))
    told = [event for event in shop.heard if isinstance(event, InvoiceOverdue) and event.invoice_id == invoice.id]
    if told:
        await shop.tell(handlers.on_invoice_overdue, told)
        await shop.tell(handlers.on_invoice_overdue, told)
    await shop.drain()


async def a_debtor(shop, *, has_card=True, policy=None):
    """Subscribe somebody who pays by invoice, and who has a card all the same."""
    if policy:
        wanted = Policy(tenant_id=shop.tenant.tenant_id, **policy)
        await shop.act(lambda tx: dunning.set_policy(tx, policy=wanted, now=shop.now))
    customer = await shop.customer(time_zone="UTC")
    if has_card:
        await shop.card(customer)
    answer = await shop.subscribe(customer, await shop.plan(billing=SENT))
    return customer, answer.subscription.ref, answer.invoice


def heard(shop, *kinds):
    return [type(event) for event in shop.heard if isinstance(event, kinds)]


async def test_it_is_behind_only_after_its_terms(shop):
    _, ref, invoice = await a_debtor(shop)
    assert invoice.is_sent
    await shop.advance(invoice.due_at)
    assert (await cases(shop), await status(shop, ref)) == ([], "active")
    await overdue(shop, invoice)
    [case] = await cases(shop)
    assert (case.is_sent, case.first_failed_at, case.next_retry_at) == (True, invoice.due_at, None)
    assert await status(shop, ref) == "past_due"
    assert heard(shop, CaseOpened) == [CaseOpened]


async def test_it_is_reminded_of_and_no_card_is_ever_tried(shop):
    customer, ref, invoice = await a_debtor(shop)
    await overdue(shop, invoice)
    await shop.card(customer)
    await shop.drain()
    await shop.advance(invoice.due_at + days(6.5))
    assert heard(shop, ReminderDue) == [ReminderDue] * 2
    [case] = await cases(shop)
    with pytest.raises(dunning.SentToBePaid):
        await shop.act(lambda tx: dunning.retry_now(tx, case_id=case.id, now=shop.now))
    assert shop.charged_at == []
    assert heard(shop, RetryPlanned) == []
    assert await status(shop, ref) == "past_due"


@pytest.mark.parametrize(("grace", "blocked_on"), [(0, 7), (4, 11)])
async def test_its_time_is_up_when_the_last_try_of_another_would_be(shop, grace, blocked_on):
    _, ref, invoice = await a_debtor(shop, policy={"grace_days": grace})
    await overdue(shop, invoice)
    await shop.advance(invoice.due_at + days(blocked_on) - days(0.01))
    assert await status(shop, ref) == "past_due"
    await shop.advance(invoice.due_at + days(blocked_on))
    assert await status(shop, ref) == "suspended"
    [case] = await cases(shop)
    assert (case.status, case.is_blocking, case.last_failed_at) == ("exhausted", True, invoice.due_at + days(7))
    assert heard(shop, RetriesExhausted, AccessToBlock) == [RetriesExhausted, AccessToBlock]


async def test_a_policy_that_cancels_ends_it_then(shop):
    _, ref, invoice = await a_debtor(shop, policy={"final_action": FinalAction.CANCEL})
    await overdue(shop, invoice)
    await shop.advance(invoice.due_at + days(7))
    assert await status(shop, ref) == "canceled"
    assert [case.status for case in await cases(shop)] == ["closed"]
    assert (await shop.act(lambda tx: invoicing.one(tx, invoice=invoice.id))).status == "uncollectible"


async def test_paid_by_its_link_it_recovers(shop):
    _, ref, invoice = await a_debtor(shop)
    await overdue(shop, invoice)
    await shop.advance(invoice.due_at + days(8))
    await shop.pays_by_link(SimpleNamespace(invoice=invoice))
    assert [case.status for case in await cases(shop)] == ["recovered"]
    assert await status(shop, ref) == "active"


async def test_a_one_off_that_was_sent_is_reminded_of_and_stays_owed(shop):
    customer = await shop.customer(time_zone="UTC")
    draft = owed(customer, shop.now, is_sent=True, net_days=14)
    [invoice] = await shop.act(lambda tx: invoicing.finalize(tx, drafts=[draft], via=Via.EITHER, now=shop.now))
    await overdue(shop, invoice)
    await shop.advance(invoice.due_at + days(40))
    assert heard(shop, ReminderDue) == [ReminderDue] * 10
    assert heard(shop, RetriesExhausted, AccessToBlock) == []
    assert [case.status for case in await cases(shop)] == ["open"]


def owed(customer, now, *lines, **over):
    said = {
        "tenant_id": customer.tenant_id,
        "customer_id": customer.id,
        "currency": "EUR",
        "lines": lines or (a_line(),),
        "issued_at": now,
    }
    return Draft(**{**said, **over})


async def test_a_credit_note_closes_the_case_of_what_it_pays(shop):
    _, ref, invoice = await a_debtor(shop)
    await overdue(shop, invoice)
    note = await credited(shop, invoice)
    assert [case.status for case in await cases(shop)] == ["recovered"]
    assert await status(shop, ref) == "active"
    await overdue(shop, note)
    assert len(await cases(shop)) == 1, "a credit note is owed by nobody"


async def credited(shop, invoice):
    correction = Correction(reason="never delivered")
    note = await shop.act(
        lambda tx: invoicing.credit_note(tx, invoice_id=invoice.id, correction=correction, now=shop.now)
    )
    await shop.drain()
    return note


async def test_a_credit_note_closes_the_case_of_a_card_that_failed(shop):
    behind = await a_customer_behind(shop)
    await credited(shop, await behind.invoice())
    assert ((await behind.case()).status, (await behind.subscription()).status) == ("recovered", "active")


async def test_what_credit_paid_is_never_behind(shop):
    customer = await shop.customer(time_zone="UTC")
    credit = {"amount": Money(90_000, "EUR"), "reason": "sorry"}
    await shop.act(lambda tx: invoicing.grant_credit(tx, customer_id=customer.id, now=shop.now, **credit))
    answer = await shop.subscribe(customer, await shop.plan(billing=SENT))
    assert answer.invoice.status == "paid"
    await overdue(shop, answer.invoice)
    assert await cases(shop) == []


async def both(shop, *statuses, **over):
    """Have one invoice for two subscriptions, which are as they are said to be."""
    customer = await shop.customer(time_zone="UTC")
    subjects = []
    for _ in statuses:
        answer = await shop.subscribe(customer, await shop.plan(), payment_method_id=(await shop.card(customer)).id)
        subjects.append(answer.subscription.ref)
    lines = [
        NewLine(
            kind=LineKind.RECURRING,
            description="Pro",
            amount=Money(3000, "EUR"),
            subscription_id=ref.id,
            billed_item=f"test:{ref.id}",
        )
        for ref in subjects
    ]
    draft = owed(customer, shop.now, *lines, is_sent=True, net_days=3, **over)
    [invoice] = await shop.act(lambda tx: invoicing.finalize(tx, drafts=[draft], via=Via.EITHER, now=shop.now))
    await overdue(shop, invoice)
    for ref, wanted in zip(subjects, statuses, strict=True):
        await become(shop, ref, wanted)
    return subjects, invoice


async def become(shop, ref, wanted):
    """Bring a subscription into a state, whatever it is in."""
    async with shop.database.transaction([shop.tenant.tenant_id], actor="test") as tx:
        due = "next_due_at" if wanted is not Status.PAUSED else "null"
        paused = "now()" if wanted is Status.PAUSED else "null"
        await tx.execute(
            f"""update subscriptions.subscriptions set status = $2, next_due_at = {due}, paused_at = {paused}
                 where id = $1""",
            ref.id,
            wanted.value,
        )


async def test_a_case_concerns_all_that_share_the_invoice(shop):
    subjects, invoice = await both(shop, Status.PAST_DUE, Status.PAST_DUE)
    [case] = await cases(shop)
    assert (case.subscription_id, case.subscription_ids) == (None, tuple(sorted(ref.id for ref in subjects)))
    [opened] = [event for event in shop.heard if isinstance(event, CaseOpened)]
    assert opened.subscription_ids == case.subscription_ids
    await shop.advance(invoice.due_at + days(7))
    assert [await status(shop, ref) for ref in subjects] == ["suspended"] * 2
    await credited(shop, invoice)
    assert [await status(shop, ref) for ref in subjects] == ["active"] * 2


async def test_one_that_is_behind_with_another_invoice_too_stays_behind(shop):
    subjects, first = await both(shop, Status.PAST_DUE, Status.PAST_DUE)
    line = replace(a_line(), subscription_id=subjects[0].id)
    ref = Ref(first.tenant_id, first.customer_id)
    draft = replace(owed(await shop.act(lambda tx: customer_of(tx, ref)), shop.now, line), is_sent=True, net_days=0)
    [second] = await shop.act(lambda tx: invoicing.finalize(tx, drafts=[draft], via=Via.EITHER, now=shop.now))
    await overdue(shop, second)
    await credited(shop, first)
    assert [await status(shop, ref) for ref in subjects] == ["past_due", "active"]


async def customer_of(tx, ref):
    return (await customers.get(tx, refs=[ref]))[ref]


@pytest.mark.parametrize("state", [Status.PAUSED, Status.SCHEDULED])
@pytest.mark.parametrize("action", list(FinalAction))
async def test_what_rests_or_has_not_begun_is_not_suspended(shop, state, action):
    wanted = Policy(tenant_id=shop.tenant.tenant_id, final_action=action)
    await shop.act(lambda tx: dunning.set_policy(tx, policy=wanted, now=shop.now))
    subjects, invoice = await both(shop, Status.PAST_DUE, state)
    await shop.advance(invoice.due_at + days(7))
    ended = {
        FinalAction.SUSPEND: "suspended",
        FinalAction.CANCEL: "canceled",
        FinalAction.LEAVE_PAST_DUE: "past_due",
    }[action]
    rests = "canceled" if (state, action) == (Status.PAUSED, FinalAction.CANCEL) else state.value
    assert [await status(shop, ref) for ref in subjects] == [ended, rests]


async def test_a_card_that_was_tried_by_hand_before_the_date_opens_no_case(shop):
    customer = await shop.customer(time_zone="UTC")
    await shop.card(customer)
    draft = owed(customer, shop.now, is_sent=True, net_days=14)
    [invoice] = await shop.act(lambda tx: invoicing.finalize(tx, drafts=[draft], via=Via.EITHER, now=shop.now))
    shop.bank = says_no
    by_card = Payable(
        tenant_id=invoice.tenant_id,
        invoice_id=invoice.id,
        customer_id=invoice.customer_id,
        amount=invoice.due,
        via=Via.SAVED,
    )
    await shop.act(lambda tx: payments.collect(tx, payables=[by_card], now=shop.now))
    await shop.drain()
    assert len(shop.charged_at) == 1
    assert await cases(shop) == []


async def test_nobody_is_blocked_for_what_has_not_begun(shop):
    _, invoice = await both(shop, Status.SCHEDULED)
    await shop.advance(invoice.due_at + days(7))
    assert heard(shop, RetriesExhausted, AccessToBlock) == [RetriesExhausted]
    assert [case.is_blocking for case in await cases(shop)] == [False]
