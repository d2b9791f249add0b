"""News of subscriptions that Stripe itself bills, and events in every form."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.gateways.adapters.stripe import notices
from guilder.domain.gateways.model import ElsewhereKind
from guilder.domain.gateways.port import UnreadableNotice
from guilder.kernel.money import Money
from tests.unit.gateways.test_stripe_mapping import INTENT, JSON, SESSION

APRIL, MAY = datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
INVOICE = {
    "id": "in_1",
    "object": "invoice",
    "customer": "cus_1",
    "status": "paid",
    "currency": "isk",
    "amount_paid": 500,
    "amount_due": 700,
    "period_start": 1,
    "period_end": 2,
    "parent": {"type": "subscription_details", "subscription_details": {"subscription": "sub_1"}},
    "lines": {
        "data": [
            {"period": {"start": 1772323200, "end": 1775001600}},
            {"period": {"start": int(APRIL.timestamp()), "end": int(MAY.timestamp())}},
        ]
    },
}
SUBSCRIPTION = {
    "id": "sub_1",
    "object": "subscription",
    "customer": {"id": "cus_1"},
    "status": "past_due",
    "cancel_at_period_end": False,
    "cancel_at": None,
    "latest_invoice": "in_1",
    "items": {"data": [{"current_period_start": int(APRIL.timestamp()), "current_period_end": int(MAY.timestamp())}]},
}
DISPUTE = {"id": "du_1", "charge": "ch_1", "amount": 4900, "currency": "eur", "status": "needs_response"}
METHOD = {
    "id": "pm_1",
    "customer": "cus_1",
    "type": "card",
    "card": {"brand": "visa", "last4": "4242", "exp_month": 3, "exp_year": 2041},
}
ABOUT = {
    "payment_intent.succeeded": INTENT,
    "charge.succeeded": {"id": "ch_1", "payment_intent": "pi_1", "amount": 1, "currency": "eur"},
    "checkout.session.completed": SESSION,
    "setup_intent.succeeded": {"id": "seti_1", "status": "succeeded"},
    "refund.updated": {"id": "re_1", "amount": 1, "currency": "eur", "status": "failed"},
    "charge.dispute.created": DISPUTE,
    "invoice.paid": INVOICE,
    "customer.subscription.updated": SUBSCRIPTION,
    "payment_method.automatically_updated": METHOD,
}


def an_event(kind, about, **over):
    return {"id": "evt_1", "type": kind, "created": 1775001600, "livemode": False, "data": {"object": about}} | over


@pytest.mark.parametrize(
    ("kind", "told", "amount"),
    [
        ("invoice.paid", ElsewhereKind.PAID, Money(5, "ISK")),
        ("invoice.payment_succeeded", ElsewhereKind.PAID, Money(5, "ISK")),
        ("invoice.payment_failed", ElsewhereKind.FAILED, Money(7, "ISK")),
    ],
)
def test_an_invoice_of_a_subscription_tells_the_period_that_it_billed(kind, told, amount):
    news = notices.from_event(an_event(kind, INVOICE)).elsewhere
    assert (news.kind, news.subscription_ref, news.payer_ref, news.invoice_ref) == (told, "sub_1", "cus_1", "in_1")
    assert (news.period_starts_at, news.period_ends_at, news.amount) == (APRIL, MAY, amount)


def test_an_invoice_in_the_form_of_older_versions_is_read_too():
    old = {**INVOICE, "parent": None, "subscription": "sub_1"}
    assert notices.from_event(an_event("invoice.paid", old)).elsewhere.subscription_ref == "sub_1"


def test_an_invoice_of_no_subscription_is_of_no_concern():
    single = {**INVOICE, "parent": None}
    notice = notices.from_event(an_event("invoice.paid", single))
    assert (notice.elsewhere, notice.subject) == (None, None)


@pytest.mark.parametrize(
    ("over", "ends"),
    [
        ({}, False),
        ({"cancel_at_period_end": True}, True),
        ({"cancel_at": int(MAY.timestamp())}, True),
        ({"cancel_at": int(MAY.timestamp()) + 1}, False),
    ],
)
def test_a_subscription_tells_its_period_and_whether_it_ends(over, ends):
    news = notices.from_event(an_event("customer.subscription.updated", {**SUBSCRIPTION, **over})).elsewhere
    assert (news.kind, news.status, news.payer_ref) == (ElsewhereKind.UPDATED, "past_due", "cus_1")
    assert (news.period_starts_at, news.period_ends_at, news.cancel_at_period_end) == (APRIL, MAY, ends)


@pytest.mark.parametrize(
    ("details", "why"), [(None, ""), ({"reason": None}, ""), ({"reason": "payment_failed"}, "payment_failed")]
)
def test_a_subscription_that_ended_tells_why(details, why):
    gone = {**SUBSCRIPTION, "cancellation_details": details}
    ended = notices.from_event(an_event("customer.subscription.deleted", gone)).elsewhere
    assert (ended.kind, ended.ended_for) == (ElsewhereKind.ENDED, why)


def test_an_event_of_a_connected_account_names_it():
    notice = notices.from_event(an_event("charge.succeeded", {}, account="acct_2", livemode=True))
    assert (notice.account, notice.mode) == ("acct_2", "live")


@given(st.sampled_from(sorted(ABOUT)), st.data())
def test_nothing_in_an_event_is_a_surprise(kind, data):
    about = ABOUT[kind]
    name = data.draw(st.sampled_from(sorted(about)))
    notice = notices.from_event(an_event(kind, {**about, name: data.draw(JSON)}))
    assert notice.notice_id == "evt_1"


@given(st.sampled_from(["id", "type", "data", "livemode", "created", "account"]), JSON)
def test_an_event_is_read_or_unreadable(name, value):
    try:
        notice = notices.from_event({**an_event("invoice.paid", INVOICE), name: value})
    except UnreadableNotice:
        assert name in {"id", "type"}
        return
    assert notice.mode in {"live", "test", ""}
