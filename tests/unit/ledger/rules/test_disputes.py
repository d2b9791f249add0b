"""What a dispute is booked as; and that it leaves nothing behind once it is decided."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.ledger.model import Account
from guilder.domain.ledger.rules import credit, disputes
from tests.unit.ledger.rules.test_journal import INVOICE, OTHER, WHOSE, booked, eur

DISPUTE = uuid4()
AT_GATEWAY = {**WHOSE, "dispute_id": DISPUTE, "account_id": OTHER}


def lost(amount, *, returned=0, is_overpayment=False):
    of = {"amount": eur(amount), "returned": eur(returned)}
    return disputes.dispute_lost(**AT_GATEWAY, **of, invoice_id=INVOICE, is_overpayment=is_overpayment)


@pytest.mark.parametrize(
    ("entry", "postings"),
    [
        (disputes.dispute_opened(**AT_GATEWAY, amount=eur(1190)), {Account.DISPUTES: 1190, Account.CASH: -1190}),
        (disputes.dispute_won(**AT_GATEWAY, amount=eur(1190)), {Account.CASH: 1190, Account.DISPUTES: -1190}),
        (disputes.dispute_fee(**AT_GATEWAY, fee=eur(1500)), {Account.FEES: 1500, Account.CASH: -1500}),
        (lost(1190), {Account.WRITE_OFFS: 1190, Account.DISPUTES: -1190}),
        (lost(1000, returned=190), {Account.WRITE_OFFS: 1000, Account.CASH: 190, Account.DISPUTES: -1190}),
        (lost(1190, is_overpayment=True), {Account.RECEIVABLE: 1190, Account.DISPUTES: -1190}),
        (
            credit.credit_note_of_refund(**WHOSE, note_id=INVOICE, amount=eur(1190), lost=eur(190)),
            {Account.RECEIVABLE: 1190, Account.REFUNDS: -1000, Account.WRITE_OFFS: -190},
        ),
        (
            credit.credit_note_of_refund(**WHOSE, note_id=INVOICE, amount=eur(1190), lost=eur(0)),
            {Account.RECEIVABLE: 1190, Account.REFUNDS: -1190},
        ),
    ],
)
def test_each_step_is_booked(entry, postings):
    assert booked(entry) == postings


@given(st.integers(1, 10**12), st.booleans(), st.booleans())
def test_a_decided_dispute_leaves_nothing_with_the_bank(amount, is_won, is_overpayment):
    decided = (
        disputes.dispute_won(**AT_GATEWAY, amount=eur(amount))
        if is_won
        else lost(amount, is_overpayment=is_overpayment)
    )
    both = [booked(disputes.dispute_opened(**AT_GATEWAY, amount=eur(amount))), booked(decided)]
    assert sum(each.get(Account.DISPUTES, 0) for each in both) == 0
    assert sum(sum(each.values()) for each in both) == 0
    assert sum(each.get(Account.CASH, 0) for each in both) == (0 if is_won else -amount)
