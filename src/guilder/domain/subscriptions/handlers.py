"""What subscriptions hears: how those stand that a provider bills itself."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.gateways.events import BilledElsewhere
from guilder.domain.subscriptions import service
from guilder.domain.subscriptions.model import Told
from guilder.kernel.event import Message
from guilder.platform.db.tx import Tx


async def on_billed_elsewhere(tx: Tx, messages: Sequence[Message[BilledElsewhere]], *, now: datetime) -> None:
    told = [
        Told(
            tenant_id=message.event.tenant_id,
            account_id=message.event.account_id,
            news=message.event.news,
            at=message.event.told_at or message.occurred_at,
        )
        for message in messages
    ]
    await service.follow_provider(tx, told=told, now=now)
