"""A disputed payment shuts its customer out, where the tenant did not say otherwise, until it is won."""

import pytest

from guilder.domain.dunning.events import AccessToBlock
from guilder.domain.entitlements import handlers
from guilder.domain.entitlements import service as entitlements
from guilder.domain.entitlements.model import Settings
from guilder.domain.entitlements.service import BlockedForDebt
from guilder.domain.payments.events import DisputeOpened, DisputeWon
from guilder.kernel import ids
from guilder.kernel.errors import NotFound
from guilder.kernel.money import Money
from tests.support.builders.entitlements import an_order_completed, heard, of_case
from tests.support.builders.identity import NOW


def of_dispute(kind, ground, dispute_id, **more):
    return heard(
        kind(
            tenant_id=ground.tenant_id,
            dispute_id=dispute_id,
            payment_id=ids.new(NOW),
            invoice_id=ids.new(NOW),
            customer_id=ground.customer.id,
            amount=Money(1000, "EUR"),
            reason="fraudulent",
            **more,
        )
    )


@pytest.fixture
async def dispute(ground):
    await ground.hear(handlers.on_order_completed, an_order_completed(ground.customer))
    return ids.new(NOW)


async def test_it_shuts_out_until_it_is_won(ground, dispute):
    opened = of_dispute(DisputeOpened, ground, dispute)
    assert await ground.hear(handlers.on_dispute_opened, opened) == ["blocked"]
    found = await ground.standing()
    assert (found.is_eligible, found.reasons) == (False, ("disputed",))
    won = of_dispute(DisputeWon, ground, dispute, decided_at=NOW)
    assert await ground.hear(handlers.on_dispute_won, won) == ["restored"]
    assert (await ground.standing()).is_eligible
    assert await ground.hear(handlers.on_dispute_opened, opened) == []
    assert (await ground.standing()).is_eligible


async def test_not_where_the_tenant_said_otherwise(ground, dispute):
    async with ground.tx() as tx:
        said = Settings(tenant_id=ground.tenant_id, blocks_on_dispute=False)
        await entitlements.set_settings(tx, settings=said, now=NOW)
        assert await entitlements.settings(tx) == said
    assert await ground.hear(handlers.on_dispute_opened, of_dispute(DisputeOpened, ground, dispute)) == []
    assert (await ground.standing()).is_eligible


async def test_a_person_may_let_the_customer_in_again(ground, dispute):
    await ground.hear(handlers.on_dispute_opened, of_dispute(DisputeOpened, ground, dispute))
    async with ground.tx() as tx:
        await entitlements.readmit(tx, customer_id=ground.customer.id, cause_id=dispute, now=NOW)
    assert (await ground.standing()).is_eligible


async def test_but_not_in_spite_of_what_is_owed_nor_for_nothing(ground, dispute):
    case = ids.new(NOW)
    await ground.hear(
        handlers.on_access_to_block, of_case(AccessToBlock, ground.customer, case_id=case, reason="unpaid")
    )
    for cause, refused in ((case, BlockedForDebt), (dispute, NotFound)):
        async with ground.tx(keep=False) as tx:
            with pytest.raises(refused):
                await entitlements.readmit(tx, customer_id=ground.customer.id, cause_id=cause, now=NOW)
    assert not (await ground.standing()).is_eligible
