"""What gateways hears: its own requests, and that a sandbox has come into being."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.gateways import service
from guilder.domain.gateways.events import GatewayRequested
from guilder.domain.identity.events import TenantCreated
from guilder.kernel.event import Message, events_of
from guilder.platform.db.tx import Tx


async def on_gateway_requested(tx: Tx, messages: Sequence[Message[GatewayRequested]], *, now: datetime) -> None:
    await service.intend(tx, requests=events_of(messages), now=now)


async def on_tenant_created(tx: Tx, messages: Sequence[Message[TenantCreated]], *, now: datetime) -> None:
    """Give a sandbox an account at the simulated provider: it has no other."""
    sandboxes = [message.event.tenant_id for message in messages if message.event.mode == "sandbox"]
    await service.furnish_sandboxes(tx, tenant_ids=sandboxes, now=now)
