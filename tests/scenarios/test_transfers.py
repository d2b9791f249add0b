"""Paid by bank transfer: the customer reads where to, staff records what came in; access, books and mails follow."""

import httpx

from tests.support.outcomes import is_eligible, rest, the_payment
from tests.support.processes import until
from tests.support.world import World

INSTRUCTIONS = "Guilder Ltd\nIBAN NL00 BANK 0123 4567"


async def a_bank(world: World):
    bank = await world.post(
        "/api/gateways",
        {
            "gateway": "manual",
            "name": "Our bank",
            "settings": {"instructions": INSTRUCTIONS, "reference_prefix": "INV-"},
        },
    )
    route = {"name": "By transfer", "targets": [{"gateway_account_id": bank["id"]}]}
    await world.put("/api/payment-routes", {"routes": [route]})
    return bank


async def cash(world: World):
    found = await world.get("/api/payments", gateway="manual")
    return [(each["amount"], each["amount_refunded"], each["status"]) for each in found]


async def test_a_subscription_is_paid_by_transfer_and_refunded_by_hand(world: World):
    bank = await a_bank(world)
    await world.plan()
    await world.customer()
    subscription = await world.subscribe()

    async with httpx.AsyncClient(trust_env=False, follow_redirects=True, timeout=60) as browser:
        page = (await browser.post(f"{subscription['payment_link']}/pay")).text
        assert all(line in page for line in (*INSTRUCTIONS.split("\n"), "INV-", "30.00"))
        assert "<button" not in page
    payment = await the_payment(world)
    assert (payment["gateway"], payment["gateway_account_id"], payment["route"]) == (
        "manual",
        bank["id"],
        "By transfer",
    )
    await world.advance(days=3)
    assert not await is_eligible(world), "nothing has come in yet"

    transfer = {
        "invoice_id": subscription["invoice_id"],
        "amount": 3000,
        "received_at": (await world.now()).isoformat(),
        "reference": "Statement 7, line 12",
        "note": "Called to say that it was late",
    }
    part = await world.http.post("/api/payments/manual", json={**transfer, "amount": 2999})
    assert (part.status_code, part.json()["code"]) == (422, "amount_differs")
    first, again = [await world.post("/api/payments/manual", transfer) for _ in range(2)]
    assert (first["payment_id"], first["status"]) == (payment["id"], "succeeded")
    assert again == first
    await until(lambda: is_eligible(world), what="access")
    [invoice] = await world.get("/api/invoices")
    assert (invoice["status"], invoice["amount_due"]) == ("paid", 0)
    second = await world.http.post("/api/payments/manual", json={**transfer, "reference": "Another"})
    assert (second.status_code, second.json()["code"]) == (409, "already_paid")

    refund = await world.post("/api/refunds", {"payment_id": payment["id"], "amount": 1000, "reason": "Was late"})
    await rest(world)
    assert (await world.get(f"/api/refunds/{refund['id']}"))["status"] == "pending", "nobody has sent it yet"
    sent = {"sent_at": (await world.now()).isoformat(), "reference": "OUT-4"}
    assert (await world.post(f"/api/refunds/{refund['id']}/record", sent))["status"] == "succeeded"
    assert await cash(world) == [(3000, 1000, "succeeded")]
    await rest(world)
    assert (await world.journal())["charges"] == [], "the provider never heard of it"


async def test_a_renewal_without_a_card_waits_for_its_transfer(world: World):
    await a_bank(world)
    await world.plan()
    await world.customer()
    subscription = await world.subscribe()
    for number in range(2):
        invoice = (await world.get("/api/invoices"))[0]
        received = {"received_at": (await world.now()).isoformat(), "reference": f"Line {number}"}
        await world.post("/api/payments/manual", {"invoice_id": invoice["number"], "amount": 3000, **received})
        await rest(world)
        assert (await world.get("/api/invoices"))[0]["status"] == "paid"
        await world.advance(days=29)
    shown = await world.get(f"/api/subscriptions/{subscription['id']}")
    assert [(each["total"], each["status"]) for each in await world.get("/api/invoices")] == [(3000, "paid")] * 2
    assert (shown["status"], shown["current_period_end"]) == ("active", "2026-03-31T12:00:00Z")
