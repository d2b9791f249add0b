"""The transactions of an intent: claim, load, record. The call itself is made between them, in `bulkhead.py`.

A batch that fails is halved until the intent at fault stands alone; that one is put off with the reason.
"""

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from msgspec import Struct

from guilder.kernel.ids import TenantId
from guilder.kernel.noun import replace
from guilder.platform import logging
from guilder.platform.db.clocks import ClockDomain, TenantClocks
from guilder.platform.db.database import GONE, Database, DatabaseGone
from guilder.platform.db.tx import Tx
from guilder.platform.logging import mask_text
from guilder.platform.outside import pacing, store
from guilder.platform.outside.intents import Done, Intent, Performer, Verdict
from guilder.platform.outside.store import Change, Claim

ACTOR = "outside"
# Beyond the call itself: for loading before it and recording after it, on a bad day.
LEASE_MARGIN_S = 20.0
REASON_MAX = 500
# What a destination may ask for by Retry-After.
RETRY_AFTER_MAX_S = 6 * 3600.0

# Each performer has its own types of request and outcome; the machinery hands them through.
AnyPerformer = Performer[Any, Any]
AnyDone = Done[Any, Any]

T = TypeVar("T")

_log = logging.get(__name__)


class Ready(Struct, frozen=True):
    """A call that can go out: leased, loaded, and committed."""

    intent: Intent
    request: Any
    performer: AnyPerformer
    now: datetime


class Phases:
    """Claims, loads and records in batches, for every kind that it has a performer for."""

    def __init__(
        self,
        database: Database,
        performers: Sequence[AnyPerformer],
        clocks: TenantClocks,
        *,
        lease_margin_s: float = LEASE_MARGIN_S,
    ) -> None:
        self._database = database
        self._performers = {performer.kind: performer for performer in performers}
        self._clocks = clocks
        self.kinds = sorted(self._performers)
        # A call that begins within the margin has its whole timeout under its lease.
        self.lease_margin_s = lease_margin_s
        self._leases_s = {kind: self._performers[kind].limits.timeout_s + lease_margin_s for kind in self.kinds}
        assert len(self._performers) == len(performers), self.kinds

    async def destinations(self) -> list[str]:
        async with self._database.transaction(actor=ACTOR) as tx:
            return await store.destinations(tx, self.kinds)

    async def take(self, destination: str, limit: int) -> tuple[list[Claim], float]:
        """Lease what is due, as much as the pace of the destination allows; and say how long to wait for more of that."""

        async def work(tx: Tx) -> tuple[list[Claim], float]:
            granted, wait_s, is_paced = await store.draw(tx, destination, wanted=limit)
            claims = await store.claim(tx, destination, self._leases_s, limit=granted) if granted else []
            if is_paced and len(claims) < granted:
                await store.draw(tx, destination, owed=len(claims) - granted)
                wait_s = 0.0  # all that is due goes out
            return claims, wait_s

        return await self._database.run(work, actor=ACTOR)

    async def load(self, claims: Sequence[Claim]) -> list[Ready]:
        """Read what the calls need. What has nothing to do any more is finished, and not among those returned."""
        return await halving(claims, self._load, self._put_off)

    async def give_back(self, destination: str, claims: Sequence[Claim]) -> None:
        """Let go of what was taken and not called: it is due again, as if nobody had tried it, and nothing was drawn."""

        async def work(tx: Tx) -> None:
            kept = [_kept(each, attempts=each.attempts - 1) for each in await _held(tx, claims)]
            await store.apply(tx, kept)
            await store.draw(tx, destination, owed=-len(kept))

        await self._database.run(work, {claim.tenant_id for claim in claims}, actor=ACTOR)

    async def record(self, done: Sequence[AnyDone]) -> list[Ready]:
        """Record what came back, where the lease is still ours; return what goes on with a next step, loaded."""
        return await halving(done, self._record, self._lose)

    async def _load(self, claims: Sequence[Claim]) -> list[Ready]:
        async def work(tx: Tx) -> list[Ready]:
            intents = await _held(tx, claims)
            ready: list[Ready] = []
            # Claimed a moment before its tenant was held: it was not called, so it has not been tried either.
            changes = [_kept(each, attempts=each.attempts - 1) for each in intents if each.is_held]
            free = [each for each in intents if not each.is_held]
            for domain, performer, group in await self._groups(tx, free, key=lambda each: each):
                await _see(tx, domain.tenants)
                loaded, idle = await _load_group(tx, performer, group, domain.now)
                ready += loaded
                changes += idle
            await _see(tx, {claim.tenant_id for claim in claims})
            await store.apply(tx, changes)
            return ready

        return await self._database.run(work, {claim.tenant_id for claim in claims}, actor=ACTOR)

    async def _record(self, done: Sequence[AnyDone]) -> list[Ready]:
        claims = [claim_of(each.intent) for each in done]

        async def work(tx: Tx) -> list[Ready]:
            ours = {intent.ref: intent for intent in await _held(tx, claims)}
            for late in (each.intent for each in done if each.intent.ref not in ours):
                # Whoever took it over repeats the call with the same key, and will record what we saw.
                _log.warning("outcome_dropped", intent_id=str(late.id), kind=late.kind, fence=late.fence)
            ready: list[Ready] = []
            changes: list[Change] = []
            kept = [
                replace(each, intent=replace(each.intent, is_held=ours[each.intent.ref].is_held))
                for each in done
                if each.intent.ref in ours
            ]
            for domain, performer, group in await self._groups(tx, kept, key=lambda each: each.intent):
                await _see(tx, domain.tenants)
                moved, settled = await self._record_group(tx, performer, group, domain.now)
                ready += moved
                changes += settled
            await _see(tx, {claim.tenant_id for claim in claims})
            await store.apply(tx, changes)
            await self._keep_pace(tx, kept, ready)
            return ready

        return await self._database.run(work, {claim.tenant_id for claim in claims}, actor=ACTOR)

    async def _keep_pace(self, tx: Tx, done: Sequence[AnyDone], moved: Sequence[Ready]) -> None:
        """Spare who asked for it, and pay for the next steps, which go out without having been drawn for."""
        await pacing.heed(tx, [each for each in done if self._performers[each.intent.kind].limits.is_paced])
        steps = Counter(each.intent.destination for each in moved if each.performer.limits.is_paced)
        for destination, count in sorted(steps.items()):
            await store.draw(tx, destination, owed=count)

    async def _record_group(
        self, tx: Tx, performer: AnyPerformer, done: Sequence[AnyDone], now: datetime
    ) -> tuple[list[Ready], list[Change]]:
        verdicts = await performer.record(tx, done, now=now)
        assert len(verdicts) == len(done), performer.kind
        settled = [(each.intent, verdict) for each, verdict in zip(done, verdicts, strict=True)]
        moved = [replace(intent, step=v.step, attempts=1) for intent, v in settled if v.kind == "next"]
        ready, idle = await _load_group(tx, performer, [each for each in moved if not each.is_held], now)
        # Counted as tried, so that whoever takes it up, however much later, looks before it acts.
        idle += [_kept(each, attempts=1) for each in moved if each.is_held]
        # What has nothing to do at its next step is done; the rest keeps its lease and goes on.
        idle_refs = {(change.claim.tenant_id, change.claim.id) for change in idle}
        changes = [
            change_of(intent, verdict, performer, lease_s=self._leases_s[intent.kind])
            for intent, verdict in settled
            if intent.ref not in idle_refs
        ]
        return ready, changes + idle

    async def _groups(
        self, tx: Tx, items: Sequence[T], *, key: Callable[[T], Intent]
    ) -> list[tuple[ClockDomain, AnyPerformer, list[T]]]:
        groups = []
        for domain in await self._clocks.domains(tx, {key(item).tenant_id for item in items}) if items else ():
            for kind in sorted({key(item).kind for item in items}):
                group = [item for item in items if key(item).kind == kind and key(item).tenant_id in domain.tenants]
                if group:
                    groups.append((domain, self._performers[kind], group))
        return groups

    async def _put_off(self, claim: Claim, error: Exception) -> None:
        _log.error("intent_not_loaded", intent_id=str(claim.id), exc_info=error)

        async def work(tx: Tx) -> None:
            changes = [
                change_of(
                    intent,
                    Verdict.retry(_reason(error)),
                    self._performers[intent.kind],
                    lease_s=self._leases_s[intent.kind],
                )
                for intent in await _held(tx, [claim])
            ]
            await store.apply(tx, changes)

        await self._database.run(work, {claim.tenant_id}, actor=ACTOR)

    async def _lose(self, done: AnyDone, error: Exception) -> None:
        """Give up recording: the call is repeated with the same key, and brings the same outcome again."""
        await self._put_off(claim_of(done.intent), error)


def change_of(intent: Intent, verdict: Verdict, performer: AnyPerformer, *, lease_s: float) -> Change:
    """Turn a verdict into what the row becomes. A retry beyond the limit is dead."""
    limits = performer.limits
    state, step, attempts, after_s, reason = "waiting", intent.step, intent.attempts, 0.0, verdict.reason[:REASON_MAX]
    match verdict.kind:
        case "done":
            state = "done"
        case "dead":
            state = "dead"
        case "next":
            step, attempts, after_s = verdict.step, 1, lease_s
        case "again":
            assert verdict.after_s is not None, verdict
            attempts, after_s = attempts - 1, verdict.after_s
        case "retry" if intent.attempts >= limits.attempts_max:
            state = "dead"
        case "retry":
            # The upper half is chance, so that what failed together does not return together.
            after_s = limits.wait_s(intent.attempts) * random.uniform(0.5, 1.0)  # noqa: S311
            after_s = max(after_s, min(verdict.after_s or 0.0, RETRY_AFTER_MAX_S))
    is_leased = verdict.kind == "next"
    return Change(
        claim=claim_of(intent),
        state=state,
        step=step,
        attempts=attempts,
        is_leased=is_leased,
        after_s=after_s,
        reason=reason or None,
    )


def _kept(intent: Intent, *, attempts: int) -> Change:
    """Give an intent back as it stands: it is taken again when its tenant is held no more."""
    return Change(
        claim=claim_of(intent),
        state="waiting",
        step=intent.step,
        attempts=attempts,
        is_leased=False,
        after_s=0.0,
        reason=None,
    )


async def halving(
    batch: Sequence[T],
    work: Callable[[Sequence[T]], Awaitable[list[Ready]]],
    alone: Callable[[T, Exception], Awaitable[None]],
) -> list[Ready]:
    """Do a batch, or else its halves, down to the ones that fail alone.

    :raises DatabaseGone: the database is at fault, and no item of the batch
    """
    if not batch:
        return []
    try:
        return await work(batch)
    except (*GONE, DatabaseGone):
        raise
    except Exception as error:  # noqa: BLE001  (whatever a performer raises is one intent's failure)
        if len(batch) == 1:
            await alone(batch[0], error)
            return []
    middle = len(batch) // 2
    return [*await halving(batch[:middle], work, alone), *await halving(batch[middle:], work, alone)]


async def _load_group(
    tx: Tx, performer: AnyPerformer, intents: Sequence[Intent], now: datetime
) -> tuple[list[Ready], list[Change]]:
    if not intents:
        return [], []
    requests = await performer.load(tx, intents, now=now)
    assert len(requests) == len(intents), performer.kind
    pairs = list(zip(intents, requests, strict=True))
    ready = [Ready(intent, request, performer, now) for intent, request in pairs if request is not None]
    idle = [change_of(i, Verdict.done(), performer, lease_s=0) for i, request in pairs if request is None]
    return ready, idle


async def _held(tx: Tx, claims: Sequence[Claim]) -> list[Intent]:
    return [Intent(**row) for row in await store.held(tx, claims)]


async def _see(tx: Tx, tenants: Iterable[TenantId]) -> None:
    """See one clock's tenants while its performers work, and all of the batch before and after."""
    wanted = frozenset(tenants)
    if wanted != tx.tenants:
        await tx.narrow(wanted)


def claim_of(intent: Intent) -> Claim:
    """Return the lease that this intent was taken with."""
    return Claim(intent.tenant_id, intent.id, intent.fence)


def _reason(error: Exception) -> str:
    """Name the error by its first line, masked: the lines after it quote rows."""
    first_line = str(error).partition("\n")[0]
    return mask_text(f"{type(error).__name__}: {first_line}")[:REASON_MAX]
