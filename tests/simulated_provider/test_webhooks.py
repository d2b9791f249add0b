"""Webhooks: signed, retried, and led astray on request."""

import pytest

from tests.simulated_provider.support import wait_until


@pytest.fixture
def listened(merchant, ear):
    merchant.post("/v1/webhook_endpoints", {"url": ear.url, "secret": ear.secret})
    return merchant


def test_events_come_signed_and_tell_the_whole_story(listened, ear):
    listened.sim("clock", {"now": "2026-01-31T00:00:00Z"})
    intent = listened.prepare(setup_future_usage="off_session", customer="c")
    listened.confirm(intent, "pm_card_declined")
    listened.confirm(intent)
    listened.post("/v1/refunds", {"payment_intent": intent})
    wait_until(listened.rests)
    assert sorted(ear.types()) == sorted([
        "payment_intent.payment_failed", "payment_method.attached", "payment_intent.succeeded", "charge.refunded",
        "refund.updated",
    ])  # fmt: skip
    assert all(event["verified"] for event in ear.events)
    event = next(event for event in ear.events if event["type"] == "payment_intent.succeeded")
    assert (event["account"], event["created"], event["api_version"], event["livemode"]) == (
        listened.account, 1769817600, "2026-11-01", False,
    )  # fmt: skip
    assert event["data"]["object"]["id"] == intent
    assert event["data"]["object"]["metadata"] == {"business_key": "k"}


def test_a_refused_event_is_sent_again_under_the_same_id(listened, ear):
    ear.answers = [500, 404, 302]
    listened.confirm(listened.prepare())
    wait_until(lambda: len(ear.events) == 3)
    assert listened.seen("idle")["undelivered"] == 1
    wait_until(listened.rests)
    assert len({event["id"] for event in ear.events}) == 1
    assert len(ear.events) == 4


def test_an_endpoint_is_one_per_address_and_keeps_its_secret(merchant, ear):
    first = merchant.post("/v1/webhook_endpoints", {"url": ear.url}).json()
    assert first["secret"].startswith("whsec_")
    assert merchant.post("/v1/webhook_endpoints", {"url": ear.url}).json() == first
    assert merchant.post("/v1/webhook_endpoints", {"url": ear.url, "secret": ear.secret}).json()["id"] == first["id"]
    merchant.http.delete(f"/v1/webhook_endpoints/{first['id']}").raise_for_status()
    merchant.confirm(merchant.prepare())
    assert merchant.rests()
    assert ear.events == []


def test_dropped_events_never_come_but_can_be_delivered_again_by_hand(listened, ear):
    listened.sim("webhooks", {"mode": "drop"})
    listened.confirm(listened.prepare())
    assert listened.rests()
    listened.sim("webhooks", {"mode": "ok"})
    [event] = listened.seen("events")["events"]
    assert [delivery["status"] for delivery in event["deliveries"]] == ["dropped"]
    assert ear.events == []
    listened.sim(f"events/{event['id']}/redeliver", {"copies": 5})
    wait_until(listened.rests)
    assert [heard["id"] for heard in ear.events] == [event["id"]] * 5


def test_held_events_are_sent_in_the_order_that_is_asked_for(listened, ear):
    listened.sim("webhooks", {"mode": "hold"})
    intent = listened.prepare()
    for card in ("pm_card_declined", "pm_card_authentication_required", "pm_card_ok"):
        listened.confirm(intent, card)
    told = ["payment_intent.payment_failed", "payment_intent.requires_action", "payment_intent.succeeded"]
    ids = {event["type"]: event["id"] for event in listened.seen("events")["events"]}
    assert listened.seen("idle") | {"now": ""} == {"undelivered": 0, "held": 3, "next_due_at": None, "now": ""}
    order = [told[2], told[0], told[1]]
    answer = listened.sim("webhooks/release", {"order": [ids[kind] for kind in order]})
    assert [one["answer"] for one in answer["delivered"]] == ["200"] * 3
    assert ear.types() == order


def test_reverse_sends_the_newest_first_once_it_ends(listened, ear):
    listened.sim("webhooks", {"mode": "reverse"})
    intent = listened.prepare()
    listened.confirm(intent, "pm_card_declined")
    listened.confirm(intent)
    listened.sim("webhooks", {"mode": "ok"})
    assert ear.types() == ["payment_intent.succeeded", "payment_intent.payment_failed"]


def test_what_was_held_is_sent_in_the_end_whatever_was_done_to_events_meanwhile(listened, ear):
    listened.sim("webhooks", {"mode": "hold"})
    listened.confirm(listened.prepare())
    listened.sim("webhooks", {"mode": "drop"})
    assert listened.seen("idle")["held"] == 1
    listened.sim("webhooks", {"mode": "ok"})
    assert ear.types() == ["payment_intent.succeeded"]
    assert listened.seen("idle")["held"] == 0


def test_duplicates_are_copies_of_one_event(listened, ear):
    listened.sim("webhooks", {"mode": "duplicate", "copies": 50})
    listened.confirm(listened.prepare())
    wait_until(listened.rests)
    assert len(ear.events) == 50
    assert len({event["id"] for event in ear.events}) == 1


def test_webhook_first_is_heard_before_the_answer(listened, ear):
    listened.sim("faults", {"mode": "webhook_first", "op": "confirm"})
    for n in range(5):
        listened.confirm(listened.prepare())
        assert ear.types() == ["payment_intent.succeeded"] * (n + 1)
