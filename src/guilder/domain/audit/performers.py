"""What audit has done outside: exports, written to the file store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

from guilder.domain.audit import service
from guilder.domain.audit.rules import writing
from guilder.domain.audit.service.exporting import Exported
from guilder.kernel.ids import Ref
from guilder.platform import csv
from guilder.platform.db.tx import Tx
from guilder.platform.outside.files import Files, FilesUnavailable
from guilder.platform.outside.intents import CallFailed, Done, Intent, Limits, Verdict, usual

JSON_LINES = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class Stored:
    """Where the files were put."""

    lines_path: str
    table_path: str


class AuditExports:
    """Writes an export twice: as JSON lines to verify it by, as a table to look at it."""

    kind = service.EXPORT
    limits = Limits(timeout_s=60)

    def __init__(self, files: Files) -> None:
        self._files = files

    async def load(self, tx: Tx, intents: Sequence[Intent], *, now: datetime) -> Sequence[Exported | None]:
        return [await service.exported(tx, ref=Ref(each.tenant_id, each.subject_id)) for each in intents]

    async def call(self, intent: Intent, request: Exported, *, now: datetime) -> Stored:
        folder = f"tenants/{request.export.tenant_id}/audit/{request.export.id}"
        stored = Stored(f"{folder}/audit.jsonl", f"{folder}/audit.csv")
        lines = "".join(writing.lines(request.records)).encode()
        table = "".join(csv.lines(writing.HEAD, map(writing.cells, request.records))).encode()
        try:
            # In parts: as many records as an export may hold are more than a file that is put whole.
            await self._files.put_stream(stored.lines_path, BytesIO(lines), content_type=JSON_LINES)
            await self._files.put_stream(stored.table_path, BytesIO(table), content_type=csv.CONTENT_TYPE)
        except FilesUnavailable as error:
            raise CallFailed(error.detail) from error
        return stored

    async def record(self, tx: Tx, done: Sequence[Done[Exported, Stored]], *, now: datetime) -> Sequence[Verdict]:
        for each in done:
            if each.outcome is not None:
                await service.export_ended(
                    tx,
                    done=each.request,
                    lines_path=each.outcome.lines_path,
                    table_path=each.outcome.table_path,
                    now=now,
                )
        return [usual(each) for each in done]
