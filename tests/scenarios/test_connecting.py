"""`guilder connect`, typed by somebody whose key is right, wrong, another's, restricted, or heard by nobody."""

from hashlib import sha256

import pytest

from tests.support.fakes.stripe import hooks

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def shop(providers, request) -> str:
    slug = f"shop-{sha256(request.node.name.encode()).hexdigest()[:12]}"
    providers.tenant(slug)
    return slug


def test_stripe_is_connected_heard_from_checked_and_mended(providers, shop):
    merchant = providers.stripe.merchant()
    key = merchant.secret_key
    made = providers.guilder("connect", "stripe", "-t", shop, "--key-stdin", stdin=f"{key}\n")
    assert made.code == 0, made.text
    for expected in (
        "✓ Stripe takes the key",
        "nobody is charged",
        "✓ our webhook is registered",
        "✓ it hears all events",
        "✓ a test notice arrived, rightly signed",
        f"what {shop} sells is paid here",
    ):
        assert expected in made.text, made.text
    assert "✗" not in made.text
    [endpoint] = merchant.account.of("webhook_endpoint")
    assert endpoint["url"].startswith(f"{providers.installation.base_url}/api/webhooks/stripe/")

    endpoint["enabled_events"] = ["charge.succeeded"]
    deaf = providers.guilder("connect", "stripe", "-t", shop, "--check")
    assert deaf.code == 3, deaf.text
    assert "✗ it hears all events: The endpoint does not hear charge.dispute.closed" in deaf.text
    again = providers.guilder("connect", "stripe", "-t", shop, "--key-stdin", stdin=key)
    assert again.code == 0, again.text
    assert len(list(merchant.account.of("webhook_endpoint"))) == 1
    right = providers.guilder("connect", "stripe", "-t", shop, "--check")
    assert (right.code, "✗" in right.text) == (0, False), right.text
    assert key not in "".join(each.text for each in (made, deaf, again, right))
    assert "#secret" not in made.text
    assert endpoint["#secret"] not in made.text + again.text


@pytest.mark.shows("I29", "fault G6")
def test_a_key_that_is_typed_is_not_shown(providers, shop):
    key = providers.stripe.merchant().secret_key
    made = providers.typed("connect", "stripe", "-t", shop, answers=[key])
    assert made.code == 0, made.text
    assert "Secret key (sk_… or rk_…): " in made.text
    assert key not in made.text


def test_what_cannot_be_a_key_of_this_tenant_is_refused_before_anything_is_saved(providers, shop):
    live = f"{shop}-live"
    providers.tenant(live, "--live")
    test_key, live_key = providers.stripe.merchant().secret_key, providers.stripe.merchant(mode="live").secret_key
    for tenant, key, expected in (
        (shop, "pk_test_published_1234", "key of Stripe's looks like sk_live_…"),
        (shop, "sk_test_of_nobody_1234", "✗ Stripe takes the key: Stripe does not take this key. Make a new one at"),
        (shop, live_key, "moves money"),
        (live, test_key, "no money would move; take the live key"),
        (shop, "", "tdin has no line for: Secret key"),
    ):
        refused = providers.guilder("connect", "stripe", "-t", tenant, "--key-stdin", stdin=key)
        assert refused.code == 1, refused.text
        assert expected in refused.text, refused.text
        assert not key or key not in refused.text
        assert "Traceback" not in refused.text
    none = providers.guilder("connect", "stripe", "-t", shop, "--check")
    assert (none.code, "has no such account yet" in none.text) == (1, True), none.text
    nobody = providers.guilder("connect", "stripe", "-t", shop)
    assert (nobody.code, "obody is there to ask" in nobody.text) == (1, True), nobody.text


def test_a_restricted_key_is_connected_and_told_what_it_lacks(providers, shop):
    merchant = providers.stripe.merchant()
    providers.stripe.restricted(merchant)
    merchant.account.forbidden |= {"refunds"}
    made = providers.guilder("connect", "stripe", "-t", shop, "--key-stdin", stdin=merchant.secret_key)
    assert made.code == 3, made.text
    assert "This restricted key lacks Charges and Refunds" in made.text
    assert "Something is left to do" in made.text
    merchant.account.forbidden = {"webhook_endpoints"}
    check = providers.guilder("connect", "stripe", "-t", shop, "--check")
    assert check.code == 3, check.text
    assert "✗ our webhook is registered: This key may not see webhook endpoints" in check.text


def test_an_address_that_the_provider_cannot_reach_is_told_a_way(providers, shop):
    real = {"STRIPE_API_URL": "https://api.stripe.com", "PAYPAL_API_URL": "https://api-m.sandbox.paypal.com"}
    stripe = providers.guilder(
        "connect", "stripe", "-t", shop, "--key-stdin", stdin="sk_test_1234567890", PUBLIC_URL="", **real
    )
    assert stripe.code == 1, stripe.text
    for expected in (f"http://localhost:{providers.installation.port}", "cloudflared tunnel --url", "stripe listen"):
        assert expected in stripe.text
    paypal = providers.guilder(
        "connect", "paypal", "-t", shop, "--client-id", "a", "--key-stdin", stdin="b", PUBLIC_URL="", **real
    )
    assert (paypal.code, "PUBLIC_URL" in paypal.text, "stripe listen" in paypal.text) == (1, True, False), paypal.text


def test_notices_that_somebody_forwards_need_their_secret(providers, shop):
    merchant = providers.stripe.merchant()
    words = ("connect", "stripe", "-t", shop, "--endpoint-secret", "--key-stdin", "--wait", "4")
    wrong = providers.guilder(*words, stdin=f"{merchant.secret_key}\nwhsec_wrong\n")
    assert wrong.code == 3, wrong.text
    url = next(line for line in wrong.text.splitlines() if "stripe listen --forward-to" in line).split()[-1]
    assert "is the secret the one that it prints?" in wrong.text
    assert list(merchant.account.of("webhook_endpoint")) == [], "nothing was registered"

    tool = hooks.register(merchant.account, {"url": url, "enabled_events": ["*"]})
    assert providers.guilder("connect", "stripe", "-t", shop, "--check", "--wait", "4").code == 3
    assert {each["status"] for each in merchant.account.deliveries} == {401}
    right = providers.guilder(*words, stdin=f"{merchant.secret_key}\n{tool['secret']}\n")
    assert right.code == 0, right.text
    assert "✓ a test notice arrived, rightly signed" in right.text
    assert tool["secret"] not in right.text


def test_paypal_is_connected_and_what_is_wrong_is_said(providers, shop):
    merchant = providers.paypal.account()
    words = ("connect", "paypal", "-t", shop, "--client-id", merchant.client_id, "--key-stdin")
    wrong = providers.guilder(*words, stdin="not-the-secret")
    assert wrong.code == 1, wrong.text
    assert "✗ PayPal takes the client's id and secret: Copy the client id and secret of the app anew" in wrong.text
    live = providers.guilder(*words, "--environment", "live", stdin=merchant.secret)
    assert (live.code, "moves money" in live.text) == (1, True), live.text
    made = providers.guilder(*words, stdin=merchant.secret)
    assert made.code == 0, made.text
    for expected in ("✓ the app may take payments", "✓ our webhook is registered", "✓ it sends all events"):
        assert expected in made.text
    assert merchant.secret not in made.text
    assert len(merchant.webhooks) == 1

    merchant.scopes = merchant.scopes.replace("https://uri.paypal.com/services/reporting/search/read", "")
    merchant.webhooks.clear()
    check = providers.guilder("connect", "paypal", "-t", shop, "--check")
    assert check.code == 3, check.text
    assert "✗ the app may search transactions: Let the app search transactions" in check.text
    assert "✗ our webhook is registered: Connect the account again" in check.text
