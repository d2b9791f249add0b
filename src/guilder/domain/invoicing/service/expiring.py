"""When prepaid credits expire: after all that fell due while they were good."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.invoicing.service import prepaid
from guilder.domain.invoicing.service.billing import bill_due
from guilder.domain.invoicing.store import prepaid as rows
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def expire_due(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """End grants that have expired; return how many.

    What fell due while they were good, and is not billed yet, is billed first: its date decides what is drawn for it,
    and not which job of a late run gets to it before the other. Where somebody else is at that, they end the next time.
    """
    until = await rows.expiries(tx, refs)
    behind = await subscriptions.behind(tx, until=until)
    if behind:
        await bill_due(tx, refs=sorted(ref for found in behind.values() for ref in found), now=now)
        behind = await subscriptions.behind(tx, until=until)
    return await prepaid.expire(tx, refs=refs, spared=behind.keys(), now=now)
