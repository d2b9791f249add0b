"""Taking back what was billed for a change that never took effect: what it was for was over before it was paid."""

from datetime import datetime
from uuid import UUID

from guilder.domain.invoicing import store
from guilder.domain.invoicing.model import Caption, Invoice, Phrase, Status
from guilder.domain.invoicing.rules import captions
from guilder.domain.invoicing.rules import correcting as notes
from guilder.domain.invoicing.rules import undoing as rule
from guilder.domain.invoicing.rules.correcting import Back
from guilder.domain.invoicing.service import giving_back
from guilder.domain.invoicing.service.correcting import Correction, credit_note, issue, locked
from guilder.domain.subscriptions.model import Subscription
from guilder.kernel import ids
from guilder.kernel.noun import replace
from guilder.platform.db.tx import Tx


async def take_back_change(
    tx: Tx, *, invoice_id: UUID, subscription: Subscription, why: Phrase, now: datetime
) -> Invoice | None:
    """Take back with a credit note what is left of an invoice for a change; None: nothing is.

    Where it was cut off, and what the change charges for the time after was given back with that, the rest is of the time
    until then: for that the change is undone, and what it gave back of the time after stays given.
    """
    invoice = await locked(tx, invoice_id)
    reason = captions.written(Caption(why), invoice.language)
    left = notes.left_of(invoice, await store.credited(tx, [invoice.ref]))
    cut_off = (await store.cut_off(tx, [invoice.ref])).get(invoice.ref)
    back = rule.until(left, subscription, cut_off=cut_off) if cut_off else []
    given = await giving_back.standing_with_own(tx, invoice=invoice)
    # What is taken back of its own credits pays for nothing of it any more.
    given = replace(given, paid=given.paid + sum(min(each.net + each.tax, 0) for each in back))
    owed = invoice.due.minor if invoice.status is Status.OPEN else 0
    if 0 < _sum(back) <= min(owed + given.left, invoice.total.minor - await store.noted(tx, invoice.ref)):
        draft = notes.draft_of(invoice, back, cause=ids.new(now), reason=reason, now=now)
        correction = Correction(reason=reason)
        return await issue(
            tx, invoice=invoice, draft=draft, given=given, correction=correction, closes_page=True, now=now
        )
    if _sum(notes.whole(left)) <= 0:
        return None  # what was not used of it was given back: all that it came to, or more
    return await credit_note(tx, invoice_id=invoice.id, correction=Correction(reason=reason), by_two=True, now=now)


def _sum(back: list[Back]) -> int:
    return sum(each.net + each.tax for each in back)
