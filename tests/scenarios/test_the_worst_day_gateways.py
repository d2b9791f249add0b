"""Providers on the worst day: refusing, talking nonsense, taking days, forgetting, mute. GUARANTEES: B3-B6, B9, C6-C10.

B8 is in test_refunds_and_disputes.py, C5 among the forgeries of test_the_worst_day_webhooks.py.
"""

import asyncio
import gzip
import json
import time
from collections import Counter as Count
from datetime import timedelta

import pytest

from tests.scenarios.conftest import START
from tests.scenarios.test_the_worst_day_webhooks import HEADER, delivered, signed, wire
from tests.support.database import connected
from tests.support.doctor import assert_healthy
from tests.support.outcomes import (
    FAILURES,
    a_subscriber,
    assert_paid_once,
    is_eligible,
    open_hosted_page,
    pay_on,
    payment_status,
    payments_of,
    rest,
)
from tests.support.processes import until
from tests.support.world import a_world
from tests.support.worst_day import counter_of, in_a_hurry, raw_exchange

TOO_LONG = 1_000_001


@pytest.fixture
async def counter(world):
    async with counter_of(world) as counter:
        yield counter


@pytest.fixture
async def card(world):
    await world.plan()
    return await a_subscriber(world)


async def health(world):
    [found] = await world.get("/api/gateways/health")
    return found


@pytest.mark.slow
@pytest.mark.shows("ASVS 16.5.2", "ASVS 15.2.2")
async def test_b3_a_provider_that_refuses_one_tenant_goes_down_for_it_and_for_nobody_else(
    world, counter, card, installation
):
    await counter.fault("status", status=503)
    subscription = await world.subscribe(payment_method_id=card["id"])
    async with a_world(installation, starts_at=START) as other, counter_of(other) as others:
        await other.plan()
        theirs = await a_subscriber(other)
        bought = await other.subscribe(payment_method_id=theirs["id"])
        await until(lambda: is_eligible(other), what="the other's access")

        async def is_down():
            return (await health(world))["is_down"]

        async with in_a_hurry(world):
            await until(is_down, what="the account's being down")
        assert not (await health(other))["is_down"]
        assert (await health(other))["outages"] == 0
        await assert_paid_once(other, others, bought)
        await assert_healthy(installation, tenant_id=other.tenant_id)
    standing = await health(world)
    assert (standing["outages"] >= 5, standing["declined"]) == (True, 0)
    assert not FAILURES & set(await world.mails("acme"))

    await counter.well_again()
    await world.advance(hours=1)
    await assert_paid_once(world, counter, subscription)
    assert not (await health(world))["is_down"]
    assert [name for name in await world.heard() if name.startswith("gateways.account.")] == [
        "gateways.account.connected",
        "gateways.account.down",
        "gateways.account.up",
    ]


async def test_b3_who_is_asked_to_wait_waits(world, counter, card):
    await counter.fault("status", "prepare", status=429, retry_after=2, times=1)
    began = time.monotonic()
    subscription = await world.subscribe(payment_method_id=card["id"])
    await until(lambda: is_eligible(world), what="access")
    assert time.monotonic() - began >= 2
    await assert_paid_once(world, counter, subscription)


@pytest.mark.shows("fault B4", "API10")
@pytest.mark.parametrize("mode", ["html", pytest.param("truncated", marks=pytest.mark.slow), "unknown_status"])
async def test_b4_nonsense_is_no_answer(world, counter, card, mode):
    await counter.webhooks("drop")
    await counter.fault(mode, "confirm", times=1)
    subscription = await world.subscribe(payment_method_id=card["id"])
    await world.advance(hours=1)
    await assert_paid_once(world, counter, subscription)


@pytest.mark.shows("fault B4", "API10")
async def test_b4_another_amount_than_was_asked_for_is_left_to_a_person(world, counter, card):
    await counter.webhooks("drop")
    await counter.fault("wrong_amount", "confirm", amount=1)
    await counter.fault("wrong_amount", "lookup", amount=1)
    await world.subscribe(payment_method_id=card["id"])

    async def parked():
        return "payments.payment.parked" in await world.heard()

    await until(parked, what="the payment's being parked")
    await rest(world)
    assert not await is_eligible(world)
    [invoice] = await world.get("/api/invoices")
    assert (invoice["status"], await payment_status(world)) == ("open", "unknown")
    # It was the answer that was wrong: the next look says what was charged.
    await counter.well_again()
    await world.advance(hours=2)
    assert len(await counter.charges()) == 1


@pytest.mark.slow
async def test_b5_what_takes_nine_days_is_waited_for_in_silence(world, counter):
    await counter.http.post(f"/sim/accounts/{counter.account}/settings", json={"async_delay_seconds": 9 * 86_400})
    await world.plan()
    slow = await a_subscriber(world, "pm_card_async")
    subscription = await world.subscribe(payment_method_id=slow["id"])
    await world.advance(days=8)
    assert not await is_eligible(world), "no access from what is only pending"
    assert not FAILURES & set(await world.mails("acme"))
    assert len(await payments_of(world)) == 1
    await world.advance(days=2)
    await assert_paid_once(world, counter, subscription)


@pytest.mark.slow
async def test_b6_when_the_provider_has_forgotten_its_keys_nothing_is_charged_twice(world, counter, card):
    await counter.webhooks("drop")
    await counter.fault("drop_after", "confirm")
    # As often as it is asked in a row; the next look is the clock's.
    await counter.fault("status", "lookup", status=503, times=4)
    subscription = await world.subscribe(payment_method_id=card["id"])
    async with in_a_hurry(world):
        await rest(world)
    assert (len(await counter.charges()), await payment_status(world)) == (1, "unknown")
    forgotten_at = await world.now() + timedelta(hours=30)
    await counter.http.post(f"/sim/accounts/{counter.account}/clock", json={"now": forgotten_at.isoformat()})
    await counter.well_again()
    await world.advance(hours=31)
    await assert_paid_once(world, counter, subscription)


@pytest.mark.shows("ASVS 16.5.2", "ASVS 13.3.4")
async def test_b9_a_key_that_is_taken_back_declines_nothing_and_a_new_one_goes_on(world, counter, card):
    await counter.fault("revoked")
    subscription = await world.subscribe(payment_method_id=card["id"])

    async def refused():
        return (await health(world))["status"] == "key_refused"

    await until(refused, what="the refusal of the key")
    await world.advance(hours=1)
    assert await payment_status(world) not in {"declined", "succeeded"}
    assert not FAILURES & set(await world.mails("acme"))
    events = await world.heard()
    assert events.count("gateways.account.refused_us") == 1
    assert "payments.payment.failed" not in events

    await counter.well_again()
    [account] = await world.get("/api/gateways")
    await world.post(f"/api/gateways/{account['id']}/key", {"secret_key": f"sk_sim_{counter.account}"})
    await world.advance(hours=2)
    await assert_paid_once(world, counter, subscription)


async def an_untold_payment(world, counter):
    """A payment that was made on the page, and the event that nobody has told us of."""
    await world.plan()
    await world.customer()
    await counter.webhooks("drop")
    subscription = await world.subscribe()
    await pay_on(await open_hosted_page(world, subscription["payment_link"]))
    [event] = [each for each in await counter.events() if each["type"] == "payment_intent.succeeded"]
    return subscription, event


@pytest.mark.shows("fault C6", "fault G3", "API10")
async def test_c6_what_another_tenant_says_of_our_payment_is_kept_and_moves_nothing(world, counter, installation):
    subscription, event = await an_untold_payment(world, counter)
    body = wire(event)
    async with a_world(installation) as other, counter_of(other) as others:
        secret = await others.endpoint_secret()
        answer = await delivered(others, body, {HEADER: signed(secret, body)})
        assert answer.status_code in {200, 400, 401}
        await rest(other)
        assert str(world.tenant_id) not in answer.text
        assert await other.get("/api/payments") == []
    assert await payment_status(world) != "succeeded"
    assert not await is_eligible(world)
    ours = await counter.endpoint_secret()
    assert (await delivered(counter, body, {HEADER: signed(ours, body)})).status_code == 200
    await assert_paid_once(world, counter, subscription)


@pytest.mark.shows("fault C7", "ASVS 1.5.3", "API10")
async def test_c7_the_bytes_that_came_are_what_is_verified(world, counter):
    subscription, event = await an_untold_payment(world, counter)
    body, secret = wire(event), await counter.endpoint_secret()
    good = {HEADER: signed(secret, body)}
    written_anew = json.dumps(json.loads(body), indent=1).encode()
    for sent in (written_anew, body + b"\n", gzip.compress(body)):
        refused = await delivered(counter, sent, good)
        assert refused.status_code in {400, 401, 415}, (sent[:40], refused.status_code)
    refused = await delivered(counter, gzip.compress(body), {**good, "Content-Encoding": "gzip"})
    assert refused.status_code in {400, 401, 415}
    long = b" " * TOO_LONG
    assert (await delivered(counter, long, {HEADER: signed(secret, long)})).status_code == 413
    # Said beforehand, it is not even read.
    path = counter.endpoint_url.removeprefix(world.installation.base_url)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
    status, _ = await raw_exchange(world.installation.base_url, f"{head}Content-Length: 99999999\r\n\r\n".encode())
    assert status == 413
    assert await payment_status(world) != "succeeded"

    # In pieces, they are the same bytes.
    pieces = b"".join(
        f"{len(body[n : n + 7]):x}\r\n".encode() + body[n : n + 7] + b"\r\n" for n in range(0, len(body), 7)
    )
    request = f"{head}{HEADER}: {good[HEADER]}\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + pieces + b"0\r\n\r\n"
    assert (await raw_exchange(world.installation.base_url, request))[0] == 200
    await assert_paid_once(world, counter, subscription)


@pytest.mark.shows("fault C8", "API10")
async def test_c8_what_is_new_at_the_provider_is_thanked_for_and_stops_nothing(world, counter):
    subscription, event = await an_untold_payment(world, counter)
    secret = await counter.endpoint_secret()
    shown = json.loads(wire(event))
    strange = [
        shown | {"id": "evt_new_type", "type": "payment_intent.dreamt_of"},
        shown | {"id": "evt_no_object", "type": "customer.updated", "data": {}},
        shown | {"id": "evt_list", "type": "balance.available", "data": {"object": {"id": "x", "amounts": [1, 2]}}},
    ]
    for each in strange:
        body = json.dumps(each).encode()
        assert (await delivered(counter, body, {HEADER: signed(secret, body)})).status_code == 200, each
    await rest(world)
    assert await payment_status(world) != "succeeded"
    newer = json.dumps(shown | {"api_version": "2031-01-01", "context": {"new": [None, True]}}).encode()
    assert (await delivered(counter, newer, {HEADER: signed(secret, newer)})).status_code == 200
    await assert_paid_once(world, counter, subscription)


async def test_c9_three_days_without_any_webhook_lose_nothing(world, counter):
    await world.plan()
    await counter.webhooks("drop")
    for token, name in (("pm_card_ok", "saved"), ("pm_card_charged_no_answer", "mute"), ("pm_card_async", "slow")):
        method = await a_subscriber(world, token, name)
        await world.subscribe(name, payment_method_id=method["id"])
    await world.customer("page")
    bought = await world.subscribe("page")
    await pay_on(await open_hosted_page(world, bought["payment_link"]))
    async with in_a_hurry(world):
        await world.advance(days=1)
    assert [await is_eligible(world, name) for name in ("saved", "mute", "page", "slow")] == [True, True, True, False]
    await world.advance(days=2, hours=2)
    assert await is_eligible(world, "slow")
    assert Count(each["status"] for each in await payments_of(world)) == {"succeeded": 4}
    assert len(await counter.charges()) == 4


@pytest.mark.slow
async def test_c10_a_burst_while_the_database_stands_still_is_kept_to_the_last(world, counter, installation):
    subscription, event = await an_untold_payment(world, counter)
    secret, shown = await counter.endpoint_secret(), json.loads(wire(event))
    bodies = [json.dumps(shown | {"id": f"evt_burst_{n}"}).encode() for n in range(100)]
    gate = asyncio.Semaphore(40)

    async def one(body):
        async with gate:
            began = time.monotonic()
            answer = await delivered(counter, body, {HEADER: signed(secret, body)})
            return answer.status_code, time.monotonic() - began

    async with connected(installation.urls.admin) as admin:
        async with admin.transaction():
            await admin.execute("lock table gateways.notices in share row exclusive mode")
            sending = [asyncio.create_task(one(body)) for body in bodies]
            await asyncio.sleep(1.5)
            assert not any(each.done() for each in sending), "thanked for what is not kept yet"
        answers = await asyncio.gather(*sending)
        kept = await admin.fetchval("select count(*) from gateways.notices where tenant_id = $1", world.tenant_id)
    assert {status for status, _ in answers} == {200}
    assert kept >= len(bodies)
    await assert_paid_once(world, counter, subscription)
    assert (await world.heard()).count("payments.payment.succeeded") == 1
