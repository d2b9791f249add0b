"""Reading: records by what is looked for, newest first; and what was found when they were verified."""

from datetime import datetime, timedelta
from uuid import UUID

from guilder.domain.audit.model import Filter, Record, Verification
from guilder.domain.audit.store.chains import COLUMNS, to_record
from guilder.kernel.ids import TenantId
from guilder.platform.db.tx import Tx

# Ids of one process are kept in order within a minute: an id may be dated up to that much after its event.
_LATER_MAX = timedelta(minutes=1, seconds=1)
_GROUP = "group:"


async def listing(tx: Tx, tenant_id: TenantId, wanted: Filter, *, after: UUID | None, limit: int) -> list[Record]:
    clauses, values = _clauses(wanted)
    rows = await tx.fetch(
        f"""select {COLUMNS} from audit.records
             where tenant_id = $1 and ($2::uuid is null or id < $2) {clauses}
             order by id desc limit $3""",
        tenant_id,
        after,
        limit,
        *values,
    )
    return [to_record(row) for row in rows]


async def one(tx: Tx, tenant_id: TenantId, record_id: UUID) -> Record | None:
    row = await tx.fetchrow(
        f"select {COLUMNS} from audit.records where tenant_id = $1 and id = $2", tenant_id, record_id
    )
    return None if row is None else to_record(row)


async def keep_verification(tx: Tx, made: Verification) -> None:
    await tx.execute(
        """insert into audit.verifications (tenant_id, id, verified_at, verified_by, records, chains, anchors, faults,
                                            first_fault)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
        made.tenant_id,
        made.id,
        made.verified_at,
        made.verified_by,
        made.records,
        made.chains,
        made.anchors,
        made.faults,
        made.first_fault,
    )


async def last_verification(tx: Tx, tenant_id: TenantId) -> Verification | None:
    row = await tx.fetchrow(
        """select tenant_id, id, verified_at, verified_by, records, chains, anchors, faults, first_fault
             from audit.verifications where tenant_id = $1 order by verified_at desc, id desc limit 1""",
        tenant_id,
    )
    return None if row is None else Verification(**dict(row))


def _clauses(wanted: Filter) -> tuple[str, list[object]]:
    found: list[tuple[str, object]] = []
    if wanted.actor is not None:
        # Said as the index says it, which leaves out what groups of the log do by the thousand.
        named = (
            "actor = {}" if wanted.actor.startswith(_GROUP) else f"actor = {{}} and not starts_with(actor, '{_GROUP}')"
        )
        found.append((named, wanted.actor))
    if wanted.action is not None:
        is_beginning = wanted.action.endswith("*")
        found.append(("starts_with(action, {})" if is_beginning else "action = {}", wanted.action.rstrip("*")))
    for column, value in (
        ("object_id", wanted.object_id),
        ("customer_id", wanted.customer_id),
        ("request_id", wanted.request_id),
    ):
        if value is not None:
            found.append((f"{column} = {{}}", value))
    if wanted.since is not None:
        found += [("at >= {}", wanted.since), ("id >= {}", _first_id(wanted.since))]
    if wanted.until is not None:
        found += [("at < {}", wanted.until), ("id < {}", _first_id(wanted.until + _LATER_MAX))]
    return (
        "".join(f" and {clause.format(f'${n}')}" for n, (clause, _) in enumerate(found, 4)),
        [value for _, value in found],
    )


def _first_id(at: datetime) -> UUID:
    """Return an id not after any that is dated from this instant on: so that an index need not be read to its end."""
    return UUID(int=max(0, int(at.timestamp() * 1000)) << 80)
