"""What webhooks does about events: all of them."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.webhooks import service
from guilder.kernel.event import Event, Message
from guilder.platform.db.tx import Tx


async def on_event(tx: Tx, messages: Sequence[Message[Event]], *, now: datetime) -> None:
    await service.hear(tx, heard=messages, now=now)
