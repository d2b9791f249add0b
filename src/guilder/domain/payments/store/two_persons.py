"""The SQL of limits that take two persons, and of what one person gave alone."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from guilder.domain.payments.model import Limits, TwoPersonLimits
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Row, Tx


async def lock_limits(tx: Tx) -> None:
    """Have whoever else changes the limits of this tenant wait; there may be no row to lock yet."""
    await tx.execute("select pg_advisory_xact_lock(hashtextextended('two_person_limits:' || $1, 0))", str(tx.tenant_id))


async def limits(tx: Tx) -> TwoPersonLimits:
    row = await tx.fetchrow(
        """select refunds::text as refunds, credits::text as credits, changed_by, changed_at,
                   wanted_refunds::text as wanted_refunds, wanted_credits::text as wanted_credits, wanted_by, wanted_at
            from payments.two_person_limits where tenant_id = $1""",
        tx.tenant_id,
    )
    return _from_row(row) if row else TwoPersonLimits()


async def save_limits(tx: Tx, found: TwoPersonLimits) -> None:
    wanted = found.wanted
    await tx.execute(
        """insert into payments.two_person_limits as l (tenant_id, refunds, credits, changed_by, changed_at,
               wanted_refunds, wanted_credits, wanted_by, wanted_at)
           values ($1, $2::text::jsonb, $3::text::jsonb, $4, $5, $6::text::jsonb, $7::text::jsonb, $8, $9)
           on conflict (tenant_id) do update set refunds = excluded.refunds, credits = excluded.credits,
               changed_by = excluded.changed_by, changed_at = excluded.changed_at,
               wanted_refunds = excluded.wanted_refunds, wanted_credits = excluded.wanted_credits,
               wanted_by = excluded.wanted_by, wanted_at = excluded.wanted_at""",
        tx.tenant_id,
        _json(found.limits.refunds),
        _json(found.limits.credits),
        found.changed_by,
        found.changed_at,
        _json(wanted.refunds) if wanted else None,
        _json(wanted.credits) if wanted else None,
        found.wanted_by or None,
        found.wanted_at,
    )


async def given_alone(tx: Tx, *, invoice: Ref, since: datetime) -> int:
    """Return what went back of an invoice since then without two persons, in minor units. Its payments are locked.

    What the policy granted counts, too: staff may ask for what it grants.
    """
    total: int = await tx.fetchval(
        """select coalesce(sum(amount_minor), 0)::bigint from payments.refunds
           where tenant_id = $1 and invoice_id = $2 and decided_at > $3 and first_by = '' and not is_pay_out
             and granted_by in ('staff', 'policy') and status in ('pending', 'succeeded')""",
        *invoice,
        since,
    )
    return total


async def lock_waiting(tx: Tx, refs: list[Ref], *, before: datetime) -> list[UUID]:
    """Lock those of these refunds whose first person has waited for a second since before then."""
    rows = await tx.fetch(
        """select id from payments.refunds
           where (tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[])) and status = 'asked'
             and first_at <= $3 order by tenant_id, id for update skip locked""",
        [ref.tenant_id for ref in refs],
        [ref.id for ref in refs],
        before,
    )
    return [row["id"] for row in rows]


def _json(value: Any) -> str:
    return msgspec.json.encode(dict(value)).decode()


def _limits(refunds: str, credits_: str) -> Limits:
    return Limits(
        refunds=msgspec.json.decode(refunds, type=dict[str, int]),
        credits=msgspec.json.decode(credits_, type=dict[str, int]),
    )


def _from_row(row: Row) -> TwoPersonLimits:
    return TwoPersonLimits(
        limits=_limits(row["refunds"], row["credits"]),
        changed_by=row["changed_by"],
        changed_at=row["changed_at"],
        wanted=_limits(row["wanted_refunds"], row["wanted_credits"]) if row["wanted_by"] else None,
        wanted_by=row["wanted_by"] or "",
        wanted_at=row["wanted_at"],
    )
