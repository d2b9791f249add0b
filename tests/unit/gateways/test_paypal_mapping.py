"""Between PayPal's words and ours, as tables."""

import re
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paypalserversdk.models.processor_response_code import ProcessorResponseCode

from guilder.domain.gateways.adapters.paypal import declines, mapping, money
from guilder.domain.gateways.adapters.paypal.calls import environment, request_id
from guilder.domain.gateways.model import GatewayRequest, OutcomeKind, RequestKind
from guilder.domain.payments.rules import ordering
from guilder.kernel import ids
from guilder.kernel.currency import EXPONENTS
from guilder.kernel.ids import TenantId
from guilder.kernel.money import Money

TENANT = TenantId(ids.new(datetime(2026, 3, 1, 12, tzinfo=UTC)))


def a_request(**over: Any) -> GatewayRequest:
    said = {
        "tenant_id": TENANT,
        "id": uuid4(),
        "account_id": uuid4(),
        "gateway": "paypal",
        "kind": RequestKind.CHARGE,
        "business_key": f"{TENANT}:{uuid4()}:1",
        "subject_id": uuid4(),
        "customer_id": uuid4(),
        "amount": Money(4900, "EUR"),
    }
    return GatewayRequest(**{**said, **over})


def an_order(request: GatewayRequest, *, capture: dict[str, Any] | None = None, **over: Any) -> dict[str, Any]:
    unit: dict[str, Any] = {
        "amount": {"currency_code": "EUR", "value": "49.00"},
        "custom_id": mapping.custom_id(request.business_key),
    }
    if capture is not None:
        made = {"id": "CAP", "status": "COMPLETED", "amount": unit["amount"], **capture}
        unit["payments"] = {"captures": [made]}
    return {"id": "ORDER", "status": "CREATED", "intent": "CAPTURE", "purchase_units": [unit], **over}


@pytest.mark.parametrize(
    ("minor", "currency", "value"),
    [
        (4900, "EUR", "49.00"),
        (1, "USD", "0.01"),
        (12345, "JPY", "12345"),
        (490000, "HUF", "4900"),
        (100, "TWD", "1"),
        (10**14, "GBP", "1000000000000.00"),
    ],
)
def test_amounts_are_written_with_the_digits_that_paypal_takes(minor, currency, value):
    amount = Money(minor, currency)
    assert money.to_paypal(amount) == {"currency_code": currency, "value": value}
    assert money.from_paypal(money.to_paypal(amount)) == amount


@pytest.mark.shows("fault F5")
@pytest.mark.parametrize(
    ("amount", "why"),
    [
        (Money(490050, "HUF"), "amount_not_chargeable"),
        (Money(1, "TWD"), "amount_not_chargeable"),
        (Money(12345, "KWD"), "currency_not_supported"),
        (Money(100, "KRW"), "currency_not_supported"),
        (Money(100, "HUF"), ""),
        (Money(1, "JPY"), ""),
    ],
)
def test_what_paypal_cannot_take_exactly_is_refused(amount, why):
    assert money.why_not(amount) == why


@given(st.integers(1, 10**15), st.sampled_from(sorted(EXPONENTS)))
def test_every_amount_comes_back_as_it_went_or_is_refused(minor, currency):
    amount = Money(minor, currency)
    if not money.why_not(amount):
        assert money.from_paypal(money.to_paypal(amount)) == amount


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        {},
        {"currency_code": "EUR"},
        {"currency_code": "EUR", "value": 49},
        {"currency_code": "EUR", "value": "49.001"},
        {"currency_code": "EUR", "value": "-1.00"},
        {"currency_code": "EUR", "value": "1e3"},
        {"currency_code": "EUR", "value": "NaN"},
        {"currency_code": "EUR", "value": "1_000"},
        {"currency_code": "EUR", "value": " 1"},
        {"currency_code": "EUR", "value": "٤"},
        {"currency_code": "JPY", "value": "1.5"},
        {"currency_code": "ZZZ", "value": "1"},
        {"currency_code": ["EUR"], "value": "1"},
        {"currency_code": "EUR", "value": "9" * 30},
    ],
)
def test_what_is_no_amount_is_none(said):
    assert money.from_paypal(said) is None


def test_a_key_goes_and_comes_back_in_letters_that_paypal_takes_everywhere():
    key = a_request().business_key
    assert re.fullmatch(r"[A-Za-z0-9_.,-]{1,127}", mapping.custom_id(key))
    assert mapping.business_key(mapping.custom_id(key)) == key


@pytest.mark.parametrize("key", ["k" * 128, "with space", "with.dot", "ümlaut", "a|b", ""])
def test_a_key_that_paypal_cannot_carry_is_a_digest_that_says_nothing(key):
    said = mapping.custom_id(key)
    assert re.fullmatch(r"sha256\.[0-9a-f]{64}", said)
    assert mapping.business_key(said) == ""


@pytest.mark.parametrize("claim", ["", "c" * 64, "spaced out", "ü" * 90])
def test_an_invoice_id_names_the_attempt_and_its_claim(claim):
    first, second = a_request(claim=claim), a_request(claim=claim)
    assert mapping.invoice_id(first) != mapping.invoice_id(second)
    assert len(mapping.invoice_id(first)) <= 127
    assert mapping.claim(mapping.invoice_id(first)) == (claim if claim == "c" * 64 else "")


def test_a_request_id_fits():
    assert request_id("charge:" + a_request().business_key + ":confirm").startswith("charge:")
    assert len(request_id("k" * 109)) == 64


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"client_id": "x", "environment": "sandbox"}, "sandbox"),
        ({"client_id": "x", "environment": "live"}, "live"),
        ({"client_id": "", "environment": "live"}, ""),
        ({"environment": "live"}, ""),
        ({"client_id": "x", "environment": "production"}, ""),
        ({"client_id": "x"}, ""),
    ],
)
def test_an_environment_is_said_or_refused_in_plain_words(settings, said):
    if said:
        assert environment(settings) == said
        return
    with pytest.raises(ValueError, match="sandbox or live"):
        environment(settings)


@pytest.mark.parametrize(
    ("over", "capture", "kind"),
    [
        ({}, None, OutcomeKind.REQUIRES_ACTION),
        ({"status": "SAVED"}, None, OutcomeKind.REQUIRES_ACTION),
        ({"status": "PAYER_ACTION_REQUIRED"}, None, OutcomeKind.REQUIRES_ACTION),
        ({"status": "APPROVED"}, None, OutcomeKind.REQUIRES_ACTION),
        ({"status": "VOIDED"}, None, OutcomeKind.CANCELED),
        ({"intent": "AUTHORIZE"}, None, OutcomeKind.CANCELED),
        ({"intent": "AUTHORIZE", "status": "APPROVED"}, None, OutcomeKind.CANCELED),
        ({"status": "COMPLETED"}, None, OutcomeKind.UNKNOWN),
        ({"status": "TELEPORTED"}, None, OutcomeKind.UNKNOWN),
        ({"status": None}, None, OutcomeKind.UNKNOWN),
        ({"status": ["COMPLETED"]}, {}, OutcomeKind.UNKNOWN),
        ({"status": "COMPLETED"}, {"status": {}}, OutcomeKind.UNKNOWN),
        ({"status": "COMPLETED"}, {}, OutcomeKind.SUCCEEDED),
        ({"status": "COMPLETED"}, {"status": "REFUNDED"}, OutcomeKind.SUCCEEDED),
        ({"status": "COMPLETED"}, {"status": "PARTIALLY_REFUNDED"}, OutcomeKind.SUCCEEDED),
        ({"status": "COMPLETED"}, {"status": "PENDING"}, OutcomeKind.UNKNOWN),
        ({"status": "COMPLETED"}, {"status": "DECLINED"}, OutcomeKind.DECLINED),
        ({"status": "COMPLETED"}, {"status": "FAILED"}, OutcomeKind.DECLINED),
        ({"status": "COMPLETED"}, {"status": "NEW"}, OutcomeKind.UNKNOWN),
        ({"status": "COMPLETED"}, {"id": ""}, OutcomeKind.UNKNOWN),
        ({"id": 7}, None, OutcomeKind.UNKNOWN),
        ({"purchase_units": []}, None, OutcomeKind.UNKNOWN),
        ({"purchase_units": "x"}, None, OutcomeKind.UNKNOWN),
    ],
)
def test_an_order_is_read_as_it_stands(over, capture, kind):
    request = a_request()
    outcome = mapping.from_order(an_order(request, capture=capture, **over), request)
    assert outcome.kind is kind
    assert outcome.is_approved == (over == {"status": "APPROVED"})


def test_another_amount_or_another_key_is_looked_at_by_a_person():
    request = a_request()
    capture = {"amount": {"currency_code": "EUR", "value": "4.90"}}
    captured = mapping.from_order(an_order(request, capture=capture, status="COMPLETED"), request)
    assert (captured.kind, captured.alert) == (OutcomeKind.UNKNOWN, "amount_mismatch")
    other = mapping.from_order(an_order(a_request(), capture={}, status="COMPLETED"), request)
    assert (other.kind, other.alert) == (OutcomeKind.UNKNOWN, "business_key_mismatch")


def test_codes_are_named_as_paypal_publishes_them():
    """The names stand in the published description; ours are those, in small letters."""
    published = dict(re.findall(r"RESPONSE_(\w{4}): ([\w]+)", ProcessorResponseCode.__doc__ or ""))
    ours = {**declines.SOFT_RESPONSES, **declines.HARD_RESPONSES}
    assert {code: published[code].lower() for code in ours} == ours
    assert not declines.SOFT_RESPONSES.keys() & declines.HARD_RESPONSES.keys()


@pytest.mark.parametrize(
    ("response", "code", "is_hard"),
    [
        ({"response_code": "5120"}, "insufficient_funds", False),
        ({"response_code": "0500"}, "do_not_honor", False),
        ({"response_code": "9520"}, "lost_or_stolen", True),
        ({"response_code": "5400"}, "expired_card", True),
        ({"response_code": "5120", "payment_advice_code": "21"}, "insufficient_funds", True),
        ({"response_code": "5120", "payment_advice_code": "02"}, "insufficient_funds", False),
        ({"response_code": "XXXX"}, "response_XXXX", False),
        ({"response_code": ["5120"]}, "declined", False),
        ({}, "declined", False),
        (None, "declined", False),
    ],
)
def test_a_banks_answer_says_whether_it_is_for_good(response, code, is_hard):
    outcome = declines.of_capture({"processor_response": response}, ref="ORDER")
    assert (outcome.decline_code, outcome.is_hard_decline, outcome.provider_ref) == (code, is_hard, "ORDER")


@pytest.mark.parametrize(
    ("said", "shown"),
    [("jane@example.com", "j•••@example.com"), ("@example.com", ""), ("jane", ""), ("", "")],
)
def test_an_address_is_shown_masked(said, shown):
    assert mapping.masked(said) == shown


@pytest.mark.parametrize("name", ["payer_id", "account_id"])
def test_a_wallet_is_known_by_its_account_and_not_by_what_is_shown_of_its_address(name):
    """A saved token says `payer_id`, what an order was paid with `account_id`: one and the same."""

    def read(address, account, name):
        said = {"email_address": address, name: account}
        return mapping.card_of({"payment_source": {"paypal": said}}, token="8kk8451t")

    jane, john = read("jane@example.com", "QYR5Z8XDVJNXQ", name), read("john@example.com", "VYYFH3WJ4JPJQ", name)
    moved = read("jane@new.example", "QYR5Z8XDVJNXQ", "payer_id")
    assert jane.label == john.label
    keeper = uuid4()
    prints = [ordering.fingerprint(keeper, each) for each in (jane, john, moved)]
    assert (prints[0] != prints[1], prints[0] == prints[2]) == (True, True)


@pytest.mark.shows("API10", "fault B4")
@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=5),
        lambda more: (
            st.lists(more)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "id",
                        "status",
                        "purchase_units",
                        "amount",
                        "payments",
                        "captures",
                        "payment_source",
                        "card",
                        "links",
                    ]
                ),
                more,
            )
        ),
    )
)
def test_no_document_whatever_breaks_the_reading(document):
    if isinstance(document, dict):
        assert mapping.from_order(document, a_request()).kind is OutcomeKind.UNKNOWN
        mapping.from_refund(document, None)
        mapping.card_of(document)
        mapping.payer_of(document)
