"""Whose clock says what, and how a sandbox's is moved."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from guilder.domain.identity import store
from guilder.domain.identity.events import SandboxAdvanced
from guilder.domain.identity.model import SandboxClock
from guilder.domain.identity.rules import clock as rules
from guilder.kernel.errors import Conflict
from guilder.kernel.ids import TenantId
from guilder.platform.bus import outbox
from guilder.platform.clock import Clock
from guilder.platform.db.clocks import ClockDomain
from guilder.platform.db.tx import Tx
from guilder.platform.jobs.sandboxes import Hands

REASON_MAX = 500


class NotASandbox(Conflict):
    """Only a sandbox's clock can be moved; this tenant lives on the wall clock."""

    code = "not_a_sandbox"


async def sandbox_clock(tx: Tx) -> SandboxClock:
    """Return the sandbox's clock.

    :raises NotASandbox: the tenant lives on the wall clock
    """
    found = await store.clock(tx)
    if found is None:
        raise NotASandbox
    return found


async def advance(tx: Tx, *, to: datetime, now: datetime) -> SandboxClock:
    """Ask for the clock to be moved; the time machine takes it there, doing what falls due on the way.

    :raises NotASandbox: the tenant lives on the wall clock
    :raises ClockGoesBack: it is past that instant
    :raises ClockIsAdvancing: it is on its way to a later one
    :raises TooFar: the way is too long
    """
    found = await store.clock(tx, lock=True)
    if found is None:
        raise NotASandbox
    sent = rules.send(found, to=to)
    await store.save_clock(tx, sent)
    return sent


class Clocks:
    """Sorts tenants by clock: one domain for all on the wall clock, one for each sandbox (platform.db.clocks)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def domains(self, tx: Tx, tenants: Iterable[TenantId]) -> list[ClockDomain]:
        asked = frozenset(tenants)
        if not asked:
            return []
        own = await store.sandbox_times(tx, sorted(asked))
        domains = [ClockDomain(frozenset({tenant_id}), now) for tenant_id, now in own.items()]
        if on_the_wall := asked.difference(own):
            domains.append(ClockDomain(on_the_wall, self._clock.now()))
        return domains

    def on_the_wall(self) -> datetime:
        return self._clock.now()


class Sandboxes:
    """The clocks as the time machine moves them (platform.jobs.sandboxes.SandboxClocks)."""

    async def sandboxes(self, tx: Tx) -> list[tuple[TenantId, bool]]:
        return await store.sandboxes(tx)

    async def times(self, tx: Tx, tenants: Sequence[TenantId]) -> Mapping[TenantId, datetime]:
        return await store.sandbox_times(tx, tenants)

    async def lock(self, tx: Tx, tenant_id: TenantId) -> Hands | None:
        found = await store.clock_if_free(tx, tenant_id)
        return Hands(found.now, found.target) if found else None

    async def move(self, tx: Tx, tenant_id: TenantId, *, now: datetime, arrived: bool) -> None:
        clock = await _held(tx, tenant_id)
        await store.save_clock(tx, rules.moved(clock, now=now, arrived=arrived))
        if arrived and clock.target is not None:
            outbox.announce(tx, [SandboxAdvanced(tenant_id=tenant_id, arrived_at=now)], now=now)

    async def halt(self, tx: Tx, tenant_id: TenantId, *, reason: str) -> None:
        clock = await _held(tx, tenant_id)
        await store.save_clock(tx, rules.halted(clock, reason=reason[:REASON_MAX]))


async def _held(tx: Tx, tenant_id: TenantId) -> SandboxClock:
    found = await store.clock_if_free(tx, tenant_id)
    assert found is not None, "lock() first"
    return found
