"""Payment intents, cards, refunds, saved methods and the account's time, over HTTP."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from simulated_provider.cards import CARDS, Step
from simulated_provider.intents import MOVES, Status
from tests.simulated_provider.support import wait_until


def test_a_payment_is_prepared_confirmed_and_found_by_its_business_key(merchant):
    intent = merchant.prepare("tenant:invoice:1")
    assert merchant.charged() == []
    assert merchant.confirm(intent).json()["status"] == "succeeded"
    found = merchant.get("/v1/payment_intents", **{"metadata[business_key]": "tenant:invoice:1"}).json()
    assert [one["id"] for one in found["data"]] == [intent]
    assert merchant.get("/v1/payment_intents", **{"metadata[business_key]": "other"}).json()["data"] == []
    [charge] = merchant.journal()["charges"]
    assert (charge["ref"], charge["business_key"], charge["amount"], charge["currency"], charge["status"]) == (
        intent, "tenant:invoice:1", 4900, "EUR", "succeeded",
    )  # fmt: skip


def test_confirming_again_never_charges_twice(merchant):
    intent = merchant.prepare()
    first = merchant.confirm(intent).json()
    assert merchant.confirm(intent, "pm_card_declined").json() == first
    with ThreadPoolExecutor(8) as many:
        list(many.map(lambda _: merchant.confirm(intent), range(16)))
    assert merchant.charged() == [4900]


DECLINES = [
    ("pm_card_declined", "card_declined", "generic_decline"),
    ("pm_card_insufficient_funds", "card_declined", "insufficient_funds"),
    ("pm_card_lost", "card_declined", "lost_card"),
    ("pm_card_stolen", "card_declined", "stolen_card"),
    ("pm_card_expired", "expired_card", "expired_card"),
    ("pm_card_incorrect_cvc", "incorrect_cvc", "incorrect_cvc"),
    ("pm_card_processing_error", "processing_error", "processing_error"),
    ("pm_card_fraudulent", "card_declined", "fraudulent"),
    ("pm_card_do_not_honor", "card_declined", "do_not_honor"),
    ("pm_card_invalid_account", "card_declined", "invalid_account"),
]


@pytest.mark.parametrize(("card", "code", "decline_code"), DECLINES)
def test_a_decline_is_402_with_its_reason_and_the_intent(merchant, card, code, decline_code):
    intent = merchant.prepare()
    answer = merchant.confirm(intent, card)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["decline_code"]) == (402, code, decline_code)
    assert error["payment_intent"]["status"] == "requires_payment_method"
    assert error["payment_intent"]["last_error"]["code"] == code
    assert merchant.charged() == []
    assert merchant.confirm(intent).json()["status"] == "succeeded"


def test_authentication_declines_off_session_and_can_be_approved_or_refused_on_it(merchant):
    card = "pm_card_authentication_required"
    off = merchant.confirm(merchant.prepare(off_session=True), card)
    assert (off.status_code, off.json()["error"]["code"]) == (402, "authentication_required")
    intent = merchant.prepare()
    waiting = merchant.confirm(intent, card).json()
    assert waiting["status"] == "requires_action"
    assert waiting["next_action"]["url"] == f"{merchant.provider.url}/authenticate/{intent}"
    assert not [name for name in waiting if name.startswith("_")]
    refused = merchant.sim(f"intents/{intent}/authenticate", {"approve": False})
    assert (refused["status"], refused["last_error"]["code"]) == ("requires_payment_method", "authentication_failed")
    merchant.confirm(intent, card)
    assert merchant.sim(f"intents/{intent}/authenticate", {"approve": True})["status"] == "succeeded"
    assert merchant.charged() == [4900]


SERIES = [
    ("pm_card_once", [200, 402, 402]),
    ("pm_card_first_only", [200, 402, 402]),
    ("pm_card_third_time", [402, 402, 200, 200]),
    ("pm_card_insufficient_funds", [402, 402]),
]


@pytest.mark.parametrize(("card", "answers"), SERIES)
def test_cards_that_change_their_mind_do_so_over_the_payments_of_a_customer(merchant, card, answers):
    def pays(customer: str) -> int:
        return merchant.confirm(merchant.prepare(off_session=True, customer=customer), card).status_code

    assert [pays("cus_a") for _ in answers] == answers
    assert pays("cus_b") == answers[0]


def test_first_only_still_works_when_the_customer_is_there(merchant):
    for _ in range(2):
        assert merchant.confirm(merchant.prepare(customer="c"), "pm_card_first_only").status_code == 200


def test_async_settles_when_the_accounts_clock_passes_and_is_dated_when_it_fell_due(merchant):
    good, bad = (merchant.prepare(name) for name in ("good", "bad"))
    merchant.sim("clock", {"now": "2026-01-31T00:00:00Z"})
    assert merchant.confirm(good, "pm_card_async").json()["status"] == "processing"
    assert merchant.confirm(bad, "pm_card_async_declined").json()["status"] == "processing"
    assert merchant.confirm(good).json()["status"] == "processing"
    assert merchant.post(f"/v1/payment_intents/{good}/cancel").status_code == 400
    assert merchant.seen("idle")["next_due_at"].startswith("2026-02-03T00:00:00")
    assert merchant.get(f"/v1/payment_intents/{good}", now="2026-02-02T23:59:59Z").json()["status"] == "processing"
    assert merchant.get(f"/v1/payment_intents/{good}", now="2026-03-01T00:00:00Z").json()["status"] == "succeeded"
    assert merchant.status(bad) == "requires_payment_method"
    charges = {charge["business_key"]: charge for charge in merchant.journal()["charges"]}
    assert [charges[name]["status"] for name in ("good", "bad")] == ["succeeded", "failed"]
    assert charges["good"]["at"].startswith("2026-02-03T00:00:00")
    assert merchant.seen("idle")["next_due_at"] is None


def test_async_settles_by_the_wall_where_no_time_was_ever_given(merchant):
    merchant.sim("settings", {"async_delay_seconds": 0.2})
    intent = merchant.prepare()
    merchant.confirm(intent, "pm_card_async")
    wait_until(lambda: merchant.charged() == [4900])


def test_the_clock_never_goes_back(merchant):
    merchant.sim("clock", {"now": "2026-06-01T00:00:00Z"})
    merchant.sim("clock", {"now": "2026-01-01T00:00:00Z"})
    assert merchant.seen("idle")["now"].startswith("2026-06-01")
    created = merchant.post("/v1/payment_intents", {"amount": 1, "currency": "EUR"}, now="2026-05-01T00:00:00Z")
    assert created.json()["created"] == 1780272000
    assert merchant.get("/v1/payment_intents", now="yesterday").status_code == 400


def test_a_key_replays_its_answer_refuses_another_body_and_is_forgotten_after_a_day(merchant):
    merchant.sim("clock", {"now": "2026-01-01T00:00:00Z"})
    first = merchant.prepare("a", key="one")
    assert merchant.prepare("a", key="one") == first
    other = merchant.post("/v1/payment_intents", {"amount": 1, "currency": "EUR"}, key="one")
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_mismatch")
    merchant.sim("clock", {"now": "2026-01-01T23:59:59Z"})
    assert merchant.prepare("a", key="one") == first
    merchant.sim("clock", {"now": "2026-01-02T00:00:00Z"})
    assert merchant.prepare("a", key="one") != first


def test_a_declined_answer_is_replayed_too(merchant):
    intent = merchant.prepare()
    path, body = f"/v1/payment_intents/{intent}/confirm", {"payment_method": "pm_card_declined"}
    answers = [merchant.post(path, body, key="k") for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert [answer.headers.get("idempotent-replayed") for answer in answers] == [None, "true"]
    assert len(merchant.journal()["charges"]) == 1


def test_refunds_never_exceed_what_was_captured_however_many_ask_at_once(merchant):
    intent = merchant.prepare(amount=1000)
    early = merchant.post("/v1/refunds", {"payment_intent": intent, "amount": 1})
    assert early.status_code == 400
    merchant.confirm(intent)
    body = {"payment_intent": intent, "amount": 300, "metadata": {"business_key": "r"}}
    with ThreadPoolExecutor(8) as many:
        answers = list(many.map(lambda _: merchant.post("/v1/refunds", body), range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [400] * 17
    assert {a.json()["error"]["code"] for a in answers if a.status_code == 400} == {"amount_exceeds_captured"}
    assert merchant.post("/v1/refunds", {"payment_intent": intent}).json()["amount"] == 100
    assert len(merchant.get("/v1/refunds", **{"metadata[business_key]": "r"}).json()["data"]) == 3
    refunds = merchant.journal()["refunds"]
    assert sum(refund["amount"] for refund in refunds) == 1000
    assert {refund["charge_ref"] for refund in refunds} == {intent}


def test_a_setup_saves_a_card_that_pays_off_session_until_it_is_detached(merchant):
    card = {"number": "4242 4242 4242 4242", "exp_month": 5, "exp_year": 2031, "cvc": "123"}
    setup = merchant.post("/v1/setup_intents", {"customer": "c", "card": card}).json()
    saved = merchant.post(f"/v1/setup_intents/{setup['id']}/confirm").json()
    method = saved["payment_method"]
    assert (saved["status"], saved["payment_method_details"]) == (
        "succeeded", {"brand": "visa", "last4": "4242", "exp_month": 5, "exp_year": 2031},
    )  # fmt: skip
    assert merchant.confirm(merchant.prepare(off_session=True), method).status_code == 200
    assert merchant.post(f"/v1/payment_methods/{method}/detach").json()["customer"] is None
    refused = merchant.confirm(merchant.prepare(), method)
    assert refused.json()["error"]["code"] == "payment_method_detached"


def test_a_saved_card_that_its_bank_renews_is_another_number_and_date_from_then_on(merchant):
    card = {"number": "4000 0000 0000 9995", "exp_month": 5, "exp_year": 2031}
    setup = merchant.post("/v1/setup_intents", {"customer": "c", "card": card}).json()
    method = merchant.post(f"/v1/setup_intents/{setup['id']}/confirm").json()["payment_method"]
    assert merchant.confirm(merchant.prepare(off_session=True), method).status_code == 402
    later = merchant.sim(f"payment_methods/{method}/renew", {})
    assert later["card"] == {"brand": "visa", "last4": "9995", "exp_month": 5, "exp_year": 2035}
    other = merchant.sim(f"payment_methods/{method}/renew", {"number": "5555555555554444", "exp_month": 1})
    assert other["card"] == {"brand": "mastercard", "last4": "4444", "exp_month": 1, "exp_year": 2039}
    assert merchant.confirm(merchant.prepare(off_session=True), method).status_code == 200
    told = [
        each["data"] for each in merchant.seen("events")["events"] if each["type"].endswith("automatically_updated")
    ]
    assert [each["object"]["card"] for each in told] == [later["card"], other["card"]]
    assert told[1]["previous_attributes"] == {"card": later["card"]}


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"number": "4111111111111111"}, "not_a_test_card"),
        ({"exp_year": 2001}, "invalid_expiry"),
        ({"year": 2041}, "parameter_unknown"),
    ],
)
def test_no_card_is_renewed_into_what_is_none(merchant, said, code):
    setup = merchant.post("/v1/setup_intents", {"payment_method": "pm_card_ok"}).json()
    method = merchant.post(f"/v1/setup_intents/{setup['id']}/confirm").json()["payment_method"]
    path = f"/sim/accounts/{merchant.account}/payment_methods"
    answer = merchant.post(f"{path}/{method}/renew", said)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert merchant.post(f"{path}/pm_card_ok/renew").status_code == 404
    merchant.post(f"/v1/payment_methods/{method}/detach")
    gone = merchant.post(f"{path}/{method}/renew")
    assert (gone.status_code, gone.json()["error"]["code"]) == (400, "payment_method_detached")


def test_a_setup_declines_what_the_bank_declines(merchant):
    setup = merchant.post("/v1/setup_intents", {"payment_method": "pm_card_lost"}).json()
    answer = merchant.post(f"/v1/setup_intents/{setup['id']}/confirm")
    assert (answer.status_code, answer.json()["error"]["decline_code"]) == (402, "lost_card")


def test_no_number_but_a_test_cards_is_taken_and_none_is_written_down(merchant):
    real = {"number": "4111111111111111", "exp_month": 5, "exp_year": 2031}
    answer = merchant.post("/v1/setup_intents", {"card": real})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "not_a_test_card")
    merchant.post("/v1/setup_intents", {"card": real | {"number": "4242424242424242"}})
    kept = b"".join(path.read_bytes() for path in merchant.provider.folder.iterdir())
    assert b"4111111111111111" not in kept
    assert b"4242424242424242" not in kept


def test_a_first_payment_can_keep_its_card(merchant):
    intent = merchant.prepare(setup_future_usage="off_session", customer="c")
    paid = merchant.confirm(intent).json()
    assert paid["payment_method"].startswith("pm_")
    assert paid["payment_method"] != "pm_card_ok"
    assert merchant.get(f"/v1/payment_methods/{paid['payment_method']}").json()["customer"] == "c"


def test_canceled_is_the_end(merchant):
    intent = merchant.prepare()
    assert merchant.post(f"/v1/payment_intents/{intent}/cancel").json()["status"] == "canceled"
    assert merchant.post(f"/v1/payment_intents/{intent}/cancel").status_code == 200
    refused = merchant.confirm(intent)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "intent_unexpected_state")


MISTAKES = [
    ({"amount": "10", "currency": "EUR"}, "parameter_invalid", "amount"),
    ({"amount": True, "currency": "EUR"}, "parameter_invalid", "amount"),
    ({"amount": 10.0, "currency": "EUR"}, "parameter_invalid", "amount"),
    ({"amount": 0, "currency": "EUR"}, "parameter_invalid", "amount"),
    ({"amount": 10, "currency": "ZZZ"}, "parameter_invalid", "currency"),
    ({"amount": 10, "currency": "EUR", "extra": 1}, "parameter_unknown", "extra"),
    ({"currency": "EUR"}, "parameter_missing", "amount"),
    ({"amount": 10, "currency": "EUR", "metadata": {"n": 1}}, "parameter_invalid", "metadata.n"),
]


@pytest.mark.parametrize(("body", "code", "param"), MISTAKES)
def test_a_mistake_is_named_and_never_guessed_at(merchant, body, code, param):
    answer = merchant.post("/v1/payment_intents", body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param)


@pytest.mark.parametrize("raw", ["{", '{"amount": 1, "amount": 2}', '{"amount": NaN}', "[]", '"x"'])
def test_what_is_no_plain_object_is_refused(merchant, raw):
    assert merchant.http.post("/v1/payment_intents", content=raw).status_code == 400


def test_accounts_are_strangers_and_keys_are_checked(merchant):
    intent = merchant.prepare()
    other = merchant.another("2")
    assert other.get(f"/v1/payment_intents/{intent}").status_code == 404
    assert other.get("/v1/payment_intents").json()["data"] == []
    other.http.headers["Authorization"] = "Bearer nonsense"
    assert other.get("/v1/payment_intents").status_code == 401
    named = f"{merchant.account}_3"
    assert merchant.http.post("/sim/accounts", json={"account": named, "api_key": "chosen_key"}).status_code == 200
    assert merchant.another("3").get("/v1/payment_intents").status_code == 401
    other.http.headers["Authorization"] = "Bearer chosen_key"
    assert other.get("/v1/payment_intents").status_code == 200


def test_lists_go_on_where_they_stopped(merchant):
    made = [merchant.prepare(str(n)) for n in range(5)]
    first = merchant.get("/v1/payment_intents", limit="3").json()
    rest = merchant.get("/v1/payment_intents", limit="3", starting_after=first["data"][-1]["id"]).json()
    assert [one["id"] for one in first["data"] + rest["data"]] == made[::-1]
    assert (first["has_more"], rest["has_more"]) == (True, False)


def test_the_table_of_moves_lets_nothing_leave_an_end():
    assert MOVES[Status.SUCCEEDED] == {} == MOVES[Status.CANCELED]
    assert Step.CANCEL not in MOVES[Status.PROCESSING]


def test_every_test_card_has_a_number_that_checks_and_is_listed(merchant):
    for card in CARDS:
        digits = [int(digit) for digit in reversed(card.number)]
        doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
        assert (sum(digits[::2]) + sum(doubled)) % 10 == 0, card.token
    url = f"{merchant.provider.url}/sim/cards"
    listed = httpx.get(url, trust_env=False, timeout=60).json()["cards"]
    assert [card["token"] for card in listed] == [card.token for card in CARDS]
    page = httpx.get(url, trust_env=False, timeout=60, headers={"Accept": "text/html,*/*"})
    assert page.headers["Content-Type"].startswith("text/html")
    assert all(card.spaced in page.text and card.token in page.text for card in CARDS)
