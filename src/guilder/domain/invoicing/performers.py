"""What invoicing has done outside: documents, typeset and stored."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from importlib import resources
from pathlib import Path

from guilder.domain.invoicing import service
from guilder.domain.invoicing.model import Status
from guilder.domain.invoicing.rules.document import InvoiceDocument, to_data
from guilder.domain.invoicing.rules.numbering import file_name
from guilder.domain.invoicing.rules.wording import WORDS
from guilder.domain.invoicing.service import Described
from guilder.kernel.ids import Ref
from guilder.kernel.noun import replace
from guilder.platform.db.tx import Tx
from guilder.platform.outside.files import Files, FilesUnavailable
from guilder.platform.outside.intents import CallFailed, Done, Intent, Limits, Verdict, usual
from guilder.platform.outside.typeset import Typesetter
from guilder.platform.words import FALLBACK, Speech, language_of, tag_of

TEMPLATE = Path(str(resources.files("guilder.domain.invoicing") / "templates" / "invoice"))


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a PDF was put, and the standing that it shows."""

    path: str
    status: Status


def _verdict(done: Done[Described, Stored], stale: set[Ref]) -> Verdict:
    if Ref(done.intent.tenant_id, done.intent.subject_id) in stale:
        return Verdict.again(after_s=0, reason="the invoice was paid or voided meanwhile")
    return usual(done)


class InvoiceDocuments:
    """Typesets invoices as PDF and stores them; the same invoice in the same standing gives the same bytes."""

    kind = service.DOCUMENT
    limits = Limits(timeout_s=30)

    def __init__(self, typesetter: Typesetter, files: Files) -> None:
        self._typesetter = typesetter
        self._files = files

    async def load(self, tx: Tx, intents: Sequence[Intent], *, now: datetime) -> Sequence[Described | None]:
        refs = [Ref(intent.tenant_id, intent.subject_id) for intent in intents]
        found = await service.describe(tx, refs=refs)
        return [found.get(ref) for ref in refs]

    async def call(self, intent: Intent, request: Described, *, now: datetime) -> Stored:
        invoice = request.invoice
        pdf = await self.typeset(request.document, invoice.language)
        assert invoice.number is not None
        version = f"{hashlib.sha256(pdf).hexdigest()[:32]}-{invoice.status.value}"
        # The last part is what it will be called where it is downloaded.
        path = f"tenants/{invoice.tenant_id}/invoices/{invoice.id}/{version}/{file_name(invoice.number)}.pdf"
        try:
            await self._files.put(path, pdf, content_type="application/pdf")
        except FilesUnavailable as error:
            raise CallFailed(error.detail) from error
        return Stored(path, invoice.status)

    async def record(self, tx: Tx, done: Sequence[Done[Described, Stored]], *, now: datetime) -> Sequence[Verdict]:
        stored = [
            (Ref(each.intent.tenant_id, each.intent.subject_id), each.outcome.path, each.outcome.status)
            for each in done
            if each.outcome is not None
        ]
        stale = await service.document_stored(tx, documents=stored, now=now) if stored else set()
        return [_verdict(each, stale) for each in done]

    async def typeset(self, document: InvoiceDocument, language: str) -> bytes:
        """Print in the customer's language, amounts and dates as its region writes them, or in English where this machine has
        no letters for it."""
        words = "".join(WORDS[language_of(language)].values())
        spoken = tag_of(language) if self._typesetter.can_print(words) else FALLBACK
        shown = document if self._typesetter.can_draw(document.logo_svg) else replace(document, logo_svg="")
        return await self._typesetter.compile(
            TEMPLATE, to_data(shown, Speech(spoken)), dated=datetime.combine(document.issued_on, time(), UTC)
        )


class DocumentRemoval:
    """Removes every version of a document that need not be kept any more; to do so again changes nothing."""

    kind = service.FORGET_DOCUMENT
    limits = Limits(timeout_s=30)

    def __init__(self, files: Files) -> None:
        self._files = files

    async def load(self, tx: Tx, intents: Sequence[Intent], *, now: datetime) -> Sequence[str | None]:
        return [f"tenants/{each.tenant_id}/invoices/{each.subject_id}" for each in intents]

    async def call(self, intent: Intent, request: str, *, now: datetime) -> int:
        try:
            return await self._files.delete_under(request)
        except FilesUnavailable as error:
            raise CallFailed(error.detail) from error

    async def record(self, tx: Tx, done: Sequence[Done[str, int]], *, now: datetime) -> Sequence[Verdict]:
        return [usual(each) for each in done]
