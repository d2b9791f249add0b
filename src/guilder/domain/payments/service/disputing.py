"""Disputes: banks that take payments back. Providers tell of them; nothing is asked of anybody."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from guilder.domain.gateways.model import DisputeStatus
from guilder.domain.ledger import service as ledger
from guilder.domain.ledger.model import JournalEntry
from guilder.domain.ledger.rules import disputes as journal
from guilder.domain.payments.events import DisputeLost, DisputeOpened, DisputeWon
from guilder.domain.payments.model import Dispute, DisputeNote, DisputeTold, Payment
from guilder.domain.payments.rules import disputes as rules
from guilder.domain.payments.rules.recording import PAID_AFTER_CANCEL
from guilder.domain.payments.service import returning, telling
from guilder.domain.payments.store import attempts
from guilder.domain.payments.store import disputes as rows
from guilder.kernel import ids
from guilder.kernel.errors import NotFound
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


async def record_disputes(tx: Tx, *, news: Sequence[DisputeTold], now: datetime) -> list[Dispute]:
    """Record what providers said of disputes, however often and in whatever order; return those that changed.

    The money that a bank takes or gives back is booked in this transaction. News of a payment that is not known, or
    not known to have come in, is kept and looked at again: a webhook may come before our own commit.
    """
    if not news:
        return []
    found = await _payments(tx, news)
    known = [(told, payment) for told, payment in zip(news, found, strict=True) if payment is not None]
    unknown = [(ids.new(now), told) for told, payment in zip(news, found, strict=True) if payment is None]
    await rows.keep_news(tx, unknown, check_due_at=now + rules.LOOK_WITHIN)
    return await _record(tx, known, now=now)


async def take_waiting_disputes(tx: Tx, *, payments: Sequence[Payment], now: datetime) -> None:
    """Record the news that waited for these payments to come in."""
    named = [(p.tenant_id, p.account_id, p.charge_ref, p.provider_ref) for p in payments if p.account_id is not None]
    refs = await rows.waiting_for(tx, named) if named else []
    if refs:
        await look_for_disputed(tx, refs=refs, now=now)


async def look_for_disputed(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Look again for the payments that these news are about; return how many of them there are by now."""
    waiting = await rows.claim_news(tx, refs)
    told = [each for _, each in waiting]
    found = await _payments(tx, told) if told else []
    known, done, later = [], [], []
    for (news_id, each), payment in zip(waiting, found, strict=True):
        ref = Ref(each.tenant_id, news_id)
        if payment is None:
            later.append((ref, rules.next_look(each.at, now=now)))
        else:
            known.append((each, payment))
            done.append(ref)
    await rows.look_again(tx, later)
    await rows.news_found(tx, done, now=now)
    await _record(tx, known, now=now)
    return len(done)


async def dispute(tx: Tx, *, dispute_id: UUID, customer_id: CustomerId | None = None) -> Dispute:
    """Return a dispute; `customer_id` is the only customer that whoever asks may see.

    :raises NotFound: no such dispute
    """
    found = await rows.get(tx, [Ref(tx.tenant_id, dispute_id)])
    if not found or customer_id not in (None, found[0].customer_id):
        raise NotFound("there is no such dispute")
    return found[0]


async def get_disputes(tx: Tx, *, refs: Sequence[Ref]) -> dict[Ref, Dispute]:
    return {each.ref: each for each in await rows.get(tx, refs)}


async def disputes(
    tx: Tx,
    *,
    query: PageQuery,
    customer_id: CustomerId | None = None,
    payment_id: UUID | None = None,
    invoice_id: UUID | None = None,
    status: DisputeStatus | None = None,
) -> Page[Dispute]:
    found = await rows.listing(
        tx, query, customer_id=customer_id, payment_id=payment_id, invoice_id=invoice_id, status=status
    )
    return page_of(found, query, lambda each: each.id)


async def note_dispute(tx: Tx, *, dispute_id: UUID, text: str, author: str, now: datetime) -> DisputeNote:
    """Write down what staff knows or did about a dispute.

    :raises NotFound: no such dispute
    """
    found = await dispute(tx, dispute_id=dispute_id)
    note = DisputeNote(id=ids.new(now), dispute_id=found.id, text=text, author=author, noted_at=now)
    await rows.insert_note(tx, found, note)
    return note


async def dispute_notes(tx: Tx, *, dispute_id: UUID) -> list[DisputeNote]:
    return await rows.notes(tx, Ref(tx.tenant_id, dispute_id))


async def _payments(tx: Tx, news: Sequence[DisputeTold]) -> list[Payment | None]:
    """Lock the payments that news is about, and return for each the one whose money has come in, or nothing."""
    named = await rows.payments_named(tx, news)
    locked = {payment.ref: payment for payment in await attempts.lock(tx, [ref for ref in named if ref is not None])}
    found = [locked.get(ref) if ref is not None else None for ref in named]
    return [each if each is not None and rules.can_be_disputed(each) else None for each in found]


async def _record(tx: Tx, known: Sequence[tuple[DisputeTold, Payment]], *, now: datetime) -> list[Dispute]:
    if not known:
        return []
    payments = {payment.ref: payment for _, payment in known}
    # Asked when the payments are locked: what was given back, or is disputed, cannot change from here on.
    kept = await rows.kept(tx, list(payments))
    keys = [(told.tenant_id, told.account_id, told.news.dispute_ref) for told, _ in known]
    before = await rows.lock(tx, sorted(set(keys)))
    after = dict(before)
    for key, (told, payment) in zip(keys, known, strict=True):
        left = kept[payment.ref]
        so_far = after.get(key) or rules.begun(told, payment, dispute_id=ids.new(now), kept=left)
        after[key] = rules.told(so_far, told, kept=left)
        kept[payment.ref] = left + rules.held(so_far) - rules.held(after[key])
    changed = [each for key, each in after.items() if each != before.get(key)]
    await rows.save(tx, changed)
    turns = [(before.get(rows.key_of(each)), each) for each in changed]
    await ledger.post(tx, entries=[e for was, each in turns for e in _booked(was, each, payments[each.payment_ref])])
    freed = {each.payment_ref for was, each in turns if was and rules.held(each) < rules.held(was)}
    # What goes back by itself could not while a bank had it.
    await returning.return_again(tx, payments=[payments[ref] for ref in sorted(freed)], now=now)
    for was, each in turns:
        _announce(tx, DisputeStatus.INQUIRY if was is None else was.status, each, now=now)
    return changed


class _About(TypedDict):
    tenant_id: TenantId
    dispute_id: UUID
    customer_id: CustomerId


def _booked(was: Dispute | None, dispute: Dispute, payment: Payment) -> list[JournalEntry]:
    """Return what is to be booked now: each step that was taken, though its own news may never have come."""
    before = DisputeStatus.INQUIRY if was is None else was.status
    about = _About(tenant_id=dispute.tenant_id, dispute_id=dispute.id, customer_id=dispute.customer_id)
    account = dispute.account_id
    entries = []
    if dispute.fee is not None and (was is None or was.fee is None):
        at = dispute.decided_at or dispute.opened_at or dispute.noticed_at
        entries.append(journal.dispute_fee(**about, account_id=account, fee=dispute.fee, at=at))
    if not dispute.amount.minor:
        return entries
    if dispute.opened_at is not None and (was is None or was.opened_at is None):
        entries.append(journal.dispute_opened(**about, account_id=account, amount=dispute.amount, at=dispute.opened_at))
    if dispute.status is before or dispute.decided_at is None or dispute.opened_at is None:
        return entries
    if dispute.status is DisputeStatus.WON:
        return [
            *entries,
            journal.dispute_won(**about, account_id=account, amount=dispute.amount, at=dispute.decided_at),
        ]
    lost = journal.dispute_lost(
        **about,
        invoice_id=dispute.invoice_id,
        account_id=account,
        amount=dispute.amount,
        returned=(was.amount if was and was.opened_at else dispute.amount) - dispute.amount,
        is_overpayment=payment.is_overpayment or payment.alert == PAID_AFTER_CANCEL,
        at=dispute.decided_at,
    )
    return [*entries, lost]


def _announce(tx: Tx, before: DisputeStatus, dispute: Dispute, *, now: datetime) -> None:
    if dispute.status is before:
        return
    # A loss that nobody was told of before is told of from its beginning.
    is_opened = dispute.status is DisputeStatus.LOST and before is DisputeStatus.INQUIRY
    if dispute.status is DisputeStatus.OPEN or is_opened:
        outbox.announce(tx, [telling.of_dispute(DisputeOpened, dispute, respond_by=dispute.respond_by)], now=now)
    if dispute.status in rules.DECIDED:
        kind = DisputeWon if dispute.status is DisputeStatus.WON else DisputeLost
        outbox.announce(tx, [telling.of_dispute(kind, dispute, decided_at=dispute.decided_at)], now=now)
