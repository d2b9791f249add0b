"""Rows of policies: a tenant's own, and those of single plans."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from guilder.domain.dunning.model import FinalAction, Policy
from guilder.kernel.ids import TenantId
from guilder.platform.db.tx import Row, Tx

_RULES = (
    "retry_days",
    "reminder_every_days",
    "reminders_max",
    "final_action",
    "blocks_at_first_failure",
    "grace_days",
    "stops_at_hard_decline",
    "falls_back",
    "pay_day_aware",
    "retry_hour",
)
_SET = ", ".join(f"{each} = excluded.{each}" for each in (*_RULES, "changed_at"))


async def policies(
    tx: Tx, keys: Collection[tuple[TenantId, UUID | None]]
) -> dict[tuple[TenantId, UUID | None], Policy]:
    """Return, by tenant and plan, what was set: for each key that of its plan, and that of its tenant (plan None)."""
    of_plans = sorted((tenant_id, plan_id) for tenant_id, plan_id in keys if plan_id is not None)
    rows = await tx.fetch(
        f"""select tenant_id, null::uuid as plan_id, {", ".join(_RULES)} from dunning.policies
             where tenant_id = any($1::uuid[])
            union all
            select tenant_id, plan_id, {", ".join(_RULES)} from dunning.plan_policies
             where (tenant_id, plan_id) in (select * from unnest($2::uuid[], $3::uuid[]))""",
        sorted({tenant_id for tenant_id, _ in keys}),
        [tenant_id for tenant_id, _ in of_plans],
        [plan_id for _, plan_id in of_plans],
    )
    return {policy.key: policy for policy in map(_policy, rows)}


async def save_policy(tx: Tx, policy: Policy, *, now: datetime) -> None:
    key = ("tenant_id",) if policy.plan_id is None else ("tenant_id", "plan_id")
    columns = (*key, *_RULES, "changed_at")
    await tx.execute(
        f"""insert into dunning.{"policies" if policy.plan_id is None else "plan_policies"} ({", ".join(columns)})
            values ({", ".join(f"${n}" for n in range(1, len(columns) + 1))})
            on conflict ({", ".join(key)}) do update set {_SET}""",
        *(getattr(policy, each) for each in key),
        *(_plain(getattr(policy, each)) for each in _RULES),
        now,
    )


async def forget_policy(tx: Tx, *, plan_id: UUID) -> bool:
    """Remove a plan's policy; say whether there was one."""
    return bool(
        await tx.execute(
            "delete from dunning.plan_policies where tenant_id = $1 and plan_id = $2", tx.tenant_id, plan_id
        )
    )


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    return value.value if isinstance(value, FinalAction) else value


def _policy(row: Row) -> Policy:
    values = {each: row[each] for each in _RULES}
    return Policy(
        **{**values, "retry_days": tuple(row["retry_days"]), "final_action": FinalAction(row["final_action"])},
        tenant_id=TenantId(row["tenant_id"]),
        plan_id=row["plan_id"],
    )
