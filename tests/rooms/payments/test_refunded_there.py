"""Refunds that somebody made at the provider, and not here: they bear no mark of ours, and are shown all the same."""

import pytest

from guilder.domain.gateways.model import DisputeStatus, OutcomeKind, RequestKind
from guilder.domain.payments import service as payments
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from tests.rooms.payments.test_disputes import tells
from tests.rooms.payments.test_reconciling import an_entry, differences, told


@pytest.fixture
async def paid(till):
    await till.a_card()
    payment = await till.collect()
    await till.settle()
    return await till.payment(payment)


def a_refund(till, charge_ref, **over):
    said = {"kind": RequestKind.REFUND, "provider_ref": "re_there", "business_key": "", "amount": Money(900, "EUR")}
    return an_entry(till, charge_ref=charge_ref, **{**said, **over})


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
