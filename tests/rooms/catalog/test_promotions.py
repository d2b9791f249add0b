import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Duration, PromoStatus
from guilder.domain.catalog.rules.checking import BadPromoCode
from guilder.domain.catalog.rules.promotions import PromoUsedUp
from guilder.domain.catalog.service.promotions import PromoCodeTaken
from guilder.kernel import ids
from guilder.kernel.errors import NotFound
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from tests.support.builders.catalog import a_plan, a_promo_code
from tests.support.builders.identity import NOW, new_tenant


async def test_a_promo_code_comes_back_as_it_was_made(open_tx):
    async with open_tx() as tx:
        plan = await a_plan(tx)
        percent = await a_promo_code(
            tx,
            code="Spring",
            percent=Decimal("12.345678"),
            duration=Duration.PERIODS,
            periods=3,
            starts_at=NOW,
            ends_at=NOW + timedelta(days=9),
            redemptions_max=4,
            redemptions_max_per_customer=1,
            plan_ids=(plan.id,),
            first_purchase_only=True,
            metadata={"by": "mail"},
        )
        amount = await a_promo_code(tx, code="five", amount=Money(500, "JPY"), duration=Duration.FOREVER)
    async with open_tx() as tx:
        for name in ("Spring", "SPRING", percent.id, ids.to_text("promo", percent.id)):
            assert await catalog.promo_code(tx, code=name) == percent
        assert await catalog.promo_code(tx, code="Five") == amount
        with pytest.raises(NotFound):
            await catalog.promo_code(tx, code="six")


async def test_a_code_is_given_once_in_whatever_capitals_until_it_is_archived(open_tx):
    async with open_tx() as tx:
        old = await a_promo_code(tx, code="SPRING")
        with pytest.raises(PromoCodeTaken):
            await a_promo_code(tx, code="spring")
        archived = await catalog.archive_promo_code(tx, promo_code_id=old.id, now=NOW)
        assert archived.status is PromoStatus.ARCHIVED
        assert await catalog.archive_promo_code(tx, promo_code_id=old.id, now=NOW) == archived
        with pytest.raises(NotFound):
            await catalog.promo_code(tx, code="SPRING")
        new = await a_promo_code(tx, code="spring")
        assert await catalog.promo_code(tx, code="SPRING") == new
        active = await catalog.promo_codes(tx, query=PageQuery())
        everything = await catalog.promo_codes(tx, query=PageQuery(), archived=True)
    assert (active.items, everything.items) == ([new], [new, archived])


async def test_one_for_a_plan_that_is_not_there_or_that_cannot_be_is_refused(open_tx):
    async with open_tx() as tx:
        with pytest.raises(NotFound):
            await a_promo_code(tx, plan_ids=(ids.new(NOW),))
        with pytest.raises(BadPromoCode):
            await a_promo_code(tx, duration=Duration.PERIODS)
        assert (await catalog.promo_codes(tx, query=PageQuery())).items == []


async def test_fifty_at_once_redeem_a_code_of_four_four_times(open_tx):
    async with open_tx() as tx:
        promo = await a_promo_code(tx, redemptions_max=4)

    async def redeem():
        async with open_tx() as tx:
            await catalog.count_redemptions(tx, promo_code_id=promo.id)
            await asyncio.sleep(0)

    outcomes = await asyncio.gather(*(redeem() for _ in range(50)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in outcomes) == ["NoneType"] * 4 + ["PromoUsedUp"] * 46
    async with open_tx() as tx:
        assert (await catalog.promo_code(tx, code=promo.id)).redemptions == 4


async def test_what_was_taken_back_can_be_redeemed_again(open_tx):
    async with open_tx() as tx:
        promo = await a_promo_code(tx, redemptions_max=2)
        await catalog.count_redemptions(tx, promo_code_id=promo.id, by=2)
        with pytest.raises(PromoUsedUp):
            await catalog.count_redemptions(tx, promo_code_id=promo.id)
        await catalog.count_redemptions(tx, promo_code_id=promo.id, by=-1)
        await catalog.count_redemptions(tx, promo_code_id=promo.id)
        with pytest.raises(PromoUsedUp):
            await catalog.count_redemptions(tx, promo_code_id=promo.id)
        with pytest.raises(NotFound):
            await catalog.count_redemptions(tx, promo_code_id=ids.new(NOW))
        unlimited = await a_promo_code(tx)
        await catalog.count_redemptions(tx, promo_code_id=unlimited.id, by=1000)
        assert (await catalog.promo_code(tx, code=unlimited.id)).redemptions == 1000


async def test_a_locked_code_is_counted_by_one_after_the_other(open_tx, database):
    async with open_tx() as tx:
        promo = await a_promo_code(tx, redemptions_max=4)
    held = asyncio.Event()
    counted = []

    async def first():
        async with open_tx() as tx:
            found = await catalog.lock_promo_codes(tx, codes=[promo.id, promo.id])
            assert found == {promo.id: promo}
            held.set()
            await asyncio.sleep(0.2)
            await catalog.count_redemptions(tx, promo_code_id=promo.id)
            counted.append("first")

    async def second():
        await held.wait()
        async with open_tx() as tx:
            found = await catalog.lock_promo_codes(tx, codes=[promo.id])
            counted.append("second")
            assert found[promo.id].redemptions == 1

    await asyncio.gather(first(), second())
    assert counted == ["first", "second"]


async def test_another_tenants_code_is_neither_found_nor_locked_nor_counted(open_tx, database):
    other = (await new_tenant(database)).tenant_id
    async with open_tx(other) as tx:
        theirs = await a_promo_code(tx, code="SPRING")
    async with open_tx() as tx:
        assert await catalog.lock_promo_codes(tx, codes=[theirs.id]) == {}
        for ask in (
            catalog.promo_code(tx, code="SPRING"),
            catalog.count_redemptions(tx, promo_code_id=theirs.id),
            catalog.archive_promo_code(tx, promo_code_id=theirs.id, now=NOW),
        ):
            with pytest.raises(NotFound):
                await ask
        await a_promo_code(tx, code="SPRING")
