from datetime import timedelta

import asyncpg
import pytest

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import ClockState, Mode
from guilder.domain.identity.rules.clock import ClockGoesBack
from guilder.domain.identity.service import NotASandbox
from guilder.platform.clock import HandClock
from guilder.platform.jobs.sandboxes import Hands
from tests.support.builders.identity import NOW, a_sandbox, a_tenant

DAY = timedelta(days=1)


@pytest.fixture
async def sandbox(database):
    async with database.transaction(actor="test") as tx:
        return (await a_sandbox(tx)).tenant_id


async def test_tenants_are_sorted_by_clock(database):
    async with database.transaction(actor="test") as tx:
        live, test = await a_tenant(tx, mode=Mode.LIVE), await a_tenant(tx)
        early, late = await a_sandbox(tx), await a_sandbox(tx, clock_at=NOW + DAY)
        found = await identity.Clocks(HandClock(NOW + 9 * DAY)).domains(tx, tx.tenants)
        assert await identity.Clocks(HandClock(NOW)).domains(tx, []) == []
    assert {(domain.tenants, domain.now) for domain in found} == {
        (frozenset({live.tenant_id, test.tenant_id}), NOW + 9 * DAY),
        (frozenset({early.tenant_id}), NOW),
        (frozenset({late.tenant_id}), NOW + DAY),
    }


async def test_advancing_sets_a_target_and_moves_nothing(database, sandbox):
    async with database.transaction([sandbox], actor="test") as tx:
        await identity.advance(tx, to=NOW + DAY, now=NOW)
        clock = await identity.sandbox_clock(tx)
    assert (clock.now, clock.target, clock.state) == (NOW, NOW + DAY, ClockState.ADVANCING)


async def test_a_clock_is_not_sent_back(database, sandbox):
    async with database.transaction([sandbox], actor="test") as tx:
        with pytest.raises(ClockGoesBack):
            await identity.advance(tx, to=NOW - DAY, now=NOW)


async def test_the_database_itself_lets_no_clock_go_back(database, sandbox):
    with pytest.raises(asyncpg.CheckViolationError, match="cannot go back"):
        async with database.transaction([sandbox], actor="test") as tx:
            await tx.execute("update identity.sandbox_clocks set now_at = $1", NOW - DAY)


async def test_only_a_sandbox_has_a_clock_to_move(database):
    async with database.transaction(actor="test") as tx:
        await a_tenant(tx, mode=Mode.LIVE)
        with pytest.raises(NotASandbox):
            await identity.advance(tx, to=NOW + DAY, now=NOW)


async def test_the_time_machine_steps_and_arrives(database, sandbox):
    hands = identity.Sandboxes()
    async with database.transaction([sandbox], actor="test") as tx:
        await identity.advance(tx, to=NOW + DAY, now=NOW)
    async with database.transaction([sandbox], actor="test") as tx:
        assert await hands.lock(tx, sandbox) == Hands(NOW, NOW + DAY)
        await hands.move(tx, sandbox, now=NOW + DAY / 2, arrived=False)
        assert tx.outbox == []
        await hands.move(tx, sandbox, now=NOW + DAY, arrived=True)
        assert [(each.event.name, each.event.arrived_at) for each in tx.outbox] == [
            ("identity.sandbox.advanced", NOW + DAY)
        ]
    async with database.transaction([sandbox], actor="test") as tx:
        assert await hands.lock(tx, sandbox) == Hands(NOW + DAY, None)


async def test_an_advance_that_is_given_up_says_why(database, sandbox):
    async with database.transaction([sandbox], actor="test") as tx:
        await identity.advance(tx, to=NOW + DAY, now=NOW)
        await identity.Sandboxes().halt(tx, sandbox, reason="never at rest")
        clock = await identity.sandbox_clock(tx)
    assert (clock.now, clock.target, clock.state, clock.detail) == (NOW, None, ClockState.FAILED, "never at rest")


async def test_a_clock_in_other_hands_is_left_alone(database, sandbox):
    hands = identity.Sandboxes()
    async with (
        database.transaction([sandbox], actor="test") as first,
        database.transaction([sandbox], actor="test") as second,
    ):
        assert await hands.lock(first, sandbox) is not None
        assert await hands.lock(second, sandbox) is None


async def test_every_sandbox_is_listed_but_those_suspended(database):
    async with database.transaction(actor="test") as tx:
        await a_tenant(tx)
        moving, standing, shut = [await a_sandbox(tx) for _ in range(3)]
    async with database.transaction([moving.tenant_id], actor="test") as tx:
        await identity.advance(tx, to=NOW + DAY, now=NOW)
    async with database.transaction([shut.tenant_id], actor="test") as tx:
        await identity.suspend_tenant(tx, reason="x", now=NOW)
    async with database.transaction(actor="test") as tx:
        found = dict(await identity.Sandboxes().sandboxes(tx))
    assert found == {moving.tenant_id: True, standing.tenant_id: False}
