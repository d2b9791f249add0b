"""What each business fact is booked as: a table, as an accountant would write it."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.ledger.model import Account
from guilder.domain.ledger.rules import journal
from guilder.kernel.money import Money

AT = datetime(2026, 3, 1, tzinfo=UTC)
TENANT, CUSTOMER, INVOICE, OTHER = uuid4(), uuid4(), uuid4(), uuid4()
WHOSE = {"tenant_id": TENANT, "customer_id": CUSTOMER, "at": AT}


def eur(minor):
    return Money(minor, "EUR")


def booked(entry):
    assert sum(posting.amount_minor for posting in entry.postings) == 0
    assert (entry.tenant_id, entry.customer_id, entry.posted_at, entry.currency) == (TENANT, CUSTOMER, AT, "EUR")
    return {posting.account: posting.amount_minor for posting in entry.postings}


def finalized(earned, deferred, tax, book=journal.invoice_finalized):
    return book(invoice_id=INVOICE, earned=eur(earned), deferred=eur(deferred), tax=eur(tax), **WHOSE)


@pytest.mark.parametrize(
    ("earned", "deferred", "tax", "postings"),
    [
        (1_000, 0, 0, {Account.RECEIVABLE: 1_000, Account.REVENUE: -1_000}),
        (0, 1_000, 0, {Account.RECEIVABLE: 1_000, Account.DEFERRED_REVENUE: -1_000}),
        (0, 1_000, 190, {Account.RECEIVABLE: 1_190, Account.DEFERRED_REVENUE: -1_000, Account.TAX_PAYABLE: -190}),
        (500, -500, 0, {Account.REVENUE: -500, Account.DEFERRED_REVENUE: 500}),
    ],
)
def test_a_final_invoice_is_owed_as_earned_deferred_and_tax(earned, deferred, tax, postings):
    assert booked(finalized(earned, deferred, tax)) == postings
    reversed_ = {account: -amount for account, amount in postings.items()}
    assert booked(finalized(earned, deferred, tax, journal.invoice_voided)) == reversed_


def test_an_invoice_over_nothing_is_not_booked():
    assert finalized(0, 0, 0) is None
    assert finalized(0, 0, 0, journal.invoice_voided) is None


def test_money_comes_in_goes_back_and_is_written_off():
    payment = {"payment_id": OTHER, "invoice_id": INVOICE, "amount": eur(1_190), **WHOSE}
    refund = {"refund_id": OTHER, "account_id": None, "amount": eur(190), **WHOSE}
    assert booked(journal.payment_succeeded(account_id=None, **payment)) == {
        Account.CASH: 1_190,
        Account.RECEIVABLE: -1_190,
    }
    assert booked(journal.refund_succeeded(**refund)) == {Account.REFUNDS: 190, Account.CASH: -190}
    assert booked(journal.overpayment_returned(invoice_id=INVOICE, **refund)) == {
        Account.RECEIVABLE: 190,
        Account.CASH: -190,
    }
    given_up = journal.invoice_given_up(invoice_id=INVOICE, amount=eur(1_190), **WHOSE)
    assert booked(given_up) == {Account.WRITE_OFFS: 1_190, Account.RECEIVABLE: -1_190}
    after_all = {"paid_by": ("payment", OTHER), "invoice_id": INVOICE, "amount": eur(1_190), **WHOSE}
    assert booked(journal.written_off_after_all_paid(**after_all)) == {
        Account.RECEIVABLE: 1_190,
        Account.WRITE_OFFS: -1_190,
    }


@given(*[st.integers(-(10**9), 10**9)] * 3)
def test_a_void_leaves_nothing_of_what_was_booked(earned, deferred, tax):
    entry, back = finalized(earned, deferred, tax), finalized(earned, deferred, tax, journal.invoice_voided)
    if earned == deferred == tax == 0:
        assert entry is back is None
        return
    if len([each for each in (earned + deferred + tax, earned, deferred, tax) if each]) < 2:
        return
    amounts = booked(entry)
    assert {account: amounts[account] + amount for account, amount in booked(back).items()} == dict.fromkeys(amounts, 0)
