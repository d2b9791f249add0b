"""Payment methods: validated by the provider, sealed, one the default."""

import httpx
import pytest

from guilder.domain.payments import service as payments
from guilder.domain.payments.model import MethodStatus
from guilder.kernel.errors import Conflict, NotFound


async def methods(till):
    async with till.tx() as tx:
        return await payments.methods(tx, customer_id=till.customer.id)


async def add(till, token):
    async with till.tx() as tx:
        return await payments.add_method(
            tx, customer_id=till.customer.id, token=token, return_url="https://shop.example/", now=till.now
        )


async def test_the_first_is_the_default_until_another_is_chosen(till):
    first, second = await till.a_card(), await till.a_card("pm_card_mastercard")
    assert (first.is_default, second.is_default, second.brand) == (True, False, "mastercard")
    async with till.tx() as tx:
        await payments.set_default_method(tx, method_id=second.id, now=till.now)
    assert [(m.id, m.is_default) for m in await methods(till)] == [(second.id, True), (first.id, False)]


async def test_a_card_that_the_bank_refuses_is_told_of_and_never_charged(till):
    asked = await add(till, "pm_card_lost")
    assert asked.status is MethodStatus.PENDING
    await till.settle()
    [method] = await methods(till)
    assert (method.status, method.decline_code) == (MethodStatus.INVALID, "lost_card")
    assert (await till.heard()).count("payments.method.refused") == 1
    async with till.tx() as tx:
        with pytest.raises(Conflict):
            await payments.set_default_method(tx, method_id=asked.id, now=till.now)


async def test_a_card_typed_on_the_providers_page_is_kept(till):
    asked = await add(till, None)
    await till.settle()
    [waiting] = await methods(till)
    assert (waiting.id, waiting.status) == (asked.id, MethodStatus.PENDING)
    form = {"number": "5555555555554444", "expiry": "12 / 34", "cvc": "123", "name": "A"}
    httpx.post(waiting.action_url, data=form, trust_env=False, timeout=60)
    for event in till.events():
        await till.notify(event)
    await till.settle()
    [method] = await methods(till)
    assert (method.status, method.brand, method.is_default) == (MethodStatus.VALID, "mastercard", True)
    payment = await till.collect()
    await till.settle()
    assert (await till.payment(payment)).status == "succeeded"


async def test_a_setup_without_an_answer_is_made_once(till):
    till.merchant.sim("faults", {"mode": "drop_after", "op": "confirm", "times": 1})
    await add(till, "pm_card_ok")
    await till.settle_in_time()
    assert [m.status for m in await methods(till)] == [MethodStatus.VALID]
    assert len(till.merchant.get("/v1/setup_intents").json()["data"]) == 1


@pytest.mark.shows("I29", "PCI 3.2.1", "ASVS 14.2.4")
async def test_tokens_lie_sealed(till):
    await till.a_card()
    async with till.tx() as tx:
        sealed = [row[0] for row in await tx.fetch("select sealed_token from payments.methods")]
        sealed += [row[0] for row in await tx.fetch("select sealed_token from gateways.requests")]
        sealed += [row[0] for row in await tx.fetch("select sealed_secret from gateways.accounts")]
    assert sealed
    assert not [each for each in sealed if b"pm_" in each or b"sk_sim" in each]


async def test_a_method_that_was_removed_is_gone(till):
    card = await till.a_card()
    async with till.tx() as tx:
        await payments.remove_method(tx, method_id=card.id, now=till.now)
    assert await methods(till) == []
    async with till.tx() as tx:
        with pytest.raises(NotFound):
            await payments.method(tx, method_id=card.id)
        assert await tx.fetchval("select sealed_token from payments.methods") == b""
