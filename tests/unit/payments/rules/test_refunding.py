"""How much can be refunded, and what a tenant's policy grants."""

from datetime import timedelta

import pytest

from guilder.domain.payments.model import GivenBack, Refund, RefundPolicy, RefundStatus
from guilder.domain.payments.rules import refunding
from guilder.kernel.noun import replace
from tests.unit.payments.rules.test_disputes import AT, PAYMENT, eur


def back(refunded=0, disputed=0, paid_out=0, captured=1000):
    return GivenBack(
        captured=eur(captured), refunded=eur(refunded), paid_out=eur(paid_out), disputed=eur(disputed), lost=eur(0)
    )


@pytest.mark.parametrize(
    ("refunded", "paid_out", "disputed", "withheld", "left"),
    [
        (0, 0, 0, 0, 1000),
        (300, 0, 0, 0, 700),
        (300, 0, 200, 0, 500),
        (0, 0, 0, 400, 600),  # given back as credit
        (300, 0, 0, 400, 300),
        (0, 300, 0, 400, 600),  # 300 of the credit was paid out: no second gift
        (0, 700, 0, 0, 300),  # somebody's goodwill, paid out: the payment has no more
        (1000, 0, 0, 0, 0),
        (0, 0, 0, 1000, 0),
        (600, 0, 0, 600, 0),  # never below nothing
    ],
)
def test_money_and_credit_know_each_other(refunded, paid_out, disputed, withheld, left):
    payment = replace(PAYMENT, refunded_minor=refunded + paid_out, disputed_minor=disputed)
    assert refunding.refundable(payment, back(refunded, disputed, paid_out), eur(withheld)) == eur(left)


ASKED = Refund(
    tenant_id=PAYMENT.tenant_id,
    id=PAYMENT.id,
    payment_id=PAYMENT.id,
    invoice_id=PAYMENT.invoice_id,
    customer_id=PAYMENT.customer_id,
    amount=eur(500),
    status=RefundStatus.ASKED,
    reason="",
    asked_at=AT,
)


@pytest.mark.parametrize(
    ("policy", "days", "in_year", "is_granted"),
    [
        ({}, 0, 0, False),
        ({"auto_grant_days": 14}, 14, 0, True),
        ({"auto_grant_days": 14}, 15, 0, False),
        ({"auto_grant_days": 14, "amounts_max": {"EUR": 500}}, 0, 0, True),
        ({"auto_grant_days": 14, "amounts_max": {"EUR": 499}}, 0, 0, False),
        ({"auto_grant_days": 14, "amounts_max": {"USD": 999}}, 0, 0, False),
        ({"auto_grant_days": 14, "per_customer_year": 2}, 0, 1, True),
        ({"auto_grant_days": 14, "per_customer_year": 2}, 0, 2, False),
        ({"auto_grant_days": 14, "per_customer_year": 0}, 0, 0, False),
    ],
)
def test_a_policy_grants_what_all_of_it_allows(policy, days, in_year, is_granted):
    said = RefundPolicy(**policy)
    granted = refunding.grants(said, ASKED, paid_at=AT, granted_in_year=in_year, now=AT + timedelta(days=days))
    assert granted is is_granted


def test_what_has_not_come_in_is_not_granted():
    policy = RefundPolicy(auto_grant_days=14)
    assert not refunding.grants(policy, ASKED, paid_at=None, granted_in_year=0, now=AT)
