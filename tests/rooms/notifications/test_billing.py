"""What the billing engine makes customers hear: invoices with terms, credit, use, pauses, and changes to come."""

from datetime import timedelta
from decimal import Decimal

import pytest

from guilder.domain.dunning.events import ReminderDue, RetriesExhausted
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.events import (
    CreditNoteIssued,
    InvoiceDueSoon,
    InvoiceFinalized,
    InvoiceOverdue,
    InvoicePaid,
)
from guilder.domain.invoicing.service import Correction
from guilder.domain.notifications import handlers
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.events import (
    SubscriptionChangeScheduled,
    SubscriptionPaused,
    SubscriptionResumed,
    SubscriptionTrialExtended,
)
from guilder.domain.usage.events import UsageAlertReached
from guilder.kernel import ids
from guilder.kernel.money import Money
from tests.support.builders.catalog import a_meter, a_plan
from tests.support.builders.entitlements import about, heard, of_case
from tests.support.builders.identity import NOW
from tests.support.builders.notifications import an_open_invoice
from tests.support.builders.subscriptions import a_subscription, terms_of

DAY = timedelta(days=1)
MAIL, SMS = "email", "sms"


@pytest.fixture
async def german(make_ground):
    return await make_ground(language="de")


async def sent(ground, subscription=None, **over):
    async with ground.tx() as tx:
        return await an_open_invoice(tx, ground.customer, subscription, is_sent=True, net_days=14, **over)


async def subscribed(ground, **over):
    async with ground.tx() as tx:
        plan = await a_plan(tx, name="Pro")
        return await a_subscription(tx, ground.customer, plan, **{"is_active": True, **over})


def of(kind, invoice, **more):
    said = {
        "tenant_id": invoice.tenant_id,
        "invoice_id": invoice.id,
        "customer_id": invoice.customer_id,
        "subscription_id": invoice.subscription_id,
        "order_id": None,
        "number": invoice.number,
        "total": invoice.total,
    }
    return heard(kind(**{**said, **more}))


async def twice(ground, handler, message):
    """Tell a handler twice, and once more later; return what was told."""
    told = await ground.hear(handler, message, message)
    assert await ground.hear(handler, message) == []
    return told


def text_of(mail):
    return " ".join(mail.get_body(("plain",)).get_content().split())


async def test_an_invoice_with_terms_is_sent_with_its_date_and_a_link(ground):
    invoice = await sent(ground)
    told = await twice(ground, handlers.on_invoice_finalized, of(InvoiceFinalized, invoice, due_at=invoice.due_at))
    assert told == [(MAIL, "invoice_sent")]
    [mail] = ground.inbox.mails
    assert mail["Subject"] == f"Invoice {invoice.number} from Northwind: €30.00"
    assert "Please pay €30.00 by Mar 15, 2026." in text_of(mail)
    assert "Due on: Mar 15, 2026" in text_of(mail)
    assert "https://billing.example.com/checkout/" in text_of(mail)


async def test_it_says_the_same_in_german(german):
    invoice = await sent(german)
    await german.hear(handlers.on_invoice_finalized, of(InvoiceFinalized, invoice, due_at=invoice.due_at))
    [mail] = german.inbox.mails
    assert f"Rechnung {invoice.number}" in mail["Subject"]
    assert "Bitte zahlen Sie 30,00 € bis zum 15.03.2026." in text_of(mail)


async def test_what_credit_paid_of_it_is_not_asked_for(ground):
    async with ground.tx() as tx:
        credit = {"amount": Money(1000, "EUR"), "reason": "sorry", "now": NOW}
        await invoicing.grant_credit(tx, customer_id=ground.customer.id, **credit)
    invoice = await sent(ground)
    await ground.hear(handlers.on_invoice_finalized, of(InvoiceFinalized, invoice, due_at=invoice.due_at))
    text = text_of(ground.inbox.mails[0])
    assert "Please pay €20.00 by" in text
    assert "Total: €30.00" in text


async def test_what_is_charged_or_comes_to_nothing_is_not_sent(ground):
    async with ground.tx() as tx:
        charged = await an_open_invoice(tx, ground.customer)
    free = await sent(ground, amount=0)
    for invoice in (charged, free):
        message = of(InvoiceFinalized, invoice, due_at=invoice.due_at)
        assert await ground.hear(handlers.on_invoice_finalized, message) == []
        message = of(InvoiceOverdue, invoice, due_at=invoice.due_at)
        assert await ground.hear(handlers.on_invoice_overdue, message) == []


@pytest.mark.parametrize(
    ("handler", "kind", "name", "says"),
    [
        (handlers.on_invoice_due_soon, InvoiceDueSoon, "invoice_due_soon", "is due on Mar 15, 2026"),
        (handlers.on_invoice_overdue, InvoiceOverdue, "invoice_overdue", "was due on Mar 15, 2026 and is still open"),
    ],
)
async def test_its_date_is_told_of_before_and_after_by_mail_and_by_sms(ground, handler, kind, name, says):
    invoice = await sent(ground)
    told = await twice(ground, handler, of(kind, invoice, due_at=invoice.due_at))
    assert told == [(MAIL, name), (SMS, name)]
    text = text_of(ground.inbox.mails[0])
    assert f"€30.00 of your invoice {invoice.number} {says}" in text
    assert "https://billing.example.com/checkout/" in text
    assert "€30.00" in ground.phones.texts[0].body
    assert "https://billing.example.com/checkout/" in ground.phones.texts[0].body


async def test_what_is_no_longer_owed_is_not_asked_for(ground):
    invoice = await sent(ground)
    async with ground.tx() as tx:
        await invoicing.void(tx, refs=[invoice.ref], now=NOW)
    await ground.hear(handlers.on_invoice_due_soon, of(InvoiceDueSoon, invoice, due_at=invoice.due_at))
    assert ground.inbox.mails == []


async def test_a_reminder_of_what_was_sent_speaks_of_no_try_and_no_card(ground):
    invoice, case = await sent(ground), ids.new(NOW)
    for number in (1, 2):
        due = {"amount_due": invoice.due, "reminder": number, "invoice_id": invoice.id, "case_id": case}
        told = await twice(ground, handlers.on_reminder_due, of_case(ReminderDue, ground.customer, **due))
        assert told == [(MAIL, "invoice_overdue"), (SMS, "invoice_overdue")]
    assert all("was due on Mar 15, 2026" in text_of(mail) for mail in ground.inbox.mails)
    assert not any("payment method" in text_of(mail) for mail in ground.inbox.mails)


async def test_the_apology_for_what_was_sent_speaks_of_its_date(ground):
    subscription = await subscribed(ground)
    invoice = await sent(ground, subscription)
    facts = {"invoice_id": invoice.id, "subscription_id": subscription.id, "decline_code": "no_payment_method"}
    await ground.hear(handlers.on_retries_exhausted, of_case(RetriesExhausted, ground.customer, **facts))
    text = text_of(ground.inbox.mails[0])
    assert "Our invoice of €30.00 was due on Mar 15, 2026 and is still unpaid, so we had to pause your access" in text
    assert "tried several times" not in text


async def credited(ground, invoice, **what):
    async with ground.tx() as tx:
        note = await invoicing.credit_note(
            tx, invoice_id=invoice.id, correction=Correction(reason="r", **what), now=NOW
        )
        [said] = [each.event for each in tx.outbox if isinstance(each.event, CreditNoteIssued)]
    return note, heard(said)


async def test_a_credit_note_says_what_it_takes_off(ground):
    invoice = await sent(ground)
    note, message = await credited(ground, invoice, amount_minor=1000)
    assert await twice(ground, handlers.on_credit_note_issued, message) == [(MAIL, "credit_note_issued")]
    [mail] = ground.inbox.mails
    assert mail["Subject"] == f"Credit note {note.number} from Northwind: €10.00"
    assert f"for your invoice {invoice.number}" in text_of(mail)
    assert "€10.00 is taken off that invoice." in text_of(mail)
    assert "yours as credit" not in text_of(mail)


@pytest.mark.parametrize(
    ("language", "says"), [("en", "€30.00 is yours as credit"), ("de", "30,00 € stehen Ihnen als Guthaben zu")]
)
async def test_a_credit_note_says_what_becomes_credit(make_ground, language, says):
    ground = await make_ground(language=language)
    async with ground.tx() as tx:
        note = await an_open_invoice(tx, ground.customer, amount=-3000)
    message = of(CreditNoteIssued, note, corrects_invoice_id=None, credited=Money(3000, "EUR"))
    assert await twice(ground, handlers.on_credit_note_issued, message) == [(MAIL, "credit_note_issued")]
    text = text_of(ground.inbox.mails[0])
    assert says in text
    assert note.number in text
    assert "taken off" not in text


async def test_nobody_is_thanked_for_credit(ground):
    invoice = await sent(ground)
    _, message = await credited(ground, invoice)
    assert await ground.hear(handlers.on_credit_note_issued, message) == [(MAIL, "credit_note_issued")]
    paid = of(InvoicePaid, invoice, paid_at=NOW)
    assert await ground.hear(handlers.on_invoice_paid, paid) == []


async def test_thanks_are_for_the_money_that_came_in(ground):
    invoice = await sent(ground)
    await credited(ground, invoice, amount_minor=1000)
    await ground.hear(handlers.on_invoice_paid, of(InvoicePaid, invoice, paid_at=NOW))
    await ground.receipts_go(invoice)
    assert ground.inbox.mails[0]["Subject"] == "Receipt from Northwind: €20.00"


async def test_an_alert_names_the_meter_and_is_told_once_a_window(ground):
    async with ground.tx() as tx:
        await a_meter(tx, code="api_calls", name="API calls")
    said = {
        "tenant_id": ground.tenant_id,
        "customer_id": ground.customer.id,
        "alert_id": ids.new(NOW),
        "meter": "api_calls",
        "threshold": Decimal(10_000),
        "quantity": Decimal("10250.5"),
        "window_starts_at": NOW,
    }
    assert await twice(ground, handlers.on_usage_alert_reached, heard(UsageAlertReached(**said))) == [
        (MAIL, "usage_alert")
    ]
    later = heard(UsageAlertReached(**{**said, "window_starts_at": NOW + 31 * DAY}))
    assert len(await ground.hear(handlers.on_usage_alert_reached, later)) == 1
    text = text_of(ground.inbox.mails[0])
    assert "You have used 10,250.5 of API calls since Mar 1, 2026. An alert was set at 10,000." in text


@pytest.mark.parametrize(
    ("resumes_at", "says"),
    [(NOW + 9 * DAY, "It goes on by itself from Mar 10, 2026."), (None, "It waits until you resume it.")],
)
async def test_a_pause_says_until_when(ground, resumes_at, says):
    subscription = await subscribed(ground)
    message = about(SubscriptionPaused, subscription, paused_at=NOW, resumes_at=resumes_at)
    assert await twice(ground, handlers.on_subscription_paused, message) == [(MAIL, "subscription_paused")]
    text = text_of(ground.inbox.mails[0])
    assert "Your subscription to Pro is paused since Mar 1, 2026." in text
    assert says in text


async def test_each_resumption_is_told(ground):
    subscription = await subscribed(ground)
    period = subscription.current_period
    for later in (0, 1):
        dates = {"period_starts_at": period.starts_at, "period_ends_at": period.ends_at + later * DAY}
        message = about(SubscriptionResumed, subscription, **dates)
        assert await twice(ground, handlers.on_subscription_resumed, message) == [(MAIL, "subscription_resumed")]
    assert "no longer paused" in text_of(ground.inbox.mails[0])
    assert "Renews on: Apr 1, 2026" in text_of(ground.inbox.mails[0])


async def test_what_rests_with_its_parent_is_not_told_of(ground):
    parent = await subscribed(ground)
    async with ground.tx() as tx:
        add_on = await a_subscription(tx, ground.customer, await a_plan(tx), parent_id=parent.id)
    message = about(SubscriptionPaused, add_on, paused_at=NOW, resumes_at=None)
    assert await ground.hear(handlers.on_subscription_paused, message) == []


async def test_a_longer_trial_is_told_with_its_end(ground):
    subscription = await subscribed(ground, is_active=False, trial_days=14)
    message = about(SubscriptionTrialExtended, subscription, ends_at=NOW + 20 * DAY)
    assert await twice(ground, handlers.on_trial_extended, message) == [(MAIL, "trial_extended")]
    assert "Your trial of Pro now ends on Mar 21, 2026." in text_of(ground.inbox.mails[0])


async def planned(ground, subscription, **terms):
    async with ground.tx() as tx:
        wished = await a_plan(tx, name="Max", amount=9900)
        changed = await subscriptions.change(
            tx, ref=subscription.ref, terms=terms_of(wished, **terms), at_period_end=True, now=NOW
        )
    ends_at = subscription.current_period.ends_at
    return about(SubscriptionChangeScheduled, changed.after, takes_effect_at=ends_at)


async def test_a_change_to_come_is_announced_with_its_price_each_time_it_is_another(ground):
    subscription = await subscribed(ground)
    first = await planned(ground, subscription)
    assert await twice(ground, handlers.on_subscription_change_scheduled, first) == [(MAIL, "change_planned")]
    second = await planned(ground, subscription, quantity=3)
    assert await twice(ground, handlers.on_subscription_change_scheduled, second) == [(MAIL, "change_planned")]
    assert await ground.hear(handlers.on_subscription_change_scheduled, first) == []
    texts = [text_of(mail) for mail in ground.inbox.mails]
    assert "From Apr 1, 2026, your subscription will be Max at €99.00." in texts[0]
    assert "your subscription will be Max (3) at €297.00." in texts[1]


async def test_a_change_that_was_taken_back_is_not_announced(ground):
    subscription = await subscribed(ground)
    message = await planned(ground, subscription)
    async with ground.tx() as tx:
        await subscriptions.revoke_change(tx, ref=subscription.ref, now=NOW)
    assert await ground.hear(handlers.on_subscription_change_scheduled, message) == []
