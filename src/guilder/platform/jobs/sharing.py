"""Who gets how much of a batch: all tenants that have something due the same, and what one leaves is the others'."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from guilder.kernel.ids import Ref, TenantId
from guilder.platform.db.tx import Tx
from guilder.platform.jobs import store
from guilder.platform.jobs.timetable import Due, Job

# Each tenant that is looked at costs a call of the job's find function. The next look goes on where this one ended, and
# so everybody has a turn within (tenants / TENANTS_A_LOOK) batches.
TENANTS_A_LOOK = 100


def fair(due: Iterable[Due], limit: int) -> list[Due]:
    """Take up to `limit`: what fell due first of each tenant, then the second of each, and so on; in order of due_at."""
    by_time = sorted({each.ref: each for each in due}.values(), key=lambda each: each.due_at)
    if len(by_time) <= limit:
        return by_time
    taken: Counter[TenantId] = Counter()
    rounds = []
    for place, each in enumerate(by_time):
        rounds.append((taken[each.ref.tenant_id], place))
        taken[each.ref.tenant_id] += 1
    return [by_time[place] for place in sorted(place for _, place in sorted(rounds)[:limit])]


class Rounds:
    """Asks, where more is due than a batch takes, what is due of every tenant; goes round among them, job by job."""

    def __init__(self, tenants: str, *, a_look: int = TENANTS_A_LOOK) -> None:
        # It goes into SQL as it is: a name, never anything from outside.
        assert tenants.replace(".", "", 1).replace("_", "").isalnum(), tenants
        assert tenants.isascii(), tenants
        self._tenants = tenants
        self._a_look = a_look
        self._reached: dict[str, TenantId] = {}

    async def look(
        self, tx: Tx, job: Job, *, found: Sequence[Due], failed: Collection[Ref], limit: int, now: datetime
    ) -> list[Due]:
        """Return a share of `limit` of what is due of each tenant whose turn it is; nothing, where only one is there.

        `found` fell due first of all. What failed before is asked for beyond a share: it takes none of it.
        """
        turn = await store.tenants_after(tx, self._tenants, self._reached.get(job.name), limit=self._a_look)
        turn = turn or await store.tenants_after(tx, self._tenants, None, limit=self._a_look)
        if len(turn) == self._a_look:
            self._reached[job.name] = turn[-1]
        else:
            self._reached.pop(job.name, None)
        if not turn or (len(turn) == 1 and turn[0] == found[0].ref.tenant_id):
            return []
        asides = Counter(ref.tenant_id for ref in failed)
        return await store.due_of_each(tx, job, turn, asides=asides, limit=limit, now=now)
