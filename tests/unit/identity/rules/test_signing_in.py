"""What of signing in is decided in plain values."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.identity.model import StaffSession
from guilder.domain.identity.rules import signing_in as rules
from guilder.domain.identity.rules.passwords import BadPassword, checked_password
from guilder.kernel.ids import TenantId
from guilder.platform.http import calls

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def a_session(**over):
    said = {"created_at": BEGAN, "last_seen_at": BEGAN, "expires_at": BEGAN + 7 * DAY}
    return StaffSession(tenant_id=TenantId(uuid4()), id=uuid4(), member_id=uuid4(), **(said | over))


@pytest.mark.parametrize(
    ("over", "after", "counts"),
    [
        ({}, timedelta(0), True),
        ({}, 12 * HOUR - timedelta(seconds=1), True),
        ({}, 12 * HOUR, False),
        ({"last_seen_at": BEGAN + 7 * DAY - HOUR}, 7 * DAY - timedelta(seconds=1), True),
        ({"last_seen_at": BEGAN + 7 * DAY - HOUR}, 7 * DAY, False),
        ({"ended_at": BEGAN}, timedelta(0), False),
    ],
)
def test_a_session_counts_for_so_long(over, after, counts):
    assert rules.is_alive(a_session(**over), now=BEGAN + after) is counts


@pytest.mark.parametrize(
    ("tries", "wait_s"), [(0, 0), (3, 0), (4, 1), (5, 2), (6, 4), (11, 128), (12, 256), (13, 300), (10_000, 300)]
)
def test_a_guess_waits_longer_and_longer_but_never_for_ever(tries, wait_s):
    assert rules.wait_after(tries) == timedelta(seconds=wait_s)


@pytest.mark.shows("fault G7", "ASVS 3.7.2")
@pytest.mark.parametrize(
    "said",
    [
        "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "/@evil.example", "@evil.example",
        "https://evil.example", "https:evil.example", "javascript:alert(1)", "evil.example", "", None, "/a//b",
        "/ok\nSet-Cookie: x=1", "/ok\r\nLocation: https://evil.example", "/\tevil", " /ok", "/o k", "/ö", "/" + "a" * 500,
        "data:text/html,x", "/.//evil.example", "/sign-in/trust_evil?tenant=evil", "/./sign-in/trust_evil",
        "/a/../sign-in/trust_evil#x", "/%73ign-in/trust_evil", "/a/%2e%2e/sign-in/trust_evil",
    ],
)  # fmt: skip
def test_nobody_is_sent_elsewhere_after_signing_in(said):
    assert rules.own_path(said) == rules.HOME


@pytest.mark.parametrize(
    "said", ["/", "/console", "/sign-in", "/console/invoices?status=open&limit=5#top", "/a%20b", "/x/y-z_1.html"]
)
def test_a_path_of_our_own_is_gone_to(said):
    assert rules.own_path(said) == said


@given(st.text(max_size=40))
def test_whatever_is_said_the_answer_is_a_path_of_this_host(said):
    path = rules.own_path(said)
    assert path.startswith("/")
    assert path[1:2] not in {"/", "\\"}
    assert not set(path) & set("\\@\r\n\t ")


@pytest.mark.parametrize(
    ("agent", "family"),
    [
        ("Mozilla/5.0 (X11; Linux) Gecko/20100101 Firefox/140.0", "Firefox"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge"),
        ("Mozilla/5.0 (Macintosh) Chrome/140.0 Safari/537.36", "Chrome"),
        ("Mozilla/5.0 (Macintosh) Version/19 Safari/605.1", "Safari"),
        ("<script>", "other"),
        ("", ""),
    ],
)
def test_of_a_browser_only_its_family_is_kept(agent, family):
    assert calls.agent_of(agent) == family


@pytest.mark.parametrize(
    ("address", "network"),
    [("203.0.113.77", "203.0.113.0/24"), ("2001:db8:1:2::3", "2001:db8:1::/48"), ("", ""), ("testclient", "")],
)
def test_of_an_address_only_its_network_is_kept(address, network):
    assert calls.network_of(address) == network


@pytest.mark.shows("PCI 8.3.6")
@pytest.mark.parametrize(
    "password",
    [
        "short", "elevenchars", "x" * 129, "aaaaaaaaaaaa", "abababababab", "password1234", "PASSWORD1234", "123456789012",
        "qwertyuiop123", "abcabcabcabc", "anabelle-brown1", "guilderguilder", "ﬁve5ﬁve5f",
    ],
)  # fmt: skip
def test_a_password_that_anybody_would_try_is_refused(password):
    with pytest.raises(BadPassword):
        checked_password(password, email="anabelle-brown@acme.example")


@pytest.mark.parametrize(
    "password", ["correct horse battery", "x7#mQ2!pL9@z", "пароль-длинный-1", "a" * 3 + "b c d e f g h i"]
)
def test_a_long_one_is_taken_whatever_it_is_made_of(password):
    assert checked_password(password, email="ana@acme.example") == password


def test_however_a_keyboard_writes_a_letter_it_is_the_same_password():
    assert checked_password("cafe\u0301 cafe\u0301 noir", email="a@b.example") == "café café noir"
