"""What payments hears: its own requests, what gateways answered, what they told by themselves."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.gateways.events import BooksRead, DisputeNoticed, GatewayAnswered, MethodNoticed, NoticeReceived
from guilder.domain.gateways.model import RequestKind
from guilder.domain.payments import service
from guilder.domain.payments.events import PaymentRequested
from guilder.domain.payments.model import MANUAL, Answer, BooksTold, DisputeTold, MethodTold
from guilder.kernel.event import Message, events_of
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def on_payment_requested(tx: Tx, messages: Sequence[Message[PaymentRequested]], *, now: datetime) -> None:
    refs = [Ref(message.event.tenant_id, message.event.payment_id) for message in messages]
    await service.start(tx, refs=refs, now=now)


async def on_gateway_answered(tx: Tx, messages: Sequence[Message[GatewayAnswered]], *, now: datetime) -> None:
    await service.tell(tx, answers=[_answer(message, is_notice=False) for message in messages], now=now)


async def on_notice_received(tx: Tx, messages: Sequence[Message[NoticeReceived]], *, now: datetime) -> None:
    await service.tell(tx, answers=[_answer(message, is_notice=True) for message in messages], now=now)


async def on_dispute_noticed(tx: Tx, messages: Sequence[Message[DisputeNoticed]], *, now: datetime) -> None:
    news = [
        DisputeTold(
            tenant_id=message.event.tenant_id,
            account_id=message.event.account_id,
            gateway=message.event.gateway,
            news=message.event.news,
            at=message.occurred_at,
        )
        for message in messages
    ]
    await service.record_disputes(tx, news=news, now=now)


async def on_method_noticed(tx: Tx, messages: Sequence[Message[MethodNoticed]], *, now: datetime) -> None:
    told = [
        MethodTold(
            tenant_id=message.event.tenant_id,
            customer_id=message.event.customer_id,
            token_digest=message.event.token_digest,
            card=message.event.card,
            at=message.event.told_at or message.occurred_at,
        )
        for message in messages
    ]
    await service.follow_providers(tx, told=told, now=now)


async def on_books_read(tx: Tx, messages: Sequence[Message[BooksRead]], *, now: datetime) -> None:
    told = [
        BooksTold(
            tenant_id=event.tenant_id,
            account_id=event.account_id,
            reading_id=event.reading_id,
            since=event.since,
            until=event.until,
        )
        for event in events_of(messages)
        # On transfers there are no books but ours: that theirs do not have one says nothing.
        if event.gateway != MANUAL
    ]
    await service.reconcile(tx, told=told, now=now)


def _answer(message: Message[GatewayAnswered] | Message[NoticeReceived], *, is_notice: bool) -> Answer:
    event = message.event
    return Answer(
        tenant_id=event.tenant_id,
        business_key=event.business_key,
        kind=RequestKind(event.kind),
        outcome=event.outcome,
        at=message.occurred_at,
        is_notice=is_notice,
    )
