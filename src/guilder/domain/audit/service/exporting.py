"""Exporting: records as files, with the hashes that they can be verified by."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from guilder.domain.audit.events import AuditExported
from guilder.domain.audit.model import Export, Filter, Told
from guilder.domain.audit.service.reading import told
from guilder.domain.audit.store import exports as store
from guilder.domain.audit.store import reading
from guilder.kernel import ids
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import Ref
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx
from guilder.platform.outside import intents
from guilder.platform.outside.intents import NewIntent

EXPORT = "audit.export"
DESTINATION = "files"
# More is asked for in stretches of time.
EXPORT_MAX = 20_000


class ExportNotReady(Conflict):
    """The files are being written; try again in a moment."""

    code = "export_not_ready"


@dataclass(frozen=True, slots=True)
class Exported:
    """What is to be written, oldest first."""

    export: Export
    records: Sequence[Told]
    is_complete: bool


async def ask_for_export(tx: Tx, *, wanted: Filter, now: datetime) -> Export:
    """Have the records that fit written to files; the newest EXPORT_MAX of them, if there are more."""
    made = Export(tenant_id=tx.tenant_id, id=ids.new(now), wanted=wanted, asked_by=tx.actor, asked_at=now)
    await store.insert(tx, made)
    wish = NewIntent(tenant_id=made.tenant_id, kind=EXPORT, destination=DESTINATION, subject_id=made.id)
    await intents.intend(tx, intents=[wish], now=now)
    return made


async def exports(tx: Tx, *, query: PageQuery) -> Page[Export]:
    rows = await store.listing(tx, tx.tenant_id, after=query.after, limit=query.limit + 1)
    return page_of(rows, query, lambda each: each.id)


async def export(tx: Tx, *, export_id: UUID) -> Export:
    """Return an export.

    :raises NotFound: there is none of this id
    """
    ref = Ref(tx.tenant_id, export_id)
    found = (await store.get(tx, [ref])).get(ref)
    if found is None:
        raise NotFound("there is no such export")
    return found


async def exported(tx: Tx, *, ref: Ref) -> Exported | None:
    """Return what an export is to hold; None where its files are written."""
    found = (await store.get(tx, [ref])).get(ref)
    if found is None or found.ended_at is not None:
        return None
    records = await reading.listing(tx, ref.tenant_id, found.wanted, after=None, limit=EXPORT_MAX + 1)
    newest = records[:EXPORT_MAX]
    return Exported(found, await told(tx, newest[::-1]), is_complete=len(records) <= EXPORT_MAX)


async def export_ended(tx: Tx, *, done: Exported, lines_path: str, table_path: str, now: datetime) -> None:
    """Keep where the files lie."""
    ref, count = Ref(done.export.tenant_id, done.export.id), len(done.records)
    ended = await store.end(
        tx,
        ref,
        records=count,
        is_complete=done.is_complete,
        lines_path=lines_path,
        table_path=table_path,
        now=now,
    )
    if ended:
        made = AuditExported(tenant_id=ref.tenant_id, export_id=ref.id, records=count, is_complete=done.is_complete)
        outbox.announce(tx, [made], now=now)
