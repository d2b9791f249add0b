"""Bookkeeping: what providers' own books say is read by the hour, and after a restore before anything is charged."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from guilder.domain.gateways.events import BooksRead
from guilder.domain.gateways.model import BookDay, GatewayAccount, ProviderRecord, Reading, RequestKind
from guilder.domain.gateways.store import accounts as account_rows
from guilder.domain.gateways.store import books as rows
from guilder.kernel import ids
from guilder.kernel.ids import Ref, TenantId
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx
from guilder.platform.outside import intents
from guilder.platform.outside.intents import Intent, NewIntent

BOOKS = "gateway.books"
READ_EVERY = timedelta(hours=1)
# What was dated before it could be read: a provider's books run late, PayPal's by hours.
OVERLAP = timedelta(days=1)
# So much at once: what is behind by more is caught up with reading by reading.
STEP_MAX = timedelta(days=1)


async def read_books_due(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Have the books of these accounts read, and plan the next reading; return of how many."""
    due = await rows.claim_due(tx, refs, now=now, next_at=now + READ_EVERY)
    await read_books(tx, accounts=await account_rows.accounts_of(tx, due), now=now)
    return len(due)


async def read_books(
    tx: Tx, *, accounts: Sequence[GatewayAccount], now: datetime, since: datetime | None = None
) -> None:
    """Have these accounts' books read: from where they were read to, or again from `since`."""
    if since is not None:
        await rows.set_read_to(tx, [Ref(each.tenant_id, each.id) for each in accounts], at=since)
    wanted = [
        NewIntent(tenant_id=each.tenant_id, kind=BOOKS, destination=each.destination, subject_id=each.id)
        for each in accounts
    ]
    await intents.intend(tx, intents=wanted, now=now, revive=True)


async def load_readings(tx: Tx, *, wanted: Sequence[Intent], now: datetime) -> list[Reading | None]:
    """Say what is to be read of each of these accounts now."""
    opened = await account_rows.open_accounts(tx, [Ref(each.tenant_id, each.subject_id) for each in wanted])
    readings: list[Reading | None] = []
    for intent in wanted:
        ref = Ref(intent.tenant_id, intent.subject_id)
        account = opened.get(ref)
        if account is None:
            readings.append(None)
            continue
        known_to = await rows.read_to(tx, ref) or account.account.created_at
        readings.append(
            Reading(account=account, since=known_to - OVERLAP, until=max(min(known_to + STEP_MAX, now), known_to))
        )
    return readings


async def record_readings(
    tx: Tx, *, read: Sequence[tuple[Reading, Sequence[ProviderRecord]]], now: datetime
) -> list[bool]:
    """Write down what was read, and tell of it; say of each whether there is more to read."""
    has_more: list[bool] = []
    for reading, records in read:
        account = reading.account.account
        ref, reading_id = Ref(account.tenant_id, account.id), ids.new(now)
        changed = await rows.write(tx, ref, records, reading_id=reading_id, now=now) if records else 0
        await rows.set_read_to(tx, [ref], at=reading.until)
        event = BooksRead(
            tenant_id=ref.tenant_id,
            account_id=ref.id,
            gateway=account.gateway,
            reading_id=reading_id,
            since=reading.since,
            until=reading.until,
            changed=changed,
        )
        outbox.announce(tx, [event], now=now)
        # Time goes on while a provider is asked: what is behind by less than an hour is the next hour's.
        has_more.append(now - reading.until >= READ_EVERY)
    return has_more


async def read_to(tx: Tx, *, account_id: UUID) -> datetime | None:
    """Return up to when this account's books were read; None: never."""
    return await rows.read_to(tx, Ref(tx.tenant_id, account_id))


async def readings(tx: Tx, *, wanted: Sequence[tuple[TenantId, UUID]]) -> dict[UUID, list[ProviderRecord]]:
    """Return, by reading, what each brought that was new, oldest first."""
    return await rows.of_reading(tx, [tenant for tenant, _ in wanted], [reading for _, reading in wanted])


async def unknown_there(tx: Tx, *, account: Ref, kind: RequestKind, provider_refs: Sequence[str]) -> set[str]:
    """Return those of these objects of ours that the account's books do not have as done."""
    return await rows.unknown_there(tx, account, kind, provider_refs) if provider_refs else set()


async def refund_key(tx: Tx, *, account: Ref, provider_ref: str) -> str:
    """Return whose refund an entry of the books is, by its business key; empty where it bears no mark."""
    return await rows.refund_key(tx, account, provider_ref)


async def name_refund(tx: Tx, *, account: Ref, provider_ref: str, was: str, business_key: str) -> bool:
    """Have an entry of the books, a refund, be this one of ours; False if its mark is not what it `was`."""
    return await rows.name_refund(tx, account, provider_ref=provider_ref, was=was, business_key=business_key)


async def book_days(tx: Tx, *, since: datetime, until: datetime) -> list[BookDay]:
    """Add up what each account's books have from `since` up to but not including `until`, by currency."""
    return await rows.days(tx, since=since, until=until)


async def quarantine(tx: Tx, *, accounts: Sequence[GatewayAccount], now: datetime) -> None:
    """Charge nothing at these accounts from now on, and ask nothing of them: their books are read, and no more."""
    await rows.set_quarantine(tx, [Ref(each.tenant_id, each.id) for each in accounts], at=now)


async def release(tx: Tx, *, accounts: Sequence[GatewayAccount]) -> None:
    """Let these accounts be charged again. What waited is looked after by its own dates."""
    await rows.set_quarantine(tx, [Ref(each.tenant_id, each.id) for each in accounts], at=None)
