"""Several methods a customer: their order, the default, one card once, and those that run out."""

from datetime import timedelta

import pytest

from guilder.domain.gateways.model import CardDetails, Outcome, OutcomeKind, RequestKind
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Answer, MethodStatus, Status, Via
from guilder.domain.payments.rules.ordering import METHODS_MAX
from guilder.domain.payments.service import validating
from guilder.kernel.errors import Invalid
from guilder.kernel.ids import CustomerId, Ref
from guilder.kernel.noun import replace
from tests.support.builders.payments import Till, at

DEFAULT_CHANGED = "payments.method.default_changed"


async def changes(till: Till) -> int:
    return (await till.heard()).count(DEFAULT_CHANGED)


async def remove(till, method):
    async with till.tx() as tx:
        await payments.remove_method(tx, method_id=method.id, now=till.now)


async def order(till, *methods):
    async with till.tx() as tx:
        return await payments.order_methods(tx, customer_id=till.customer.id, method_ids=[each.id for each in methods])


async def three(till):
    return [await till.a_card(token) for token in ("pm_card_ok", "pm_card_mastercard", "pm_card_do_not_honor")]


async def test_the_default_comes_first_and_the_others_as_they_are_ordered(till):
    first, second, third = await three(till)
    assert [each.id for each in await till.methods()] == [first.id, second.id, third.id]
    ordered = await order(till, third, first, second)
    assert [each.id for each in ordered] == [first.id, third.id, second.id]
    assert [each.id for each in await till.methods()] == [first.id, third.id, second.id]


async def test_an_order_names_each_once_and_nobody_elses(till):
    first, second, _ = await three(till)
    with pytest.raises(Invalid):
        await order(till, first, first)
    await remove(till, second)
    with pytest.raises(Invalid):
        await order(till, first, second)


async def test_when_the_default_is_removed_the_next_in_order_is_the_default(till):
    first, second, third = await three(till)
    await order(till, third, second)
    assert await changes(till) == 0
    await remove(till, first)
    assert [(each.id, each.is_default) for each in await till.methods()] == [(third.id, True), (second.id, False)]
    assert await changes(till) == 1
    await remove(till, second)
    assert await changes(till) == 1, "it was not the default"


async def test_choosing_the_default_is_told_once(till):
    _, second, _ = await three(till)
    for _ in range(2):
        async with till.tx() as tx:
            await payments.set_default_method(tx, method_id=second.id, now=till.now)
    assert await changes(till) == 1


async def test_a_method_is_the_default_as_soon_as_it_is_valid_where_that_was_asked(till):
    first = await till.a_card()
    second = await till.a_card("pm_card_mastercard", make_default=True)
    assert [(each.id, each.is_default) for each in await till.methods()] == [(second.id, True), (first.id, False)]
    assert await changes(till) == 1


async def test_the_same_card_saved_again_takes_the_place_of_the_first(till):
    first, second, third = await three(till)
    again = await till.a_card("pm_card_mastercard")
    assert [each.id for each in await till.methods()] == [first.id, again.id, third.id]
    assert await changes(till) == 0
    renewed = await till.a_card()
    assert (renewed.is_default, await changes(till)) == (True, 1)
    assert [each.id for each in await till.methods()] == [renewed.id, again.id, third.id]
    # Whoever named the first one (a subscription does) means the card, and is charged to it.
    payment = await till.collect(payment_method_id=second.id)
    await till.settle()
    paid = await till.payment(payment)
    assert (paid.status, paid.payment_method_id, paid.brand) == (Status.SUCCEEDED, again.id, "mastercard")


async def test_what_was_requested_with_a_card_that_was_saved_anew_is_charged_to_that(till):
    first = await till.a_card()
    payment = await till.collect()
    async with till.tx() as tx:
        await payments.add_method(tx, customer_id=till.customer.id, token="pm_card_ok", now=till.now)
        asked = await tx.fetchval("select business_key from gateways.requests where subject_id <> $1", first.id)
        method_id = await tx.fetchval("select id from payments.methods where id <> $1", first.id)
        card = CardDetails(token="pm_card_ok", **shown(first))
        outcome = Outcome(kind=OutcomeKind.SUCCEEDED, card=card)
        key = f"{till.tenant.tenant_id}:setup:{method_id}"
        assert key == asked
        answer = Answer(
            tenant_id=till.tenant.tenant_id, business_key=key, kind=RequestKind.SETUP, outcome=outcome, at=till.now
        )
        await payments.record_setups(tx, answers=[answer], now=till.now)
    await till.settle()
    paid = await till.payment(payment)
    assert (paid.status, paid.payment_method_id) == (Status.SUCCEEDED, method_id)


def shown(method):
    return {
        "brand": method.brand,
        "last4": method.last4,
        "exp_month": method.exp_month,
        "exp_year": method.exp_year,
    }


async def keep(till, card):
    """Have a payment by link that succeeded bring a card."""
    payment = replace(await till.collect(), account_id=till.account.id, gateway="simulated")
    async with till.tx() as tx:
        return await validating.keep_card(tx, payment=payment, card=card, now=till.now)


async def test_a_card_that_is_kept_already_has_its_token_renewed(till):
    first = await till.a_card()
    kept = await keep(till, CardDetails(token="pm_card_mastercard", **shown(first)))
    assert kept.id == first.id
    payment = await till.collect()
    await till.settle()
    charged = (await till.payment(payment)).charge_ref
    assert charged
    async with till.tx() as tx:
        from_store = await tx.fetchval("select count(*) from payments.methods")
    assert from_store == 1


async def test_a_kept_card_that_is_paid_with_after_it_was_renewed_shows_its_new_date(till):
    card = CardDetails(token="pm_card_ok", fingerprint="f", brand="visa", last4="4242", exp_month=1, exp_year=2030)
    first = await keep(till, card)
    again = await keep(till, card)
    renewed = await keep(till, replace(card, token="pm_card_mastercard", exp_year=2034))
    assert {first.id, again.id} == {renewed.id}
    assert [each.exp_year for each in await till.methods()] == [2034]
    assert (await till.heard()).count("payments.method.updated") == 1


async def test_a_customer_never_has_more_methods_than_one_can_have(till):
    first = await till.a_card()
    async with till.tx() as tx:
        await tx.execute(
            """insert into payments.methods (tenant_id, id, customer_id, account_id, gateway, status, sealed_token, brand,
                   last4, exp_month, exp_year, is_default, decline_code, action_url, created_at, position)
               select tenant_id, gen_random_uuid(), customer_id, account_id, gateway, 'valid', sealed_token, brand,
                      '0001', exp_month, exp_year, false, '', '', created_at, n
               from payments.methods, generate_series(1, $1) n""",
            METHODS_MAX - 1,
        )
    kept = await keep(till, CardDetails(token="pm_card_mastercard", brand="mastercard", last4="4444"))
    there = await till.methods()
    assert len(there) == METHODS_MAX
    assert {first.id, kept.id} <= {each.id for each in there}
    assert METHODS_MAX - 1 not in {each.position for each in there if each.id != kept.id}, "the last in order gave way"
    async with till.tx() as tx:
        with pytest.raises(payments.TooManyMethods):
            await payments.add_method(tx, customer_id=till.customer.id, token="pm_card_ok", now=till.now)


async def decline(till, payment, code):
    async with till.tx() as tx:
        outcome = Outcome(kind=OutcomeKind.DECLINED, decline_code=code, is_hard_decline=True)
        answer = Answer(
            tenant_id=payment.tenant_id,
            business_key=payment.business_key,
            kind=RequestKind.CHARGE,
            outcome=outcome,
            at=till.now,
        )
        await payments.record(tx, answers=[answer], now=till.now)


async def test_what_the_provider_does_not_have_any_more_is_charged_no_more(till):
    first, second, _ = await three(till)
    payment = await till.collect()
    await till.hear()
    await decline(till, payment, "payment_method_detached")
    there = {each.id: each for each in await till.methods()}
    assert (there[first.id].status, there[first.id].is_default) == (MethodStatus.INVALID, False)
    assert there[second.id].is_default
    heard = await till.heard()
    assert (heard.count("payments.method.refused"), heard.count(DEFAULT_CHANGED)) == (1, 1)


async def test_another_hard_decline_leaves_the_method_as_it_is(till):
    first = await till.a_card()
    payment = await till.collect()
    await till.hear()
    await decline(till, payment, "stolen_card")
    assert [(each.id, each.status) for each in await till.methods()] == [(first.id, MethodStatus.VALID)]


async def warn(till, now):
    async with till.tx() as tx:
        due = await tx.fetch("select * from payments.expiring_due($1, $2, 10)", till.tenant.tenant_id, now)
        refs = [Ref(row["tenant_id"], row["id"]) for row in due]
        await payments.warn_expiring(tx, refs=refs, now=now)
    return [name for name in await till.heard() if name == "payments.method.expiring"]


async def test_a_card_that_runs_out_is_told_of_twice(till):
    card = await till.a_card()
    end = at(f"{card.exp_year}-{card.exp_month:02}-01") + timedelta(days=31)
    end = end.replace(day=1)
    assert await warn(till, end - timedelta(days=31)) == []
    assert len(await warn(till, end - timedelta(days=30))) == 1
    assert len(await warn(till, end - timedelta(days=29))) == 1
    assert len(await warn(till, end - timedelta(days=7))) == 2
    assert len(await warn(till, end + timedelta(days=1))) == 2


async def test_a_warning_that_comes_late_comes_once_and_one_that_comes_too_late_never(till):
    card = await till.a_card()
    end = (at(f"{card.exp_year}-{card.exp_month:02}-01") + timedelta(days=31)).replace(day=1)
    assert len(await warn(till, end - timedelta(days=5))) == 1
    other = await till.a_card("pm_card_mastercard")
    assert len(await warn(till, end + timedelta(days=2))) == 1
    await remove(till, other)
    assert (await till.methods())[0].id == card.id


async def test_a_removed_card_is_not_warned_of(till):
    card = await till.a_card()
    await remove(till, card)
    assert await warn(till, at("2099-01-01")) == []


async def test_says_what_an_invoice_was_not_tried_with_yet(till):
    first, second, third = await three(till)
    await order(till, third, second)
    payment = await till.collect(payment_method_id=third.id)
    ref = Ref(payment.tenant_id, payment.invoice_id)
    unknown = Ref(payment.tenant_id, payment.customer_id)
    async with till.tx() as tx:
        untried = await payments.untried_methods(tx, invoices=[ref, unknown])
    assert {invoice: [each.id for each in found] for invoice, found in untried.items()} == {ref: [first.id, second.id]}
    await remove(till, second)
    async with till.tx() as tx:
        untried = await payments.untried_methods(tx, invoices=[ref])
    assert [each.id for each in untried[ref]] == [first.id]


async def test_a_release_that_knows_no_warnings_can_remove_a_method_that_is_to_be_warned_of(till):
    method = await till.a_card()
    async with till.tx() as tx:
        await tx.execute("update payments.methods set warn_due_at = now() where id = $1", method.id)
    async with till.tx() as tx:
        await tx.execute("update payments.methods set status = 'removed', is_default = false where id = $1", method.id)
        assert await tx.fetchval("select warn_due_at from payments.methods where id = $1", method.id) is None


async def test_methods_that_were_read_are_not_read_again_unless_they_were_saved_anew(till):
    first, second, _ = await three(till)
    owed = till.payable(payment_method_id=first.id)
    async with till.tx() as tx:
        await payments.remove_method(tx, method_id=first.id, now=till.now)
        await tx.execute("update payments.methods set replaced_by = $2 where id = $1", first.id, second.id)
        [made] = await payments.collect(tx, payables=[owed], methods=[first, second], now=till.now)
        assert made.payment_method_id == first.id  # as it was read
    anew = replace(first, replaced_by=second.id)
    async with till.tx() as tx:
        [made] = await payments.collect(
            tx, payables=[till.payable(payment_method_id=first.id)], methods=[anew], now=till.now
        )
        assert made.payment_method_id == second.id


async def test_a_method_that_was_read_is_charged_for_its_own_customer_alone(till):
    first, _, _ = await three(till)
    strange = replace(first, customer_id=CustomerId(first.id))
    async with till.tx() as tx:
        [made] = await payments.collect(
            tx, payables=[till.payable(payment_method_id=first.id, via=Via.EITHER)], methods=[strange], now=till.now
        )
        default = (await payments.default_methods(tx, refs=[Ref(first.tenant_id, first.customer_id)])).popitem()[1]
    assert made.payment_method_id == default.id
