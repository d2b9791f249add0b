"""The provider's webhooks on the worst day: too early, too often, in any order, and from somebody else."""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import time

import httpx
import pytest

from tests.support.outcomes import (
    a_subscriber,
    assert_paid_once,
    is_eligible,
    open_hosted_page,
    pay_on,
    rest,
    the_payment,
)
from tests.support.processes import until
from tests.support.world import a_world
from tests.support.worst_day import counter_of

HEADER = "Simulated-Signature"
DECLINED, ASKS_TO_APPROVE, GOOD = "4000000000000002", "4000002760003184", "4242424242424242"


@pytest.fixture
async def counter(world):
    async with counter_of(world) as counter:
        yield counter


def signed(secret, body, *, at=None):
    at = int(time.time()) if at is None else at
    return f"t={at},v1={hmac.digest(secret.encode(), f'{at}.'.encode() + body, 'sha256').hex()}"


async def delivered(counter, body, headers):
    async with httpx.AsyncClient(trust_env=False, timeout=30) as anybody:
        return await anybody.post(
            counter.endpoint_url, content=body, headers={"Content-Type": "application/json", **headers}
        )


def wire(event):
    """The bytes that the provider sends of an event."""
    return json.dumps({key: value for key, value in event.items() if key not in {"object", "deliveries"}}).encode()


async def test_c1_the_webhook_comes_before_the_answer_to_the_charge(world, counter):
    await world.plan()
    card = await a_subscriber(world)
    await counter.fault("webhook_first", "confirm")
    subscription = await world.subscribe(payment_method_id=card["id"])

    await assert_paid_once(world, counter, subscription)


async def test_c1_the_webhook_alone_settles_while_the_answer_is_still_held(world, counter):
    await world.plan()
    card = await a_subscriber(world)
    await counter.fault("hold", "confirm", times=1)
    subscription = await world.subscribe(payment_method_id=card["id"])
    await counter.until_held("confirm")
    await until(lambda: is_eligible(world), what="access by the webhook")
    await counter.release()

    await assert_paid_once(world, counter, subscription)


@pytest.mark.shows("ASVS 2.3.3", "API10")
async def test_c2_fifty_at_once_and_again_later_are_all_thanked_and_have_one_effect(world, counter):
    await world.plan()
    await world.customer()
    await counter.webhooks("drop")
    subscription = await world.subscribe()
    await pay_on(await open_hosted_page(world, subscription["payment_link"]))
    [event] = [each for each in await counter.events() if each["type"] == "payment_intent.succeeded"]
    body, secret = wire(event), await counter.endpoint_secret()

    async def fifty():
        answers = await asyncio.gather(*(delivered(counter, body, {HEADER: signed(secret, body)}) for _ in range(50)))
        return [answer.status_code for answer in answers]

    first = await fifty()
    await until(lambda: is_eligible(world), what="access by the webhook")
    await counter.release()
    await world.advance(days=3)
    second = await fifty()
    assert all(200 <= status < 300 for status in first + second), (first, second)
    await counter.redeliver(event["id"], copies=5)

    await assert_paid_once(world, counter, subscription)
    assert (await world.heard()).count("payments.payment.succeeded") == 1


async def a_payment_with_four_events(world, counter, organization_id):
    """Pay at the fifth try, and let no word of it out: declined, to be approved, refused by the customer, paid."""
    await world.customer(organization_id)
    subscription = await world.subscribe(organization_id)
    page = await open_hosted_page(world, subscription["payment_link"])
    await pay_on(page, DECLINED)
    asked = await pay_on(page, ASKS_TO_APPROVE)
    intent = asked.headers["location"].rpartition("/")[2]
    await counter.approve(intent, is_approved=False)
    await pay_on(page, GOOD)
    events = [each["id"] for each in await counter.events(intent)]
    types = [each["type"].partition(".")[2] for each in await counter.events(intent)]
    assert types == ["payment_failed", "requires_action", "payment_failed", "succeeded"]
    return organization_id, subscription, events


@pytest.mark.shows("ASVS 2.3.1")
async def test_c3_four_events_in_all_their_orders_end_in_the_same_state(world, counter):
    await world.plan()
    await counter.webhooks("hold")
    orders = list(itertools.permutations(range(4)))
    some_at_a_time = asyncio.Semaphore(6)

    async def one(number):
        async with some_at_a_time:
            return await a_payment_with_four_events(world, counter, f"order-{number:02}")

    paid = await asyncio.gather(*(one(number) for number in range(len(orders))))

    for order, (_, _, events) in zip(orders, paid, strict=True):
        answers = await counter.deliver([events[number] for number in order])
        assert len(answers) == 4
        assert all(answer.startswith("2") for answer in answers), (order, answers)

    for order, (organization_id, subscription, _) in zip(orders, paid, strict=True):

        async def served(organization_id=organization_id):
            return await is_eligible(world, organization_id)

        await until(served, what=f"access after {order}")
        found = await world.get(f"/api/subscriptions/{subscription['id']}")
        assert found["status"] == "active", order
    await counter.webhooks("ok")
    await rest(world)
    payments = await world.get("/api/payments", limit=200)
    assert [payment["status"] for payment in payments] == ["succeeded"] * len(orders)
    assert len(await counter.charges()) == len(orders)
    events = await world.heard()
    assert events.count("payments.payment.succeeded") == len(orders)
    assert events.count("payments.payment.failed") == 0
    for organization_id, _, _ in paid:
        kinds = await world.mails(organization_id)
        assert kinds.count("payment_succeeded") == 1
        assert len(kinds) == len(set(kinds)), kinds


def forgeries(body, secret, other_secret):
    """What an attacker, a broken proxy or another tenant would send: a name, the body and the header of each."""
    now = int(time.time())
    good = signed(secret, body)
    mac = good.partition("v1=")[2]
    unkeyed = hashlib.sha256(f"{now}.".encode() + body).hexdigest()
    encoded = base64.b64encode(bytes.fromhex(mac)).decode()
    other_body = body.replace(b'"amount"', b'"amount" ')
    return {
        "no header": (body, None),
        "an empty header": (body, ""),
        "no comma": (body, good.replace(",", "")),
        "a time that is none": (body, f"t=abc,v1={mac}"),
        "no time": (body, f"v1={mac}"),
        "no signature": (body, f"t={now}"),
        "an empty signature": (body, f"t={now},v1="),
        "a signature in base64": (body, f"t={now},v1={encoded}"),
        "a signature that is no text": (body, f"t={now},v1=\xff\xfe"),
        "half a signature": (body, f"t={now},v1={mac[:32]}"),
        "a signature without a key": (body, f"t={now},v1={unkeyed}"),
        "signed with nothing": (body, signed("", body)),
        "a wrong secret": (body, signed("whsec_guess", body)),
        "the secret without its prefix": (body, signed(secret.removeprefix("whsec_"), body)),
        "another tenant's secret": (body, signed(other_secret, body)),
        "other bytes than were signed": (other_body, good),
        "a byte more": (body + b" ", good),
        "a mark before it": (b"\xef\xbb\xbf" + body, good),
        "the time alone changed": (body, f"t={now + 1},v1={mac}"),
        "six minutes old": (body, signed(secret, body, at=now - 360)),
        "from in an hour": (body, signed(secret, body, at=now + 3_600)),
        "a time beyond all calendars": (body, signed(secret, body, at=10**18)),
        "a time of thousands of digits": (body, f"t={'9' * 5000},v1={mac}"),
        "a header of 32 kB": (body, f"t={now}," + "v1=00," * 5_000),
        "a scheme of its own": (body, f"t={now},v0={mac}"),
    }


@pytest.mark.shows("fault C4", "fault C5", "ASVS 16.5.3", "API10", "ASVS 4.1.5")
async def test_c4_a_forged_webhook_is_refused_and_has_no_effect(world, counter, installation):
    await world.plan()
    await world.customer()
    await counter.webhooks("drop")
    subscription = await world.subscribe()
    await pay_on(await open_hosted_page(world, subscription["payment_link"]))
    [event] = [each for each in await counter.events() if each["type"] == "payment_intent.succeeded"]
    body, secret = wire(event), await counter.endpoint_secret()
    async with a_world(installation) as other, counter_of(other) as others_counter:
        other_secret = await others_counter.endpoint_secret()

    for name, (sent, header) in forgeries(body, secret, other_secret).items():
        headers = {} if header is None else {HEADER: header.encode("latin-1")}
        answer = await delivered(counter, sent, headers)
        assert answer.status_code in {400, 401, 431}, (name, answer.status_code, answer.text)
        assert secret not in answer.text
    nobodys = counter.endpoint_url[:-12] + "000000000000"
    async with httpx.AsyncClient(trust_env=False, timeout=60) as anybody:
        for url in (nobodys, nobodys.rpartition("/")[0], world.absolute("/api/webhooks/nobody")):
            answer = await anybody.post(url, content=body, headers={HEADER: signed(secret, body)})
            assert answer.status_code in {400, 401, 404}, (url, answer.status_code, answer.text)
    await asyncio.sleep(0.5)
    assert (await the_payment(world))["status"] not in {"succeeded", "declined"}
    assert not await is_eligible(world)

    # The same bytes, signed with the right secret: what was refused above was refused for its signature.
    right = await delivered(counter, body, {HEADER: signed(secret, body)})
    assert 200 <= right.status_code < 300, right.text
    await until(lambda: is_eligible(world), what="access by the webhook")
    await assert_paid_once(world, counter, subscription)
