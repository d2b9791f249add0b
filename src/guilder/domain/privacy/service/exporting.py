"""Handing over: everything of one customer as a ZIP of JSON and PDFs, read in batches and written as it is read.

It lies under a name that nobody can guess, a link to it is signed and short, and after a week it is removed.
"""

import json
import re
import zipfile
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import IO, NamedTuple

from guilder.domain.audit import service as audit
from guilder.domain.customers import service as customers
from guilder.domain.dunning import service as dunning
from guilder.domain.entitlements import service as entitlements
from guilder.domain.invoicing import service as invoicing
from guilder.domain.notifications import service as notifications
from guilder.domain.orders import service as orders
from guilder.domain.payments import service as payments
from guilder.domain.privacy.events import PrivacyRequestDone
from guilder.domain.privacy.model import Request, RequestKind, State, Step
from guilder.domain.privacy.rules import lifecycle as rules
from guilder.domain.privacy.rules import readme
from guilder.domain.privacy.store import consents, requests
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.usage import service as usage
from guilder.domain.webhooks import service as webhooks
from guilder.kernel import lifecycle
from guilder.kernel.errors import Conflict
from guilder.kernel.ids import CustomerId, Ref
from guilder.kernel.noun import replace
from guilder.kernel.page import PageQuery
from guilder.platform.bus import outbox
from guilder.platform.crypto import new_secret
from guilder.platform.db.portable import Portable
from guilder.platform.db.tx import Tx
from guilder.platform.outside import intents
from guilder.platform.outside.intents import NewIntent

EXPORT = "privacy.export"
REMOVE = "privacy.remove_export"
DESTINATION = "files"
CONSENTS_AT_ONCE = 200
# That the staff did it is about the customer; who of them is about somebody else.
_SAYS_WHO = frozenset({"audit_records", "events_sent_by_webhook"})
_STAFF = re.compile(r"\bstaff:[^\s\"\\]+")

Reading = Callable[..., AsyncIterator[Portable]]


class FileNotReady(Conflict):
    """There is no file: it is still being made, or it has been removed after its seven days."""

    code = "export_not_ready"


class Pack(NamedTuple):
    """An export to be made: where it will lie, and the documents that belong in it, by the names they will have."""

    path: str
    documents: tuple[tuple[str, str], ...]


async def want_export(tx: Tx, request: Request, *, now: datetime) -> None:
    await intents.intend(tx, intents=[_intent(request, EXPORT)], now=now)


async def to_export(tx: Tx, *, refs: Sequence[Ref]) -> dict[Ref, Request]:
    """Return the exports among these requests that are still to be made."""
    found = [await requests.get(tx, ref.id) for ref in refs if ref.tenant_id in tx.tenants]
    return {each.ref: each for each in found if each is not None and each.state is State.RUNNING}


async def pack(tx: Tx, *, request: Request, into: IO[bytes], now: datetime) -> Pack:
    """Write everything that rooms hold of the request's customer into a ZIP; say what of documents is still to be added."""
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as whole:
        counts: dict[str, int] = {}
        for reading in _READINGS:
            await _write(whole, reading(tx, customer_id=request.customer_id), counts)
        whole.writestr("README.txt", readme.text(counts, made_at=now))
    found = await invoicing.documents(tx, customer_id=request.customer_id)
    documents = tuple((readme.document_name(number, invoice_id), path) for invoice_id, number, path in found)
    return Pack(f"{_folder(request)}/x{new_secret()}/export.zip", documents)


async def exported(tx: Tx, *, ref: Ref, path: str, size: int, now: datetime) -> None:
    """Note that an export lies ready, for a week. One whose subject was erased meanwhile is removed at once."""
    request = await requests.get(tx, ref.id, lock=True)
    assert request is not None, ref
    if request.state is not State.RUNNING:
        return
    customer = await customers.one(tx, customer_id=request.customer_id)
    expires_at = now if customer.is_erased else now + rules.FILE_KEPT
    done = replace(
        request,
        state=lifecycle.take(rules.MOVES, request.state, Step.FINISH),
        done_at=now,
        next_at=expires_at,
        file_path=path,
        file_bytes=size,
        file_expires_at=expires_at,
    )
    await requests.save(tx, done, now=now)
    event = PrivacyRequestDone(
        tenant_id=done.tenant_id, request_id=done.id, customer_id=done.customer_id, kind=done.kind.value
    )
    outbox.announce(tx, [event], now=now)


def file_path(request: Request, *, now: datetime) -> str:
    """Return where an export lies.

    :raises FileNotReady: it is not made yet, or no more
    """
    if not request.file_path or request.file_expires_at is None or request.file_expires_at <= now:
        raise FileNotReady(retry_after_s=1 if request.done_at is None else None)
    return request.file_path


async def want_removal(tx: Tx, request: Request, *, now: datetime) -> None:
    # Again, where it was done before: a file may have come after that.
    await intents.intend(tx, intents=[_intent(request, REMOVE)], now=now, revive=True)


async def to_remove(tx: Tx, *, refs: Sequence[Ref]) -> dict[Ref, str]:
    """Return the folders of these requests, that are to be removed with whatever lies in them."""
    found = [await requests.get(tx, ref.id) for ref in refs if ref.tenant_id in tx.tenants]
    return {each.ref: _folder(each) for each in found if each is not None and each.kind is RequestKind.EXPORT}


async def removed(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> None:
    """Note that files are no more."""
    for ref in refs:
        request = await requests.get(tx, ref.id, lock=True)
        if request is not None:
            await requests.save(tx, replace(request, file_path="", file_bytes=None), now=now)


async def _consents(tx: Tx, *, customer_id: CustomerId) -> AsyncIterator[Portable]:
    after = None
    while True:
        query = PageQuery(limit=CONSENTS_AT_ONCE, after=after)
        found = await consents.listing(tx, query, customer_id=customer_id)
        for each in found[:CONSENTS_AT_ONCE]:
            yield (
                "consents",
                {
                    "purpose": each.purpose,
                    "version": each.version,
                    "is_given": each.is_given,
                    "at": each.at.isoformat(),
                    "proof": each.proof,
                },
            )
        if len(found) <= CONSENTS_AT_ONCE:
            return
        after = found[CONSENTS_AT_ONCE - 1].id


async def _audit(tx: Tx, *, customer_id: CustomerId) -> AsyncIterator[Portable]:
    for each in await audit.of_customer_export(tx, customer_id=customer_id):
        # Why they did it is the staff's own, and sealed for the business.
        yield "audit_records", {name: text for name, text in each.items() if name != "sealed_reason"}


async def _requests(tx: Tx, *, customer_id: CustomerId) -> AsyncIterator[Portable]:
    for each in await requests.of_customer(tx, Ref(tx.tenant_id, customer_id)):
        yield (
            "privacy_requests",
            {
                "id": str(each.id),
                "kind": each.kind.value,
                "state": each.state.value,
                "reason": each.reason,
                "outcome": each.outcome,
                "asked_at": each.asked_at.isoformat(),
                "due_at": each.due_at.isoformat(),
                "done_at": each.done_at.isoformat() if each.done_at else None,
            },
        )


# Each yields the records of one kind after another.
_READINGS: tuple[Reading, ...] = (
    customers.of_customer_export,
    subscriptions.of_customer_export,
    orders.of_customer_export,
    invoicing.of_customer_export,
    payments.of_customer_export,
    usage.of_customer_export,
    entitlements.of_customer_export,
    dunning.of_customer_export,
    notifications.of_customer_export,
    webhooks.of_customer_export,
    _audit,
    _consents,
    _requests,
)


async def _write(whole: zipfile.ZipFile, records: AsyncIterator[Portable], counts: dict[str, int]) -> None:
    """Write each kind as a file of its own: a list, or a record on each line where there may be very many."""
    kind, file = "", None
    try:
        async for name, record in records:
            if name != kind:
                _close(kind, file)
                kind, file = name, whole.open(readme.file_of(name), "w", force_zip64=True)
                counts[kind] = 0
            assert file is not None
            text = json.dumps(record, ensure_ascii=False)
            if name in _SAYS_WHO:
                text = _STAFF.sub("staff", text)
            file.write((readme.between(kind, counts[kind]) + text).encode())
            counts[kind] += 1
    finally:
        _close(kind, file)


def _close(kind: str, file: IO[bytes] | None) -> None:
    if file is not None:
        file.write(readme.end(kind).encode())
        file.close()


def _folder(request: Request) -> str:
    """Return where every file of a request lies: also one that was put there by somebody who died before noting it."""
    return f"tenants/{request.tenant_id}/exports/{request.id}"


def _intent(request: Request, kind: str) -> NewIntent:
    return NewIntent(tenant_id=request.tenant_id, kind=kind, destination=DESTINATION, subject_id=request.id)
