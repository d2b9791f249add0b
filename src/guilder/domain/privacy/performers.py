"""What privacy has done outside: exports made and stored, and removed."""

import os
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO

from guilder.domain.privacy import service
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx
from guilder.platform.outside.files import FileMissing, Files, FilesUnavailable
from guilder.platform.outside.intents import CallFailed, Done, Intent, Limits, Verdict, usual


@dataclass(frozen=True, slots=True)
class Packed:
    """An export on this machine's disk, without a name there: when it is let go of, it is gone."""

    file: IO[bytes]
    path: str
    documents: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Put:
    path: str
    size: int


class Exporting:
    """Reads everything of one customer into a file, adds the documents, and stores it."""

    kind = service.EXPORT
    limits = Limits(timeout_s=300)

    def __init__(self, files: Files) -> None:
        self._files = files

    async def load(self, tx: Tx, intents: Sequence[Intent], *, now: datetime) -> Sequence[Packed | None]:
        refs = [Ref(intent.tenant_id, intent.subject_id) for intent in intents]
        everybody = set(tx.tenants)
        packed: list[Packed | None] = []
        for ref in refs:
            await tx.narrow({ref.tenant_id})
            request = (await service.to_export(tx, refs=[ref])).get(ref)
            if request is None:
                packed.append(None)
                continue
            file = tempfile.TemporaryFile(prefix="guilder-export-")  # noqa: SIM115  (closed once it is stored)
            pack = await service.pack(tx, request=request, into=file, now=now)
            packed.append(Packed(file, pack.path, pack.documents))
        await tx.narrow(everybody)
        return packed

    async def call(self, intent: Intent, request: Packed, *, now: datetime) -> Put:
        try:
            with zipfile.ZipFile(request.file, "a", zipfile.ZIP_STORED, allowZip64=True) as whole:
                for name, path in request.documents:
                    await self._add(whole, name, path)
            size = request.file.seek(0, os.SEEK_END)
            request.file.seek(0)
            await self._files.put_stream(request.path, request.file, content_type="application/zip")
        except FilesUnavailable as error:
            raise CallFailed(error.detail) from error
        finally:
            request.file.close()
        return Put(request.path, size)

    async def record(self, tx: Tx, done: Sequence[Done[Packed, Put]], *, now: datetime) -> Sequence[Verdict]:
        everybody = set(tx.tenants)
        for each in done:
            if each.outcome is not None:
                ref = Ref(each.intent.tenant_id, each.intent.subject_id)
                await tx.narrow({ref.tenant_id})
                await service.exported(tx, ref=ref, path=each.outcome.path, size=each.outcome.size, now=now)
        await tx.narrow(everybody)
        return [usual(each) for each in done]

    async def _add(self, whole: zipfile.ZipFile, name: str, path: str) -> None:
        try:
            content = await self._files.get(path)
        except FileMissing:  # it was made anew meanwhile, or forgotten
            return
        if name not in whole.namelist():
            whole.writestr(name, content)


class ExportRemoval:
    """Removes an export that is old, or whose subject was erased: each file that was ever put for it."""

    kind = service.REMOVE
    limits = Limits(timeout_s=30)

    def __init__(self, files: Files) -> None:
        self._files = files

    async def load(self, tx: Tx, intents: Sequence[Intent], *, now: datetime) -> Sequence[str | None]:
        everybody = set(tx.tenants)
        found: list[str | None] = []
        for intent in intents:
            await tx.narrow({intent.tenant_id})
            ref = Ref(intent.tenant_id, intent.subject_id)
            found.append((await service.to_remove(tx, refs=[ref])).get(ref))
        await tx.narrow(everybody)
        return found

    async def call(self, intent: Intent, request: str, *, now: datetime) -> int:
        try:
            return await self._files.delete_under(request)
        except FilesUnavailable as error:
            raise CallFailed(error.detail) from error

    async def record(self, tx: Tx, done: Sequence[Done[str, int]], *, now: datetime) -> Sequence[Verdict]:
        everybody = set(tx.tenants)
        for each in done:
            if each.failure is None:
                await tx.narrow({each.intent.tenant_id})
                await service.removed(tx, refs=[Ref(each.intent.tenant_id, each.intent.subject_id)], now=now)
        await tx.narrow(everybody)
        return [usual(each) for each in done]
