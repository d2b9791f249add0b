"""Where what is bound to no account goes, and where a charge goes whose account is not well."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guilder.domain.gateways.model import GatewayAccount
from guilder.domain.payments.model import MethodStatus, PaymentMethod, Route, Target
from guilder.domain.payments.rules import routing
from guilder.domain.payments.rules.routing import Wish
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money
from guilder.kernel.noun import replace

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TENANT = TenantId(UUID(int=1))
LATER = NOW + timedelta(minutes=1)


def an_account(number, **over):
    said = {
        "tenant_id": TENANT,
        "id": UUID(int=number),
        "gateway": "simulated",
        "name": f"a{number}",
        "is_default": number == 1,
        "is_active": True,
        "created_at": NOW,
        "endpoint_id": UUID(int=100 + number),
    }
    return GatewayAccount(**{**said, **over})


ONE, TWO, THREE = (an_account(n) for n in (1, 2, 3))
BANK = an_account(4, gateway="manual")


def a_route(*targets, **over):
    led = tuple(Target(account_id=account.id, weight=weight) for account, weight in targets)
    return Route(**{"id": UUID(int=50), "name": "a route", "targets": led, **over})


def euros(minor):
    return Wish(amount=Money(minor, "EUR"))


def order(routes=(), accounts=(ONE, TWO, THREE), wish=None, key="k"):
    choice = routing.choose(routes, accounts, wish or euros(1000), key=key, now=NOW)
    return [each.name for each in choice.accounts]


@pytest.mark.parametrize(
    ("route", "wish", "fits"),
    [
        ({}, euros(1), True),
        ({"is_active": False}, euros(1), False),
        ({"currencies": {"EUR"}}, euros(1), True),
        ({"currencies": {"USD"}}, euros(1), False),
        ({"currencies": {"EUR"}}, Wish(is_to_save=True), False),
        ({"countries": {"NL", "DE"}}, Wish(country="DE"), True),
        ({"countries": {"NL"}}, Wish(country=""), False),
        ({"method_kinds": {"paypal"}}, Wish(method_kind="paypal"), True),
        ({"method_kinds": {"paypal"}}, Wish(), False),
        ({"currencies": {"EUR"}, "amount_from": 1000}, euros(1000), True),
        ({"currencies": {"EUR"}, "amount_from": 1000}, euros(999), False),
        ({"currencies": {"EUR"}, "amount_to": 1000}, euros(999), True),
        ({"currencies": {"EUR"}, "amount_to": 1000}, euros(1000), False),
        ({"currencies": {"EUR"}, "amount_from": 5, "amount_to": 9, "countries": {"NL"}},
         Wish(amount=Money(7, "EUR"), country="NL"), True),
    ],
)  # fmt: skip
def test_a_route_fits_what_it_asks_about(route, wish, fits):
    assert routing.fits(a_route((ONE, 1), **route), wish) is fits


def test_without_routes_the_default_comes_first():
    assert order() == ["a1", "a2", "a3"]


def test_the_first_route_that_fits_leads_and_the_rest_follows():
    other = replace(a_route((THREE, 1)), currencies=frozenset({"USD"}))
    assert order([other, a_route((TWO, 1))]) == ["a2", "a1", "a3"]


def test_what_the_route_is_called_is_said_only_where_it_was_taken():
    down = replace(TWO, down_until=LATER)
    well, ill = (routing.choose([a_route((each, 1))], [ONE, each], euros(1), key="k", now=NOW) for each in (TWO, down))
    assert (well.route, ill.route) == ("a route", "")
    assert ill.why == {ONE.id: "default", TWO.id: "last: down"}


@pytest.mark.parametrize(
    "ailing", [{"down_until": LATER}, {"refused_at": NOW}, {"quarantined_at": NOW}], ids=lambda said: next(iter(said))
)
def test_an_account_that_is_not_well_comes_last_whoever_names_it(ailing):
    ill = replace(TWO, **ailing)
    assert order([a_route((ill, 99), (THREE, 1))], [ONE, ill, THREE]) == ["a3", "a1", "a2"]


def test_an_account_that_was_down_takes_again():
    assert order([a_route((TWO, 1))], [ONE, replace(TWO, down_until=NOW)]) == ["a2", "a1"]


def test_what_is_retired_is_never_chosen():
    assert order([a_route((TWO, 1))], [ONE, replace(TWO, is_active=False)]) == ["a1"]


def test_a_manual_account_is_chosen_only_by_name():
    assert order([], [ONE, BANK]) == ["a1"]
    assert order([a_route((BANK, 1))], [ONE, BANK]) == ["a4", "a1"]
    assert order([], [replace(BANK, is_default=True), TWO]) == ["a4", "a2"]
    assert order([a_route((BANK, 1))], [ONE, BANK], Wish(is_to_save=True)) == ["a1"]


def test_an_account_that_is_named_is_the_only_one():
    assert order([a_route((ONE, 1))], wish=Wish(account_id=THREE.id)) == ["a3"]
    assert order(wish=Wish(account_id=UUID(int=77))) == []


weights = st.lists(st.integers(1, 100), min_size=1, max_size=5)


@given(weights=weights, key=st.text(max_size=20), ill=st.sets(st.integers(1, 6)))
def test_an_ailing_account_is_never_first_while_another_is_well(weights, key, ill):
    accounts = [an_account(n, **({"down_until": LATER} if n in ill else {})) for n in range(1, 7)]
    route = a_route(*zip(accounts, weights, strict=False))
    choice = routing.choose([route], accounts, euros(1), key=key, now=NOW)
    assert sorted(each.id for each in choice.accounts) == sorted(each.id for each in accounts)
    well = [each.takes_money(now=NOW) for each in choice.accounts]
    assert well == sorted(well, reverse=True)
    again = routing.choose([route], accounts, euros(1), key=key, now=NOW)
    assert again == choice, "whoever asks again is sent the same way"


@given(weights=weights, salt=st.integers(0, 2**32))
@settings(max_examples=15, deadline=None)
def test_weights_are_met_over_many_keys(weights, salt):
    accounts = [an_account(n) for n in range(1, len(weights) + 1)]
    route = a_route(*zip(accounts, weights, strict=True))
    keys = 2_000
    first = Counter(
        routing.choose([route], accounts, euros(1), key=f"{salt}:{n}", now=NOW).accounts[0].id for n in range(keys)
    )
    for account, weight in zip(accounts, weights, strict=True):
        expected = keys * weight / sum(weights)
        # Five standard deviations: a draw that is off by a weight is off by far more.
        assert abs(first[account.id] - expected) < 5 * (expected * (1 - weight / sum(weights))) ** 0.5 + 1


def a_method(number, account):
    return PaymentMethod(
        tenant_id=TENANT, id=UUID(int=number), customer_id=CustomerId(UUID(int=9)), gateway="simulated",
        account_id=account.id, status=MethodStatus.VALID, brand="visa", last4="4242", exp_month=1, exp_year=2030,
        is_default=number == 1, created_at=NOW,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "chosen"),
    [
        ({}, {}, 1),
        ({"down_until": LATER}, {}, 2),
        ({"refused_at": NOW - timedelta(hours=1)}, {}, 2),
        ({"quarantined_at": NOW}, {}, 2),
        ({"down_until": LATER}, {"down_until": LATER}, None),
        ({"down_until": NOW}, {"down_until": LATER}, 1),
        # Nobody else would find out whether the key is good again.
        ({"refused_at": NOW - timedelta(minutes=10)}, {"down_until": LATER}, 1),
        ({"refused_at": NOW - timedelta(minutes=9)}, {"down_until": LATER}, None),
        ({"quarantined_at": NOW - timedelta(days=9)}, {"down_until": LATER}, None),
    ],
)
def test_a_charge_goes_to_the_first_method_whose_account_is_well(first, second, chosen):
    accounts = [replace(ONE, **first), replace(TWO, **second)]
    methods = [a_method(1, ONE), a_method(2, TWO), a_method(3, THREE)]
    known = {Ref(TENANT, each.id): each for each in accounts}
    found = routing.way_out(methods, known, now=NOW)
    assert (found.id.int if found else None) == chosen
