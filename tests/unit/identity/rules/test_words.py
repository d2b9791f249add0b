"""Scopes, numbers, zones and trusts: what may be said, as tables."""

import pytest

from guilder.domain.identity.model import TokenTrust, TrustKind
from guilder.domain.identity.rules.keys import BadScope, ScopeNotHeld, checked_scopes
from guilder.domain.identity.rules.numbers import BadNumberFormat, checked_format
from guilder.domain.identity.rules.trusts import BadTrust, checked_trust
from guilder.domain.identity.rules.zones import UnknownTimeZone, checked_zone
from guilder.kernel import ids
from tests.support.builders.identity import NOW


@pytest.mark.parametrize(
    ("wanted", "held"),
    [
        ({"*"}, {"*"}),
        ({"invoices:read"}, {"*"}),
        ({"invoices:read"}, {"invoices:write"}),
        ({"invoices:read", "plans:write"}, {"invoices:*", "plans:write"}),
    ],
)
def test_a_scope_within_what_is_held_is_given(wanted, held):
    assert checked_scopes(frozenset(wanted), held=frozenset(held)) == wanted


@pytest.mark.parametrize(
    ("wanted", "held"),
    [({"*"}, {"invoices:*"}), ({"invoices:write"}, {"invoices:read"}), ({"invoices:*"}, {"invoices:write"})],
)
def test_a_scope_beyond_what_is_held_is_not_given(wanted, held):
    with pytest.raises(ScopeNotHeld):
        checked_scopes(frozenset(wanted), held=frozenset(held))


@pytest.mark.parametrize("wanted", [set(), {"invoices"}, {"invoices:delete"}, {"*:read"}, {"A:read"}, {"a:read\n"}])
def test_what_is_no_scope_is_refused(wanted):
    with pytest.raises(BadScope):
        checked_scopes(frozenset(wanted), held=frozenset({"*"}))


@pytest.mark.parametrize("good", ["{number}", "INV-{year}-{number:05}", "A/{month}.{number:09} #1"])
def test_a_format_with_one_number_is_taken(good):
    assert checked_format(good) == good


@pytest.mark.parametrize(
    "bad", ["", "INV", "{year}", "{number}{number}", "{number:5}", "{number.real}", "{0}", "{number!r}", "é{number}"]
)
def test_a_format_that_would_not_number_is_refused(bad):
    with pytest.raises(BadNumberFormat):
        checked_format(bad)


def test_zones_are_iana_names():
    assert checked_zone("America/New_York") == "America/New_York"
    for bad in ("CET+1", "../etc/passwd", "", "Mars/Olympus"):
        with pytest.raises(UnknownTimeZone):
            checked_zone(bad)


def a_trust(**over) -> TokenTrust:
    said = {
        "kind": TrustKind.OIDC,
        "issuer": "https://idp.example",
        "jwks_url": "https://idp.example/keys",
        "audience": "guilder",
    }
    return TokenTrust(tenant_id=ids.TenantId(ids.new(NOW)), id=ids.new(NOW), **{**said, **over})


ASKED = {
    "kind": TrustKind.INTROSPECTION,
    "jwks_url": "",
    "introspection_url": "https://idp.example/introspect",
    "client_id": "guilder",
    "client_secret": "s3cret",
}


@pytest.mark.parametrize("over", [{}, {"audience": "", "authorized_parties": ("https://app.example",)}, ASKED])
def test_a_whole_trust_is_taken(over):
    assert checked_trust(a_trust(**over))


@pytest.mark.parametrize(
    "over",
    [
        {"issuer": "idp.example"},
        {"issuer": "http://idp.example"},
        {"jwks_url": ""},
        {"public_key_pem": "x"},
        {"audience": ""},
        {"client_secret": "x"},
        {**ASKED, "client_secret": ""},
        {**ASKED, "jwks_url": "https://idp.example/keys"},
        # Whoever registers another's issuer with an address of its own would be sent the tokens of the other's users.
        {**ASKED, "introspection_url": "https://collector.example/introspect"},
    ],
)
def test_a_trust_that_says_too_little_or_too_much_is_refused(over):
    with pytest.raises(BadTrust):
        checked_trust(a_trust(**over))
