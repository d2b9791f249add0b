"""A token is believed when every row of the contract holds, and refused in one and the same way when any does not."""

import base64
import hmac
import json
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from guilder.kernel.errors import Unauthenticated, Unavailable
from guilder.platform.auth.jwks import keys_of
from guilder.platform.auth.jwt import IssuerTrust, PemKey, TokenVerifier, verifying_key
from tests.support.identity_provider import ISSUER, NOW, PARTY, SigningKey, an_ec_key, by_hand, claims

KEY, EC_KEY, STRANGER = SigningKey("k1"), an_ec_key("e1"), SigningKey("k1")
AT = int(NOW.timestamp())
HEADER = {"alg": "RS256", "kid": "k1", "typ": "JWT"}


class Keys:
    """A key set in memory, which notes what it was asked for."""

    def __init__(self, *keys):
        self.known = keys_of({"keys": [key.jwk() for key in keys]})

    async def find(self, kid):
        return self.known.get(kid)


class Away:
    async def find(self, kid):
        raise Unavailable


def a_trust(**changes):
    return IssuerTrust(
        **{"issuer": ISSUER, "keys": Keys(KEY, EC_KEY), "authorized_parties": frozenset({PARTY}), **changes}
    )


def sign_raw(body, **header):
    """Sign, with our key, what no library would write."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    signed = by_hand({**HEADER, **header}, raw).rpartition(".")[0].encode()
    signature = KEY.private.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    return f"{signed.decode()}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def hs256_with_public_key(secret):
    head = base64.urlsafe_b64encode(json.dumps({**HEADER, "alg": "HS256"}).encode()).rstrip(b"=")
    body = base64.urlsafe_b64encode(json.dumps(claims()).encode()).rstrip(b"=")
    signature = hmac.digest(secret, head + b"." + body, "sha256")
    return b".".join((head, body, base64.urlsafe_b64encode(signature).rstrip(b"="))).decode()


def a_flipped_signature():
    head, body, signature = KEY.sign(claims()).split(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    raw[7] ^= 1
    return ".".join((head, body, base64.urlsafe_b64encode(raw).rstrip(b"=").decode()))


def other_claims_under_a_good_signature():
    head, _, signature = KEY.sign(claims()).split(".")
    body = base64.urlsafe_b64encode(json.dumps(claims(org_id="org_2")).encode()).rstrip(b"=").decode()
    return f"{head}.{body}.{signature}"


@pytest.mark.shows("JWT organization", "ASVS 10.3.2")
async def test_a_good_token_says_who_and_for_which_organization():
    token = await TokenVerifier([a_trust()]).verify(KEY.sign(claims()), now=NOW)

    assert (token.issuer, token.subject, token.azp) == (ISSUER, "user_1", PARTY)
    assert (token.organization_id, token.role) == ("org_1", "admin")
    assert token.expires_at == NOW + timedelta(seconds=60)
    assert token.claims["org_role"] == "org:admin"


@pytest.mark.shows("JWT organization", "fault G5")
@pytest.mark.parametrize(
    ("changes", "organization"),
    [
        ({}, ("org_1", "admin")),
        ({"org_role": None}, ("org_1", None)),
        ({"org_id": None, "org_role": None}, (None, None)),
        (
            {"org_id": None, "org_role": None, "v": 2, "o": {"id": "org_9", "rol": "billing", "slg": "x"}},
            ("org_9", "billing"),
        ),
        ({"v": 2, "o": {"id": "org_1", "rol": "member"}}, ("org_1", "member")),
    ],
)
async def test_organization_claims_are_read_in_both_versions_of_clerk(changes, organization):
    token = await TokenVerifier([a_trust()]).verify(KEY.sign(claims(**changes)), now=NOW)
    assert (token.organization_id, token.role) == organization


@pytest.mark.shows("JWT leeway")
@pytest.mark.parametrize(
    "token",
    [
        KEY.sign(claims(exp=AT - 4)),  # within the leeway
        KEY.sign(claims(nbf=AT + 5, iat=AT + 5)),
        KEY.sign(claims(exp=AT + 60.5)),
        KEY.sign(claims(), typ="at+jwt"),
        EC_KEY.sign(claims()),
    ],
    ids=["just expired", "just not yet", "fractional exp", "at+jwt", "ES256"],
)
async def test_what_the_contract_allows_is_accepted(token):
    assert (await TokenVerifier([a_trust()]).verify(token, now=NOW)).subject == "user_1"


REFUSED = {
    "expired 61 s ago": KEY.sign(claims(exp=AT - 61)),
    "expired at the leeway": KEY.sign(claims(exp=AT - 5)),
    "nbf in the future": KEY.sign(claims(nbf=AT + 6)),
    "iat in the future": KEY.sign(claims(iat=AT + 6)),
    "no exp": KEY.sign(claims(exp=None)),
    "no iat": KEY.sign(claims(iat=None)),
    "no nbf": KEY.sign(claims(nbf=None)),
    "no iss": KEY.sign(claims(iss=None)),
    "no sub": KEY.sign(claims(sub=None)),
    "empty sub": KEY.sign(claims(sub="")),
    "endless sub": KEY.sign(claims(sub="u" * 256)),
    "exp a text": sign_raw(claims(exp=str(AT + 60))),
    "exp NaN": sign_raw(claims(exp=float("nan"))),
    "alg none": by_hand({**HEADER, "alg": "none"}, claims(), b""),
    "alg none, signed": by_hand({**HEADER, "alg": "none"}, claims()),
    "alg nOnE": by_hand({**HEADER, "alg": "nOnE"}, claims()),
    "no alg": sign_raw(claims(), alg=None),
    "HS256 with the public key in PEM": hs256_with_public_key(KEY.pem()),
    "HS256 with the public key in JWK": hs256_with_public_key(json.dumps(KEY.jwk()).encode()),
    "RS384": sign_raw(claims(), alg="RS384"),
    "ES256 header on an RSA key": by_hand({**HEADER, "alg": "ES256"}, claims(), b"x" * 64),
    "wrong iss": KEY.sign(claims(iss="https://evil.example.test")),
    "iss with a slash": KEY.sign(claims(iss=ISSUER + "/")),
    "iss a list": sign_raw(claims(iss=[ISSUER])),
    "wrong azp": KEY.sign(claims(azp="https://evil.example.test")),
    "absent azp": KEY.sign(claims(azp=None)),
    "azp a prefix": KEY.sign(claims(azp=PARTY + ".evil.test")),
    "unknown crit": sign_raw(claims(), crit=["x"], x=1),
    "crit known to the library": KEY.sign(claims(), crit=["b64"], b64=True),
    "jku": KEY.sign(claims(), jku="http://127.0.0.1:1/keys"),
    "x5u": KEY.sign(claims(), x5u="http://127.0.0.1:1/cert"),
    "jwk of a stranger": STRANGER.sign(claims(), jwk=STRANGER.jwk()),
    "x5c": KEY.sign(claims(), x5c=["MII"]),
    "kid a path": KEY.sign(claims(), kid="../../../../dev/null"),
    "kid a URL": KEY.sign(claims(), kid="http://127.0.0.1:1/key"),
    "kid SQL": KEY.sign(claims(), kid="k1' or '1'='1"),
    "kid empty": KEY.sign(claims(), kid=""),
    "kid endless": KEY.sign(claims(), kid="k" * 201),
    "kid a number": sign_raw(claims(), kid=1),
    "unknown kid": KEY.sign(claims(), kid="k2"),
    "forged under a known kid": STRANGER.sign(claims()),
    "flipped signature": a_flipped_signature(),
    "other claims": other_claims_under_a_good_signature(),
    "ID token: nonce": KEY.sign(claims(nonce="n")),
    "ID token: at_hash": KEY.sign(claims(at_hash="h")),
    "ID token: token_use": KEY.sign(claims(token_use="id")),
    "ID token: typ": KEY.sign(claims(typ="ID")),
    "typ of something else": KEY.sign(claims(), typ="dpop+jwt"),
    "sts pending": KEY.sign(claims(sts="pending")),
    "two organizations": KEY.sign(claims(o={"id": "org_2", "rol": "admin"})),
    "organization a list": KEY.sign(claims(org_id=["org_1"])),
    "exp beyond the calendar": KEY.sign(claims(exp=1e18)),
    "a claim twice": sign_raw(json.dumps(claims())[:-1].encode() + b', "sub": "user_2"}'),
    "1 MB": KEY.sign(claims(filler="x" * 1_000_000)),
    "empty": "",
    "two parts": "a.b",
    "five parts": "a.b.c.d.e",
    "not base64": "a!.b!.c!",
    "not an object": sign_raw([1]),
    "deeply nested": sign_raw(b"[" * 4_000),
    "not ASCII": "é.é.é",
}


@pytest.mark.shows(
    "fault G1",
    "API2",
    "ASVS 9.1.1",
    "ASVS 9.1.2",
    "ASVS 9.1.3",
    "ASVS 9.2.1",
    "ASVS 9.2.2",
    "ASVS 9.2.3",
    "ASVS 10.3.1",
    "JWT algorithms",
    "JWT required",
    "JWT issuer",
    "JWT party",
    "JWT leeway",
    "JWT pending",
    "JWT keys",
)
@pytest.mark.parametrize("token", REFUSED.values(), ids=REFUSED.keys())
async def test_is_refused(token):
    with pytest.raises(Unauthenticated) as refusal:
        await TokenVerifier([a_trust()]).verify(token, now=NOW)
    assert type(refusal.value) is Unauthenticated
    assert refusal.value.detail == Unauthenticated().detail
    assert refusal.value.__cause__ is None


@pytest.mark.shows("JWT required", "ASVS 9.2.1", "fault G1")
@pytest.mark.parametrize("value", [str(AT + 60), True, None, [AT + 60], {"a": 1}])
async def test_an_expiry_that_is_no_number_is_refused_under_a_good_signature(value):
    with pytest.raises(Unauthenticated):
        await TokenVerifier([a_trust()]).verify(sign_raw({**claims(), "exp": value}), now=NOW)
    assert await TokenVerifier([a_trust()]).verify(sign_raw(claims()), now=NOW)


@pytest.mark.shows("JWT party", "ASVS 9.2.3")
async def test_a_plain_oidc_issuer_may_leave_nbf_out_and_is_told_by_audience():
    verifier = TokenVerifier(
        [a_trust(authorized_parties=frozenset(), audiences=frozenset({"billing"}), requires_nbf=False)]
    )
    for audience in ("billing", ["other", "billing"]):
        assert await verifier.verify(KEY.sign(claims(nbf=None, azp=None, aud=audience)), now=NOW)
    for audience in (None, "billing2", ["other"], [], ["billin", "g"]):
        with pytest.raises(Unauthenticated):
            await verifier.verify(KEY.sign(claims(nbf=None, azp=None, aud=audience)), now=NOW)
    with pytest.raises(Unauthenticated):  # given, it counts
        await verifier.verify(KEY.sign(claims(nbf=AT + 60, azp=None, aud="billing")), now=NOW)


@pytest.mark.shows("ASVS 9.2.2")
async def test_an_issuer_that_marks_access_tokens_may_be_held_to_it():
    verifier = TokenVerifier([a_trust(requires_access_type=True)])
    assert await verifier.verify(KEY.sign(claims(), typ="at+jwt"), now=NOW)
    with pytest.raises(Unauthenticated):
        await verifier.verify(KEY.sign(claims()), now=NOW)


async def test_a_pem_key_needs_no_network_and_no_kid():
    pem = KEY.pem().decode().replace("\n", "\\n")  # as an environment variable carries it
    verifier = TokenVerifier([a_trust(keys=PemKey(pem))])
    assert await verifier.verify(KEY.sign(claims(), kid="ins_anything"), now=NOW)
    with pytest.raises(Unauthenticated):
        await verifier.verify(STRANGER.sign(claims()), now=NOW)
    with pytest.raises(Unauthenticated):
        await verifier.verify(hs256_with_public_key(KEY.pem()), now=NOW)


@pytest.mark.shows("JWT party", "ASVS 9.2.4")
def test_an_issuer_trusted_for_everything_it_signs_is_refused():
    with pytest.raises(ValueError, match="never for everything"):
        a_trust(authorized_parties=frozenset())


@pytest.mark.shows("ASVS 9.2.4", "ASVS 6.8.1", "ASVS 8.4.1")
async def test_tenants_that_share_an_issuer_are_told_apart_by_party_and_key():
    other = IssuerTrust(ISSUER, Keys(STRANGER), authorized_parties=frozenset({"https://other.test", PARTY}), owner="b")
    verifier = TokenVerifier([other, a_trust(owner="a")])

    assert (await verifier.verify(KEY.sign(claims()), now=NOW)).trust.owner == "a"
    assert (await verifier.verify(STRANGER.sign(claims()), now=NOW)).trust.owner == "b"
    with pytest.raises(Unauthenticated):
        await verifier.verify(KEY.sign(claims(azp="https://other.test")), now=NOW)


@pytest.mark.shows("ASVS 16.5.2")
async def test_an_issuer_that_is_away_stands_in_nobody_elses_way():
    away = a_trust(keys=Away(), owner="away")
    assert (await TokenVerifier([away, a_trust(owner="a")]).verify(KEY.sign(claims()), now=NOW)).trust.owner == "a"
    with pytest.raises(Unavailable):
        await TokenVerifier([away]).verify(KEY.sign(claims()), now=NOW)


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key(),
        ec.generate_private_key(ec.SECP384R1()).public_key(),
        KEY.private,
        b"secret",
    ],
    ids=["weak RSA", "another curve", "private", "symmetric"],
)
def test_a_key_of_another_kind_is_not_taken_into_use(key):
    with pytest.raises(ValueError):
        verifying_key(key)
