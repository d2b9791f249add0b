"""Recording that an invoice was paid by transfer: staff saw the money come in."""

from datetime import datetime
from uuid import UUID

from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Status
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Payment, Receipt, Via
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.platform.db.tx import Tx


async def record_transfer(
    tx: Tx, *, invoice: UUID | str, amount_minor: int, receipt: Receipt, now: datetime
) -> Payment:
    """Record that what is due of an open invoice has come in by transfer, whole; again changes nothing.

    :raises NotFound: no such invoice
    :raises AlreadyPaid, KnownToProvider, NoManualAccount, AmountDiffers: as payments says
    """
    seen = await invoicing.one(tx, invoice=invoice)
    # Held, so that it is not voided while its money is recorded.
    found = (await invoicing.lock(tx, refs=[seen.ref]))[seen.ref]
    owed = invoicing.payable_of(found, via=Via.LINK)
    if found.status not in (Status.OPEN, Status.UNCOLLECTIBLE):
        owed = replace(owed, amount=Money(0, found.currency))
    return await payments.record_transfer(tx, payable=owed, amount_minor=amount_minor, receipt=receipt, now=now)
