"""Policies: a tenant's own, and those of single plans."""

from datetime import datetime
from zoneinfo import ZoneInfo

from guilder.domain.catalog import service as catalog
from guilder.domain.dunning import store
from guilder.domain.dunning.model import Policy, Rhythm, Schedule
from guilder.domain.dunning.rules import schedule
from guilder.domain.dunning.service.telling import policies_of
from guilder.domain.identity import service as identity
from guilder.kernel.errors import NotFound
from guilder.platform.db.tx import Tx


async def policy(tx: Tx, *, plan: str | None = None) -> Policy:
    """Return the rules that hold: the tenant's, or those for one of its plans (by id or code).

    Where nothing was said for the plan, what comes has no `plan_id`: it is the tenant's.

    :raises NotFound: no such plan
    """
    plan_id = (await catalog.plan(tx, plan=plan)).id if plan is not None else None
    return (await policies_of(tx, [(tx.tenant_id, plan_id)]))[tx.tenant_id, plan_id]


async def set_policy(tx: Tx, *, policy: Policy, now: datetime) -> Policy:
    """Set the rules from now on. Dates that are planned already stay as they are until the next failure.

    :raises BadPolicy: its days make no sense
    """
    await store.save_policy(tx, schedule.checked(policy), now=now)
    return policy


async def remove_policy(tx: Tx, *, plan: str) -> Policy:
    """Let the tenant's rules hold for this plan again; return them.

    :raises NotFound: no such plan, or it has no policy of its own
    """
    found = await catalog.plan(tx, plan=plan)
    if not await store.forget_policy(tx, plan_id=found.id):
        raise NotFound("this plan has no dunning policy of its own")
    return await policy(tx)


async def example(tx: Tx, *, policy: Policy, now: datetime) -> Schedule:
    """Return what a policy comes to for something that fails now, where the tenant is."""
    zone = ZoneInfo((await identity.tenant(tx)).time_zone)
    return schedule.example(policy, failed_at=now, rhythm=Rhythm(zone=zone))
