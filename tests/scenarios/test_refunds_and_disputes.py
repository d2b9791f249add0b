"""Money that goes back: by refund, with and without its document, and by a bank. docs/design/{refunds,disputes}.md."""

import asyncio
from collections import Counter as Count

import pytest

from tests.support.database import connected
from tests.support.outcomes import a_subscriber, is_eligible, payments_of, rest
from tests.support.processes import until
from tests.support.worst_day import counter_of

MONEY = ("cash", "refunds", "disputes", "fees", "write_offs", "customer_credit", "tax_payable")


@pytest.fixture
async def paid(world):
    """Acme pays 30.00 and 5.70 of tax for a month."""
    await world.tax("19")
    await world.plan(amount=3000)
    await a_subscriber(world)
    await world.subscribe()
    await rest(world)
    [payment] = await payments_of(world)
    assert (payment["status"], payment["amount"]) == ("succeeded", 3570)
    return payment


@pytest.fixture
async def counter(world):
    async with counter_of(world) as counter:
        yield counter


async def entries(world, *kinds):
    """Return what was booked, in order: (kind, {account: amount})."""
    async with connected(world.installation.urls.admin) as admin:
        rows = await admin.fetch(
            """select e.kind, p.account, sum(p.amount_minor)::bigint as amount, min(e.id::text) as at
               from ledger.entries e join ledger.postings p on p.tenant_id = e.tenant_id and p.entry_id = e.id
               where e.tenant_id = $1 and e.kind = any ($2) group by e.id, e.kind, p.account order by e.id, p.account""",
            world.tenant_id,
            list(kinds),
        )
    found = {}
    for row in rows:
        found.setdefault((row["at"], row["kind"]), {})[row["account"]] = row["amount"]
    return [(kind, postings) for (_, kind), postings in found.items()]


async def balances(world):
    async with connected(world.installation.urls.admin) as admin:
        rows = await admin.fetch(
            """select account, sum(amount_minor)::bigint as amount from ledger.postings
               where tenant_id = $1 group by account having sum(amount_minor) <> 0""",
            world.tenant_id,
        )
    return {row["account"]: row["amount"] for row in rows if row["account"] in MONEY}


async def refund(world, payment, amount=None, *, expect=(202,), **over):
    body = {"payment_id": payment["id"], "reason": "not used", **over} | ({"amount": amount} if amount else {})
    return await world.post("/api/refunds", body, expect=expect)


async def charge_of(counter):
    [charge] = await counter.charges()
    return charge["ref"]


async def the_dispute(world, status):
    async def stands():
        return [each for each in await world.get("/api/disputes") if each["status"] == status]

    [found] = await until(stands, what=f"a dispute that is {status}")
    return found


async def invoice_of(world):
    return next(each for each in await world.invoices() if each["number"].startswith("INV"))


@pytest.mark.shows("fault F9", "ASVS 2.3.4", "ASVS 15.4.2")
async def test_of_twenty_refunds_at_once_no_more_goes_back_than_came_in(world, paid):
    answers = await asyncio.gather(
        *[
            world.http.post("/api/refunds", json={"payment_id": paid["id"], "reason": "late", "amount": 1000})
            for _ in range(20)
        ]
    )
    assert Count(answer.status_code for answer in answers) == {202: 3, 409: 17}
    await rest(world)
    assert await entries(world, "refund_succeeded") == [("refund_succeeded", {"refunds": 1000, "cash": -1000})] * 3
    assert (await invoice_of(world))["status"] == "paid"


async def test_a_refund_with_its_note_gives_the_tax_back_and_no_credit(world, paid):
    await refund(world, paid, 1190, credit_note="full", reason_code="goodwill")
    await rest(world)
    [note] = [each for each in await world.invoices() if each["kind"] == "credit_note"]
    assert (note["subtotal"], note["tax"], note["total"]) == (-1000, -190, -1190)
    assert await entries(world, "refund_succeeded", "credit_note_of_refund", "credit_granted") == [
        ("refund_succeeded", {"refunds": 1190, "cash": -1190}),
        ("credit_note_of_refund", {"receivable": 1190, "refunds": -1190}),
    ]
    assert await balances(world) == {"cash": 2380, "tax_payable": -380}
    assert await world.get("/api/credits", customer_id="acme") == []
    # The rest, once: as credit, and then not as money beside it.
    await world.post(f"/api/invoices/{(await invoice_of(world))['id']}/credit-notes", {"reason": "All of it"})
    assert [each["left"] for each in await world.get("/api/credits", customer_id="acme")] == [2380]
    assert (await refund(world, paid, 1, expect=(409,)))["code"] == "nothing_to_refund"


async def test_what_was_refunded_without_a_note_is_documented_and_not_given_twice(world, paid):
    await refund(world, paid, 1190)
    await rest(world)
    await world.post(f"/api/invoices/{(await invoice_of(world))['id']}/credit-notes", {"reason": "All of it"})
    assert [each["left"] for each in await world.get("/api/credits", customer_id="acme")] == [2380]
    assert await entries(world, "credit_note_of_refund", "credit_granted") == [
        ("credit_note_of_refund", {"receivable": 1190, "refunds": -1190}),
        ("credit_granted", {"receivable": 2380, "customer_credit": -2380}),
    ]
    await refund(world, paid, 2380, expect=(409,))


async def test_a_dispute_blocks_and_winning_it_restores(world, paid, counter):
    made = await counter.dispute(await charge_of(counter), reason="fraudulent")
    opened = await the_dispute(world, "open")
    assert (opened["amount"], opened["reason"], opened["fee"]) == (3570, "fraudulent", 1500)
    await rest(world)
    assert not await is_eligible(world)
    assert await balances(world) == {"cash": -1500, "disputes": 3570, "fees": 1500, "tax_payable": -570}
    assert (await refund(world, paid, 1, expect=(409,)))["code"] == "nothing_to_refund"

    await counter.decide(made, "won")
    await the_dispute(world, "won")
    await rest(world)
    assert await is_eligible(world)
    assert await entries(world, "dispute_opened", "dispute_fee", "dispute_won", "dispute_lost") == [
        ("dispute_fee", {"cash": -1500, "fees": 1500}),
        ("dispute_opened", {"cash": -3570, "disputes": 3570}),
        ("dispute_won", {"cash": 3570, "disputes": -3570}),
    ]
    assert await balances(world) == {"cash": 2070, "fees": 1500, "tax_payable": -570}
    assert (await invoice_of(world))["status"] == "paid"


async def test_what_is_lost_is_written_off_and_the_customer_stays_out(world, paid, counter):
    made = await counter.dispute(await charge_of(counter), amount=1190)
    await the_dispute(world, "open")
    await counter.decide(made, "lost")
    lost = await the_dispute(world, "lost")
    await rest(world)
    assert await balances(world) == {"cash": 880, "fees": 1500, "write_offs": 1190, "tax_payable": -570}
    assert not await is_eligible(world)
    assert (await invoice_of(world))["status"] == "paid"
    # What is left can still go back, and no more.
    await refund(world, paid, 2381, expect=(409,))
    await refund(world, paid, 2380)
    await rest(world)
    # News of old changes nothing of what is decided.
    for event in await counter.events():
        if event["type"].startswith("charge.dispute"):
            await counter.redeliver(event["id"])
    await rest(world)
    assert (await the_dispute(world, "lost"))["id"] == lost["id"]
    assert await balances(world) == {
        "cash": -1500,
        "fees": 1500,
        "write_offs": 1190,
        "refunds": 2380,
        "tax_payable": -570,
    }
    # Where the law lets the tax be taken back, a note documents what is gone, and grants nothing.
    wish = {"reason": "Gone", "refund": "none"}
    await world.post(f"/api/invoices/{(await invoice_of(world))['id']}/credit-notes", wish)
    assert await entries(world, "credit_note_of_refund", "credit_granted") == [
        ("credit_note_of_refund", {"receivable": 3570, "refunds": -2380, "write_offs": -1190})
    ]
    assert await balances(world) == {"cash": -1500, "fees": 1500}
    noted = await world.post(f"/api/disputes/{lost['id']}/note", {"text": "Sent them the contract."})
    assert [note["text"] for note in noted["notes"]] == ["Sent them the contract."]


async def test_where_the_tenant_says_so_a_dispute_shuts_nobody_out(world, paid, counter):
    await world.put("/api/entitlement-settings", {"blocks_on_dispute": False})
    await counter.dispute(await charge_of(counter))
    await the_dispute(world, "open")
    await rest(world)
    assert await is_eligible(world)


async def test_an_inquiry_moves_nothing_before_it_becomes_a_dispute(world, paid, counter):
    made = await counter.dispute(await charge_of(counter), inquiry=True)
    await the_dispute(world, "inquiry")
    await rest(world)
    assert await is_eligible(world)
    assert await balances(world) == {"cash": 3570, "tax_payable": -570}
    await counter.decide(made, "needs_response")
    await the_dispute(world, "open")
    await rest(world)
    assert not await is_eligible(world)


async def test_a_dispute_during_a_refund_wins_and_the_refund_is_recorded_as_failed(world, paid, counter):
    await counter.fault("hold", "refund", phase="before", times=1)
    made = await refund(world, paid)
    await counter.until_held("refund")
    await counter.dispute(await charge_of(counter))
    await the_dispute(world, "open")
    await counter.release()

    async def failed():
        found = await world.get(f"/api/refunds/{made['id']}")
        return found if found["status"] == "failed" else None

    assert (await until(failed, what="a refund that failed"))["decline_code"] == "charge_disputed"
    await rest(world)
    assert await entries(world, "refund_succeeded", "dispute_opened") == [
        ("dispute_opened", {"cash": -3570, "disputes": 3570})
    ]


async def test_in_whatever_order_news_comes_what_is_decided_stays(world, paid, counter):
    await counter.webhooks("hold")
    made = await counter.dispute(await charge_of(counter), inquiry=True)
    await counter.decide(made, "needs_response")
    await counter.decide(made, "lost")
    told = [each["id"] for each in await counter.events() if each["type"].startswith("charge.dispute")]
    await counter.deliver(told[::-1])
    await the_dispute(world, "lost")
    await counter.webhooks("ok")
    await rest(world)
    assert await balances(world) == {"cash": -1500, "fees": 1500, "write_offs": 3570, "tax_payable": -570}
    assert not await is_eligible(world)


async def test_who_lost_us_a_payment_and_pays_again_is_let_in(world, paid, counter):
    made = await counter.dispute(await charge_of(counter))
    await the_dispute(world, "open")
    await counter.decide(made, "lost")
    await the_dispute(world, "lost")
    await rest(world)
    assert not await is_eligible(world)
    await world.advance(days=30)
    assert [each["amount"] for each in await counter.charges()] == [3570, 3570]
    assert await is_eligible(world)
    assert (await balances(world))["write_offs"] == 3570


@pytest.mark.parametrize("used", [False, True])
async def test_a_policy_grants_what_was_not_used(world, paid, used):
    policy = {"auto_grant_days": 14, "amounts_max": {"EUR": 4000}, "only_unused": True, "credit_note": "full"}
    await world.put("/api/refund-policy", policy)
    if used:
        await world.meter()
        await world.post("/api/usage", {"event_id": "e1", "organization_id": "acme", "meter": "calls", "value": "1"})
        await rest(world)
    asked = await world.post(f"/api/payments/{paid['id']}/refund-requests", {"reason": "Not for us"})
    assert asked["status"] == "asked"
    await rest(world)
    decided = await world.get(f"/api/refunds/{asked['id']}")
    notes = [each["total"] for each in await world.invoices() if each["kind"] == "credit_note"]
    if used:
        assert (decided["status"], decided["granted_by"], notes) == ("asked", "", [])
        assert await is_eligible(world)
    else:
        assert (decided["status"], decided["granted_by"], notes) == ("succeeded", "policy", [-3570])
        assert not await is_eligible(world)
        assert await balances(world) == {}
