"""Reconciling: what providers' own books say is told like any answer; what does not agree is shown to a person."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.model import OutcomeKind, ProviderRecord, RequestKind
from guilder.domain.ledger import service as ledger
from guilder.domain.ledger.rules.fees import gateway_fee
from guilder.domain.payments.events import DifferenceFound
from guilder.domain.payments.model import MANUAL, Answer, BooksTold, Difference, Found, Payment, Refund, Settlement
from guilder.domain.payments.rules import reconciling
from guilder.domain.payments.rules.reconciling import Finding
from guilder.domain.payments.service.hearing import tell
from guilder.domain.payments.store import attempts
from guilder.domain.payments.store import reconciling as rows
from guilder.domain.payments.store import refunds as refund_rows
from guilder.kernel import ids
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import Ref, TenantId
from guilder.kernel.noun import replace
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

HOMELESS_MAX = 1_000


class AlreadyResolved(Conflict):
    """This difference is resolved already."""

    code = "difference_resolved"


async def reconcile(tx: Tx, *, told: Sequence[BooksTold], now: datetime) -> None:
    """Compare what these readings of providers' books brought with what we have.

    What is done there and open here is told like the provider's answer. What was charged for us and is unknown here is
    kept, and pays for what it was charged for when that is billed again (see adopting). Fees are booked.
    """
    entries = await gateways.readings(tx, wanted=[(each.tenant_id, each.reading_id) for each in told])
    for each in told:
        records = entries.get(each.reading_id, [])
        await _compare(tx, each, [r for r in records if r.kind is RequestKind.CHARGE], now=now)
        await _compare(tx, each, [r for r in records if r.kind is RequestKind.REFUND], now=now)
        await _look_for_theirs(tx, each, records, now=now)
        await _book_fees(tx, each, records)
        await _look_for_ours(tx, each, now=now)


async def differences(
    tx: Tx,
    *,
    query: PageQuery,
    is_open: bool | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    account_id: UUID | None = None,
) -> Page[Difference]:
    """List differences, newest first; by when what they are about happened, if asked."""
    found = await rows.differences(tx, query, is_open=is_open, since=since, until=until, account_id=account_id)
    return page_of(found, query, lambda each: each.id)


async def resolve_difference(tx: Tx, *, difference_id: UUID, reason: str, now: datetime) -> Difference:
    """Note why a difference is none any more.

    :raises NotFound: no such difference
    :raises AlreadyResolved: as it says
    """
    ref = Ref(tx.tenant_id, difference_id)
    resolved = await rows.resolve(tx, [ref], resolution=reason, now=now)
    if resolved:
        return resolved[0]
    if await rows.difference(tx, ref) is None:
        raise NotFound("there is no such difference")
    raise AlreadyResolved


async def settlements(tx: Tx, *, since: datetime, until: datetime) -> list[Settlement]:
    """Return, by account and currency, what the provider's books and ours have over a time (a local day, usually)."""
    theirs = {(each.account_id, each.currency): each for each in await gateways.book_days(tx, since=since, until=until)}
    ours = {(each.account_id, each.currency): each for each in await rows.our_days(tx, since=since, until=until)}
    names = {account.id: account.gateway for account in await gateways.accounts(tx)}
    found: list[Settlement] = []
    # Transfers are recorded by hand: there is no provider whose books could be held against ours.
    for key in sorted(each for each in {*theirs, *ours} if names.get(each[0]) != MANUAL):
        there, here = theirs.get(key), ours.get(key)
        found.append(
            Settlement(
                account_id=key[0],
                gateway=names.get(key[0], ""),
                currency=key[1],
                charges_there=there.charges if there else 0,
                charged_there_minor=there.charged_minor if there else 0,
                refunds_there=there.refunds if there else 0,
                refunded_there_minor=there.refunded_minor if there else 0,
                fees_minor=there.fees_minor if there else 0,
                charges_here=here.charges if here else 0,
                charged_here_minor=here.charged_minor if here else 0,
                refunds_here=here.refunds if here else 0,
                refunded_here_minor=here.refunded_minor if here else 0,
            )
        )
    return found


async def homeless(tx: Tx) -> list[Found]:
    """Return what providers charged for us, is unknown here, and pays nothing yet."""
    return await rows.homeless(tx, limit=HOMELESS_MAX)


async def put_aside(tx: Tx, *, found_id: UUID, reason: str, now: datetime) -> None:
    """Say why a found charge pays nothing here: somebody gave it back at the provider, say.

    :raises NotFound: there is no such charge, or it is decided
    """
    if not await rows.put_aside(tx, Ref(tx.tenant_id, found_id), reason=reason, now=now):
        raise NotFound("there is no such found charge that is undecided")


async def refunds_of(tx: Tx, keys: Sequence[tuple[TenantId, str]]) -> dict[str, Refund]:
    """Return the refunds that there are here of those that entries of books name by their keys."""
    refs = [Ref(tenant_id, UUID(key.rpartition(":")[2])) for tenant_id, key in keys if _names_refund(key)]
    return {refund.business_key: refund for refund in await refund_rows.get(tx, refs)}


async def _compare(tx: Tx, told: BooksTold, records: Sequence[ProviderRecord], *, now: datetime) -> None:
    if not records:
        return
    known = await _known(tx, told, records)
    answers: list[Answer] = []
    lost: list[ProviderRecord] = []
    off: list[Difference] = []
    for record in records:
        ours = known.get(record.business_key)
        match _finding(record, ours, told):
            case Finding.NEWS:
                answers.append(_answer(told, record, ours))
            case Finding.LOST:
                lost.append(record)
            case Finding.AMOUNT:
                off.append(_difference(told, record, ours, "amount", now=now))
            case Finding.TWICE:
                off.append(_difference(told, record, None, "only_there", now=now))
    refunds = [each for each in lost if each.kind is RequestKind.REFUND]
    of = {p.charge_ref: p.id for p in await attempts.by_charge(tx, told.account, [each.charge_ref for each in refunds])}
    off += [
        replace(_difference(told, each, None, "only_there", now=now), payment_id=of.get(each.charge_ref))
        for each in refunds
    ]
    await rows.insert_found(tx, [_found(told, each, now=now) for each in lost if each.kind is RequestKind.CHARGE])
    there = [each for each in records if each.status is OutcomeKind.SUCCEEDED]
    # A page's payment is called otherwise here than there; a refund's difference names its payment, so by its name only.
    paid = [ours.id for each in there if isinstance(ours := known.get(each.business_key), Payment)]
    await rows.resolve_missing(tx, told.account, [each.provider_ref for each in there], payment_ids=paid, now=now)
    await _tell_of(tx, off, now=now)
    await tell(tx, answers=answers, now=now)
    # Who asks for it again (a restored runner, that does not know it did) would ask beyond the life of its key.
    done = [(each.tenant_id, each.business_key) for each in answers]
    await gateways.settle(tx, kind=records[0].kind, keys=done)


async def _known(
    tx: Tx, told: BooksTold, records: Sequence[ProviderRecord]
) -> Mapping[str, Payment] | Mapping[str, Refund]:
    keys = [(told.tenant_id, each.business_key) for each in records if _is_ours(each, told)]
    if records[0].kind is RequestKind.CHARGE:
        return {payment.business_key: payment for payment in await attempts.by_key(tx, keys)}
    return await refunds_of(tx, keys)


def _finding(record: ProviderRecord, ours: Payment | Refund | None, told: BooksTold) -> Finding:
    is_ours = _is_ours(record, told)
    if isinstance(ours, Refund):
        return reconciling.refund(record, ours, is_ours=is_ours)
    return reconciling.charge(record, ours, is_ours=is_ours)


async def _look_for_theirs(tx: Tx, told: BooksTold, records: Sequence[ProviderRecord], *, now: datetime) -> None:
    """Find what was given back there by hand of what was paid here: it bears no mark of ours, but its charge is ours."""
    unmarked = [each for each in records if reconciling.is_made_there(each)]
    charges = [each.charge_ref for each in unmarked]
    paid = {each.charge_ref: each for each in await attempts.by_charge(tx, told.account, charges)} if charges else {}
    off = [
        replace(_difference(told, each, None, "only_there", now=now), payment_id=paid[each.charge_ref].id)
        for each in unmarked
        # What a bank takes is in some books a refund, too; its dispute tells of that.
        if each.charge_ref in paid and not paid[each.charge_ref].disputed_minor
    ]
    await _tell_of(tx, off, now=now)


async def _look_for_ours(tx: Tx, told: BooksTold, *, now: datetime) -> None:
    """Find what we hold for done at this account, and its books do not have though they were read past that day."""
    since, until = told.since - reconciling.LATE_MAX, told.until - reconciling.LATE_MAX
    if until <= since:
        return
    account = told.account
    # A page's payment is called otherwise by its page than by its charge.
    paid = await attempts.settled_at(tx, account, since=since, until=until)
    charged = {p.charge_ref or p.provider_ref: p for p in paid}
    unknown = await gateways.unknown_there(tx, account=account, kind=RequestKind.CHARGE, provider_refs=list(charged))
    refunded = {r.provider_ref: r for r in await refund_rows.settled_at(tx, account, since=since, until=until)}
    gone = await gateways.unknown_there(tx, account=account, kind=RequestKind.REFUND, provider_refs=list(refunded))
    off = [_only_here(told, charged[ref], "only_here", now=now) for ref in sorted(unknown)]
    off += [_only_here(told, refunded[ref], "refund_only_here", now=now) for ref in sorted(gone)]
    await _tell_of(tx, off, now=now)


async def _book_fees(tx: Tx, told: BooksTold, records: Sequence[ProviderRecord]) -> None:
    """Book what the provider kept of each entry, once: of what is not ours, too, for it is the account's money."""
    await ledger.post(
        tx,
        entries=[
            gateway_fee(
                tenant_id=told.tenant_id,
                source_id=uuid5(NAMESPACE_URL, f"{told.account_id}:{each.kind.value}:{each.provider_ref}"),
                account_id=told.account_id,
                fee=each.fee,
                at=each.at,
            )
            for each in records
            if each.fee is not None and each.status is OutcomeKind.SUCCEEDED and _is_ours(each, told)
        ],
    )


async def _tell_of(tx: Tx, off: Sequence[Difference], *, now: datetime) -> None:
    if not off:
        return
    new = await rows.insert_differences(tx, off)
    events = [
        DifferenceFound(
            tenant_id=each.tenant_id,
            difference_id=each.id,
            account_id=each.account_id,
            what=each.what,
            payment_id=each.payment_id,
        )
        for each in new
    ]
    outbox.announce(tx, events, now=now)


def _is_ours(record: ProviderRecord, told: BooksTold) -> bool:
    return record.business_key.startswith(f"{told.tenant_id}:")


def _names_refund(key: str) -> bool:
    try:
        UUID(key.rpartition(":")[2])
    except ValueError:
        return False
    return True


def _answer(told: BooksTold, record: ProviderRecord, ours: Payment | Refund | None) -> Answer:
    return Answer(
        tenant_id=told.tenant_id,
        business_key=record.business_key,
        kind=record.kind,
        outcome=reconciling.as_outcome(record, known_ref=ours.provider_ref if ours else ""),
        at=record.at,
        is_notice=True,
    )


def _found(told: BooksTold, record: ProviderRecord, *, now: datetime) -> Found:
    return Found(
        tenant_id=told.tenant_id,
        id=ids.new(now),
        account_id=told.account_id,
        provider_ref=record.provider_ref,
        charge_ref=record.charge_ref,
        business_key=record.business_key,
        claim=record.claim,
        amount=record.amount,
        captured_at=record.at,
        found_at=now,
    )


def _difference(
    told: BooksTold, record: ProviderRecord, ours: Payment | Refund | None, what: str, *, now: datetime
) -> Difference:
    is_refund = record.kind is RequestKind.REFUND
    return Difference(
        tenant_id=told.tenant_id,
        id=ids.new(now),
        account_id=told.account_id,
        what=f"refund_{what}" if is_refund else what,
        provider_ref=record.provider_ref,
        payment_id=ours.payment_id if isinstance(ours, Refund) else ours.id if ours else None,
        ours_minor=ours.amount.minor if ours else None,
        theirs_minor=record.amount.minor,
        currency=record.amount.currency,
        happened_at=record.at,
        found_at=now,
    )


def _only_here(told: BooksTold, ours: Payment | Refund, what: str, *, now: datetime) -> Difference:
    assert ours.settled_at is not None, ours
    return Difference(
        tenant_id=told.tenant_id,
        id=ids.new(now),
        account_id=told.account_id,
        what=what,
        provider_ref=ours.provider_ref,
        payment_id=ours.payment_id if isinstance(ours, Refund) else ours.id,
        ours_minor=ours.amount.minor,
        theirs_minor=None,
        currency=ours.amount.currency,
        happened_at=ours.settled_at,
        found_at=now,
    )
