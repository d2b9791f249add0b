"""Refunds above the tenant's own limit: asked for by one person, granted by another."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Role
from guilder.domain.identity.service.persons import GENERATIONS_MAX, NobodyKnowsWho
from guilder.domain.payments import jobs
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Limits, NewRefund, RefundPolicy, RefundStatus
from guilder.domain.payments.rules.two_persons import KeyOfNobody, NotAPerson, SamePerson
from guilder.kernel import ids
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import Ref
from guilder.kernel.page import PageQuery

pytestmark = pytest.mark.shows("ASVS 2.3.5")

ANA, BEN, KEY = "staff:ana", "staff:ben", "api_key:robot"


@asynccontextmanager
async def acting(till, actor):
    async with till.database.transaction([till.tenant.tenant_id], actor=actor) as tx:
        yield tx


@pytest.fixture
async def paid(till):
    await till.a_card()
    payment = await till.collect()
    await till.settle()
    async with till.tx() as tx:
        await payments.set_two_person_limits(tx, limits=Limits(refunds={"EUR": 1000}), now=till.now)
    return payment


async def give_back(till, payment, amount, by=ANA):
    async with acting(till, by) as tx:
        asked = NewRefund(payment_id=payment.id, reason="not used", amount_minor=amount)
        return await payments.make_refund(tx, refund=asked, now=till.now)


async def grant(till, refund, by):
    async with acting(till, by) as tx:
        return await payments.grant_refund(tx, refund_id=refund.id, now=till.now)


async def refunded(till):
    await till.settle()
    return [each["amount"] for each in till.merchant.journal()["refunds"]]


@pytest.mark.slow
async def test_without_a_limit_one_person_gives_back(till, paid):
    async with till.tx() as tx:
        await payments.set_two_person_limits(tx, limits=Limits(), now=till.now)
    assert (await give_back(till, paid, 4900)).status is RefundStatus.PENDING
    assert await refunded(till) == [4900]


async def test_up_to_the_limit_one_person_gives_back(till, paid):
    made = await give_back(till, paid, 1000)
    assert (made.status, made.asked_by, made.decided_by, made.first_by) == (RefundStatus.PENDING, ANA, ANA, "")
    assert await refunded(till) == [1000]


async def test_above_it_another_person_grants_it(till, paid):
    asked = await give_back(till, paid, 1001)
    assert (asked.status, asked.first_by, asked.is_proposed) == (RefundStatus.ASKED, ANA, True)
    assert await refunded(till) == []
    with pytest.raises(SamePerson):
        await grant(till, asked, ANA)
    with pytest.raises(NotAPerson):
        await grant(till, asked, KEY)
    granted = await grant(till, asked, BEN)
    assert (granted.status, granted.first_by, granted.decided_by) == (RefundStatus.PENDING, ANA, BEN)
    assert await refunded(till) == [1001]
    heard = await till.heard()
    assert [name for name in heard if name.startswith("payments.refund.")] == [
        "payments.refund.proposed",
        "payments.refund.succeeded",
    ]


async def test_slices_are_counted_together_for_a_day(till, paid):
    assert (await give_back(till, paid, 600)).status is RefundStatus.PENDING
    assert (await give_back(till, paid, 400, by=BEN)).status is RefundStatus.PENDING
    assert (await give_back(till, paid, 1)).status is RefundStatus.ASKED
    till.clock.move_by(timedelta(days=1, seconds=1))
    with pytest.raises(Conflict):
        await give_back(till, paid, 2000)  # another one waits already
    [waiting] = await asked_ones(till)
    async with acting(till, ANA) as tx:
        await payments.refuse_refund(tx, refund_id=waiting.id, reason="oops", now=till.now)
    assert (await give_back(till, paid, 1000)).status is RefundStatus.PENDING


@pytest.mark.slow
async def test_what_two_gave_takes_nothing_from_what_one_may_give(till, paid):
    await grant(till, await give_back(till, paid, 2000), BEN)
    assert (await give_back(till, paid, 1000)).status is RefundStatus.PENDING


async def test_slices_at_once_are_counted_too(till, paid):
    made = await asyncio.gather(*[give_back(till, paid, 400) for _ in range(6)], return_exceptions=True)
    pending = [each for each in made if not isinstance(each, Exception) and each.status is RefundStatus.PENDING]
    assert len(pending) == 2, "and the others wait, or are refused because one waits"
    assert await refunded(till) == [400, 400]


@pytest.mark.shows("fault F9", "ASVS 15.4.2")
async def test_two_grants_at_once_have_one_effect(till, paid):
    asked = await give_back(till, paid, 4000)
    both = await asyncio.gather(
        *[grant(till, asked, f"staff:{name}") for name in ("ben", "cora", "dan", "eva")], return_exceptions=True
    )
    assert len([each for each in both if isinstance(each, Conflict)]) == 3
    assert await refunded(till) == [4000]


async def test_what_a_customer_asked_for_takes_two_of_the_business(till, paid):
    async with acting(till, "user:them") as tx:
        asked = await payments.ask_refund(
            tx, refund=NewRefund(payment_id=paid.id, reason="please"), customer_id=till.customer.id, now=till.now
        )
    first = await grant(till, asked, KEY)
    assert (first.status, first.first_by, first.is_proposed) == (RefundStatus.ASKED, KEY, False)
    assert await refunded(till) == []
    assert (await grant(till, asked, ANA)).status is RefundStatus.PENDING
    assert await refunded(till) == [4900]


async def test_whoever_made_a_key_is_not_a_second_person_beside_it(till, paid):
    async with acting(till, ANA) as tx:
        key, _ = await identity.mint_key(tx, name="robot", role=Role.ADMIN, scopes={"*"}, expires_at=None, now=till.now)
    asked = await give_back(till, paid, 4900, by=f"api_key:{ids.to_text('key', key.id)}")
    with pytest.raises(SamePerson):
        await grant(till, asked, ANA)
    assert (await grant(till, asked, BEN)).status is RefundStatus.PENDING


@pytest.mark.parametrize(("generations", "refusal"), [(12, SamePerson), (GENERATIONS_MAX + 1, NobodyKnowsWho)])
async def test_nor_beside_the_last_of_many_keys_that_made_one_another(till, paid, generations, refusal):
    maker = ANA
    for _ in range(generations):
        async with acting(till, maker) as tx:
            key, _ = await identity.mint_key(
                tx, name="robot", role=Role.ADMIN, scopes={"*"}, expires_at=None, now=till.now
            )
        maker = f"api_key:{ids.to_text('key', key.id)}"
    asked = await give_back(till, paid, 4900, by=maker)
    with pytest.raises(refusal):
        await grant(till, asked, ANA)


@pytest.mark.slow
async def test_the_policy_grants_no_more_than_one_person_may(till, paid):
    async with till.tx() as tx:
        await payments.set_refund_policy(tx, policy=RefundPolicy(auto_grant_days=14), now=till.now)
    async with acting(till, "user:them") as tx:
        asked = await payments.ask_refund(
            tx, refund=NewRefund(payment_id=paid.id, reason="please"), customer_id=till.customer.id, now=till.now
        )
    assert asked.status is RefundStatus.ASKED
    assert await refunded(till) == []


async def test_what_the_policy_granted_is_counted_with_what_one_person_gives(till, paid):
    async with till.tx() as tx:
        await payments.set_refund_policy(tx, policy=RefundPolicy(auto_grant_days=14), now=till.now)
    for amount, status in ((600, RefundStatus.PENDING), (600, RefundStatus.ASKED)):
        async with acting(till, ANA) as tx:
            wish = NewRefund(payment_id=paid.id, reason="please", amount_minor=amount)
            assert (await payments.ask_refund(tx, refund=wish, now=till.now)).status is status


async def asked_ones(till):
    async with till.tx() as tx:
        found = await payments.refunds(tx, query=PageQuery(), status=RefundStatus.ASKED)
    return found.items


async def due(till):
    async with till.database.transaction(actor="test") as tx:
        rows = await tx.fetch("select tenant_id, id from payments.second_persons_due(null, $1, 10)", till.now)
    return [Ref(*row) for row in rows]


async def test_after_14_days_the_wait_is_over(till, paid):
    asked = await give_back(till, paid, 4900)
    till.clock.move_by(timedelta(days=14) - timedelta(seconds=1))
    assert await due(till) == []
    till.clock.move_by(timedelta(seconds=1))
    refs = await due(till)
    assert refs == [asked.ref]
    async with till.tx() as tx:
        assert await jobs.give_up_waiting(tx, refs, now=till.now) == 1
        assert await jobs.give_up_waiting(tx, refs, now=till.now) == 0
    with pytest.raises(Conflict):
        await grant(till, asked, BEN)
    assert (await till.heard())[-1] == "payments.refund.proposal_refused"
    assert await refunded(till) == []


@pytest.mark.slow
async def test_a_customers_wish_outlives_the_first_yes(till, paid):
    async with acting(till, "user:them") as tx:
        asked = await payments.ask_refund(
            tx, refund=NewRefund(payment_id=paid.id, reason="please"), customer_id=till.customer.id, now=till.now
        )
    await grant(till, asked, ANA)
    till.clock.move_by(timedelta(days=14))
    async with till.tx() as tx:
        await jobs.give_up_waiting(tx, [asked.ref], now=till.now)
    [waiting] = await asked_ones(till)
    assert (waiting.id, waiting.first_by) == (asked.id, "")


async def test_its_customer_knows_nothing_of_what_is_only_proposed(till, paid):
    asked = await give_back(till, paid, 4900)
    async with till.tx() as tx:
        assert (await payments.refunds(tx, query=PageQuery(), customer_id=till.customer.id)).items == []
        with pytest.raises(NotFound):
            await payments.refund(tx, refund_id=asked.id, customer_id=till.customer.id)
    await grant(till, asked, BEN)
    async with till.tx() as tx:
        assert (await payments.refund(tx, refund_id=asked.id, customer_id=till.customer.id)).id == asked.id


async def test_the_database_itself_refuses_one_person_for_two(till, paid):
    asked = await give_back(till, paid, 4900)
    async with till.tx() as tx:
        with pytest.raises(asyncpg.CheckViolationError):
            await tx.execute(
                "update payments.refunds set status = 'pending', decided_by = first_by where id = $1", asked.id
            )


async def test_looser_limits_are_not_asked_for_by_a_key_that_nobody_made(till, paid):
    with pytest.raises(KeyOfNobody):
        async with acting(till, KEY) as tx:
            await payments.set_two_person_limits(tx, limits=Limits(refunds={"EUR": 9000}), now=till.now)
    async with acting(till, KEY) as tx:
        tighter = await payments.set_two_person_limits(tx, limits=Limits(refunds={"EUR": 10}), now=till.now)
    assert tighter.limits.refunds == {"EUR": 10}


@pytest.mark.slow
async def test_looser_limits_take_two_and_tighter_ones_hold_at_once(till, paid):
    async def limits():
        async with till.tx() as tx:
            return dict((await payments.two_person_limits(tx)).limits.refunds)

    async with acting(till, ANA) as tx:
        wanted = await payments.set_two_person_limits(tx, limits=Limits(refunds={"EUR": 9000}), now=till.now)
    assert (wanted.wanted, wanted.wanted_by) == (Limits(refunds={"EUR": 9000}), ANA)
    assert await limits() == {"EUR": 1000}
    for actor, refusal in ((ANA, SamePerson), (KEY, NotAPerson)):
        with pytest.raises(refusal):
            async with acting(till, actor) as tx:
                await payments.grant_two_person_limits(tx, now=till.now)
    async with acting(till, BEN) as tx:
        await payments.grant_two_person_limits(tx, now=till.now)
    assert await limits() == {"EUR": 9000}
    async with acting(till, ANA) as tx:
        await payments.set_two_person_limits(tx, limits=Limits(refunds={"EUR": 10}), now=till.now)
    assert await limits() == {"EUR": 10}
    async with acting(till, ANA) as tx:
        await payments.set_two_person_limits(tx, limits=Limits(), now=till.now)
    async with acting(till, ANA) as tx:
        await payments.refuse_two_person_limits(tx)
    with pytest.raises(NotFound):
        async with acting(till, BEN) as tx:
            await payments.grant_two_person_limits(tx, now=till.now)
    assert await limits() == {"EUR": 10}
