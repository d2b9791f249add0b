"""Who asks, on the worst day: tokens that nobody trusts, and ids that belong to somebody else."""

import asyncio
import base64
import hmac
import itertools
import json
import re
import time
from uuid import uuid4

import httpx
import pytest

from guilder.kernel import ids
from tests.scenarios.conftest import START
from tests.support.identity_provider import PARTY, SigningKey, an_ec_key, by_hand, claims, serving
from tests.support.neighbours import NOBODYS, THEIR_CODE, furnished
from tests.support.world import a_world
from tests.support.worst_day import rows_of

OPERATIONS = ("get", "put", "patch", "post", "delete")
KEY, EC_KEY, STRANGER = SigningKey("k1"), an_ec_key("e1"), SigningKey("k1")
SAID_BY_EACH_ANSWER = {"request_id"}
HEADERS_OF_EACH_ANSWER = {"x-request-id", "date", "ratelimit-remaining", "ratelimit-reset", "ratelimit-limit"}


def fresh(issuer, **changes):
    """Claims of a good token of this minute; a change to None leaves one out."""
    now = int(time.time())
    return claims(**{"iss": issuer, "iat": now, "nbf": now, "exp": now + 60, "org_id": "acme", **changes})


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
        "not yet": KEY.sign(fresh(issuer, nbf=now + 60)),
        "issued in the future": KEY.sign(fresh(issuer, iat=now + 60)),
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

    async with httpx.AsyncClient(trust_env=False) as anybody, serving(lambda path: (200, {})) as listener:

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


NEW_PLAN = {"name": "Mine now", "prices": [{"billing_cycle": "monthly", "amount": 1, "currency": "EUR"}]}
TRANSFER = {"amount": 1, "received_at": "2026-01-01T00:00:00Z", "reference": "Mine now"}
# Operations that act on what the path names: a body with which they would be carried out.
BODIES = {
    "PUT /api/customers/{customer}/notification-preferences": {"reminders": False},
    "PATCH /api/customers/{id}": {"name": "Mine now"},
    "PUT /api/plans/{plan_id}": NEW_PLAN,
    "POST /api/gateways/{account_id}/key": {"secret_key": "sk_sim_mine"},
    "POST /api/settlements/differences/{difference_id}/resolve": {"reason": "Mine now"},
    "POST /api/settlements/found/{found_id}/put-aside": {"reason": "Mine now"},
    "POST /api/payments/{payment_id}/refund-requests": {"reason": "Mine now"},
    "POST /api/customers/{id}/payment-methods": {"token": "pm_card_ok"},
    "PUT /api/customers/{id}/payment-methods/order": {"ids": [NOBODYS["pm"]]},
    "POST /api/payments/{payment_id}/record": TRANSFER,
    "POST /api/refunds/{refund_id}/record": {"sent_at": "2026-01-01T00:00:00Z", "reference": "Mine now"},
    "POST /api/refunds/{refund_id}/grant": {},
    "POST /api/disputes/{dispute_id}/note": {"text": "Mine now"},
    "POST /api/refunds/{refund_id}/refuse": {"reason": "No"},
    "PUT /api/subscriptions/{subscription_id}": {"auto_renew": False},
    "POST /api/invoices/{invoice_id}/pay": {},
    "POST /api/invoices/{invoice_id}/credit-notes": {"reason": "Mine now"},
    "PATCH /api/issuers/{id}": {"legal_name": "Mine now"},
    "POST /api/usage/{event_id}/amend": {"value": "1"},
    "POST /api/customers/{customer}/prepaid-credits": {"amount": 1, "currency": "EUR"},
    "POST /api/subscriptions/{subscription_id}/preview": {"quantity": 2},
    "POST /api/dunning/cases/{case_id}/pause": {"reason": "Mine now"},
    "POST /api/dunning/cases/{case_id}/resume": {"reason": "Mine now"},
    "POST /api/dunning/cases/{case_id}/forgive": {"reason": "Mine now"},
    "POST /api/dunning/cases/{case_id}/give-up": {"reason": "Mine now"},
    "PUT /api/dunning/plans/{plan_id}/policy": {"retry_days": [1]},
    "POST /api/entitlements/{organization_id}/readmit": {"cause_id": "019ca945-0a00-7000-8000-000000000000"},
    "POST /api/subscriptions/{subscription_id}/pause": {},
    "POST /api/subscriptions/{subscription_id}/resume": {},
    "POST /api/subscriptions/{subscription_id}/extend-trial": {"until": "2026-12-01T00:00:00Z"},
    "POST /api/subscriptions/{subscription_id}/billing-day": {"billing_day": 3},
    "POST /api/subscriptions/{subscription_id}/discounts": {"code": THEIR_CODE},
    "PUT /api/webhook-endpoints/{endpoint_id}": {"url": "https://example.com/mine", "events": ["*"]},
    "POST /api/webhook-endpoints/{endpoint_id}/replay": {
        "since": "2026-01-01T00:00:00Z",
        "until": "2027-01-01T00:00:00Z",
    },
}
# Operations whose body names something, with what it names: of whom, is said when it is asked.
REFERENCES = [
    ("POST /api/subscriptions", {"organization_id": "org"}, {"plan_id": "plan"}),
    ("POST /api/subscriptions", {"plan_id": "plan"}, {"organization_id": "org"}),
    ("POST /api/subscriptions", {"payment_method_id": "pm"}, {"organization_id": "org", "plan_id": "plan"}),
    ("POST /api/orders", {"customer": "org"}, {"product": "prod"}),
    ("POST /api/orders", {"customer": "cus"}, {"product": "prod"}),
    ("POST /api/orders", {"product": "prod"}, {"customer": "org"}),
    ("POST /api/orders", {"product": "code"}, {"customer": "org"}),
    ("POST /api/orders", {"payment_method_id": "pm"}, {"customer": "org", "product": "prod"}),
    ("POST /pay", {"customer": "cus"}, {"product": "prod"}),
    ("POST /pay", {"payment_method_id": "pm"}, {"customer": "org", "product": "prod"}),
    ("POST /api/refunds", {"payment_id": "pay"}, {}),
    ("POST /api/payments/manual", {"invoice_id": "inv"}, {}),
    ("POST /api/customers/{id}/payment-methods", {"gateway_account_id": "gwa"}, {}),
    ("PUT /api/subscriptions/{subscription_id}", {"plan_id": "plan"}, {}),
    ("PUT /api/subscriptions/{subscription_id}", {"payment_method_id": "pm"}, {}),
    ("POST /api/invoices/{invoice_id}/pay", {"payment_method_id": "pm"}, {}),
    ("POST /api/subscriptions", {"parent_id": "sub"}, {"organization_id": "org", "plan_id": "plan"}),
    ("POST /api/subscriptions/linked", {"gateway_account_id": "gwa"}, {"organization_id": "org", "plan_id": "plan"}),
    ("POST /api/subscriptions/linked", {"plan_id": "plan"}, {"organization_id": "org", "gateway_account_id": "gwa"}),
    ("POST /api/subscriptions/linked", {"organization_id": "org"}, {"plan_id": "plan", "gateway_account_id": "gwa"}),
    ("POST /api/subscriptions/{subscription_id}/discounts", {"code": "code"}, {}),
    ("POST /api/usage", {"organization_id": "org"}, {}),
    ("POST /api/usage", {"customer_id": "cus"}, {}),
    ("POST /api/usage/alerts", {"organization_id": "org"}, {}),
    ("POST /api/invoices", {"customer_id": "cus"}, {}),
    ("POST /api/invoices", {"issuer_id": "iss"}, {"customer_id": "cus"}),
    ("POST /api/credits", {"customer_id": "cus"}, {}),
    ("POST /api/credits/pay-out", {"customer_id": "cus"}, {}),
]
_INVOICE = {"currency": "EUR", "lines": [{"description": "Mine now", "unit_amount": 1}]}
_MONTH = {"current_period_start": "2026-03-01T00:00:00Z", "current_period_end": "2026-04-01T00:00:00Z"}
REQUIRED = {
    "POST /api/subscriptions/linked": {"provider_subscription": "sub_theirs", **_MONTH},
    "POST /api/refunds": {"reason": "Mine now"},
    "POST /api/payments/manual": TRANSFER,
    "POST /api/customers/{id}/payment-methods": {"token": "pm_card_ok"},
    "POST /api/usage": {"event_id": "mine-now", "meter": "calls"},
    "POST /api/usage/alerts": {"meter": "calls", "threshold": "1"},
    "POST /api/invoices": _INVOICE,
    "POST /api/credits": {"amount": 1, "currency": "EUR", "reason": "Mine now"},
    "POST /api/credits/pay-out": {"currency": "EUR"},
}
# The addresses of webhooks are open to all, and hold no id of anybody's thing; kinds of messages and languages are nobody's.
OPEN = re.compile(r"^/api/(webhooks|notification-templates)/")
KINDS = {
    "organization_id": "org", "code": "code", "plan_id": "plan", "product_id": "prod", "account_id": "gwa",
    "payment_id": "pay", "method_id": "pm", "refund_id": "ref", "invoice_id": "inv", "subscription_id": "sub",
    "order_id": "ord", "case_id": "case", "notification_id": "msg", "customer_id": "cus", "customer": "cus",
    "/api/customers": "cus", "/api/api-keys": "key", "/api/token-trusts": "trust", "/api/issuers": "iss",
    "meter_id": "mtr", "tax_rate_id": "txr", "alert_id": "alr", "event_id": "event", "grant_id": "ppc",
    "/api/discounts": "disc", "discount_id": "disc", "difference_id": "dif", "found_id": "fnd", "dispute_id": "dsp",
    "charge_id": "chg", "endpoint_id": "whe", "delivery_id": "dlv", "/api/events": "evt",
}  # fmt: skip


def kind_of(path, parameter):
    """Say what a path's parameter is an id of. A new one has to be named here: what is not known is not examined."""
    name = path.partition("/{")[0] if parameter == "id" else parameter
    return KINDS[name]


def filled(path, whose):
    """Put ids into a path: `whose` says of whom each parameter is."""
    return re.sub(r"\{(\w+)\}", lambda found: whose[found[1]][kind_of(path, found[1])], path)


def parameters(path):
    return re.findall(r"\{(\w+)\}", path)


async def all_operations(world):
    document = (await world.http.get("/openapi.json")).json()
    return [
        (method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in OPERATIONS and not OPEN.match(path)
    ]


@pytest.fixture
async def neighbours(world, installation):
    """A and B, each with one of everything; B's rows are looked at before and after."""
    async with a_world(installation, starts_at=START) as other:
        mine, theirs = await asyncio.gather(furnished(world, "acme"), furnished(other, "umbrella"))
        before = await rows_of(installation.urls, other.tenant_id)
        assert sum(before[table] != before["identity.sandbox_clocks"] for table in before) > 20
        yield mine, theirs, (str(other.tenant_id), ids.to_text("ten", other.tenant_id))
        after = await rows_of(installation.urls, other.tenant_id)
        assert {table for table in before if before[table] != after[table]} == set()


async def same_as_nobodys(world, marks, label, theirs, nobodys):
    """Ask for somebody else's and for nobody's thing: there must be no telling them apart."""
    asked, unknown = await world.http.request(**theirs), await world.http.request(**nobodys)
    assert told(asked, repeats=THEIR_CODE) == told(unknown, repeats=NOBODYS["code"]), (label, asked.text, unknown.text)
    assert not any(mark in asked.text for mark in marks), label
    assert asked.status_code < 500, (label, asked.text)
    return asked.status_code


@pytest.mark.shows("fault G3", "API1", "I28", "ASVS 8.4.1")
async def test_g3_an_id_of_another_tenant_in_a_path_is_an_id_of_nothing(world, neighbours):
    mine, theirs, marks = neighbours
    examined = 0
    for method, path, operation in await all_operations(world):
        label, names = f"{method} {path}", parameters(path)
        if not names:
            continue
        body = {}
        if "requestBody" in operation:
            assert label in BODIES, f"say with which body {label} would be carried out"
            body = {"json": BODIES[label]}
        for strange in {tuple(names), *((name,) for name in names)}:
            # What is named by code, or by the name of an organization, is named within the tenant.
            asked = {name: theirs if name in strange else mine for name in names}
            unknown = {name: NOBODYS if name in strange else mine for name in names}
            status = await same_as_nobodys(
                world,
                marks,
                (label, strange),
                {"method": method, "url": filled(path, asked), **body},
                {"method": method, "url": filled(path, unknown), **body},
            )
            assert status == 404 or strange == ("code",), (label, strange, status)
            examined += 1
        if method == "GET":
            own = await world.http.get(filled(path, dict.fromkeys(names, mine)))
            assert own.status_code in {200, 302}, f"{label}: what is mine is found ({own.text})"
    assert examined > 40, examined


@pytest.mark.shows("fault G3", "API1", "I28", "I27")
async def test_g3_an_id_of_another_tenant_in_a_body_is_an_id_of_nothing(world, neighbours):
    mine, theirs, marks = neighbours
    served = {f"{method} {path}": operation for method, path, operation in await all_operations(world)}
    for label, references, own in REFERENCES:
        assert label in served, label
        method, _, path = label.partition(" ")
        url = filled(path, dict.fromkeys(parameters(path), mine))
        rest_of_it = REQUIRED.get(label, {}) | {name: mine[kind] for name, kind in own.items()}
        asked, unknown = (
            {"method": method, "url": url, "json": {**rest_of_it, **{n: whose[k] for n, k in references.items()}}}
            for whose in (theirs, NOBODYS)
        )
        status = await same_as_nobodys(world, marks, (label, references), asked, unknown)
        assert 400 <= status < 500, (label, references, status)


@pytest.mark.shows("fault G3", "API1", "I28")
async def test_g3_an_id_of_another_tenant_in_a_query_finds_nothing(world, neighbours):
    mine, theirs, marks = neighbours
    examined = 0
    for method, path, operation in await all_operations(world):
        named = [each["name"] for each in operation.get("parameters", []) if each["in"] == "query"]
        for name, whose in itertools.product(named, [theirs]):
            if name not in KINDS:
                continue
            url = filled(path, dict.fromkeys(parameters(path), mine))
            status = await same_as_nobodys(
                world,
                marks,
                (method, path, name),
                {"method": method, "url": url, "params": {name: whose[KINDS[name]]}},
                {"method": method, "url": url, "params": {name: NOBODYS[KINDS[name]]}},
            )
            assert status in {200, 404}, (path, name, status)
            examined += 1
    assert examined >= 5


@pytest.mark.shows("fault G3", "I28")
async def test_g3_a_cursor_or_a_key_of_another_tenant_says_nothing_about_it(world, installation):
    async with a_world(installation, starts_at=START) as other:
        for number in range(3):
            await other.customer(f"umbrella-{number}")
            await world.customer(f"acme-{number}")
        page = (await other.http.get("/api/customers", params={"limit": 1})).json()
        stolen = await world.http.get("/api/customers", params={"limit": 100, "cursor": page["page"]["next_cursor"]})
        assert "umbrella" not in stolen.text
        assert stolen.status_code in {200, 400, 422}
        key = {"Idempotency-Key": f"g3-{uuid4()}"}
        body = {"organization_id": "shared", "name": "Shared", "email": "a@shared.example", "kind": "organization"}
        theirs = await other.http.post("/api/customers", json=body, headers=key)
        mine = await world.http.post("/api/customers", json=body, headers=key)
        assert (theirs.status_code, mine.status_code) == (201, 201)
        assert theirs.json()["data"]["id"] != mine.json()["data"]["id"]
