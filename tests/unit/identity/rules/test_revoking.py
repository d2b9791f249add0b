"""Revocations: what is left of a token, by what was heard since it was made."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from guilder.domain.identity.model import Role
from guilder.domain.identity.rules.revoking import Revocation, Unreadable, What, capped, fate, of_clerk, role_of
from guilder.domain.identity.rules.signatures import Unsigned, key_of, message_id

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ISSUER = "https://clerk.example.test"
SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS1mYWtlLWNsZXJrLTMyYnl0ZXM="
BODY = b'{"type": "user.deleted"}'


def ended(seconds=0):
    return Revocation(issuer=ISSUER, subject="u", since=NOW + timedelta(seconds=seconds))


def may(role, seconds=0):
    since = NOW + timedelta(seconds=seconds)
    return Revocation(issuer=ISSUER, subject="u", organization="o", what=What.ROLE, role=role, since=since)


@pytest.mark.parametrize(
    ("heard", "seconds", "left"),
    [
        ([], 0, (False, None)),
        ([ended()], -1, (True, None)),
        ([ended()], 0, (False, None)),
        ([ended()], 1, (False, None)),
        ([may(Role.BILLING)], -1, (False, Role.BILLING)),
        ([may(Role.BILLING)], 0, (False, None)),
        ([may(Role.BILLING), may(Role.MEMBER, 5)], -1, (False, Role.MEMBER)),
        ([may(Role.MEMBER, 5), ended(3)], 4, (False, Role.MEMBER)),
        ([may(Role.MEMBER, 5), ended(3)], 2, (True, Role.MEMBER)),
    ],
)
@pytest.mark.shows("fault G4")
def test_a_token_from_before_counts_no_more_or_for_less(heard, seconds, left):
    assert tuple(fate(heard, issued_at=NOW + timedelta(seconds=seconds))) == left


def test_a_token_that_does_not_say_when_it_was_made_is_from_before():
    assert fate([ended(-10_000)], issued_at=None).is_over


@given(st.lists(st.sampled_from([ended(3), may(Role.MEMBER, 5), may(Role.BILLING, 1), ended(-7)])), st.integers(-9, 9))
def test_the_order_in_which_it_was_heard_does_not_matter(heard, seconds):
    at = NOW + timedelta(seconds=seconds)
    assert fate(heard, issued_at=at) == fate(heard[::-1], issued_at=at)


def test_a_cap_gives_nobody_more():
    assert capped(Role.MEMBER, Role.ADMIN) is Role.MEMBER
    assert capped(Role.ADMIN, Role.BILLING) is Role.BILLING
    assert capped(Role.ADMIN, None) is Role.ADMIN
    assert [role_of(each) for each in ("org:admin", "billing", "org:owner", None, 7)] == [
        Role.ADMIN,
        Role.BILLING,
        Role.MEMBER,
        Role.MEMBER,
        Role.MEMBER,
    ]


def an_event(kind, data, **over):
    return {"type": kind, "data": data, "timestamp": int(NOW.timestamp() * 1000), **over}


MEMBERSHIP = {"role": "org:billing", "organization": {"id": "o"}, "public_user_data": {"user_id": "u"}}


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        ("organizationMembership.deleted", MEMBERSHIP, {"subject": "u", "organization": "o"}),
        (
            "organizationMembership.updated",
            MEMBERSHIP,
            {"subject": "u", "organization": "o", "what": What.ROLE, "role": Role.BILLING},
        ),
        ("user.deleted", {"id": "u"}, {"subject": "u"}),
        ("session.ended", {"id": "s", "user_id": "u"}, {"session": "s"}),
        ("session.removed", {"id": "s"}, {"session": "s"}),
        ("session.revoked", {"id": "s"}, {"session": "s"}),
        ("organization.deleted", {"id": "o"}, {"organization": "o"}),
    ],
)
def test_clerks_events_are_read(kind, data, said):
    read = of_clerk(an_event(kind, data), issuer=ISSUER, now=NOW)
    assert read == Revocation(issuer=ISSUER, since=NOW, **said)


def test_what_is_of_no_concern_says_nothing():
    for kind in ("user.created", "organizationMembership.created", "session.created", "email.created", "new.thing"):
        assert of_clerk(an_event(kind, {"id": "x"}), issuer=ISSUER, now=NOW) is None


@pytest.mark.parametrize(
    ("stamp", "since"),
    [
        (int(NOW.timestamp()) * 1000 - 90_500, NOW - timedelta(seconds=90.5)),
        (int(NOW.timestamp()) - 90, NOW - timedelta(seconds=90)),
        (int(NOW.timestamp() + 3600) * 1000, NOW),  # of the future: heard now
        (None, NOW),
        (True, NOW),
        ("1", NOW),
        (10**30, NOW),
        (-5, NOW),
    ],
)
def test_its_instant_is_the_issuers_unless_that_cannot_be(stamp, since):
    assert of_clerk(an_event("user.deleted", {"id": "u"}, timestamp=stamp), issuer=ISSUER, now=NOW).since == since


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"type": "user.deleted"},
        {"type": 7, "data": {}},
        an_event("user.deleted", {}),
        an_event("user.deleted", {"id": ""}),
        an_event("user.deleted", {"id": "x" * 501}),
        an_event("user.deleted", {"id": "\x00"}),
        an_event("organizationMembership.deleted", {"organization": {"id": "o"}}),
        an_event("organizationMembership.deleted", {"organization": "o", "public_user_data": {"user_id": "u"}}),
    ],
)
def test_what_does_not_say_whom_it_is_about_is_unreadable(event):
    with pytest.raises(Unreadable):
        of_clerk(event, issuer=ISSUER, now=NOW)


def signed(*, secret=SECRET, at=NOW, body=BODY, name="msg_1", prefix="svix"):
    signature = Webhook(secret).sign(name, at, body.decode())
    said = {"id": name, "timestamp": str(int(at.timestamp())), "signature": signature}
    return {f"{prefix}-{word}": value for word, value in said.items()}


@pytest.mark.shows("fault C4", "fault C5", "ASVS 4.1.5")
class TestSignatures:
    @pytest.mark.parametrize("prefix", ["svix", "webhook"])
    def test_verify_as_the_reference_library_signs(self, prefix):
        assert message_id(signed(prefix=prefix), BODY, secret=SECRET, now=NOW) == "msg_1"

    def test_one_of_several_is_enough(self):
        headers = signed()
        headers["svix-signature"] = f"v1a,abc v1,AAAA {headers['svix-signature']}"
        assert message_id(headers, BODY, secret=SECRET, now=NOW) == "msg_1"

    @pytest.mark.parametrize("seconds", [-301, 301])
    def test_too_old_or_of_the_future_is_refused(self, seconds):
        headers = signed(at=NOW + timedelta(seconds=seconds))
        with pytest.raises(Unsigned):
            message_id(headers, BODY, secret=SECRET, now=NOW)

    @pytest.mark.parametrize(
        "over",
        [
            {"svix-signature": ""},
            {"svix-signature": "v1,"},
            {"svix-signature": "v1,!!!"},
            {"svix-signature": "v2,abc"},
            {"svix-id": ""},
            {"svix-id": "msg_2"},
            {"svix-id": "x" * 256},
            {"svix-id": "msg_é"},
            {"svix-timestamp": "abc"},
            {"svix-timestamp": "-1"},
            {"svix-timestamp": "9" * 40},
            {"svix-timestamp": "①"},
        ],
    )
    def test_anything_changed_is_refused(self, over):
        with pytest.raises(Unsigned):
            message_id({**signed(), **over}, BODY, secret=SECRET, now=NOW)

    def test_another_body_or_secret_is_refused(self):
        other = "whsec_" + "b3RoZXItc2VjcmV0LW9mLW5vYm9keS0zMi1ieXRlcyE="
        for headers, body in ((signed(), BODY + b" "), (signed(secret=other), BODY), ({}, BODY)):
            with pytest.raises(Unsigned):
                message_id(headers, body, secret=SECRET, now=NOW)

    @pytest.mark.parametrize("secret", ["", "abc", "whsec_!!", "whsec_", "whsec_c2hvcnQ="])
    def test_a_secret_that_cannot_be_is_none(self, secret):
        with pytest.raises(ValueError, match="webhook secret"):
            key_of(secret)
