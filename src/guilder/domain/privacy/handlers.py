"""What privacy hears: that something which stood in the way is closed, that a document was made which may be of somebody who
was erased, and that somebody left the staff."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

from guilder.domain.dunning.events import DunningEvent
from guilder.domain.identity.events import MemberRemoved
from guilder.domain.invoicing.events import CreditNoteIssued, InvoiceEvent
from guilder.domain.payments.events import DisputeEvent, PaymentEvent, RefundEvent
from guilder.domain.privacy import service
from guilder.domain.subscriptions.events import SubscriptionEvent
from guilder.kernel.event import Message, events_of
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx

Closing: TypeAlias = InvoiceEvent | PaymentEvent | RefundEvent | DisputeEvent | SubscriptionEvent | DunningEvent


async def on_closed(tx: Tx, messages: Sequence[Message[Closing]], *, now: datetime) -> None:
    refs = [Ref(each.tenant_id, each.customer_id) for each in events_of(messages)]
    await service.look_again(tx, customers=refs, now=now)


async def on_credit_note_issued(tx: Tx, messages: Sequence[Message[CreditNoteIssued]], *, now: datetime) -> None:
    """A note repeats the words of what it corrects: of somebody who was erased they are sealed again."""
    refs = [Ref(each.tenant_id, each.customer_id) for each in events_of(messages)]
    await service.seal_late(tx, buyers=refs, now=now)


async def on_member_removed(tx: Tx, messages: Sequence[Message[MemberRemoved]], *, now: datetime) -> None:
    refs = [Ref(each.tenant_id, each.member_id) for each in events_of(messages)]
    await service.member_left(tx, members=refs, now=now)
