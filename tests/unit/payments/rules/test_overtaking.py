"""What overtakes what: a provider's own notices race with the answers to what it was asked."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from guilder.domain.gateways.model import Outcome, OutcomeKind, RequestKind
from guilder.domain.payments.model import Answer, Payment, Status, Via
from guilder.domain.payments.rules.recording import told
from guilder.kernel.money import Money
from guilder.kernel.noun import replace

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PAYMENT = Payment(
    tenant_id=UUID(int=1),
    id=UUID(int=2),
    invoice_id=UUID(int=3),
    customer_id=UUID(int=4),
    attempt=1,
    amount=Money(1000, "EUR"),
    status=Status.PREPARED,
    via=Via.SAVED,
    gateway="simulated",
    account_id=UUID(int=5),
    payment_method_id=UUID(int=6),
    requested_at=NOW,
)


def says(payment, kind, *, is_notice, **more):
    answer = Answer(
        tenant_id=payment.tenant_id,
        business_key=payment.business_key,
        kind=RequestKind.CHARGE,
        outcome=Outcome(kind=kind, **more),
        at=NOW,
        is_notice=is_notice,
    )
    return told(payment, answer)


def test_a_declined_attempt_is_declined_even_if_the_notice_of_its_closing_comes_first():
    noticed = says(PAYMENT, OutcomeKind.CANCELED, is_notice=True)
    assert noticed.status is Status.PREPARED
    answered = says(noticed, OutcomeKind.DECLINED, is_notice=False, decline_code="insufficient_funds")
    assert (answered.status, answered.decline_code) == (Status.DECLINED, "insufficient_funds")


@pytest.mark.parametrize(
    "payment",
    [
        replace(PAYMENT, status=Status.CANCELING),
        replace(PAYMENT, status=Status.REQUIRES_ACTION, via=Via.LINK),
    ],
    ids=["that we gave up", "on the provider's page"],
)
def test_a_notice_of_closing_ends_an_attempt(payment):
    assert says(payment, OutcomeKind.CANCELED, is_notice=True).status is Status.CANCELED
