"""How a payment stands, asked from outside: over HTTP, in the provider's journal, in the mails that were sent."""

from collections import Counter as Count
from datetime import timedelta
from typing import Any

import httpx

from tests.support.processes import until
from tests.support.world import World
from tests.support.worst_day import Counter

FAILURES = frozenset({"payment_failed", "payment_reminder", "apology", "access_restored"})
SETTLE_TIMEOUT_S = 120
GOOD_CARD = "4242424242424242"


async def a_subscriber(world: World, token: str = "pm_card_ok", organization_id: str = "acme") -> Any:
    """A customer with a saved card, who has not subscribed yet; return the card."""
    await world.customer(organization_id)
    return await world.card(organization_id, token)


async def payments_of(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await world.get("/api/payments", limit=200)
    return found


async def the_payment(world: World) -> dict[str, Any]:
    [payment] = await payments_of(world)
    return payment


async def payment_status(world: World) -> str:
    return str((await the_payment(world))["status"])


async def is_eligible(world: World, organization_id: str = "acme") -> bool:
    return bool((await world.get(f"/api/entitlements/{organization_id}"))["eligible"])


async def rest(world: World) -> None:
    """Let a second pass and wait until all that is known has been done: the log, calls to the outside, notices."""
    await world.advance(to=(await world.now() + timedelta(seconds=1)).isoformat())


async def assert_paid_once(
    world: World, counter: Counter, subscription: Any, *, organization_id: str = "acme", amount: int = 3000
) -> None:
    """One charge there, one payment here, everything that follows from it, and each mail once."""

    async def served() -> bool:
        return await is_eligible(world, organization_id)

    await until(served, timeout_s=SETTLE_TIMEOUT_S, what="access after the payment")
    await rest(world)
    charges = await counter.charges()
    assert [charge["amount"] for charge in charges] == [amount], charges
    succeeded = [payment for payment in await payments_of(world) if payment["status"] == "succeeded"]
    assert len(succeeded) == 1, succeeded
    [invoice] = await world.get("/api/invoices")
    assert (invoice["status"], invoice["amount_due"]) == ("paid", 0)
    assert (await world.get(f"/api/subscriptions/{subscription['id']}"))["status"] == "active"
    kinds = Count(await world.mails(organization_id))
    assert kinds["payment_succeeded"] == 1, kinds
    assert max(kinds.values()) == 1, kinds
    assert not FAILURES & set(kinds), kinds


async def open_hosted_page(world: World, link: str) -> str:
    """Open a payment link as a customer does, up to the provider's page; return that page's address."""
    async with httpx.AsyncClient(trust_env=False, follow_redirects=True, timeout=60) as browser:
        shown = await browser.get(link)
        assert shown.status_code == 200, shown.text
        hosted = await browser.post(f"{link}/pay")

        async def at_the_provider() -> Any:
            nonlocal hosted
            if str(hosted.url).startswith(world.installation.provider_url):
                return str(hosted.url)
            hosted = await browser.get(link, params={"opening": "1"})
            return None

        url: str = await until(at_the_provider, what="the way to the provider's page")
        return url


async def pay_on(page: str, card: str = GOOD_CARD) -> httpx.Response:
    """Type a card on the provider's page; the answer is not followed any further."""
    form = {"number": card, "expiry": "12 / 34", "cvc": "123", "name": "A. Customer"}
    async with httpx.AsyncClient(trust_env=False, timeout=30) as browser:
        return await browser.post(page, data=form)
