"""Whatever Stripe says, an answer is one of five, and only what is plain is a payment."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.gateways.adapters.stripe import mapping
from guilder.domain.gateways.adapters.stripe.client import Stripe
from guilder.domain.gateways.model import GatewayRequest, OutcomeKind, RequestKind
from guilder.kernel.money import Money

SOME = UUID(int=7)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
INTENT = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 4900,
    "amount_received": 4900,
    "currency": "eur",
    "status": "succeeded",
    "customer": "cus_1",
    "payment_method": "pm_1",
    "latest_charge": {
        "id": "ch_1",
        "payment_method_details": {
            "type": "card",
            "card": {"brand": "visa", "last4": "4242", "exp_month": 11, "exp_year": 2031},
        },
    },
    "metadata": {"business_key": "t:1"},
    "last_payment_error": None,
}
SESSION = {
    "id": "cs_1",
    "mode": "payment",
    "amount_total": 4900,
    "currency": "eur",
    "status": "complete",
    "metadata": {"business_key": "t:1"},
    "payment_intent": INTENT,
}
REFUND = {"id": "re_1", "amount": 4900, "currency": "eur", "status": "succeeded", "charge": "ch_1"}
SETUP = {
    "id": "seti_1",
    "status": "succeeded",
    "customer": "cus_1",
    "payment_method": {"id": "pm_1", "type": "card", "card": {"last4": "4242"}},
}


def a_request(**over) -> GatewayRequest:
    said = {
        "tenant_id": SOME,
        "id": SOME,
        "account_id": SOME,
        "gateway": "stripe",
        "kind": RequestKind.CHARGE,
        "business_key": "t:1",
        "subject_id": SOME,
        "customer_id": SOME,
        "amount": Money(4900, "EUR"),
    }
    return GatewayRequest(**{**said, **over})


def test_what_is_plain_is_read():
    said = mapping.from_intent(INTENT, a_request())
    assert (said.kind, said.charge_ref, said.payer_ref) == (OutcomeKind.SUCCEEDED, "ch_1", "cus_1")
    assert (said.card.token, said.card.last4, said.card.exp_year) == ("cus_1/pm_1", "4242", 2031)
    assert mapping.from_session(SESSION, a_request()).kind is OutcomeKind.SUCCEEDED
    assert mapping.from_refund(REFUND, a_request()).kind is OutcomeKind.SUCCEEDED
    assert mapping.from_setup(SETUP).card.token == "cus_1/pm_1"


@pytest.mark.parametrize(
    ("over", "kind", "alert"),
    [
        ({"amount": 4901}, OutcomeKind.UNKNOWN, "amount_mismatch"),
        ({"currency": "usd"}, OutcomeKind.UNKNOWN, "amount_mismatch"),
        ({"amount_received": 4899}, OutcomeKind.UNKNOWN, "amount_mismatch"),
        ({"metadata": {"business_key": "t:2"}}, OutcomeKind.UNKNOWN, "business_key_mismatch"),
        ({"metadata": {}}, OutcomeKind.UNKNOWN, "business_key_mismatch"),
        ({"status": "requires_capture"}, OutcomeKind.UNKNOWN, ""),
        ({"status": None}, OutcomeKind.UNKNOWN, ""),
        ({"status": "processing"}, OutcomeKind.UNKNOWN, ""),
        ({"status": "canceled"}, OutcomeKind.CANCELED, ""),
        ({"status": "requires_confirmation"}, OutcomeKind.REQUIRES_ACTION, ""),
        ({"status": "requires_payment_method"}, OutcomeKind.REQUIRES_ACTION, ""),
        (
            {"status": "requires_payment_method", "last_payment_error": {"code": "expired_card"}},
            OutcomeKind.DECLINED,
            "",
        ),
    ],
)
def test_an_intent_is_one_of_five(over, kind, alert):
    said = mapping.from_intent({**INTENT, **over}, a_request())
    assert (said.kind, said.alert) == (kind, alert)


@pytest.mark.shows("API10", "fault B4")
@given(st.sampled_from(sorted(INTENT)), JSON)
def test_nothing_in_an_intent_is_a_surprise(name, value):
    said = mapping.from_intent({**INTENT, name: value}, a_request())
    if said.kind is OutcomeKind.SUCCEEDED:
        assert (said.amount, said.provider_ref != "") == (Money(4900, "EUR"), True)


@given(st.sampled_from(sorted(SESSION)), JSON)
def test_nothing_in_a_session_is_a_surprise(name, value):
    said = mapping.from_session({**SESSION, name: value}, a_request())
    assert said.kind is not OutcomeKind.SUCCEEDED or said.amount == Money(4900, "EUR")


@given(st.sampled_from(sorted(REFUND)), JSON)
def test_nothing_in_a_refund_is_a_surprise(name, value):
    said = mapping.from_refund({**REFUND, name: value}, a_request())
    assert said.kind is not OutcomeKind.SUCCEEDED or said.amount == Money(4900, "EUR")


@given(st.sampled_from(sorted(SETUP)), JSON)
def test_nothing_in_a_setup_is_a_surprise(name, value):
    assert mapping.from_setup({**SETUP, name: value}).kind in OutcomeKind


def test_what_else_one_pays_with_is_shown_by_what_may_be_shown():
    debit = {"type": "us_bank_account", "us_bank_account": {"last4": "6789", "bank_name": "TEST"}}
    said = mapping.from_setup({**SETUP, "payment_method": {"id": "pm_1", **debit}})
    assert (said.card.kind, said.card.label, said.card.brand) == ("us_bank_account", "•••• 6789", "")


@pytest.mark.parametrize(
    ("key", "mode"),
    [
        ("sk_test_abcdefgh", "test"),
        ("rk_test_abcdefgh", "test"),
        ("sk_live_abcdefgh", "live"),
        ("rk_live_abcdefgh", "live"),
        ("pk_live_abcdefgh", None),
        ("sk_live_", None),
        ("whsec_abcdefgh", None),
        ("sk_live_abcdefgh\n", None),
        ("", None),
    ],
)
def test_a_key_says_whether_it_moves_money(key, mode):
    gateway = Stripe()
    if mode is not None:
        assert gateway.mode_of(key, {}) == mode
        return
    with pytest.raises(ValueError, match="looks like") as refused:
        gateway.mode_of(key, {})
    assert not key.strip() or key.strip() not in str(refused.value).split()
