"""Refunds that somebody made at the provider, and not here: they bear no mark of ours, and are shown all the same; a person
takes them for ours."""

import asyncio
from datetime import timedelta

import pytest

from guilder.domain.gateways.model import DisputeStatus, Outcome, OutcomeKind, RequestKind
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import NewRefund, NoteWish, RefundReason, RefundStatus
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from tests.rooms.payments.test_disputes import tells
from tests.rooms.payments.test_links import said
from tests.rooms.payments.test_reconciling import an_entry, differences, read_books, told


@pytest.fixture
async def paid(till):
    await till.a_card()
    payment = await till.collect()
    await till.settle()
    return await till.payment(payment)


def a_refund(till, charge_ref, **over):
    there = {"kind": RequestKind.REFUND, "provider_ref": "re_there", "business_key": "", "amount": Money(900, "EUR")}
    return an_entry(till, charge_ref=charge_ref, **{**there, **over})


async def test_it_is_a_difference_of_its_payment_and_shown_once(till, paid):
    for _ in range(2):
        await told(till, a_refund(till, paid.charge_ref))
    async with till.tx() as tx:
        [found] = (await payments.differences(tx, query=PageQuery())).items
    assert (found.what, found.payment_id, found.ours_minor, found.theirs_minor) == (
        "refund_only_there",
        paid.id,
        None,
        900,
    )
    assert (await till.heard()).count("payments.difference.found") == 1


@pytest.mark.parametrize(
    "over",
    [{"charge_ref": "ch_of_others"}, {"business_key": "their:own:1"}, {"status": OutcomeKind.UNKNOWN}],
)
async def test_what_is_of_others_or_not_done_is_none(till, paid, over):
    await told(till, a_refund(till, **{"charge_ref": paid.charge_ref, **over}))
    assert await differences(till) == []


async def test_what_a_bank_took_is_told_by_its_dispute(till, paid):
    await tells(till, paid, DisputeStatus.OPEN, minor=900)
    await told(till, a_refund(till, paid.charge_ref))
    assert await differences(till) == []


async def the_difference(till):
    async with till.tx() as tx:
        [found] = (await payments.differences(tx, query=PageQuery())).items
    return found


async def take(till, difference_id, **over):
    async with till.tx() as tx:
        taking = payments.Taking(**{"reason": "made in the dashboard", **over})
        taken = await payments.take_refund(tx, difference_id=difference_id, taking=taking, now=till.now)
    await till.settle()
    return taken


async def refunds_of(till):
    async with till.tx() as tx:
        return (await payments.refunds(tx, query=PageQuery())).items


async def a_refund_of_ours(till, paid):
    """One of 9.00 that its provider has not been asked for yet."""
    async with till.tx() as tx:
        wanted = NewRefund(payment_id=paid.id, reason="sorry", amount_minor=900)
        return await payments.make_refund(tx, refund=wanted, now=till.now)


async def test_it_is_taken_for_ours_as_it_was_made_there_and_no_provider_is_asked(till, paid):
    made_at = till.now - timedelta(minutes=90)
    await told(till, a_refund(till, paid.charge_ref, at=made_at))
    found = await the_difference(till)
    over = {"reason_code": RefundReason.DUPLICATE, "credit_note": NoteWish.FULL, "ends_access": True}
    taken = await take(till, found.id, **over)
    assert (taken.status, taken.amount, taken.settled_at, taken.provider_ref) == (
        RefundStatus.SUCCEEDED,
        Money(900, "EUR"),
        made_at,
        "re_there",
    )
    assert (taken.reason_code, taken.credit_note, taken.ends_access) == (RefundReason.DUPLICATE, NoteWish.FULL, True)
    assert (await the_difference(till)).resolution == "it is a refund here by now"
    assert (await till.payment(paid)).refundable == Money(4000, "EUR")
    assert (await till.heard()).count("payments.refund.succeeded") == 1
    assert (await till.balances())["refunds", "EUR"] == 900
    async with till.tx() as tx:
        asked = await tx.fetch("select is_settled, tries from gateways.requests where kind = 'refund'")
    assert [tuple(each) for each in asked] == [(True, 0)]


async def test_what_the_books_say_of_it_again_is_nothing_new(till, paid):
    await told(till, a_refund(till, paid.charge_ref))
    await take(till, (await the_difference(till)).id)
    # Its fee was told later: the entry is read anew, with the mark that it never had there.
    await told(till, a_refund(till, paid.charge_ref, fee=Money(25, "EUR")))
    await read_books(till)
    assert len(await refunds_of(till)) == len(await differences(till)) == 1


async def test_two_who_take_it_at_once_take_it_once(till, paid):
    await told(till, a_refund(till, paid.charge_ref))
    found = await the_difference(till)
    done = await asyncio.gather(*(take(till, found.id) for _ in range(4)), return_exceptions=True)
    refused = [each.code for each in done if isinstance(each, Conflict)]
    assert refused == ["difference_resolved"] * 3
    assert len(await refunds_of(till)) == 1


async def test_another_refund_of_the_same_amount_is_not_taken_for_it(till, paid):
    """What a restore lost is met when it is asked for again: an entry that is somebody's is not."""
    stray = f"{till.tenant.tenant_id}:refund:{till.customer.id}"
    await told(till, a_refund(till, paid.charge_ref, business_key=stray))
    await take(till, (await the_difference(till)).id)
    another = await a_refund_of_ours(till, paid)
    await till.settle()
    refs = {each.id: each.provider_ref for each in await refunds_of(till)}
    assert len(refs) == 2
    assert refs[another.id] not in {"re_there", ""}
    assert (await till.payment(paid)).refundable == Money(3100, "EUR")


async def test_more_than_is_left_is_left_to_a_person(till, paid):
    async with till.tx() as tx:
        await payments.make_refund(
            tx, refund=NewRefund(payment_id=paid.id, reason="x", amount_minor=4500), now=till.now
        )
    await till.settle()
    await told(till, a_refund(till, paid.charge_ref))
    with pytest.raises(Conflict) as refused:
        await take(till, (await the_difference(till)).id)
    assert refused.value.code == "refund_exceeds_captured"
    assert (await the_difference(till)).resolved_at is None


async def test_one_that_failed_here_and_went_back_there_all_the_same_is_taken(till, paid):
    failed = await a_refund_of_ours(till, paid)
    no = Outcome(kind=OutcomeKind.DECLINED, decline_code="refund_failed")
    async with till.tx() as tx:
        await payments.record_refunds(tx, answers=[said(failed, RequestKind.REFUND, no, till.now)], now=till.now)
    await told(till, a_refund(till, paid.charge_ref, business_key=failed.business_key))
    taken = await take(till, (await the_difference(till)).id)
    assert {each.id: each.status for each in await refunds_of(till)} == {
        failed.id: RefundStatus.FAILED,
        taken.id: RefundStatus.SUCCEEDED,
    }
    assert (await till.payment(paid)).refundable == Money(4000, "EUR")


async def test_one_that_is_asked_for_here_is_granted_and_not_taken_beside_it(till, paid):
    """A backup knows that its customer asked for it, and the provider that it was granted since."""
    wanted = NewRefund(payment_id=paid.id, reason="Not what I wanted", amount_minor=900)
    async with till.tx() as tx:
        refund = await payments.ask_refund(tx, refund=wanted, now=till.now)
    await told(till, a_refund(till, paid.charge_ref, business_key=refund.business_key))
    with pytest.raises(Conflict) as refused:
        await take(till, (await the_difference(till)).id)
    assert refused.value.code == "refund_already_asked"
    async with till.tx() as tx:
        await payments.grant_refund(tx, refund_id=refund.id, now=till.now)
    await till.settle()
    [only] = await refunds_of(till)
    assert (only.status, only.provider_ref) == (RefundStatus.SUCCEEDED, "re_there")
    assert (await the_difference(till)).resolved_at is not None
    assert (await till.payment(paid)).refundable == Money(4000, "EUR")


async def test_what_is_no_refund_of_ours_is_not_taken(till, paid):
    await told(till, an_entry(till, business_key=paid.business_key, provider_ref="pi_other", charge_ref="ch_other"))
    [(what, *_)] = await differences(till)
    assert what == "only_there"
    with pytest.raises(Conflict) as refused:
        await take(till, (await the_difference(till)).id)
    assert refused.value.code == "no_refund_there"
    with pytest.raises(NotFound):
        await take(till, paid.id)


async def test_a_difference_that_was_explained_is_not_taken_as_well(till, paid):
    await told(till, a_refund(till, paid.charge_ref))
    found = await the_difference(till)
    async with till.tx() as tx:
        await payments.resolve_difference(tx, difference_id=found.id, reason="booked by hand", now=till.now)
    with pytest.raises(Conflict) as refused:
        await take(till, found.id)
    assert refused.value.code == "difference_resolved"
    assert not await refunds_of(till)
