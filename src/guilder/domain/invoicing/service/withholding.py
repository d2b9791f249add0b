"""Giving back after all what was withheld of unused time: the money for it did not go."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.invoicing import store
from guilder.domain.invoicing.model import Caption, Invoice, Phrase, Status
from guilder.domain.invoicing.rules import captions
from guilder.domain.invoicing.rules import correcting as notes
from guilder.domain.invoicing.rules import withholding as rule
from guilder.domain.invoicing.service import correcting, giving_back
from guilder.domain.invoicing.service.correcting import Correction, NotCreditable
from guilder.domain.invoicing.store import withholding as rows
from guilder.kernel import ids
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def give_withheld(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> None:
    """Credit what ended or was paused for the time that it was not given back of these invoices, since their money was on its
    way back or with a bank: as far as it is left by now, which may be all, a part or nothing. Asked twice, it is given once.
    """
    for ref in sorted(await rows.withheld(tx, refs)):
        async with tx.only(ref.tenant_id):
            await _give(tx, ref, now=now)


async def _give(tx: Tx, ref: Ref, *, now: datetime) -> Invoice | None:
    try:
        invoice = await correcting.locked(tx, ref.id)
    except NotCreditable:
        return None
    if invoice.status is not Status.PAID:
        return None
    withheld = (await rows.withheld(tx, [ref])).get(ref, [])
    given = await giving_back.standing_with_own(tx, invoice=invoice)
    left = notes.left_of(invoice, await store.credited(tx, [ref]))
    gone = await giving_back.gone(tx, invoices=[ref])
    at_most = min(given.left, invoice.total.minor - await store.noted(tx, ref))
    back = rule.back(left, withheld, gone, at_most=at_most)
    if not back:
        return None
    reason = captions.written(Caption(Phrase.WITHHELD), invoice.language)
    draft = notes.draft_of(invoice, [each for each, _ in back], cause=ids.new(now), reason=reason, now=now)
    correction = Correction(reason=reason)
    return await correcting.issue(
        tx, invoice=invoice, draft=rule.named(draft, back), given=given, correction=correction, now=now
    )
