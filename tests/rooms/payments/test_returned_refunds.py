"""Refunds that come back after they had succeeded: the customer's bank did not take them."""

from guilder.domain.gateways.model import Outcome, OutcomeKind, RequestKind
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import RefundStatus
from guilder.kernel.noun import replace
from tests.rooms.payments.test_links import said
from tests.rooms.payments.test_refunds import all_of, give_back, paid  # noqa: F401


async def test_a_refund_that_comes_back_is_told_once_and_stays_owed(till, paid):  # noqa: F811
    await give_back(till, paid)
    await till.settle()
    [done] = await all_of(till)
    balances = await till.balances()
    same = {"provider_ref": done.provider_ref, "amount": done.amount}
    back = Outcome(kind=OutcomeKind.DECLINED, decline_code="refund_failed", **same)
    for outcome in (back, Outcome(kind=OutcomeKind.SUCCEEDED, **same), back):
        async with till.tx() as tx:
            await payments.record_refunds(tx, answers=[said(done, RequestKind.REFUND, outcome, till.now)], now=till.now)
    [after] = await all_of(till)
    assert (after.status, after.decline_code, after.settled_at) == (
        RefundStatus.SUCCEEDED,
        "refund_failed",
        done.settled_at,
    )
    assert [each for each in await till.heard() if each.startswith("payments.refund.")] == [
        "payments.refund.succeeded",
        "payments.refund.returned",
    ]
    assert await till.balances() == balances, "what it gave back it gave back: nobody refunds it a second time"


async def test_what_failed_of_another_refund_is_not_this_one_coming_back(till, paid):  # noqa: F811
    await give_back(till, paid)
    await till.settle()
    [done] = await all_of(till)
    other = Outcome(
        kind=OutcomeKind.DECLINED, provider_ref="re_another", decline_code="refund_failed", amount=done.amount
    )
    for outcome in (other, replace(other, kind=OutcomeKind.CANCELED)):
        async with till.tx() as tx:
            await payments.record_refunds(tx, answers=[said(done, RequestKind.REFUND, outcome, till.now)], now=till.now)
    assert "payments.refund.returned" not in await till.heard()
    async with till.tx() as tx:
        nameless = replace(other, provider_ref="")
        await payments.record_refunds(tx, answers=[said(done, RequestKind.REFUND, nameless, till.now)], now=till.now)
    assert "payments.refund.returned" in await till.heard(), "a provider that does not say which means this one"
