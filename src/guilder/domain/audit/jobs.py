"""What keeps the audit: months made ahead and dropped when they are old, and a day's anchor."""

from datetime import UTC, datetime

from guilder.domain.audit import service
from guilder.platform.db.database import Database
from guilder.platform.logging import get
from guilder.platform.outside.files import Files

ACTOR = "retention"
ANCHORS = "audit/anchors"

_log = get(__name__)


async def keep(database: Database, *, days: int, sandbox_days: int, now: datetime) -> int:
    """Make the months to come, and drop the old ones; return how many tables were dropped. `now` is the wall's."""
    today = now.astimezone(UTC).date()
    async with database.transaction(actor=ACTOR) as tx:
        await service.make_months(tx, today=today)
    async with database.transaction(actor=ACTOR) as tx:
        dropped = await service.drop_old(tx, today=today, days=days, sandbox_days=sandbox_days)
    if dropped:
        _log.info("audit_months_dropped", tables=dropped)
    return dropped


async def anchor(database: Database, files: Files, *, now: datetime) -> bool:
    """Write the day's anchor where it is never written again, and its digest to the log of this process.

    Returns False where the day has one. Whoever wants to be sure of it keeps the file where operators of the database
    cannot change it (a bucket with object lock), or the line of the log.
    """
    path = f"{ANCHORS}/{now.astimezone(UTC):%Y-%m-%d}.jsonl"
    async with database.transaction(actor=ACTOR) as tx:
        made = await service.write_anchor(tx, now=now)
    if not await files.put_once(path, made):
        return False
    _log.info("audit_anchored", path=path, sha256=service.anchored(made))
    return True


async def anchors(files: Files) -> service.Anchors:
    """Read every anchor that was written.

    :raises ValueError: one of them is not what was written
    """
    found: service.Anchors = {}
    for path in await files.names_under(ANCHORS):
        service.read_anchor(await files.get(path), found)
    return found
