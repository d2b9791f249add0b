"""Attack: a refund that fails after it had succeeded."""

import pytest

from guilder.domain.gateways.model import Outcome, OutcomeKind, RequestKind
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Answer, RefundStatus
from tests.rooms.payments.test_refunds import all_of, give_back, paid  # noqa: F401


@pytest.mark.xfail(strict=True, reason="news that a refund failed after all is not heard")
async def test_a_refund_that_fails_after_all_is_known_to_have_failed(till, paid):  # noqa: F811
    await give_back(till, paid)
    await till.settle()
    [done] = await all_of(till)
    assert done.status is RefundStatus.SUCCEEDED
    no = Outcome(
        kind=OutcomeKind.DECLINED, decline_code="refund_failed", provider_ref=done.provider_ref, amount=done.amount
    )
    async with till.tx() as tx:
        await payments.record_refunds(
            tx,
            answers=[
                Answer(
                    tenant_id=done.tenant_id,
                    business_key=done.business_key,
                    kind=RequestKind.REFUND,
                    outcome=no,
                    at=till.now,
                )
            ],
            now=till.now,
        )
    [after] = await all_of(till)
    assert after.status is RefundStatus.FAILED
