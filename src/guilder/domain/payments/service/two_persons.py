"""Two persons: above a limit of the tenant's own, what one asks for another one grants."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.identity import service as identity
from guilder.domain.payments.events import RefundProposalRefused, RefundProposed
from guilder.domain.payments.model import Limits, Refund, RefundStatus, TwoPersonLimits
from guilder.domain.payments.rules import two_persons as rules
from guilder.domain.payments.service import telling
from guilder.domain.payments.store import refunds as refund_rows
from guilder.domain.payments.store import two_persons as rows
from guilder.kernel.errors import NotFound
from guilder.kernel.ids import Ref
from guilder.kernel.noun import replace
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

CLOCKWORK = "system"


async def two_person_limits(tx: Tx) -> TwoPersonLimits:
    """Return what one person may give alone; no limits, where nothing was said."""
    return await rows.limits(tx)


async def set_two_person_limits(tx: Tx, *, limits: Limits, now: datetime) -> TwoPersonLimits:
    """Set the limits. Tighter ones hold at once; looser ones when another person agrees (`grant_two_person_limits`).

    :raises KeyOfNobody: looser ones are asked for by a key that no person made
    """
    before = await _locked(tx)
    if rules.loosens(before.limits, limits) and rules.is_bound(tx.actor):
        rules.check_first(await identity.names_of(tx, actor=tx.actor))
        after = replace(before, wanted=limits, wanted_by=tx.actor, wanted_at=now)
    else:
        after = TwoPersonLimits(limits=limits, changed_by=tx.actor, changed_at=now)
    await rows.save_limits(tx, after)
    return after


async def grant_two_person_limits(tx: Tx, *, now: datetime) -> TwoPersonLimits:
    """Agree, as another person, to the looser limits that one has asked for.

    :raises NotFound: nobody asked, or too long ago
    :raises NotAPerson, SamePerson: it takes another person of the staff
    """
    before = await _locked(tx)
    if before.wanted is None or before.wanted_at is None or now - before.wanted_at > rules.LASTS:
        raise NotFound("nobody has asked for other limits")
    await check_second(tx, first=before.wanted_by)
    after = TwoPersonLimits(limits=before.wanted, changed_by=tx.actor, changed_at=now)
    await rows.save_limits(tx, after)
    return after


async def refuse_two_person_limits(tx: Tx) -> TwoPersonLimits:
    """Take the wish for looser limits back, or say no to it; without one nothing changes."""
    before = await _locked(tx)
    after = replace(before, wanted=None, wanted_by="", wanted_at=None)
    if before.wanted is not None:
        await rows.save_limits(tx, after)
    return after


async def check_second(tx: Tx, *, first: str) -> None:
    """Refuse whoever acts as the second person, if they are none, or the first.

    :raises NotAPerson, SamePerson: as they say
    """
    rules.check_second(tx.actor, first=await identity.names_of(tx, actor=first))


async def is_above(tx: Tx, refund: Refund, *, now: datetime) -> bool:
    """Say whether one person, or the tenant's policy, may not give this refund back alone. Its payments are locked."""
    limits = (await rows.limits(tx)).limits.refunds
    if refund.amount.currency not in limits:
        return False
    alone = await rows.given_alone(tx, invoice=Ref(refund.tenant_id, refund.invoice_id), since=now - rules.DAY)
    return rules.takes_two(limits, refund.amount, given_alone=alone)


async def propose(tx: Tx, *, refund: Refund, now: datetime) -> Refund:
    """Note the first person's yes to a locked, or new, refund, which waits for a second one from here on."""
    waiting = replace(refund, status=RefundStatus.ASKED, first_by=tx.actor, first_at=now)
    outbox.announce(tx, [telling.of_refund(RefundProposed, waiting)], now=now)
    return waiting


async def first_of_two(tx: Tx, *, asked: Refund, now: datetime) -> Refund | None:
    """Take a grant of a locked refund for the first of two, where it takes two and nobody has granted it yet.

    None: whoever acts may grant it.

    :raises NotAPerson, SamePerson: it waits for a second person, and this is none
    """
    if asked.first_by:
        await check_second(tx, first=asked.first_by)
        return None
    if not rules.is_bound(tx.actor) or not await is_above(tx, asked, now=now):
        return None
    waiting = await propose(tx, refund=asked, now=now)
    await refund_rows.save(tx, [waiting])
    return waiting


async def give_up_waiting(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """End the wait for a second person after 14 days: what staff had asked for is refused, a customer's wish stands."""
    found = await rows.lock_waiting(tx, list(refs), before=now - rules.LASTS)
    waited = await refund_rows.get(tx, [ref for ref in refs if ref.id in set[UUID](found)])
    refused = [
        replace(each, status=RefundStatus.REFUSED, settled_at=now, decided_by=CLOCKWORK, decided_at=now)
        for each in waited
        if each.is_proposed
    ]
    open_again = [replace(each, first_by="", first_at=None) for each in waited if not each.is_proposed]
    await refund_rows.save(tx, [*refused, *open_again])
    told = [telling.of_refund(RefundProposalRefused, each, reason="", is_expired=True) for each in refused]
    outbox.announce(tx, told, now=now)
    return len(waited)


async def _locked(tx: Tx) -> TwoPersonLimits:
    await rows.lock_limits(tx)
    return await rows.limits(tx)
