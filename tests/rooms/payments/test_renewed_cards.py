"""What a provider says by itself of saved methods: banks renew their cards, and what it has no more is charged no more."""

from datetime import timedelta

from guilder.domain.gateways.rules.discretion import token_digest
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import MethodStatus, Status
from guilder.kernel.ids import Ref
from tests.support.builders.customers import a_customer
from tests.support.builders.payments import Till, at

RENEWED = "payment_method.automatically_updated"
DETACHED = "payment_method.detached"
UPDATED = "payments.method.updated"
NEW_NUMBER = "5555555555554444"


async def token_of(till: Till, method) -> str:
    """Return what the provider calls it: what was saved there last is listed first."""
    listed = till.merchant.get("/v1/payment_methods").json()["data"]
    places = {each.id: place for place, each in enumerate(sorted(await till.methods(), key=lambda each: each.id))}
    return listed[::-1][places[method.id]]["id"]


async def renew(till, token, **written):
    """Have a card issued anew; return the notice of it, which has not come yet."""
    till.merchant.sim(f"payment_methods/{token}/renew", written)
    return till.events(RENEWED)[-1]


async def hear(till, *events):
    for event in events:
        await till.notify(event)
    await till.settle()


async def shown(till):
    return [(each.brand, each.last4, each.exp_month, each.exp_year) for each in await till.methods()]


async def times(till, name):
    return (await till.heard()).count(name)


async def test_a_card_is_shown_as_its_bank_renewed_it_and_is_charged_as_before(till):
    card = await till.a_card()
    await hear(till, await renew(till, await token_of(till, card), number=NEW_NUMBER, exp_month=3, exp_year=2038))
    [renewed] = await till.methods()
    assert (renewed.id, renewed.is_default, renewed.status) == (card.id, True, MethodStatus.VALID)
    assert await shown(till) == [("mastercard", "4444", 3, 2038)]
    assert renewed.warn_due_at == at("2038-03-02")
    assert renewed.fingerprint != card.fingerprint
    assert await times(till, UPDATED) == 1
    payment = await till.collect()
    await till.settle()
    assert ((await till.payment(payment)).status, till.merchant.charged()) == (Status.SUCCEEDED, [4900])


async def test_what_changed_nothing_and_what_comes_twice_is_told_once(till):
    card = await till.a_card()
    token = await token_of(till, card)
    news = await renew(till, token)
    again = await renew(till, token, exp_year=card.exp_year + 4)
    await hear(till, news, news, again)
    assert await shown(till) == [(card.brand, card.last4, card.exp_month, card.exp_year + 4)]
    assert await times(till, UPDATED) == 1


async def test_a_notice_that_comes_late_overwrites_none_that_is_newer(till):
    card = await till.a_card()
    token = await token_of(till, card)
    old = await renew(till, token, exp_year=2036)
    till.merchant.sim("clock", {"now": (till.now + timedelta(days=800)).isoformat()})
    new = await renew(till, token, exp_year=2040)
    await hear(till, new, old)
    assert await shown(till) == [(card.brand, card.last4, card.exp_month, 2040)]
    assert await times(till, UPDATED) == 1


async def test_a_card_that_is_renewed_into_another_takes_its_place(till):
    first, second, third = [
        await till.a_card(each) for each in ("pm_card_ok", "pm_card_mastercard", "pm_card_do_not_honor")
    ]
    token = await token_of(till, third)
    await hear(till, await renew(till, token, number=NEW_NUMBER, exp_year=second.exp_year))
    assert [each.id for each in await till.methods()] == [first.id, third.id]
    # Whoever named the other means the card.
    payment = await till.collect(payment_method_id=second.id)
    await till.settle()
    assert (await till.payment(payment)).payment_method_id == third.id
    assert await times(till, "payments.method.default_changed") == 0


async def test_a_card_that_is_renewed_into_the_default_is_the_default(till):
    default, other = await till.a_card(), await till.a_card("pm_card_mastercard")
    token = await token_of(till, other)
    await hear(till, await renew(till, token, number="4242424242424242", exp_year=default.exp_year))
    [left] = await till.methods()
    assert (left.id, left.is_default) == (other.id, True)
    assert await times(till, "payments.method.default_changed") == 1


async def test_what_its_provider_has_no_more_is_charged_no_more(till):
    first, second = await till.a_card(), await till.a_card("pm_card_mastercard")
    token = await token_of(till, first)
    late = await renew(till, token)
    till.merchant.post(f"/v1/payment_methods/{token}/detach")
    gone = till.events(DETACHED)[-1]
    await hear(till, gone, gone, late)
    there = {each.id: each for each in await till.methods()}
    assert (there[first.id].status, there[first.id].decline_code) == (MethodStatus.INVALID, "payment_method_detached")
    assert (there[first.id].exp_year, there[second.id].is_default) == (first.exp_year, True)
    assert (await times(till, "payments.method.refused"), await times(till, UPDATED)) == (1, 0)


async def test_of_what_was_removed_nothing_is_heard(till):
    card = await till.a_card()
    token = await token_of(till, card)
    news = await renew(till, token)
    async with till.tx() as tx:
        await payments.remove_method(tx, method_id=card.id, now=till.now)
    till.merchant.post(f"/v1/payment_methods/{token}/detach")
    await hear(till, news, till.events(DETACHED)[-1])
    assert (await till.methods(), await times(till, UPDATED)) == ([], 0)
    assert await times(till, "payments.method.refused") == 0


async def test_of_what_is_still_being_validated_nothing_is_heard(till):
    async with till.tx() as tx:
        await payments.add_method(tx, customer_id=till.customer.id, token="pm_card_ok", now=till.now)
    await till.consumer.drain()
    # The provider has saved it, and renews it before its answer has come.
    body = {"customer": str(till.customer.id), "payment_method": "pm_card_ok"}
    setup = till.merchant.post("/v1/setup_intents", body).json()["id"]
    token = till.merchant.post(f"/v1/setup_intents/{setup}/confirm").json()["payment_method"]
    await hear(till, await renew(till, token, exp_year=2041))
    [method] = await till.methods()
    assert (method.status, method.exp_year) == (MethodStatus.VALID, 2034)


async def test_of_whom_was_erased_and_of_strangers_nothing_is_heard(till):
    card = await till.a_card()
    token = await token_of(till, card)
    news = await renew(till, token)
    async with till.tx() as tx:
        await tx.vault.destroy(tx, [Ref(till.tenant.tenant_id, till.customer.id)], now=till.now)
    await hear(till, news)
    assert await times(till, UPDATED) == 0
    async with till.tx() as tx:
        await a_customer(tx, tenant_id=till.tenant.tenant_id, name="Other", now=till.now)
        await tx.execute("delete from gateways.payers")
    await hear(till, await renew(till, token))
    async with till.tx() as tx:
        kept = await tx.fetch(
            "select ignored_because, sealed_body from gateways.notices where type = $1 order by id", RENEWED
        )
    # What they say of who owns the card would outlive an erasure.
    assert [tuple(each) for each in kept] == [("", b""), ("unknown_payer", b"")]


async def test_no_event_says_the_token(till):
    card = await till.a_card()
    token = await token_of(till, card)
    await hear(till, await renew(till, token))
    async with till.tx() as tx:
        said = await tx.fetchval("select string_agg(l::text, '') from platform.log l where name like '%.method.%'")
    assert token_digest(till.account.id, token) in said
    assert token not in said
