"""What usage hears of itself: whenever use changes, alerts are judged."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.usage import service
from guilder.domain.usage.events import UsageChanged
from guilder.domain.usage.model import Use
from guilder.kernel.event import Message, events_of
from guilder.platform.db.tx import Tx


async def on_usage_changed(tx: Tx, messages: Sequence[Message[UsageChanged]], *, now: datetime) -> None:
    uses = [
        Use(
            tenant_id=each.tenant_id,
            customer_id=each.customer_id,
            meters=frozenset(each.meters),
            earliest_at=each.earliest_at,
            latest_at=each.latest_at,
        )
        for each in events_of(messages)
    ]
    await service.judge(tx, uses=uses, now=now)
