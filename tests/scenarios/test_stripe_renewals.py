"""A card saved at Stripe that the networks' account updater renews, and one that Stripe has no more."""

import time

import httpx
import pytest

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def shop(providers):
    """A tenant that is paid at Stripe: its side there, and ours over HTTP."""
    key = providers.tenant("renewals")
    merchant = providers.stripe.merchant()
    made = providers.guilder("connect", "stripe", "-t", "renewals", "--key-stdin", stdin=merchant.secret_key)
    assert made.code == 0, made.text
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=providers.installation.base_url, headers=headers, timeout=60, trust_env=False) as http:
        yield merchant, http


def said(answer):
    assert answer.status_code < 300, answer.text
    return answer.json()["data"]


def until(http, path, wanted, look):
    """Wait until what is shown is as wanted."""
    ends = time.monotonic() + 120
    while (shown := look(said(http.get(path)))) != wanted:
        assert time.monotonic() < ends, shown
        time.sleep(0.2)


def test_a_renewed_card_is_shown_and_one_that_is_gone_is_charged_no_more(shop):
    merchant, http = shop
    said(http.post("/api/customers", json={"organization_id": "vela", "name": "Vela", "email": "v@vela.example"}))
    path = "/api/customers/vela/payment-methods"
    for card in ("pm_card_visa", "pm_card_mastercard"):
        saved = said(http.post(path, json={"token": card}, headers={"Prefer": "wait=30"}))
        assert saved["status"] == "valid", saved
    # One card is one method, also where only its date is another: the default is renewed, and none is left to run out.
    again = said(http.post(path, json={"token": "pm_fake_visa_with_a_later_date"}, headers={"Prefer": "wait=30"}))
    assert (again["exp_year"], again["is_default"]) == (2035, True)
    assert sorted(each["last4"] for each in said(http.get(path))) == ["4242", "4444"]
    saved = reversed(list(merchant.account.of("payment_method")))
    tokens = {each["card"]["last4"]: f"{each['customer']}/{each['id']}" for each in saved}

    def dates(methods):
        return {each["last4"]: (each["exp_month"], each["exp_year"]) for each in methods}

    merchant.renew(tokens["4242"], last4="1881", exp_month=2, exp_year=2036)
    until(http, path, {"1881": (2, 2036), "4444": (11, 2031)}, dates)
    # Out of order: what was told later stays.
    merchant.account.hooks = "hold"
    old = merchant.renew(tokens["4444"], kind="updated", exp_year=2033)
    merchant.advance(60)
    new = merchant.renew(tokens["4444"], exp_year=2037)
    merchant.account.hooks = "deliver"
    for event in (new, old, old):
        merchant.deliver(event)
    until(http, path, {"1881": (2, 2036), "4444": (11, 2037)}, dates)
    merchant.detach(tokens["4242"])
    until(
        http,
        path,
        {"1881": ("invalid", False), "4444": ("valid", True)},
        lambda methods: {each["last4"]: (each["status"], each["is_default"]) for each in methods},
    )
    assert dates(said(http.get(path)))["4444"] == (11, 2037)
    told = said(http.get("/api/events", params={"limit": 100}))
    assert [each["type"] for each in told].count("payments.method.updated") == 2
    assert not [token for token in tokens.values() for each in told if token.rpartition("/")[2] in str(each)]
