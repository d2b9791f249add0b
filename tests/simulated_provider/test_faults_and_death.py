"""What a worst day is made of: lost answers, garbled answers, held answers, and kill -9 between charge and answer."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.simulated_provider.support import Merchant, Provider, wait_until


def no_answer(merchant: Merchant, intent: str, card: str = "pm_card_ok") -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        merchant.confirm(intent, card)


@pytest.mark.parametrize(("mode", "charged"), [("drop_after", [4900]), ("drop_before", [])])
def test_a_dropped_confirm_has_charged_or_not_and_confirming_again_charges_once(merchant, mode, charged):
    intent = merchant.prepare()
    merchant.sim("faults", {"mode": mode, "op": "confirm", "times": 1})
    no_answer(merchant, intent)
    assert merchant.charged() == charged
    assert merchant.confirm(intent).json()["status"] == "succeeded"
    assert merchant.charged() == [4900]


def test_a_dropped_prepare_is_found_by_its_business_key(merchant):
    merchant.sim("faults", {"mode": "drop_after", "op": "prepare", "times": 1})
    with pytest.raises(httpx.RemoteProtocolError):
        merchant.prepare("lost", key="p")
    [found] = merchant.get("/v1/payment_intents", **{"metadata[business_key]": "lost"}).json()["data"]
    assert merchant.prepare("lost", key="p") == found["id"]


def test_the_charging_card_charges_and_drops(merchant):
    intent = merchant.prepare()
    no_answer(merchant, intent, "pm_card_charged_no_answer")
    assert merchant.status(intent) == "succeeded"
    assert merchant.confirm(intent).status_code == 200
    assert merchant.charged() == [4900]


def test_the_dropping_card_drops_once_and_then_charges(merchant):
    intent = merchant.prepare()
    no_answer(merchant, intent, "pm_card_not_charged_no_answer")
    assert merchant.status(intent) == "requires_payment_method"
    assert merchant.confirm(intent, "pm_card_not_charged_no_answer").json()["status"] == "succeeded"


def test_the_slow_card_answers_late_and_the_down_card_never_charges(merchant):
    merchant.sim("settings", {"slow_seconds": 0.4})
    began = time.monotonic()
    assert merchant.confirm(merchant.prepare(), "pm_card_slow").json()["status"] == "succeeded"
    assert time.monotonic() - began >= 0.4
    assert merchant.confirm(merchant.prepare(), "pm_card_down").status_code == 503
    assert merchant.charged() == [4900]


def test_a_status_refuses_before_acting_and_says_when_to_come_back(merchant):
    intent = merchant.prepare()
    merchant.sim("faults", {"mode": "status", "op": "any", "status": 429, "retry_after": 7, "times": 2})
    answers = [merchant.confirm(intent), merchant.get(f"/v1/payment_intents/{intent}"), merchant.confirm(intent)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["retry-after"] == "7"


def test_garbled_answers_hide_a_charge_that_was_made(merchant):
    def answer(**fault: object) -> httpx.Response:
        merchant.sim("faults", {"op": "confirm", "times": 1} | fault)
        return merchant.confirm(merchant.prepare())

    assert answer(mode="html").headers["content-type"].startswith("text/html")
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        answer(mode="truncated").json()
    assert answer(mode="unknown_status").json()["status"] == "being_considered"
    other = answer(mode="wrong_amount", currency="USD").json()
    assert (other["amount"], other["currency"]) == (4901, "USD")
    assert merchant.charged() == [4900] * 4


def test_revoked_is_401_until_ok(merchant):
    intent = merchant.prepare()
    merchant.sim("faults", {"mode": "revoked"})
    assert merchant.confirm(intent).status_code == 401
    merchant.sim("faults", {"mode": "ok"})
    assert merchant.confirm(intent).status_code == 200


def test_a_fault_of_one_account_is_no_other_accounts(merchant):
    merchant.sim("faults", {"mode": "status"})
    other = merchant.another("b")
    assert other.confirm(other.prepare()).status_code == 200


@pytest.mark.parametrize(("phase", "committed", "charged"), [("after", True, [4900]), ("before", False, [])])
def test_a_held_confirm_shows_whether_it_is_committed_and_goes_on_when_released(merchant, phase, committed, charged):
    intent = merchant.prepare()
    merchant.sim("faults", {"mode": "hold", "op": "confirm", "phase": phase, "times": 1})
    with ThreadPoolExecutor(1) as one:
        answer = one.submit(merchant.confirm, intent)
        wait_until(lambda: merchant.seen("held")["held"])
        [held] = merchant.seen("held")["held"]
        assert (held["op"], held["committed"]) == ("confirm", committed)
        assert merchant.charged() == charged
        assert not answer.done()
        assert merchant.sim("release", {})["released"] == 1
        assert answer.result().json()["status"] == "succeeded"
    assert merchant.seen("held")["held"] == []
    assert merchant.charged() == [4900]


def test_kill_9_between_charge_and_answer_keeps_the_charge_the_event_and_the_key(own_provider: Provider, ear):
    merchant = Merchant(own_provider, "acme")
    merchant.post("/v1/webhook_endpoints", {"url": ear.url, "secret": ear.secret})
    merchant.sim("clock", {"now": "2026-01-01T00:00:00Z"})
    merchant.sim("webhooks", {"mode": "hold"})
    intent = merchant.prepare("tenant:invoice:1", key="prepare")
    merchant.sim("faults", {"mode": "hold", "op": "confirm", "times": 1})
    lost: list[type[BaseException]] = []

    def confirm() -> None:
        try:
            merchant.post(f"/v1/payment_intents/{intent}/confirm", {"payment_method": "pm_card_ok"}, key="confirm")
        except httpx.TransportError as trouble:
            lost.append(type(trouble))

    caller = threading.Thread(target=confirm)
    caller.start()
    wait_until(lambda: any(held["committed"] for held in merchant.seen("held")["held"]))
    own_provider.kill()
    caller.join()
    assert len(lost) == 1
    own_provider.start()
    [charge] = merchant.journal()["charges"]
    assert (charge["business_key"], charge["status"], charge["amount"]) == ("tenant:invoice:1", "succeeded", 4900)
    again = merchant.post(f"/v1/payment_intents/{intent}/confirm", {"payment_method": "pm_card_ok"}, key="confirm")
    assert (again.json()["status"], again.headers["idempotent-replayed"]) == ("succeeded", "true")
    assert merchant.prepare("tenant:invoice:1", key="prepare") == intent
    assert merchant.seen("idle")["now"].startswith("2026-01-01")
    merchant.sim("webhooks", {"mode": "ok"})
    assert ear.types() == ["payment_intent.succeeded"]
    assert merchant.charged() == [4900]
    merchant.close()


def test_it_stops_in_time_even_while_it_holds_an_answer(own_provider: Provider):
    merchant = Merchant(own_provider, "acme")
    merchant.sim("faults", {"mode": "hold", "op": "prepare"})
    with ThreadPoolExecutor(1) as one:
        answer = one.submit(merchant.prepare)
        wait_until(lambda: merchant.seen("held")["held"])
        began = time.monotonic()
        own_provider.stop()
        assert time.monotonic() - began < 80
        assert isinstance(answer.exception(), (httpx.TransportError, AssertionError))
    merchant.close()
