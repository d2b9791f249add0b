"""From an order to a paid invoice, and from a failing card to a lifted block: over HTTP, by real processes."""

import io

import pypdf

from tests.scenarios.conftest import in_both_forms
from tests.support.processes import until
from tests.support.world import World

installation = in_both_forms()


async def standing(world: World, organization_id: str = "acme"):
    return await world.get(f"/api/entitlements/{organization_id}")


async def is_eligible(world: World, organization_id: str = "acme"):
    return (await standing(world, organization_id))["eligible"]


async def the_invoice(world: World, number: int = 0):
    """The invoices of the sandbox, newest first."""
    return (await world.get("/api/invoices"))[number]


async def status_of(world: World, subscription):
    return (await world.get(f"/api/subscriptions/{subscription['id']}"))["status"]


async def test_a_customer_subscribes_pays_on_the_hosted_page_and_is_served(world: World):
    await world.plan()
    await world.customer()
    assert not await is_eligible(world)

    subscription = await world.subscribe()
    assert subscription["status"] == "processing"
    assert subscription["current_period_end"] == "2026-02-28T12:00:00Z"
    link = subscription["payment_link"]

    paid = await world.pay(link)
    assert paid.status_code == 200
    await until(lambda: is_eligible(world), what="eligibility")

    assert await status_of(world, subscription) == "active"
    invoice = await the_invoice(world)
    assert (invoice["status"], invoice["total"], invoice["amount_due"]) == ("paid", 3000, 0)
    assert [(line["kind"], line["amount"]) for line in invoice["lines"]] == [("recurring", 3000)]

    async def pdf():
        answer = await world.http.get(f"/api/invoices/{invoice['id']}/pdf", follow_redirects=True)
        return answer if answer.status_code == 200 else None

    document = await until(pdf, what="the PDF")
    text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(document.content)).pages)
    assert invoice["number"] in text
    assert "30.00" in text

    async def thanked():
        return "payment_succeeded" in await world.mails("acme")

    await until(thanked, what="the thank-you")
    journal = await world.journal()
    assert [(charge["amount"], charge["status"]) for charge in journal["charges"]] == [(3000, "succeeded")]


async def test_a_card_that_fails_is_tried_again_three_times_then_blocked_and_lifted_by_repaying(world: World):
    await world.plan()
    await world.customer()
    card = await world.card("acme", "pm_card_once")
    subscription = await world.subscribe(payment_method_id=card["id"])
    await until(lambda: is_eligible(world), what="eligibility")

    await world.advance(to="2026-02-28T12:00:00Z")
    assert await status_of(world, subscription) == "past_due"
    assert await is_eligible(world), "access goes on while it is tried again"

    await world.advance(days=8)
    assert await status_of(world, subscription) == "suspended"
    blocked = await standing(world)
    assert (blocked["eligible"], blocked["blocked"]) == (False, True)
    journal = await world.journal()
    invoice = await the_invoice(world)
    attempts = [charge for charge in journal["charges"] if invoice["id"]]
    assert len([charge for charge in attempts if charge["status"] == "failed"]) == 4, "one try and three more"
    kinds = await world.mails("acme")
    assert kinds.count("payment_failed") == 3
    assert kinds.count("apology") == 1
    assert "payment_reminder" in kinds

    repayment = await world.post(f"/api/invoices/{invoice['id']}/pay", {})
    await world.pay(repayment["payment_link"])
    await until(lambda: is_eligible(world), what="the block's end")
    assert await status_of(world, subscription) == "active"
    assert "access_restored" in await world.mails("acme")
