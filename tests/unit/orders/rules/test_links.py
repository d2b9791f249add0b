"""Payment links: what nobody else can write, whatever is done to one."""

import base64
import hmac
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guilder.domain.orders.rules import links
from guilder.domain.orders.rules.links import BadLink, Link
from guilder.kernel.ids import Ref, TenantId

NOW = datetime(2026, 3, 1, 12, 30, 15, 250, tzinfo=UTC)
TENANT, OTHER = TenantId(UUID(int=1)), TenantId(UUID(int=2))
INVOICE = UUID(int=7)
LINK = links.link_for(Ref(TENANT, INVOICE), now=NOW)


def signed_by(*keys):
    return lambda text: [hmac.digest(key, text.encode(), "sha256") for key in keys]


SIGN = signed_by(b"new", b"old")
TOKEN = links.write(LINK, SIGN)


def raw(token):
    return bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))


def text(body):
    return base64.urlsafe_b64encode(bytes(body)).rstrip(b"=").decode()


def with_byte(place, change=1):
    body = raw(TOKEN)
    body[place] ^= change
    return text(body)


def with_mac_of(link):
    return text(raw(TOKEN)[:41] + raw(links.write(link, SIGN))[41:])


def test_reads_what_it_wrote():
    assert links.read(TOKEN, SIGN) == LINK


def test_is_good_for_ninety_days_to_the_second():
    assert LINK.expires_at == datetime(2026, 5, 30, 12, 30, 15, tzinfo=UTC)
    assert not LINK.is_expired(LINK.expires_at - timedelta(microseconds=1))
    assert LINK.is_expired(LINK.expires_at)


def test_outlives_a_rotation_of_the_keys_and_not_the_end_of_its_own():
    old = links.write(LINK, signed_by(b"old"))
    assert links.read(old, SIGN) == LINK
    with pytest.raises(BadLink):
        links.read(old, signed_by(b"new"))


def test_can_stand_in_a_path():
    assert TOKEN.replace("-", "").replace("_", "").isalnum()
    assert len(TOKEN) <= links.TOKEN_MAX


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param("", id="nothing"),
        pytest.param("a", id="one letter"),
        pytest.param(TOKEN[:-1], id="cut off"),
        pytest.param(TOKEN + "A", id="longer"),
        pytest.param(TOKEN + "=", id="padded"),
        pytest.param(" " + TOKEN, id="with a space"),
        pytest.param(TOKEN + "\n", id="with a line end"),
        pytest.param(TOKEN[:-1] + chr(ord(TOKEN[-1]) + 1), id="other unused bits"),
        pytest.param(TOKEN.swapcase(), id="other case"),
        pytest.param("é" * 76, id="not ASCII"),
        pytest.param("A" * 10_000, id="very long"),
        pytest.param(text(bytes(57)), id="all zero"),
        pytest.param(text(raw(TOKEN)[:41]), id="without its MAC"),
        pytest.param(text(raw(TOKEN)[:41] + bytes(16)), id="an empty MAC"),
        pytest.param(with_byte(0), id="another version"),
        pytest.param(with_byte(16), id="another tenant"),
        pytest.param(with_byte(32), id="another invoice"),
        pytest.param(with_byte(40), id="a later day"),
        pytest.param(with_byte(33, 0x80), id="for ever"),
        pytest.param(with_byte(56), id="another MAC"),
        pytest.param(with_mac_of(links.link_for(Ref(OTHER, INVOICE), now=NOW)), id="the MAC of another tenant"),
        pytest.param(with_mac_of(Link(TENANT, UUID(int=8), LINK.expires_at)), id="the MAC of another invoice"),
        pytest.param(with_mac_of(links.link_for(Ref(TENANT, INVOICE), now=NOW + timedelta(days=1))), id="of tomorrow"),
        pytest.param(links.write(LINK, signed_by(b"theirs")), id="another key"),
    ],
)
def test_what_was_forged_is_not_read(forged):
    with pytest.raises(BadLink):
        links.read(forged, SIGN)


@given(st.integers(0, 56), st.integers(1, 255))
def test_no_byte_can_be_changed(place, change):
    with pytest.raises(BadLink):
        links.read(with_byte(place, change), SIGN)
