"""The hosted page, as a browser without scripts meets it."""

import re

import httpx
import pytest

from tests.simulated_provider.support import Merchant, wait_until

BACK = {"success_url": "http://shop.test/done?session={CHECKOUT_SESSION_ID}", "cancel_url": "http://shop.test/cart"}
CARDS = {
    "ok": "4242 4242 4242 4242",
    "declined": "4000 0000 0000 0002",
    "authentication": "4000 0027 6000 3184",
    "down": "4000 0000 0000 6108",
    "later": "4000 0000 0000 5506",
    "charged_no_answer": "4000 0000 0000 5704",
}


def opened(merchant: Merchant, **what: str) -> dict:
    return merchant.post("/v1/checkout_sessions", what | BACK).json()


def typed(url: str, card: str, **more: str) -> httpx.Response:
    form = {"number": CARDS.get(card, card), "expiry": "12 / 34", "cvc": "123", "name": "Ada"} | more
    return httpx.post(url, data=form, trust_env=False, timeout=60)


def page(url: str) -> httpx.Response:
    return httpx.get(url, trust_env=False, timeout=60)


def test_it_shows_who_is_paid_how_much_under_a_strict_policy(merchant):
    merchant.sim("settings", {"merchant_name": "Tea & <Co>"})
    shown = page(opened(merchant, payment_intent=merchant.prepare(amount=123456))["url"])
    assert "€1,234.56" in shown.text
    assert "Tea &amp; &lt;Co&gt;" in shown.text
    policy = shown.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self' http://shop.test;" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script|<img|<link|style=|src=", shown.text)


@pytest.mark.parametrize(("currency", "amount"), [("JPY", "¥500"), ("KWD", "KWD0.500"), ("usd", "$5.00")])
def test_amounts_have_their_currencys_decimals(merchant, currency, amount):
    intent = merchant.prepare(amount=500, currency=currency)
    assert amount in page(opened(merchant, payment_intent=intent)["url"]).text.replace("\xa0", "")


def test_a_test_card_fills_the_form_and_paying_leads_back_to_the_shop(merchant):
    intent = merchant.prepare(setup_future_usage="off_session", customer="c")
    session = opened(merchant, payment_intent=intent)
    assert 'value="4242 4242 4242 4242"' in page(session["url"] + "?card=pm_card_ok").text
    answer = typed(session["url"], "ok")
    assert (answer.status_code, answer.headers["location"]) == (303, f"http://shop.test/done?session={session['id']}")
    paid = merchant.get(f"/v1/payment_intents/{intent}").json()
    assert (paid["status"], paid["payment_method_details"]["exp_year"]) == ("succeeded", 2034)
    assert merchant.confirm(merchant.prepare(off_session=True), paid["payment_method"]).status_code == 200
    assert "complete" in page(session["url"]).text
    assert typed(session["url"], "ok").status_code == 409
    assert len(merchant.charged()) == 2
    assert merchant.get(f"/v1/checkout_sessions/{session['id']}").json()["status"] == "complete"


def test_a_decline_is_shown_and_another_card_may_be_tried(merchant):
    session = opened(merchant, payment_intent=merchant.prepare())
    declined = typed(session["url"], "declined")
    assert (declined.status_code, "Your card was declined." in declined.text) == (402, True)
    assert typed(session["url"], "down").status_code == 503
    assert typed(session["url"], "ok").status_code == 303
    assert merchant.charged() == [4900]


@pytest.mark.parametrize(
    ("card", "more", "says"),
    [
        ("4111 1111 1111 1111", {}, "Only the listed test cards work here"),
        ("ok", {"expiry": "01 / 20"}, "in the past"),
        ("ok", {"expiry": "soon"}, "Enter a card number"),
        ("ok", {"cvc": "12"}, "Enter a card number"),
        ("٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢", {}, "Enter a card number"),
    ],
)
def test_what_is_no_test_card_is_refused_in_a_sentence_and_not_repeated(merchant, card, more, says):
    session = opened(merchant, payment_intent=merchant.prepare())
    answer = typed(session["url"], card, **more)
    assert answer.status_code in {400, 422}
    assert says in answer.text
    assert "4111 1111" not in answer.text
    assert "41111111" not in answer.text
    assert merchant.charged() == []


def test_the_banks_page_can_be_refused_and_then_approved(merchant):
    intent = merchant.prepare()
    session = opened(merchant, payment_intent=intent)
    bank = merchant.provider.url + typed(session["url"], "authentication").headers["location"]
    assert "Approve €49.00?" in page(bank).text
    refused = httpx.post(bank, data={"decision": "refuse"}, trust_env=False, timeout=60)
    assert refused.headers["location"] == f"/pay/{session['id']}"
    assert "The authentication was refused." in page(session["url"]).text
    typed(session["url"], "authentication")
    approved = httpx.post(bank, data={"decision": "approve"}, trust_env=False, timeout=60)
    assert approved.headers["location"].startswith("http://shop.test/done")
    assert httpx.post(bank, data={"decision": "approve"}, trust_env=False, timeout=60).status_code == 409
    assert merchant.charged() == [4900]


def test_a_payment_that_settles_later_says_so(merchant):
    session = opened(merchant, payment_intent=merchant.prepare())
    assert typed(session["url"], "later").status_code == 303
    assert "Being processed" in page(session["url"]).text


def test_a_lost_answer_on_the_page_has_charged_all_the_same(merchant):
    session = opened(merchant, payment_intent=merchant.prepare())
    with pytest.raises(httpx.RemoteProtocolError):
        typed(session["url"], "charged_no_answer")
    assert merchant.charged() == [4900]
    assert "Paid" in page(session["url"]).text


def test_canceled_expired_and_unknown_pages_take_no_card(merchant):
    canceled, expired, old = (merchant.prepare(name) for name in "abc")
    sessions = [opened(merchant, payment_intent=intent) for intent in (canceled, expired, old)]
    merchant.post(f"/v1/payment_intents/{canceled}/cancel")
    merchant.post(f"/v1/checkout_sessions/{sessions[1]['id']}/expire")
    assert "Canceled" in page(sessions[0]["url"]).text
    assert "This link has expired" in page(sessions[1]["url"]).text
    merchant.sim("clock", {"now": "2199-01-01T00:00:00Z"})
    assert "This link has expired" in page(sessions[2]["url"]).text
    assert [typed(session["url"], "ok").status_code for session in sessions] == [409] * 3
    assert typed(f"{merchant.provider.url}/pay/cs_none", "ok").status_code == 404
    assert merchant.charged() == []


def test_a_card_is_saved_on_the_page_and_announced(merchant, ear):
    merchant.post("/v1/webhook_endpoints", {"url": ear.url, "secret": ear.secret})
    setup = merchant.post("/v1/setup_intents", {"customer": "c"}).json()["id"]
    session = opened(merchant, setup_intent=setup)
    assert "Nothing is charged now" in page(session["url"]).text
    assert typed(session["url"], "declined").status_code == 402
    assert typed(session["url"], "ok").status_code == 303
    method = merchant.get(f"/v1/setup_intents/{setup}").json()["payment_method"]
    assert merchant.get(f"/v1/payment_methods/{method}").json()["card"]["last4"] == "4242"
    wait_until(merchant.rests)
    assert set(ear.types()) == {"setup_intent.setup_failed", "payment_method.attached", "setup_intent.succeeded"}
    assert merchant.charged() == []
