"""What an answer makes of a payment: a table of every state, and what may never be undone."""

from datetime import UTC, datetime
from itertools import product
from uuid import UUID

import pytest

from guilder.domain.gateways.model import Outcome, OutcomeKind, RequestKind
from guilder.domain.payments.model import Answer, Payment, Status, Via
from guilder.domain.payments.rules import recording
from guilder.domain.payments.rules.lifecycle import MOVES, SETTLED
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.money import Money
from guilder.kernel.noun import replace

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ID = UUID(int=1)


def a_payment(status: Status = Status.REQUESTED, **over) -> Payment:
    said = {
        "tenant_id": TenantId(ID),
        "id": ID,
        "invoice_id": ID,
        "customer_id": CustomerId(ID),
        "attempt": 1,
        "amount": Money(4900, "EUR"),
        "status": status,
        "via": Via.SAVED,
        "gateway": "simulated",
        "account_id": ID,
        "payment_method_id": None,
        "requested_at": NOW,
        "holds_invoice": status not in {Status.DECLINED, Status.CANCELED},
        "settled_at": NOW if status in SETTLED else None,
    }
    return Payment(**{**said, **over})


def an_answer(kind: OutcomeKind, *, is_notice=False, of=RequestKind.CHARGE, **outcome) -> Answer:
    said = {"amount": Money(4900, "EUR"), **outcome}
    return Answer(
        tenant_id=TenantId(ID),
        business_key="k",
        kind=of,
        outcome=Outcome(kind=kind, **said),
        at=NOW,
        is_notice=is_notice,
    )


def check(status: Status, answer: Answer, expected: Status, **over) -> Payment:
    after = recording.told(a_payment(status, **over), answer)
    assert after.status is expected
    return after


@pytest.mark.parametrize("status", [s for s in Status if s not in {Status.AWAITING_CUSTOMER, Status.CANCELED}])
def test_success_pays_wherever_it_stands(status):
    check(status, an_answer(OutcomeKind.SUCCEEDED), Status.SUCCEEDED)


@pytest.mark.parametrize(("kind", "is_notice"), list(product(OutcomeKind, [True, False])))
def test_what_was_paid_stays_so_whatever_is_told(kind, is_notice):
    paid = a_payment(Status.SUCCEEDED)
    assert recording.told(paid, an_answer(kind, is_notice=is_notice)) is paid


@pytest.mark.parametrize(("kind", "is_notice"), list(product(OutcomeKind, [True, False])))
def test_what_was_canceled_stays_so(kind, is_notice):
    after = check(Status.CANCELED, an_answer(kind, is_notice=is_notice), Status.CANCELED)
    assert after.alert == ("paid_after_cancel" if kind is OutcomeKind.SUCCEEDED else "")


@pytest.mark.parametrize("kind", [k for k in OutcomeKind if k is not OutcomeKind.SUCCEEDED])
def test_what_was_declined_is_only_changed_by_money(kind):
    check(Status.DECLINED, an_answer(kind), Status.DECLINED)


@pytest.mark.parametrize("amount", [Money(4901, "EUR"), Money(4900, "USD"), None])
def test_another_amount_is_never_paid(amount):
    for status in (Status.REQUESTED, Status.REQUIRES_ACTION, Status.UNKNOWN):
        after = check(status, an_answer(OutcomeKind.SUCCEEDED, amount=amount), Status.UNKNOWN)
        assert after.alert == "amount_mismatch"
    check(Status.CANCELING, an_answer(OutcomeKind.SUCCEEDED, amount=amount), Status.CANCELING)


@pytest.mark.parametrize(
    ("status", "via", "is_notice", "expected"),
    [
        (Status.REQUESTED, Via.SAVED, False, Status.DECLINED),
        (Status.UNKNOWN, Via.SAVED, False, Status.DECLINED),
        (Status.REQUESTED, Via.SAVED, True, Status.REQUESTED),
        (Status.REQUIRES_ACTION, Via.LINK, True, Status.REQUIRES_ACTION),
        (Status.CANCELING, Via.SAVED, False, Status.CANCELING),
        (Status.CANCELING, Via.LINK, True, Status.CANCELING),
    ],
)
def test_a_decline_ends_an_attempt_only_when_its_object_is_closed(status, via, is_notice, expected):
    check(status, an_answer(OutcomeKind.DECLINED, is_notice=is_notice, decline_code="no"), expected, via=via)


def test_no_answer_is_unknown_and_never_declined():
    after = check(Status.REQUESTED, an_answer(OutcomeKind.UNKNOWN), Status.UNKNOWN)
    assert after.settled_at is None
    assert after.holds_invoice


def test_a_closed_object_ends_what_was_given_up():
    after = check(Status.CANCELING, an_answer(OutcomeKind.CANCELED, of=RequestKind.CANCEL), Status.CANCELED)
    assert not after.holds_invoice


def test_a_notice_that_an_object_was_closed_does_not_hide_the_decline_that_closed_it():
    check(Status.REQUESTED, an_answer(OutcomeKind.CANCELED, is_notice=True), Status.REQUESTED)


def test_the_same_answer_again_changes_nothing():
    once = recording.told(a_payment(), an_answer(OutcomeKind.SUCCEEDED))
    assert recording.told(once, an_answer(OutcomeKind.SUCCEEDED)) is once
    assert replace(once) == once


def test_nothing_leaves_what_is_over_but_a_decline_that_was_paid_after_all():
    assert {status for status in SETTLED if MOVES[status]} == {Status.DECLINED}
