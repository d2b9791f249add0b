"""The one look: every check on one snapshot, read-only, as a role that sees everything and can change nothing."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from guilder.kernel import ids
from guilder.kernel.ids import TenantId
from guilder.platform.db.database import connect_once
from guilder.wiring.doctor.checks import CHECKS, GROUND, QUERIES
from guilder.wiring.doctor.report import CannotExamine, Check, Report, Violation, as_uuid

ROLE = "guilder_doctor"
CONNECT_TIMEOUT_S = 10
# A check reads whole tables: it may take a while, and must not take for ever.
CHECK_TIMEOUT_S = 600
SHOWN_MAX = 20
NO_JOURNAL = "no provider's journal was given"
# A server that ends says so, or its end is noticed by whoever rolls back on a connection that is closed.
_GONE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
)


async def examine(
    database_url: str,
    *,
    now: datetime,
    tenant_id: TenantId | None = None,
    journal: Mapping[str, Any] | None = None,
    settled: bool = False,
    shown_max: int = SHOWN_MAX,
) -> Report:
    """Look for everything that is wrong, of all tenants or of one.

    `now` is the wall clock's; sandboxes are looked at on their own clocks. `journal` is a provider's own account of what
    it captured and gave back ({"charges": […], "refunds": […]}, and {"gateway": name} where it is not the simulated
    one), read before this is called. `settled`: everything is at rest, so nothing is given any time.

    :raises CannotExamine: the database cannot be reached, its tables are not there, or the login may not look
    """
    try:
        connection = await connect_once(
            database_url, timeout_s=CONNECT_TIMEOUT_S, only_reads=True, command_timeout=CHECK_TIMEOUT_S
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise CannotExamine(f"PostgreSQL cannot be reached: {error}") from error
    try:
        # One snapshot for all checks: what one of them counts is what the next one counts, too.
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await inspect(
                connection, now=now, tenant_id=tenant_id, journal=journal, settled=settled, shown_max=shown_max
            )
    except asyncpg.UndefinedObjectError as error:
        raise CannotExamine("There are no tables here yet; run `guilder migrate` first.") from error
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InvalidSchemaNameError) as error:
        raise CannotExamine(f"The tables are not of this version ({error}); run `guilder migrate` first.") from error
    except _GONE as error:
        raise CannotExamine(f"PostgreSQL went away, or took too long: {error}") from error
    finally:
        await connection.close()


async def inspect(
    connection: "asyncpg.Connection[asyncpg.Record]",
    *,
    now: datetime,
    tenant_id: TenantId | None = None,
    journal: Mapping[str, Any] | None = None,
    settled: bool = False,
    shown_max: int = SHOWN_MAX,
) -> Report:
    """Do what `examine` does, on a transaction that is open; it looks as the doctor from here to its end.

    :raises CannotExamine: the login is not a member of the doctor's role
    """
    try:
        await connection.execute(f"set local role {ROLE}")
    except asyncpg.InsufficientPrivilegeError as error:
        raise CannotExamine(
            f"This login may not look at every tenant: set DATABASE_DOCTOR_URL to a login that is a member of {ROLE}."
        ) from error
    # A tenant that is not there would otherwise be found to be in the best of health.
    tenants = await connection.fetchval(
        "select count(*) from identity.tenants where $1::uuid is null or tenant_id = $1", tenant_id
    )
    if tenant_id is not None and not tenants:
        raise CannotExamine(f"There is no tenant {tenant_id} here.")
    told = None if journal is None else json.dumps(journal)
    report = Report(violations=[], examined=[], tenants=tenants)
    for check in CHECKS:
        if check.needs_journal and told is None:
            report.not_examined[check.id] = NO_JOURNAL
            continue
        grace = timedelta(0) if settled else check.grace
        rows = await connection.fetch(_query(check), now, tenant_id, told, grace, shown_max)
        report.examined.append(check.id)
        report.violations.extend(_violation(check, row) for row in rows)
        if rows:
            report.counts[check.id] = rows[0]["total"]
    return report


def _query(check: Check) -> str:
    return (
        f"{GROUND}, found (tenant_id, kind, id, says) as ({QUERIES[check.id]})\n"
        "select found.*, count(*) over () as total from found order by tenant_id, kind, id, says limit $5::int"
    )


def _violation(check: Check, row: asyncpg.Record) -> Violation:
    identity = as_uuid(row["id"])
    found = ids.to_text(row["kind"], identity) if identity else f"{row['kind']} {row['id']}"
    return Violation(check=check.id, tenant_id=row["tenant_id"], object=found, says=row["says"])
