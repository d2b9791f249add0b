"""Intents: what is to be done outside, written in the transaction that decided it.

A verb writes intents and commits. A runner (`runner.py`) claims them by lease and fencing token and takes each through

    load (transaction) -> call (none open) -> record (transaction) -> done, or: load -> call -> record of the next step

The key of a call is made of kind, subject and step, and is the same in every attempt of that step, so a crash anywhere
repeats a call and never makes a second one. Intents know no tenant's time: retries wait on the wall clock, because
providers live there; what is to happen later in a tenant's time is a job's (platform/jobs).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, Protocol, TypeVar
from uuid import UUID

from msgspec import Struct

from guilder.kernel import ids
from guilder.kernel.ids import Ref, TenantId
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.db.tx import Tx
from guilder.platform.outside import store

R = TypeVar("R")
O = TypeVar("O")  # noqa: E741  (R and O: what is asked, what came out)

# What wakes the runners; sent after the commit, never in it.
CHANNEL = "guilder_intents"


class NewIntent(Struct, frozen=True, kw_only=True):
    """Asks for one call. Writing the same (tenant, kind, subject, step) twice is writing it once.

    `destination` is what shares a window and a breaker: "gateway:stripe:<account>", "smtp", "webhook:example.com".
    `subject_id` is the room's own row that the performer loads and records on.
    """

    tenant_id: TenantId
    kind: str
    destination: str
    subject_id: UUID
    step: str = ""
    # The key of the message that asked for it, where a batch of them may be of several traces.
    key: UUID | None = None


class Intent(Struct, frozen=True, kw_only=True):
    """An intent as a performer meets it. `step` is the one it stands at now; `attempts` counts this one too.

    `is_held`: nothing of its tenant goes out now. What was called before is recorded; nothing is called.
    """

    tenant_id: TenantId
    id: UUID
    kind: str
    destination: str
    subject_id: UUID
    step: str
    attempts: int
    fence: int
    is_held: bool = False
    traceparent: str | None = None

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)

    @property
    def key(self) -> str:
        """Return the idempotency key of this call: the same however often this step is tried."""
        return f"{self.kind}:{self.step or 'once'}:{self.subject_id}"


class CallFailed(Exception):
    """The call brought no outcome. It may have happened all the same: no answer is not "it failed".

    `is_outage` says that the destination is to blame (the breaker counts it); `retry_after_s` is what it asked for.
    """

    def __init__(self, reason: str, *, retry_after_s: float | None = None, is_outage: bool = True) -> None:
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.is_outage = is_outage
        super().__init__(reason)


class Done(Struct, Generic[R, O], frozen=True, kw_only=True):
    """One call that came back: with an outcome, or with a failure. `is_last`: `retry` would give up now."""

    intent: Intent
    request: R
    outcome: O | None = None
    failure: CallFailed | None = None
    is_last: bool = False


class Verdict(Struct, frozen=True):
    """What becomes of an intent after its call was recorded."""

    kind: Literal["done", "next", "again", "retry", "dead"]
    step: str = ""
    after_s: float | None = None
    reason: str = ""

    @classmethod
    def done(cls) -> "Verdict":
        return cls("done")

    @classmethod
    def next(cls, step: str) -> "Verdict":
        """Go on with `step` at once, under the same lease: it is loaded in the transaction that recorded this one."""
        return cls("next", step=step)

    @classmethod
    def again(cls, *, after_s: float, reason: str = "") -> "Verdict":
        """Repeat this step later with the same key; not a failure, so it does not count: an answer is still to come."""
        return cls("again", after_s=after_s, reason=reason)

    @classmethod
    def retry(cls, reason: str, *, after_s: float | None = None) -> "Verdict":
        """Repeat this step with the same key by the performer's limits; after the last attempt it is dead."""
        return cls("retry", after_s=after_s, reason=reason)

    @classmethod
    def dead(cls, reason: str) -> "Verdict":
        """Give up now, visibly; a person may have it replayed."""
        return cls("dead", reason=reason)


def usual(done: Done[R, O]) -> Verdict:
    """Finish what has an outcome, retry what has none."""
    if done.failure is None:
        return Verdict.done()
    return Verdict.retry(done.failure.reason, after_s=done.failure.retry_after_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long one call may take, how often it is tried, and how long is waited in between (doubling, with jitter)."""

    timeout_s: float = 15.0
    attempts_max: int = 20
    backoff_first_s: float = 1.0
    backoff_max_s: float = 900.0
    # Its destinations are one tenant's each, and how fast they are called is kept over all processes (pacing.py).
    is_paced: bool = False

    @property
    def patience_s(self) -> float:
        """Return for how long a call is tried that fails at once each time, where chance makes all waits the shortest."""
        return sum(self.wait_s(attempts) / 2 for attempts in range(1, self.attempts_max))

    def wait_s(self, attempts: int) -> float:
        """Return how long is waited after so many attempts, at the most: chance makes it as little as half of that."""
        return min(self.backoff_first_s * 2.0 ** min(attempts - 1, 30), self.backoff_max_s)


class Performer(Protocol[R, O]):
    """What a room provides for one kind of intent. Batches; the lists returned are as long as the lists given.

    A batch holds tenants of one clock, whose `now` it is given. `load` and `record` run in transactions of their own,
    and `call` in none: it may not open one either. `call` raises where there is no answer (CallFailed to say more).
    """

    kind: str
    limits: Limits

    async def load(self, tx: Tx, intents: Sequence[Intent], *, now: datetime) -> Sequence[R | None]:
        """Read what each call needs; None: nothing is to be done any more, and the intent is finished."""
        ...

    async def call(self, intent: Intent, request: R, *, now: datetime) -> O:
        """Call out, passing `intent.key`; nothing else happens here."""
        ...

    async def record(self, tx: Tx, done: Sequence[Done[R, O]], *, now: datetime) -> Sequence[Verdict]:
        """Write what came of the calls, and say what becomes of each intent."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadIntent:
    """An intent that was given up, and why."""

    tenant_id: TenantId
    id: UUID
    kind: str
    destination: str
    subject_id: UUID
    step: str
    attempts: int
    reason: str
    since: datetime


async def intend(tx: Tx, *, intents: Sequence[NewIntent], now: datetime, revive: bool = False) -> None:
    """Write intents; those that exist stay as they are. `revive`: those that are done or dead begin anew."""
    if not intents:
        return
    rows: list[store.Fresh] = [
        (ids.new(now), i.tenant_id, i.kind, i.destination, i.subject_id, i.step, tx.trace_of(i.key)) for i in intents
    ]
    await store.insert(tx, rows, now=now, revive=revive)
    tx.wake(CHANNEL)


async def withdraw(tx: Tx, *, kind: str, subjects: Sequence[Ref]) -> list[Ref]:
    """Take back intents that no runner ever took; return the subjects for which that came in time."""
    return await store.delete_untouched(tx, kind, subjects)


async def standing(tx: Tx, *, kind: str, subject_id: UUID) -> tuple[bool, str] | None:
    """Say whether a call is still to be made, and why the last try of it came to nothing; None: nobody asked for it."""
    row = await store.find_one(tx, kind, subject_id)
    return (row["state"] == "waiting", row["reason"]) if row else None


async def trace_of(tx: Tx, *, kind: str, subject_id: UUID) -> str | None:
    """Return the traceparent with which a call was last asked for, or what it is about."""
    return await store.trace_of(tx, kind, subject_id)


async def dead(tx: Tx, *, page: PageQuery) -> Page[DeadIntent]:
    """List what was given up, newest first."""
    rows = await store.find_dead(tx, limit=page.limit, after=page.after)
    return page_of([DeadIntent(**row) for row in rows], page, lambda each: each.id)


async def replay(tx: Tx, *, refs: Sequence[Ref]) -> int:
    """Let dead intents begin anew at the step where they stopped, with the same key; return how many."""
    count = await store.revive_dead(tx, refs)
    if count:
        tx.wake(CHANNEL)
    return count


async def pending(tx: Tx, tenant_id: TenantId) -> int:
    """Count the tenant's intents that are neither done nor dead: at rest means none."""
    return await store.count_pending(tx, tenant_id)
