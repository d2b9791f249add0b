"""Providers' webhooks: kept and answered once signed and committed; everything else is refused, and never a 500."""

import asyncio
import gzip
import json
from uuid import uuid4

import pytest

from guilder.domain.gateways import service as gateways
from guilder.domain.identity.model import Mode
from guilder.kernel import ids
from guilder.kernel.noun import replace
from guilder.platform.http.settings import Allowance
from simulated_provider.webhooks import sign
from tests.http.gateways.webhooks import WAYS, a_site, an_event, kept, post
from tests.support.builders.gateways import a_gateway
from tests.support.builders.identity import a_tenant, new_tenant


@pytest.fixture(params=WAYS)
async def site(request, database, till, monkeypatch):
    """What is here holds for each."""
    async with a_site(database, till, monkeypatch, way=request.param) as site:
        yield site


async def test_a_notice_of_ours_is_kept_and_settles(site, till):
    await till.a_card()
    payment = await till.collect()
    till.merchant.sim("faults", {"mode": "drop_after", "op": "confirm"})
    await till.settle()
    [event] = till.events("payment_intent.succeeded")
    body, headers = till.signed(event)
    answers = await asyncio.gather(*[post(site, till, body, headers) for _ in range(50)])
    assert {answer.status_code for answer in answers} == {200}
    await till.hear()
    assert (await till.payment(payment)).status == "succeeded"
    assert (await till.heard()).count("payments.payment.succeeded") == 1
    assert (await kept(till)).count(("payment_intent.succeeded", "")) == 1
    assert (await post(site, till, body, headers)).status_code == 200


async def asked_both_ways(site, till, body, headers, monkeypatch):
    """Return what is answered ahead and the whole way, and which of them was served ahead."""
    ways, served_ahead, ahead = [], [], site.app.ahead
    way = ahead.served

    async def noted(*request):
        left = await way(*request)
        served_ahead.append(left is None)
        return left

    monkeypatch.setattr(ahead, "served", noted)
    for each in (ahead, None):
        site.app.ahead = each
        ways.append(await post(site, till, body, headers))
    site.app.ahead = ahead
    return *ways, served_ahead


@pytest.mark.parametrize("site", ["ahead"], indirect=True)
@pytest.mark.parametrize(
    ("more", "is_ahead"),
    [
        ({}, True),
        ({"Stranger-Than": "fiction"}, True),
        ({"Origin": "https://example.com"}, False),
        ({"Guilder-Version": "1999-01-01"}, False),
        ({"Guilder-Reason": "%00"}, False),
        ({"Idempotency-Key": "4111111111111111"}, False),
        ({"Traceparent": f"00-{'a' * 32}-{'b' * 16}-00"}, False),
    ],
    ids=str,
)
async def test_it_is_answered_ahead_word_for_word_as_the_whole_way(site, till, more, is_ahead, monkeypatch):
    body, headers = till.signed(an_event(till))
    ahead, whole, served_ahead = await asked_both_ways(site, till, body, {**headers, **more}, monkeypatch)
    assert served_ahead == [is_ahead]
    assert ahead.status_code == whole.status_code
    assert ahead.text.replace(ahead.headers["x-request-id"], "") == whole.text.replace(
        whole.headers["x-request-id"], ""
    )
    own = ("x-request-id",)
    assert {n: v for n, v in ahead.headers.items() if n not in own} == {
        n: v for n, v in whole.headers.items() if n not in own
    }


FORGERIES = {
    "no header": lambda body, secret, at: {},
    "empty": lambda body, secret, at: {"simulated-signature": ""},
    "no comma": lambda body, secret, at: {"simulated-signature": f"t={at}"},
    "no time": lambda body, secret, at: {"simulated-signature": sign(secret, body, at=at).partition(",")[2]},
    "t=abc": lambda body, secret, at: {"simulated-signature": sign(secret, body, at=at).replace(str(at), "abc")},
    "t negative": lambda body, secret, at: {"simulated-signature": sign(secret, body, at=-1)},
    "t of other digits": lambda body, secret, at: {"simulated-signature": "t=¹²³,v1=aa".encode("latin-1", "ignore")},
    "two times": lambda body, secret, at: {"simulated-signature": f"t={at}," + sign(secret, body, at=at)},
    "huge time": lambda body, secret, at: {"simulated-signature": f"t={'9' * 400},v1=aa"},
    "not hex": lambda body, secret, at: {"simulated-signature": f"t={at},v1=%%%"},
    "other scheme": lambda body, secret, at: {"simulated-signature": sign(secret, body, at=at).replace("v1=", "v0=")},
    "wrong secret": lambda body, secret, at: {"simulated-signature": sign("whsec_wrong", body, at=at)},
    "empty secret": lambda body, secret, at: {"simulated-signature": sign("", body, at=at)},
    "other body": lambda body, secret, at: {"simulated-signature": sign(secret, body + b" ", at=at)},
    "stale": lambda body, secret, at: {"simulated-signature": sign(secret, body, at=at - 301)},
    "of the future": lambda body, secret, at: {"simulated-signature": sign(secret, body, at=at + 301)},
    "long header": lambda body, secret, at: {"simulated-signature": "v1=a," * 10_000 + sign(secret, body, at=at)},
}


@pytest.mark.shows("fault C4", "fault C5", "API10", "ASVS 16.5.3")
@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_forgery_is_refused_in_one_way_and_leaves_nothing(site, till, forgery):
    body = json.dumps(an_event(till)).encode()
    headers = FORGERIES[forgery](body, till.secret, int(till.now.timestamp()))
    answer = await post(site, till, body, headers)
    said = answer.json()
    assert (answer.status_code, said["code"]) == (401, "webhook_refused")
    assert await kept(till) == []
    unknown = await post(site, till, body, headers, f"/api/webhooks/simulated/{uuid4()}")
    assert {**unknown.json(), "request_id": "", "instance": ""} == {**said, "request_id": "", "instance": ""}


async def test_a_forgery_among_others_is_refused_and_harms_none_of_them(site, till):
    events = [json.dumps(an_event(till)).encode() for _ in range(12)]
    right, at = [till.signed(each)[1] for each in events], int(till.now.timestamp())
    forged = [FORGERIES["wrong secret"](each, till.secret, at) for each in events]
    nothing = till.signed(b"nothing")[1]
    sent = [
        (events[0], right[0]),
        *zip(events, forged, strict=True),
        (b"nothing", nothing),
        *zip(events, right, strict=True),
    ]
    answers = await asyncio.gather(*[post(site, till, body, headers) for body, headers in sent])
    assert [each.status_code for each in answers] == [200, *[401] * 12, 400, *[200] * 12]
    assert len(await kept(till)) == 12


async def test_a_provider_is_heard_however_much_it_has_to_tell_at_once(site, till):
    edge = site.app.state.edge
    site.app.state.edge = replace(edge, settings=replace(edge.settings, per_address=Allowance(1)))
    answers = [await post(site, till, *till.signed(an_event(till))) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]


@pytest.mark.parametrize(
    "path", ["simulated/not-an-id", "simulated", "stripe", "stripe/00000000-0000-7000-8000-000000000001", "nope"]
)
async def test_an_address_that_is_nobodys_is_refused_likewise(site, till, path):
    body, headers = till.signed(an_event(till))
    answer = await post(site, till, body, headers, f"/api/webhooks/{path}")
    assert (answer.status_code, answer.json()["code"]) == (401, "webhook_refused")


@pytest.mark.shows("fault C6", "fault G3")
async def test_another_tenants_secret_opens_nothing(site, till):
    async with till.database.transaction(actor="test") as tx:
        other = await a_tenant(tx)
        await a_gateway(tx)
        [opened] = await gateways.open_accounts(tx)
    body, headers = till.signed(an_event(till), secret=opened.endpoint_secret)
    assert (await post(site, till, body, headers)).status_code == 401
    # Signed rightly on its own address, it still reaches nothing of the other tenant's.
    await till.a_card()
    payment = await till.collect()
    await till.hear()
    event = an_event(till, account=opened.account.provider_account)
    event["data"]["object"]["metadata"]["business_key"] = payment.business_key
    body, headers = till.signed(event, secret=opened.endpoint_secret)
    path = f"/api/webhooks/simulated/{opened.account.endpoint_id}"
    assert (await post(site, till, body, headers, path)).status_code == 200
    await till.hear()
    assert (await till.payment(payment)).status == "requested"
    async with till.database.transaction([other.tenant_id], actor="test") as tx:
        rows = await tx.fetch("select ignored_because from gateways.notices")
    assert [row[0] for row in rows] == ["other_tenant"]


@pytest.mark.shows("fault C6", "fault C8")
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"type": "customer.created"}, "unknown_type"),
        ({"type": "payment_intent.succeeded.v9"}, "unknown_type"),
        ({"data": None}, "unknown_type"),
        ({"data": {"object": []}}, "unknown_type"),
        ({"account": "somebody_else"}, "other_account"),
        ({"intent": {"metadata": {}}}, "other_tenant"),
        ({"intent": {"metadata": None}}, "other_tenant"),
        ({}, "never_asked"),
        ({"intent": {"amount": "4900"}}, "never_asked"),
    ],
)
async def test_what_does_not_concern_us_is_kept_and_ignored(site, till, change, why):
    body, headers = till.signed(an_event(till, **change))
    assert (await post(site, till, body, headers)).status_code == 200
    assert [reason for _, reason in await kept(till)] == [why]
    assert "gateways.notice.received" not in await till.heard()


@pytest.mark.shows("fault C7", "fault C8")
@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"\xef\xbb\xbf{}", b"\x00", gzip.compress(b'{"id":"evt_1"}', mtime=0)]
)
async def test_what_is_signed_and_unreadable_is_a_400(site, till, body):
    _, headers = till.signed(body)
    assert (await post(site, till, body, headers)).status_code == 400


@pytest.mark.shows("fault C7", "fault C8")
@pytest.mark.parametrize("word", ["\ud800", "\x00"])
async def test_words_that_cannot_be_kept_are_heard_without_them(site, till, word):
    await till.a_card()
    payment = await till.collect()
    await till.hear()
    said = {
        "last_error": {"code": f"no{word}", "message": f"a{word}b"},
        "metadata": {"business_key": payment.business_key},
    }
    intent = {"status": "requires_payment_method", **said}
    body, headers = till.signed(an_event(till, intent=intent, type="payment_intent.payment_failed"))
    assert (await post(site, till, body, headers)).status_code == 200
    assert [why for _, why in await kept(till)] == [""]


@pytest.mark.shows("fault C7", "API4")
async def test_more_than_a_megabyte_is_not_read(site, till):
    body, headers = till.signed(b"x" * 1_000_001)
    assert (await post(site, till, body, headers)).status_code == 413


async def test_the_bare_path_is_the_one_accounts_that_hears_it(site, till):
    async with till.tx() as tx:
        account = await a_gateway(tx, hears_bare_path=True, is_default=False, account="bare_shop")
        opened = next(each for each in await gateways.open_accounts(tx) if each.account.id == account.id)
    body, headers = till.signed(an_event(till, account="bare_shop"), secret=opened.endpoint_secret)
    assert (await post(site, till, body, headers, "/api/webhooks/simulated")).status_code == 200
    assert await kept(till) == [("payment_intent.succeeded", "never_asked")]


@pytest.mark.shows("I29", "ASVS 14.2.6", "ASVS 15.3.1")
async def test_a_secret_key_goes_in_and_never_comes_out(site, till):
    ask = await site.key_of(till.tenant)
    secret = "sk_sim_quite_secret"
    made = await ask("POST", "/api/gateways", {"gateway": "simulated", "name": "Second", "secret_key": secret})
    assert made.status_code == 201, made.text
    listed = await ask("GET", "/api/gateways")
    assert [each["name"] for each in listed.json()["data"]] == ["Simulated", "Second"]
    assert [each["is_default"] for each in listed.json()["data"]] == [True, False]
    for text in (made.text, listed.text):
        assert secret not in text
        assert "whsec" not in text
    unknown = await ask("POST", "/api/gateways", {"gateway": "nope", "name": "x", "secret_key": secret})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_gateway")


@pytest.mark.shows("I29")
def test_the_pieces_of_an_account_are_not_shown_by_accident(till):
    opened = replace(till.account, name="x")
    assert str(ids.to_text("gwa", opened.id))
    assert till.secret not in repr(till)


@pytest.mark.shows("ASVS 15.2.3")
async def test_a_live_tenant_cannot_charge_where_no_money_moves(site, database):
    live = await new_tenant(database, mode=Mode.LIVE)
    ask = await site.key_of(live)
    body = {"gateway": "simulated", "name": "Toy", "secret_key": "sk_sim_toy"}
    refused = await ask("POST", "/api/gateways", body)
    assert (refused.status_code, refused.json()["code"]) == (409, "simulated_moves_no_money")
