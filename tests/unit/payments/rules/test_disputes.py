"""What news of a dispute makes of it, in any order and any number of times."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.gateways.model import DisputeNews, DisputeStatus
from guilder.domain.payments.model import DisputeTold, Payment, Status, Via
from guilder.domain.payments.rules import disputes
from guilder.kernel.money import Money
from guilder.kernel.noun import replace

AT = datetime(2026, 3, 1, tzinfo=UTC)
TENANT, ACCOUNT = uuid4(), uuid4()
INQUIRY, OPEN, WON, LOST = DisputeStatus
PAYMENT = Payment(
    tenant_id=TENANT,
    id=uuid4(),
    invoice_id=uuid4(),
    customer_id=uuid4(),
    attempt=1,
    amount=Money(1000, "EUR"),
    status=Status.SUCCEEDED,
    via=Via.SAVED,
    gateway="simulated",
    account_id=ACCOUNT,
    payment_method_id=None,
    requested_at=AT,
)


def eur(minor):
    return Money(minor, "EUR")


def news(status, minor=1000, **over):
    said = DisputeNews(
        dispute_ref="dp_1", charge_ref="ch_1", provider_ref="pi_1", status=status, amount=eur(minor), **over
    )
    return DisputeTold(tenant_id=TENANT, account_id=ACCOUNT, gateway="simulated", news=said, at=AT)


def after(*statuses, kept=1000, minor=1000):
    dispute = disputes.begun(news(statuses[0], minor), PAYMENT, dispute_id=uuid4(), kept=eur(kept))
    for status in statuses:
        dispute = disputes.told(dispute, news(status, minor), kept=eur(kept))
    return dispute


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ((INQUIRY,), INQUIRY),
        ((INQUIRY, OPEN), OPEN),
        ((INQUIRY, WON), WON),
        ((OPEN,), OPEN),
        ((OPEN, INQUIRY), OPEN),
        ((OPEN, WON), WON),
        ((OPEN, LOST), LOST),
        ((WON, OPEN), WON),
        ((LOST, OPEN), LOST),
        ((LOST, WON), LOST),
        ((WON, LOST), WON),
        ((LOST,), LOST),
    ],
)
def test_what_is_decided_first_stays(told, status):
    assert after(*told).status is status


@pytest.mark.parametrize("decided", [WON, LOST])
def test_every_order_of_one_disputes_news_ends_alike(decided):
    ends = {after(*order).status for order in permutations([INQUIRY, OPEN, decided])}
    assert ends == {decided}


@given(st.lists(st.sampled_from(list(DisputeStatus)), min_size=1, max_size=8))
def test_any_news_any_number_of_times_is_as_the_first_decision_or_the_furthest_step(told):
    """Naively: the first decision told; else open if anybody said so."""
    decided = [each for each in told if each in (WON, LOST)]
    naive = decided[0] if decided else OPEN if OPEN in told else INQUIRY
    dispute = after(*told)
    assert dispute.status is naive
    assert (dispute.decided_at is not None) == (naive in (WON, LOST))
    assert (dispute.opened_at is not None) == (
        naive in (OPEN, LOST) or (naive is WON and OPEN in told[: told.index(WON)])
    )


def test_no_more_is_taken_than_is_left_and_a_person_looks_at_what_says_otherwise():
    taken = after(OPEN, kept=400)
    assert (taken.amount, taken.alert) == (eur(400), disputes.AMOUNT_MISMATCH)
    assert after(OPEN, kept=1000).alert == ""
    abroad = disputes.begun(
        replace(news(OPEN), news=replace(news(OPEN).news, amount=Money(1100, "USD"))),
        PAYMENT,
        dispute_id=uuid4(),
        kept=eur(1000),
    )
    assert (abroad.amount, abroad.alert) == (eur(1000), disputes.AMOUNT_MISMATCH)


@pytest.mark.parametrize(
    ("told", "taken", "alert"),
    [(400, 400, ""), (1000, 1000, ""), (1001, 1000, disputes.AMOUNT_MISMATCH), (0, 1000, "")],
)
def test_of_what_a_bank_held_it_may_take_a_part_for_good(told, taken, alert):
    lost = disputes.told(after(OPEN), news(LOST, told), kept=eur(0))
    assert (lost.status, lost.amount, lost.alert) == (LOST, eur(taken), alert)
    assert disputes.told(lost, news(LOST, 100), kept=eur(0)) == lost


def test_a_fee_that_is_told_late_is_still_paid():
    dispute = disputes.told(after(OPEN, LOST), news(LOST, fee=eur(1500)), kept=eur(0))
    assert (dispute.fee, dispute.status) == (eur(1500), LOST)


@pytest.mark.parametrize(
    ("age", "within"),
    [
        (timedelta(0), timedelta(minutes=1)),
        (timedelta(hours=1), timedelta(minutes=30)),
        (timedelta(days=6), timedelta(hours=6)),
        (timedelta(days=7), None),
    ],
)
def test_news_of_an_unknown_payment_is_looked_at_less_often_as_it_grows_old(age, within):
    assert disputes.next_look(AT, now=AT + age) == (AT + age + within if within else None)
