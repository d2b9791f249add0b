"""A preview is the thing itself: what it shows is, to the cent, what then happens. See docs/design/scenarios.md."""

from tests.support.bills import a_story, period

CHARGES = [
    {
        "code": "calls",
        "name": "Calls",
        "meter": "calls",
        "prices": [{"currency": "EUR", "model": "per_unit", "unit_amount": "0.7"}],
    }
]


def seen(invoice):
    """All of an invoice that a preview can promise: not its number, nor its ids."""
    lines = [
        (line["kind"], line["description"], line["quantity"], line["amount"], line["tax"],
         period(line["period_start"], line["period_end"]))
        for line in invoice["lines"]
    ]  # fmt: skip
    totals = {name: invoice[name] for name in ("kind", "currency", "subtotal", "discount", "tax", "total", "issued_at")}
    return lines, totals, [(each["percent"], each["net"], each["tax"]) for each in invoice["taxes"]]


def agreed(subscription):
    names = ("plan_code", "quantity", "amount", "status", "current_period_start", "current_period_end")
    return {name: subscription[name] for name in names}


async def test_18_what_is_previewed_is_what_then_happens(installation):
    async with a_story(installation, "2026-06-01") as world:
        await world.tax("21")
        await world.meter()
        await world.plan("pro", amount=3333, charges=CHARGES)
        await world.plan("max", amount=9999, charges=CHARGES)
        code = {"code": "THIRD", "name": "A third", "percent": "33.3", "duration": "forever"}
        await world.post("/api/promo-codes", code)
        await world.customer()
        card = await world.card("acme", "pm_card_ok")
        wish = {
            "organization_id": "acme",
            "plan_id": "pro",
            "billing_cycle": "monthly",
            "quantity": 2,
            "promo_code": "THIRD",
            "payment_method_id": card["id"],
        }

        shown = await world.post("/api/subscriptions/preview", wish)
        assert await world.invoices() == [], "nothing was made"
        subscription = await world.post("/api/subscriptions", wish)
        [first] = await world.invoices()
        assert [seen(each) for each in shown["invoices"]] == [seen(first)]
        path = f"/api/subscriptions/{subscription['id']}"

        await world.advance(to="2026-06-11T07:07:07Z")
        await world.use("june", "1234")
        for change in ({"plan_id": "max"}, {"quantity": 1, "when": "now"}, {"quantity": 5}):
            before = await world.invoices()
            shown = await world.post(f"{path}/preview", change)
            assert await world.invoices() == before, change
            await world.change(subscription, **change)
            made = (await world.invoices())[len(before) :]
            assert [seen(each) for each in [*shown["invoices"], *shown.get("credit_notes", [])]] == [
                seen(each) for each in made
            ], change
            assert agreed(shown["subscription"]) == agreed(await world.subscription(subscription)), change
            await world.advance(hours=7)

        before = await world.invoices()
        upcoming = await world.get(f"{path}/next-invoice")
        assert await world.invoices() == before
        await world.advance(to="2026-07-01T00:00:00Z")
        [renewal] = (await world.invoices())[len(before) :]
        assert [seen(each) for each in upcoming["invoices"]] == [seen(renewal)]
        assert any(line["kind"] == "usage" for line in renewal["lines"])
        assert upcoming["invoices"][0]["amount_due"] == renewal["amount_paid"]
