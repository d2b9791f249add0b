"""What an entry of a provider's books is, beside what we have: by table."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from guilder.domain.gateways.model import OutcomeKind, ProviderRecord, RequestKind
from guilder.domain.payments.model import Payment, Refund, RefundStatus, Status, Via
from guilder.domain.payments.rules import reconciling
from guilder.domain.payments.rules.reconciling import Finding
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.money import Money
from guilder.kernel.noun import replace

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ID = UUID(int=7)
PAID = Payment(
    tenant_id=TenantId(ID),
    id=ID,
    invoice_id=ID,
    customer_id=CustomerId(ID),
    attempt=1,
    amount=Money(4900, "EUR"),
    status=Status.SUCCEEDED,
    via=Via.SAVED,
    gateway="stripe",
    account_id=ID,
    payment_method_id=None,
    requested_at=NOW,
    provider_ref="cs_1",
    charge_ref="ch_1",
)
BACK = Refund(
    tenant_id=TenantId(ID),
    id=ID,
    payment_id=ID,
    invoice_id=ID,
    customer_id=CustomerId(ID),
    amount=Money(4900, "EUR"),
    status=RefundStatus.PENDING,
    reason="",
    asked_at=NOW,
)


def entry(provider_ref, charge_ref, kind=RequestKind.CHARGE):
    return ProviderRecord(
        kind=kind,
        provider_ref=provider_ref,
        charge_ref=charge_ref,
        business_key="a:b:1",
        claim="",
        status=OutcomeKind.SUCCEEDED,
        amount=Money(4900, "EUR"),
        at=NOW,
    )


@pytest.mark.parametrize(
    ("provider_ref", "charge_ref", "finding"),
    [
        ("pi_1", "ch_1", Finding.AGREED),  # the page's intent, by another name
        ("cs_1", "other", Finding.AGREED),  # the same object, its charge named otherwise
        ("pi_2", "", Finding.AGREED),  # nothing is said of which charge it was
        ("pi_2", "ch_2", Finding.TWICE),
    ],
)
def test_a_second_charge_under_the_key_of_one_that_paid_is_none_that_agrees(provider_ref, charge_ref, finding):
    assert reconciling.charge(entry(provider_ref, charge_ref), PAID, is_ours=True) is finding


@pytest.mark.parametrize(
    ("status", "finding"),
    [
        (RefundStatus.PENDING, Finding.NEWS),
        (RefundStatus.SUCCEEDED, Finding.AGREED),
        (RefundStatus.FAILED, Finding.LOST),
        (RefundStatus.REFUSED, Finding.LOST),
        (RefundStatus.ASKED, Finding.LOST),
    ],
)
def test_a_refund_that_is_none_here_and_was_made_there_is_lost(status, finding):
    found = reconciling.refund(entry("re_1", "ch_1", RequestKind.REFUND), replace(BACK, status=status), is_ours=True)
    assert found is finding


@pytest.mark.parametrize(("known", "kept"), [("ORDER-1", "ORDER-1"), ("", "CAPTURE-1")])
def test_books_that_name_the_charge_alone_do_not_rename_the_object(known, kept):
    assert reconciling.as_outcome(entry("CAPTURE-1", "CAPTURE-1"), known_ref=known).provider_ref == kept
    assert reconciling.as_outcome(entry("pi_1", "ch_1"), known_ref=known).provider_ref == "pi_1"
