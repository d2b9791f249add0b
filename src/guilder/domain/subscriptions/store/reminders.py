"""When renewals are announced, by tenant, and which of them are due to be."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.subscriptions.model import RenewalReminders, Subscription
from guilder.domain.subscriptions.store import subscriptions
from guilder.kernel.ids import Ref, TenantId
from guilder.platform.db.tx import Tx

_NAMED = "(s.tenant_id, s.id) in (select * from unnest($1::uuid[], $2::uuid[]))"


async def claim_renewal_reminders(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> list[Subscription]:
    """Lock those of `refs` whose renewal is due to be announced."""
    rows = await tx.fetch(
        f"""select tenant_id, id from subscriptions.subscriptions s where {_NAMED} and renewal_reminder_due_at <= $3
             order by tenant_id, id for update skip locked""",
        *_split(refs),
        now,
    )
    return await subscriptions.get(tx, [Ref(TenantId(row["tenant_id"]), row["id"]) for row in rows]) if rows else []


async def renewals_reminded(tx: Tx, refs: Sequence[Ref]) -> None:
    await tx.execute(
        f"""update subscriptions.subscriptions s set renewal_reminder_due_at = null, renewal_reminded_for = renews_at
             where {_NAMED}""",
        *_split(refs),
    )


async def renewal_reminders(tx: Tx) -> RenewalReminders | None:
    row = await tx.fetchrow("select * from subscriptions.renewal_reminders where tenant_id = $1", tx.tenant_id)
    if row is None:
        return None
    return RenewalReminders(tenant_id=tx.tenant_id, days=row["days"], yearly_days=row["yearly_days"])


async def save_renewal_reminders(tx: Tx, reminders: RenewalReminders, *, now: datetime) -> None:
    """Keep the days, and plan the reminders of all that renews anew."""
    await tx.execute(
        """insert into subscriptions.renewal_reminders as o (tenant_id, days, yearly_days, changed_at)
           values ($1, $2, $3, $4)
           on conflict (tenant_id) do update
              set days = excluded.days, yearly_days = excluded.yearly_days, changed_at = excluded.changed_at""",
        reminders.tenant_id,
        reminders.days,
        reminders.yearly_days,
        now,
    )
    await tx.execute(
        """update subscriptions.subscriptions s set renewal_reminder_due_at = v.due_at
             from (select tenant_id, id, case when current_period_start < renews_at - lead and lead > interval '0'
                                               and renews_at > $4 and renewal_reminded_for is distinct from renews_at
                                              then renews_at - lead end as due_at
                     from (select *, make_interval(hours => 24 * case when renews_yearly then $3::int else $2::int end)
                                  as lead
                             from subscriptions.subscriptions where tenant_id = $1 and renews_at is not null) w) v
            where s.tenant_id = v.tenant_id and s.id = v.id and s.renewal_reminder_due_at is distinct from v.due_at""",
        reminders.tenant_id,
        reminders.days,
        reminders.yearly_days,
        now,
    )


def _split(refs: Sequence[Ref]) -> tuple[list[TenantId], list[object]]:
    return [ref.tenant_id for ref in refs], [ref.id for ref in refs]
