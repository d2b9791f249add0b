"""Who asks, on the worst day: tokens that nobody trusts. Ids that belong to somebody else: tests/security."""

import base64
import hmac
import json
import time
from uuid import uuid4

import httpx
import pytest

from tests.support.identity_provider import PARTY, SigningKey, an_ec_key, by_hand, claims, serving

OPERATIONS = ("get", "put", "patch", "post", "delete")
KEY, EC_KEY, STRANGER = SigningKey("k1"), an_ec_key("e1"), SigningKey("k1")
SAID_BY_EACH_ANSWER = {"request_id"}
HEADERS_OF_EACH_ANSWER = {"x-request-id", "date", "ratelimit-remaining", "ratelimit-reset", "ratelimit-limit"}


def fresh(issuer, **changes):
    """Claims of a good token of this minute; a change to None leaves one out."""
    now = int(time.time())
    return claims(**{"iss": issuer, "iat": now, "nbf": now, "exp": now + 600, "org_id": "acme", **changes})


def encoded(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def hs256(secret, said):
    signed = f"{encoded(json.dumps({'alg': 'HS256', 'kid': 'k1', 'typ': 'JWT'}).encode())}." + encoded(
        json.dumps(said).encode()
    )
    return f"{signed}.{encoded(hmac.digest(secret, signed.encode(), 'sha256'))}"


def other_claims_under_a_good_signature(issuer):
    head, _, signature = KEY.sign(fresh(issuer)).split(".")
    return f"{head}.{encoded(json.dumps(fresh(issuer, org_id='umbrella')).encode())}.{signature}"


def unfit_tokens(issuer, listener):
    """Every row of the verifier's contract, broken once."""
    now = int(time.time())
    head = {"alg": "RS256", "kid": "k1", "typ": "JWT"}
    good = fresh(issuer)
    return {
        "expired 61 s ago": KEY.sign(fresh(issuer, exp=now - 61)),
        "not yet": KEY.sign(fresh(issuer, nbf=now + 500)),
        "issued in the future": KEY.sign(fresh(issuer, iat=now + 500)),
        "no exp": KEY.sign(fresh(issuer, exp=None)),
        "no iat": KEY.sign(fresh(issuer, iat=None)),
        "no nbf": KEY.sign(fresh(issuer, nbf=None)),
        "no sub": KEY.sign(fresh(issuer, sub=None)),
        "no iss": KEY.sign(fresh(issuer, iss=None)),
        "alg none": by_hand({**head, "alg": "none"}, good, b""),
        "alg none, signed": by_hand({**head, "alg": "none"}, good),
        "alg nOnE": by_hand({**head, "alg": "nOnE"}, good),
        "HS256 with the public key in PEM": hs256(KEY.pem(), good),
        "HS256 with the public key in PEM, trimmed": hs256(KEY.pem().strip(), good),
        "HS256 with the public key as JWK": hs256(json.dumps(KEY.jwk()).encode(), good),
        "ES256 of an RSA key": by_hand({**head, "alg": "ES256"}, good, b"x" * 64),
        "another key under the same kid": STRANGER.sign(good),
        "a key of another kind": EC_KEY.sign(good),
        "wrong iss": KEY.sign(fresh("https://evil.example.test")),
        "iss with a slash": KEY.sign(fresh(issuer + "/")),
        "wrong azp": KEY.sign(fresh(issuer, azp="https://evil.example.test")),
        "absent azp": KEY.sign(fresh(issuer, azp=None)),
        "azp a prefix": KEY.sign(fresh(issuer, azp=PARTY + ".evil.test")),
        "sts pending": KEY.sign(fresh(issuer, sts="pending")),
        "an ID token": KEY.sign(fresh(issuer, nonce="n", at_hash="h")),
        "unknown crit": KEY.sign(good, crit=["x"], x=1),
        "jku": STRANGER.sign(good, jku=f"{listener}/keys"),
        "x5u": STRANGER.sign(good, x5u=f"{listener}/cert"),
        "jwk": STRANGER.sign(good, jwk=STRANGER.jwk()),
        "kid a URL": STRANGER.sign(good, kid=f"{listener}/key"),
        "kid a path": STRANGER.sign(good, kid="../../../../dev/null"),
        "kid SQL": STRANGER.sign(good, kid="k1' or '1'='1"),
        "an organization that is no customer": KEY.sign(fresh(issuer, org_id="nobody")),
        "no organization, and no staff": KEY.sign(fresh(issuer, org_id=None, org_role=None)),
        "two organizations": KEY.sign(fresh(issuer, o={"id": "umbrella"})),
        "other claims under a good signature": other_claims_under_a_good_signature(issuer),
        "a bit of the signature changed": KEY.sign(good)[:-6] + "AAAAAA",
        "9 kB": KEY.sign(fresh(issuer, pad="x" * 9_000)),
        "two parts": KEY.sign(good).rpartition(".")[0],
        "no token": "x",
        "a key of nobody": "gk_sandbox_" + "a" * 49,
    }


def told(answer, *, repeats="?"):
    """What an answer says, but for what is of each answer its own, and for a code that it repeats from the question."""
    said = json.loads(answer.text.replace(repeats, "?"))
    body = {name: value for name, value in said.items() if name not in SAID_BY_EACH_ANSWER}
    headers = {name: value for name, value in answer.headers.items() if name not in HEADERS_OF_EACH_ANSWER}
    return answer.status_code, body, headers


@pytest.mark.shows("fault G1", "API2", "ASVS 9.1.1", "ASVS 6.8.2", "JWT algorithms", "JWT required")
async def test_g1_a_token_that_breaks_one_rule_is_refused_like_any_other(world):
    issuer = f"https://{uuid4().hex}.example.test"
    await world.customer("acme")
    await world.customer("umbrella")
    trusted = {
        "kind": "clerk", "issuer": issuer, "public_key_pem": KEY.pem().decode(), "authorized_parties": [PARTY],
    }  # fmt: skip
    await world.post("/api/token-trusts", trusted)
    address = world.absolute("/api/entitlements/acme")

    async with httpx.AsyncClient(trust_env=False, timeout=60) as anybody, serving(lambda path: (200, {})) as listener:

        async def asked(token):
            return await anybody.get(address, headers={"Authorization": f"Bearer {token}"})

        good = await asked(KEY.sign(fresh(issuer)))
        assert good.status_code == 200, good.text
        strangers = await asked(KEY.sign(fresh(issuer, org_id="umbrella")))
        assert strangers.status_code == 404, "known, and not this customer"

        refusals = {name: await asked(token) for name, token in unfit_tokens(issuer, listener.url).items()}
        refusals["nothing at all"] = await anybody.get(address)
        expected = told(refusals["no token"])
        assert expected[0] == 401
        for name, answer in refusals.items():
            assert told(answer) == expected, name
        endless = await asked("x" * 1_000_000)
        assert endless.status_code in {400, 401, 413, 431}, endless.text
        assert listener.asked == [], "an address in a token was asked"

        # A rule is broken by the token alone: the same user is still let in.
        assert (await asked(KEY.sign(fresh(issuer)))).status_code == 200
