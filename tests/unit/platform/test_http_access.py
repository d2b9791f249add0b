"""Permissions, scopes, and buckets of tokens."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import uuid4

import pytest

from guilder.kernel.errors import Forbidden
from guilder.kernel.ids import CustomerId, TenantId
from guilder.platform.auth.permission import PUBLIC, Permission, allow
from guilder.platform.auth.principal import Kind, Principal, Role
from guilder.platform.clock import HandClock
from guilder.platform.http import limits
from guilder.platform.http.limits import InProcess, Want
from guilder.platform.http.settings import Allowance

TENANT = TenantId(uuid4())
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def a_principal(kind: Kind = Kind.API_KEY, role: Role = Role.ADMIN, *scopes: str) -> Principal:
    customer = CustomerId(uuid4()) if kind is Kind.CUSTOMER_USER else None
    return Principal(kind, "it", TENANT, role, frozenset(scopes or {"*"}), customer)


def is_allowed(permission: Permission, principal: Principal) -> bool:
    try:
        allow(permission, principal, now=NOW)
    except Forbidden:
        return False
    return True


@pytest.mark.shows("API5", "ASVS 8.2.1")
@pytest.mark.parametrize(("least", "role"), list(product(Role, Role)))
def test_a_role_reaches_what_asks_no_more_than_it(least: Role, role: Role):
    order = [Role.MEMBER, Role.BILLING, Role.ADMIN]
    expected = order.index(role) >= order.index(least)
    assert is_allowed(Permission("x:read", tenant=least), a_principal(role=role)) is expected
    theirs = Permission("x:read", tenant=None, customer=least)
    assert is_allowed(theirs, a_principal(Kind.CUSTOMER_USER, role)) is expected


@pytest.mark.shows("API5", "ASVS 8.2.1", "fault G5")
def test_a_customers_user_never_reaches_what_is_the_tenants():
    assert not is_allowed(Permission("prices:write", tenant=Role.MEMBER), a_principal(Kind.CUSTOMER_USER))
    assert not is_allowed(Permission("x:read", tenant=None, customer=Role.MEMBER), a_principal())


@pytest.mark.shows("fault G5")
@pytest.mark.parametrize(
    ("held", "wanted", "expected"),
    [
        ("*", "plans:write", True),
        ("plans:read", "plans:read", True),
        ("plans:write", "plans:read", True),
        ("plans:read", "plans:write", False),
        ("plans:*", "plans:write", True),
        ("plan:*", "plans:read", False),
        ("plans", "plans:read", False),
        ("", "plans:read", False),
        ("refunds:write", "plans:read", False),
    ],
)
def test_a_scope_holds_what_it_names(held: str, wanted: str, expected: bool):
    assert is_allowed(Permission(wanted), a_principal(Kind.API_KEY, Role.ADMIN, held)) is expected


def test_public_is_for_everyone():
    assert is_allowed(PUBLIC, a_principal(Kind.API_KEY, Role.MEMBER, "nothing:read"))


@pytest.mark.parametrize(("kind", "customer"), [(Kind.CUSTOMER_USER, None), (Kind.API_KEY, CustomerId(uuid4()))])
def test_nobody_can_make_a_customers_user_without_a_customer(kind: Kind, customer: CustomerId | None):
    with pytest.raises(AssertionError):
        Principal(kind, "it", TENANT, Role.MEMBER, customer_id=customer)


def test_an_actor_says_who():
    assert a_principal().actor == "api_key:it"
    assert a_principal(Kind.CUSTOMER_USER).actor == "user:it"


async def test_a_bucket_fills_again_and_no_fuller():
    clock = HandClock(datetime(2026, 1, 1, tzinfo=UTC))
    buckets, allowance = InProcess(clock.monotonic), Allowance(60, burst=2)
    wants = [Want("calls", allowance)]
    assert [(await buckets.take("a", wants)).is_allowed for _ in range(3)] == [True, True, False]
    assert (await buckets.take("b", wants)).is_allowed
    clock.move_by(timedelta(hours=1))
    assert [(await buckets.take("a", wants)).is_allowed for _ in range(3)] == [True, True, False]
    assert (await buckets.take("a", wants)).reset_s == 1


@pytest.mark.shows("API4")
async def test_buckets_do_not_grow_without_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "BUCKETS_MAX", 10)
    buckets = InProcess(lambda: 0.0)
    await asyncio.gather(*(buckets.take(f"stranger {n}", [Want("calls", Allowance(1))]) for n in range(100)))
    assert len(buckets._buckets) == 10
