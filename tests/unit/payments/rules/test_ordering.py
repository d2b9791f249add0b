"""Which method is tried when, which gives way, which are the same card."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from guilder.domain.gateways.model import CardDetails
from guilder.domain.payments.model import MethodStatus, PaymentMethod
from guilder.domain.payments.rules import ordering
from guilder.kernel.ids import CustomerId, TenantId

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ACCOUNT, OTHER = UUID(int=1), UUID(int=2)
VISA = CardDetails(token="t1", brand="visa", last4="4242", exp_month=1, exp_year=2030)


def a_method(number, **over):
    said = {
        "tenant_id": TenantId(UUID(int=7)), "id": UUID(int=number), "customer_id": CustomerId(UUID(int=8)),
        "gateway": "simulated", "account_id": ACCOUNT, "status": MethodStatus.VALID, "brand": "visa", "last4": "4242",
        "exp_month": 1, "exp_year": 2030, "is_default": False, "created_at": NOW, "position": number,
    }  # fmt: skip
    return PaymentMethod(**{**said, **over})


def card(**over):
    said = {"token": "t2", "brand": "visa", "last4": "4242", "exp_month": 1, "exp_year": 2030}
    return CardDetails(**{**said, **over})


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        (VISA, card(token="t9"), True),
        (VISA, card(last4="0002"), False),
        (VISA, card(exp_year=2031), False),
        (VISA, card(brand="mastercard"), False),
        (VISA, card(fingerprint="f"), False),
        (card(fingerprint="f"), card(fingerprint="f", exp_year=2031), True),
        (card(kind="paypal", label="a@b.example", last4="", exp_year=0),
         card(kind="paypal", label="a@b.example", last4="", exp_year=0), True),
    ],
)  # fmt: skip
def test_one_card_of_one_account_has_one_fingerprint(first, second, is_same):
    assert (ordering.fingerprint(ACCOUNT, first) == ordering.fingerprint(ACCOUNT, second)) is is_same
    assert ordering.fingerprint(ACCOUNT, first) != ordering.fingerprint(OTHER, first)


def test_what_nothing_is_known_of_is_like_nothing():
    bare = CardDetails(token="t")
    assert ordering.fingerprint(ACCOUNT, bare) == ""
    assert ordering.twin_of([a_method(1, fingerprint="")], bare, account_id=ACCOUNT) is None


def test_only_a_valid_method_of_that_account_is_a_twin():
    print_ = ordering.fingerprint(ACCOUNT, VISA)
    there = [
        a_method(1, fingerprint=print_, status=MethodStatus.INVALID),
        a_method(2, fingerprint=print_, account_id=OTHER),
    ]
    assert ordering.twin_of(there, VISA, account_id=ACCOUNT) is None
    assert ordering.twin_of([*there, a_method(3, fingerprint=print_)], VISA, account_id=ACCOUNT).id.int == 3


@pytest.mark.parametrize(
    ("before", "now", "is_same"),
    [
        (card(fingerprint="f"), card(fingerprint="f", exp_year=2034), True),
        (card(fingerprint="f"), card(fingerprint="g"), False),
        # It was saved when the provider's name of it was not read.
        (VISA, card(fingerprint="f"), True),
        (VISA, card(fingerprint="f", exp_year=2034), False),
        (card(fingerprint="f"), VISA, False),
    ],
)
def test_a_card_is_known_by_its_providers_name_and_before_that_by_what_is_shown(before, now, is_same):
    saved = a_method(1, fingerprint=ordering.fingerprint(ACCOUNT, before))
    assert (ordering.twin_of([saved], now, account_id=ACCOUNT) is saved) is is_same


def test_the_next_in_order_inherits():
    there = [a_method(3), a_method(2, status=MethodStatus.INVALID), a_method(1, status=MethodStatus.PENDING)]
    assert ordering.next_default(there).id.int == 3
    assert ordering.next_default([]) is None


def test_what_cannot_be_charged_gives_way_first_and_the_default_never():
    default, last = a_method(1, is_default=True, position=9), a_method(2, position=8)
    refused = a_method(3, status=MethodStatus.INVALID, position=0)
    asked = a_method(4, status=MethodStatus.PENDING)
    assert ordering.gives_way([default, last, refused, asked]).id.int == 3
    assert ordering.gives_way([default, last, asked]).id.int == 2
    assert ordering.gives_way([default, asked]) is None


def test_those_that_are_named_come_first_and_the_rest_as_they_stood():
    there = [a_method(1), a_method(2), a_method(3), a_method(4)]
    places = ordering.placed(there, [UUID(int=3), UUID(int=1)])
    assert sorted(places, key=places.get) == [UUID(int=n) for n in (3, 1, 2, 4)]
