"""What the payment page says, by the invoice, its latest payment and the link."""

from dataclasses import dataclass

import pytest

from guilder.domain.invoicing.model import Status as Invoice
from guilder.domain.orders.rules import wording
from guilder.domain.orders.rules.checkout import PAYABLE, REFRESHED, State, state_of
from guilder.domain.payments.model import Status as Payment
from guilder.domain.payments.model import Via
from guilder.platform.words import LANGUAGES


@dataclass
class AnInvoice:
    status: Invoice


@dataclass
class APayment:
    status: Payment
    via: Via = Via.LINK
    action_url: str = ""
    decline_code: str = ""
    is_by_hand: bool = False


def link(status, **over):
    return APayment(status, **over)


def saved(status):
    return APayment(status, via=Via.SAVED)


PAGE = {"action_url": "https://pay.example"}


@pytest.mark.parametrize(
    ("invoice", "payment", "flags", "expected"),
    [
        (Invoice.OPEN, None, {}, State.OPEN),
        (Invoice.OPEN, link(Payment.AWAITING_CUSTOMER), {}, State.OPEN),
        (Invoice.OPEN, link(Payment.REQUESTED), {}, State.OPENING),
        (Invoice.OPEN, link(Payment.PREPARED), {}, State.OPENING),
        (Invoice.OPEN, link(Payment.REQUIRES_ACTION), {}, State.OPENING),
        (Invoice.OPEN, link(Payment.REQUIRES_ACTION, **PAGE), {}, State.CONTINUE),
        (Invoice.OPEN, link(Payment.REQUESTED, is_by_hand=True), {}, State.TRANSFER),
        (Invoice.OPEN, link(Payment.REQUIRES_ACTION, is_by_hand=True), {}, State.TRANSFER),
        (Invoice.OPEN, link(Payment.SUCCEEDED, is_by_hand=True), {}, State.PROCESSING),
        (Invoice.OPEN, link(Payment.CANCELED, is_by_hand=True), {}, State.OPEN),
        (Invoice.OPEN, link(Payment.REQUIRES_ACTION, **PAGE), {"is_back": True}, State.PROCESSING),
        (Invoice.OPEN, link(Payment.REQUIRES_ACTION, decline_code="no", **PAGE), {"is_back": True}, State.DECLINED),
        (Invoice.OPEN, link(Payment.UNKNOWN), {}, State.PROCESSING),
        (Invoice.OPEN, link(Payment.CANCELING), {}, State.PROCESSING),
        (Invoice.OPEN, link(Payment.SUCCEEDED), {}, State.PROCESSING),
        (Invoice.OPEN, link(Payment.DECLINED), {}, State.DECLINED),
        (Invoice.OPEN, link(Payment.CANCELED), {}, State.OPEN),
        (Invoice.OPEN, saved(Payment.REQUESTED), {}, State.PROCESSING),
        (Invoice.OPEN, saved(Payment.UNKNOWN), {}, State.PROCESSING),
        (Invoice.OPEN, saved(Payment.DECLINED), {}, State.DECLINED),
        (Invoice.UNCOLLECTIBLE, saved(Payment.DECLINED), {}, State.DECLINED),
        (Invoice.OPEN, None, {"is_expired": True}, State.EXPIRED),
        (Invoice.PAID, link(Payment.SUCCEEDED), {}, State.PAID),
        (Invoice.PAID, link(Payment.SUCCEEDED), {"is_expired": True}, State.PAID),
        (Invoice.VOID, link(Payment.CANCELED), {}, State.VOID),
    ],
)
def test_says_one_thing(invoice, payment, flags, expected):
    assert state_of(AnInvoice(invoice), payment, **{"is_expired": False, **flags}) is expected


def test_is_never_payable_while_something_is_under_way():
    assert frozenset() == PAYABLE & REFRESHED
    assert State.PAID not in PAYABLE | REFRESHED


def test_speaks_every_language_that_documents_are_in_and_says_everything_in_each():
    assert set(wording.SAID) == set(wording.LABELS) == set(LANGUAGES)
    for language in LANGUAGES:
        said = [text for texts in wording.SAID[language].values() for text in texts]
        assert all(text.strip() for text in (*said, *wording.LABELS[language].values())), language
        if language != "en":
            assert not set(said) & {text for texts in wording.SAID["en"].values() for text in texts}, language
