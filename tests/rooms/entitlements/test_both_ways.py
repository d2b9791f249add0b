"""Access follows money both ways, by the reactions as they are wired."""

import pytest

from guilder.domain.dunning.model import FinalAction
from guilder.domain.entitlements import service as entitlements
from guilder.domain.payments.events import DisputeOpened, DisputeWon
from guilder.kernel import ids
from guilder.kernel.money import Money
from guilder.wiring.reactions import REACTION_LIST
from tests.support.builders.dunning import a_customer_behind
from tests.support.builders.orders import a_shop, days, says_yes


@pytest.fixture
async def shop(database):
    return await a_shop(database)


async def standing(shop, customer):
    """Let entitlements hear of everything that it listens to, and ask."""
    while shop.heard:
        event = shop.heard.pop(0)
        for each in REACTION_LIST:
            if each.group == "entitlements" and type(event) is each.event:
                await shop.tell(each.handler, [event])
    return await shop.act(lambda tx: entitlements.standing(tx, text=customer.organization_id, now=shop.now))


async def test_whoever_pays_is_eligible_and_whoever_pays_nothing_is_not(shop):
    customer = await shop.customer()
    answer = await shop.subscribe(customer, await shop.plan())
    assert not (await standing(shop, customer)).is_eligible
    await shop.pays_by_link(answer)
    assert (await standing(shop, customer)).is_eligible


async def test_the_last_try_that_fails_shuts_out_and_repaying_lets_in_again(shop):
    behind = await a_customer_behind(shop)
    await shop.advance(behind.failed_at + days(7) - days(0.01))
    assert (await standing(shop, behind.customer)).is_eligible
    await shop.advance(behind.failed_at + days(7))
    found = await standing(shop, behind.customer)
    assert (found.is_eligible, found.is_blocked) == (False, True)
    assert found.reasons == ("retries_exhausted", "subscription_suspended")
    shop.bank = says_yes
    await shop.card(behind.customer, last4="1111")
    await shop.drain()
    found = await standing(shop, behind.customer)
    assert (found.is_eligible, found.is_blocked, found.reasons) == (True, False, ())


async def test_a_grace_is_kept_and_then_access_ends(shop):
    behind = await a_customer_behind(shop, rules={"grace_days": 4})
    await shop.advance(behind.failed_at + days(11) - days(0.01))
    assert (await standing(shop, behind.customer)).is_eligible
    await shop.advance(behind.failed_at + days(11))
    assert not (await standing(shop, behind.customer)).is_eligible


async def test_what_is_left_past_due_is_shut_out_and_let_in_without_being_suspended(shop):
    behind = await a_customer_behind(shop, rules={"final_action": FinalAction.LEAVE_PAST_DUE})
    await shop.advance(behind.failed_at + days(7))
    assert (await standing(shop, behind.customer)).reasons == ("retries_exhausted",)
    shop.bank = says_yes
    await shop.card(behind.customer, last4="1111")
    await shop.drain()
    assert (await standing(shop, behind.customer)).is_eligible


async def test_a_dispute_shuts_out_and_winning_it_lets_in_again(shop):
    behind = await a_customer_behind(shop, bank=says_yes)
    assert (await standing(shop, behind.customer)).is_eligible
    said = {
        "tenant_id": shop.tenant.tenant_id,
        "dispute_id": ids.new(shop.now),
        "payment_id": ids.new(shop.now),
        "invoice_id": ids.new(shop.now),
        "customer_id": behind.customer.id,
        "amount": Money(3000, "EUR"),
        "reason": "fraudulent",
    }
    shop.heard.append(DisputeOpened(**said))
    assert (await standing(shop, behind.customer)).reasons == ("disputed",)
    shop.heard.append(DisputeWon(**said, decided_at=shop.now))
    assert (await standing(shop, behind.customer)).is_eligible
