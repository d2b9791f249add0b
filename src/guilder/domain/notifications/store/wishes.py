"""What customers wish to hear, and in which words their tenants say it, as rows."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.notifications.model import Kind, OwnWords, Preferences
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.platform.db.tx import Row, Tx


async def preferences(tx: Tx, customers: Sequence[Ref]) -> dict[Ref, Preferences]:
    rows = await tx.fetch(
        """select * from notifications.preferences
            where (tenant_id, customer_id) in (select * from unnest($1::uuid[], $2::uuid[]))""",
        [ref.tenant_id for ref in customers],
        [ref.id for ref in customers],
    )
    found = [
        Preferences(
            tenant_id=TenantId(row["tenant_id"]),
            customer_id=CustomerId(row["customer_id"]),
            wants_reminders=row["wants_reminders"],
            wants_renewal_notices=row["wants_renewal_notices"],
            wants_usage_alerts=row["wants_usage_alerts"],
            wants_sms=row["wants_sms"],
        )
        for row in rows
    ]
    return {each.ref: each for each in found}


async def save_preferences(tx: Tx, wishes: Preferences, *, now: datetime) -> None:
    await tx.execute(
        """insert into notifications.preferences (tenant_id, customer_id, wants_reminders, wants_renewal_notices,
                                                  wants_usage_alerts, wants_sms, changed_at)
           values ($1, $2, $3, $4, $5, $6, $7)
           on conflict (tenant_id, customer_id) do update
              set wants_reminders = excluded.wants_reminders, wants_renewal_notices = excluded.wants_renewal_notices,
                  wants_usage_alerts = excluded.wants_usage_alerts, wants_sms = excluded.wants_sms,
                  changed_at = excluded.changed_at""",
        wishes.tenant_id,
        wishes.customer_id,
        wishes.wants_reminders,
        wishes.wants_renewal_notices,
        wishes.wants_usage_alerts,
        wishes.wants_sms,
        now,
    )


async def words(tx: Tx, tenant_ids: Sequence[TenantId], kinds: Sequence[Kind]) -> list[OwnWords]:
    """Return these tenants' own words for these kinds, in every language."""
    rows = await tx.fetch(
        "select * from notifications.templates where tenant_id = any ($1::uuid[]) and kind = any ($2::text[])",
        list(tenant_ids),
        [each.value for each in kinds],
    )
    return [_words(row) for row in rows]


async def words_of_tenant(tx: Tx) -> list[OwnWords]:
    rows = await tx.fetch(
        "select * from notifications.templates where tenant_id = $1 order by kind, language", tx.tenant_id
    )
    return [_words(row) for row in rows]


async def save_words(tx: Tx, own: OwnWords, *, now: datetime) -> None:
    await tx.execute(
        """insert into notifications.templates (tenant_id, kind, language, subject, body, changed_at)
           values ($1, $2, $3, $4, $5, $6)
           on conflict (tenant_id, kind, language) do update
              set subject = excluded.subject, body = excluded.body, changed_at = excluded.changed_at""",
        own.tenant_id,
        own.kind.value,
        own.language,
        own.subject,
        own.body,
        now,
    )


async def drop_words(tx: Tx, kind: Kind, language: str) -> bool:
    return bool(
        await tx.execute(
            "delete from notifications.templates where tenant_id = $1 and kind = $2 and language = $3",
            tx.tenant_id,
            kind.value,
            language,
        )
    )


def _words(row: Row) -> OwnWords:
    return OwnWords(
        tenant_id=TenantId(row["tenant_id"]),
        kind=Kind(row["kind"]),
        language=row["language"],
        subject=row["subject"],
        body=row["body"],
    )
