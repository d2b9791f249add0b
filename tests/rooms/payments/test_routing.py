"""Where payments go that are bound to no account, and where they go when an account is not well: before anyone was asked."""

from datetime import timedelta

import pytest

from guilder.domain.gateways.model import Outcome, OutcomeKind, RequestKind
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Answer, Route, Status, Target, Via
from guilder.kernel import ids
from guilder.kernel.errors import Invalid
from guilder.kernel.money import Money
from guilder.kernel.noun import replace


def a_route(till, *accounts, **over):
    targets = tuple(Target(account_id=each.id) for each in accounts)
    return Route(**{"id": ids.new(till.now), "name": "Elsewhere", "targets": targets, **over})


async def start(till, payment):
    async with till.tx() as tx:
        await payments.start(tx, refs=[payment.ref], now=till.now)
    return await till.payment(payment)


async def look_after(till, payment):
    async with till.tx() as tx:
        await payments.look_after(tx, refs=[payment.ref], now=till.now)
    return await till.payment(payment)


async def asked(till):
    async with till.tx() as tx:
        rows = await tx.fetch(
            "select account_id, business_key from gateways.requests where kind = 'charge' order by id"
        )
    return [(row["account_id"], row["business_key"]) for row in rows]


async def test_a_link_opens_where_a_route_says_and_says_so(till):
    other = await till.another_account()
    await till.routed(a_route(till, other, currencies=frozenset({"EUR"})))
    euros, dollars = await till.collect(via=Via.LINK), await till.collect(via=Via.LINK, amount=Money(100, "USD"))
    for payment, account, route in ((euros, other, "Elsewhere"), (dollars, till.account, "")):
        opened = await till.open(payment)
        assert (opened.account_id, opened.route, opened.status) == (account.id, route, Status.REQUIRES_ACTION)


async def test_a_route_by_country_is_by_the_customers(till):
    other = await till.another_account()
    for country, account in (("NL", till.account), (till.customer.address.country, other)):
        await till.routed(a_route(till, other, countries=frozenset({country})))
        assert (await till.open(await till.collect(via=Via.LINK))).account_id == account.id


async def test_a_link_opens_elsewhere_where_its_account_is_down(till):
    other = await till.another_account()
    await till.ails(till.account, down_until=till.now + timedelta(minutes=1))
    opened = await till.open(await till.collect(via=Via.LINK))
    assert (opened.account_id, opened.status) == (other.id, Status.REQUIRES_ACTION)


async def test_a_link_that_was_opened_stays_where_it_is_whatever_becomes_of_the_account(till):
    await till.another_account()
    payment = await till.open(await till.collect(via=Via.LINK))
    await till.ails(till.account, down_until=till.now + timedelta(days=9))
    till.clock.move_by(timedelta(days=2))
    again = await till.open(payment)
    assert again.account_id == till.account.id


async def test_a_link_stays_unknown_at_its_account(till):
    await till.another_account()
    payment = await till.open(await till.collect(via=Via.LINK))
    await tell(till, payment, OutcomeKind.UNKNOWN)
    await till.ails(till.account, down_until=till.now + timedelta(days=9))
    again = await till.open(payment)
    assert (again.account_id, again.status) == (till.account.id, Status.UNKNOWN)
    assert {account for account, _ in await asked(till)} == {till.account.id}


async def tell(till, payment, kind):
    answer = Answer(
        tenant_id=payment.tenant_id,
        business_key=payment.business_key,
        kind=RequestKind.CHARGE,
        outcome=Outcome(kind=kind, is_outage=True),
        at=till.now,
    )
    async with till.tx() as tx:
        await payments.record(tx, answers=[answer], now=till.now)


async def two_cards(till):
    other = await till.another_account()
    return await till.a_card(), await till.a_card("pm_card_mastercard", account_id=other.id), other


@pytest.mark.parametrize("ailing", ["down_until", "refused_at", "quarantined_at"])
async def test_a_charge_whose_account_is_not_well_goes_to_the_next_method(till, ailing):
    _, second, other = await two_cards(till)
    payment = await till.collect()
    at = till.now + timedelta(minutes=1) if ailing == "down_until" else till.now
    await till.ails(till.account, **{ailing: at})
    await till.settle()
    paid = await till.payment(payment)
    assert (paid.status, paid.account_id, paid.payment_method_id) == (Status.SUCCEEDED, other.id, second.id)
    assert (paid.brand, paid.attempt) == ("mastercard", 1)
    assert await asked(till) == [(other.id, payment.business_key)]


async def test_where_nobody_can_take_it_it_waits_and_fails_for_nothing(till):
    first, _, other = await two_cards(till)
    payment = await till.collect()
    back_at = till.now + timedelta(minutes=2)
    await till.ails(till.account, down_until=back_at)
    await till.ails(other, quarantined_at=till.now)
    await till.settle()
    waiting = await till.payment(payment)
    assert (waiting.status, waiting.is_asked, waiting.check_due_at) == (Status.REQUESTED, False, back_at)
    assert await asked(till) == []
    till.clock.move_by(timedelta(minutes=2))
    await look_after(till, payment)
    await till.settle()
    paid = await till.payment(payment)
    assert (paid.status, paid.payment_method_id) == (Status.SUCCEEDED, first.id)
    assert "payments.payment.failed" not in await till.heard()


async def test_a_refused_key_is_tried_again_after_a_while_where_there_is_no_other_way(till):
    await till.a_card()
    payment = await till.collect()
    await till.ails(till.account, refused_at=till.now)
    await till.settle()
    assert await asked(till) == []
    till.clock.move_by(timedelta(minutes=10))
    await look_after(till, payment)
    await till.settle()
    assert (await till.payment(payment)).status is Status.SUCCEEDED


@pytest.mark.parametrize("state", ["asked", "unknown"])
async def test_what_a_provider_may_know_of_never_goes_elsewhere(till, state):
    first, *_ = await two_cards(till)
    payment = await till.collect()
    await till.hear()
    if state == "unknown":
        await tell(till, payment, OutcomeKind.UNKNOWN)
    await till.ails(till.account, down_until=till.now + timedelta(days=1))
    for hours in (0, 1, 5):
        till.clock.move_by(timedelta(hours=hours))
        await start(till, payment)
        await look_after(till, payment)
        # Dunning may ask for it as often as it likes, too: with the other method, by name.
        other = (await till.methods())[1]
        again = till.payable(
            invoice_id=payment.invoice_id, amount=payment.amount, payment_method_id=other.id, via=Via.SAVED
        )
        assert (await till.collect(again)).id == payment.id
    stays = await till.payment(payment)
    assert (stays.account_id, stays.payment_method_id) == (till.account.id, first.id)
    assert await asked(till) == [(till.account.id, payment.business_key)]


async def test_a_method_of_a_retired_account_is_not_charged(till):
    _, second, other = await two_cards(till)
    async with till.tx() as tx:
        await tx.execute("update gateways.accounts set is_active = false where id = $1", other.id)
    payment = await till.collect(payment_method_id=second.id)
    await till.settle()
    assert (await till.payment(payment)).account_id == till.account.id


async def test_without_any_method_left_it_fails_and_says_why(till):
    card = await till.a_card()
    payment = await till.collect()
    async with till.tx() as tx:
        await payments.remove_method(tx, method_id=card.id, now=till.now)
    await till.settle()
    failed = await till.payment(payment)
    assert (failed.status, failed.decline_code) == (Status.DECLINED, "no_payment_method")


async def test_a_card_is_saved_at_the_account_that_is_named_or_routed(till):
    other = await till.another_account()
    named = await till.a_card(account_id=other.id)
    assert named.account_id == other.id
    await till.routed(a_route(till, other, method_kinds=frozenset({"paypal"})))
    assert (await till.a_card("pm_card_mastercard")).account_id == till.account.id
    routed = await till.a_card("pm_card_do_not_honor", kind="paypal")
    assert routed.account_id == other.id
    async with till.tx() as tx:
        with pytest.raises(payments.UnknownAccount):
            await payments.add_method(
                tx, customer_id=till.customer.id, token="pm_card_ok", account_id=till.customer.id, now=till.now
            )


async def test_what_is_asked_of_the_provider_carries_its_claim(till):
    await till.a_card()
    payment = await till.collect(claim="digest-of-what-is-billed")
    await till.hear()
    async with till.tx() as tx:
        assert await tx.fetchval("select claim from gateways.requests where kind = 'charge'") == payment.claim
    assert payment.claim == "digest-of-what-is-billed"


async def test_routes_replace_those_that_were_and_name_what_is_wrong(till):
    other = await till.another_account()
    await till.routed(a_route(till, other), a_route(till, till.account, name="Two"))
    await till.routed(a_route(till, till.account, name="Only"))
    async with till.tx() as tx:
        assert [each.name for each in await payments.routes(tx)] == ["Only"]
    wrong = (
        (a_route(till, replace(other, id=ids.new(till.now))), "routes[0].targets[0].gateway_account_id"),
        (a_route(till, other, other), "routes[0].targets[1].gateway_account_id"),
        (a_route(till, other, amount_from=1), "routes[0].conditions.currencies"),
        (
            a_route(till, other, amount_from=9, amount_to=9, currencies=frozenset({"EUR"})),
            "routes[0].conditions.amount_to",
        ),
    )
    for route, field in wrong:
        with pytest.raises(Invalid) as refused:
            await till.routed(route)
        assert refused.value.field == field


async def test_a_payment_that_is_held_up_at_one_account_holds_up_none_of_another(till):
    first, second, other = await two_cards(till)
    held = await till.collect(payment_method_id=first.id)
    free = await till.collect(payment_method_id=second.id)
    async with till.tx() as holding:
        await holding.execute("select from payments.payments where id = $1 for update", held.id)
        await holding.execute("select from payments.methods where id = $1 for update", first.id)
        await holding.execute("select from gateways.accounts where id = $1 for update", till.account.id)
        async with till.tx() as tx:
            await tx.execute("set local lock_timeout = '500ms'")
            await payments.start(tx, refs=[free.ref], now=till.now)
        started = await till.payment(free)
        assert started.account_id == other.id
        async with till.tx() as tx:
            await tx.execute("set local lock_timeout = '500ms'")
            outcome = Outcome(kind=OutcomeKind.SUCCEEDED, amount=free.amount, provider_ref="pi_1", charge_ref="ch_1")
            answer = Answer(
                tenant_id=free.tenant_id,
                business_key=free.business_key,
                kind=RequestKind.CHARGE,
                outcome=outcome,
                at=till.now,
            )
            await payments.record(tx, answers=[answer], now=till.now)
    assert (await till.payment(free)).status is Status.SUCCEEDED
    assert (await till.payment(held)).status is Status.REQUESTED
