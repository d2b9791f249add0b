"""A till: a tenant with a customer and an account at the real simulated provider, the log and the runner, by hand."""

import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from uuid import UUID

from guilder.domain.customers.model import Customer
from guilder.domain.gateways import handlers as gateway_handlers
from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.adapters.manual.client import Manual
from guilder.domain.gateways.adapters.simulated.client import Simulated
from guilder.domain.gateways.events import (
    BooksRead,
    DisputeNoticed,
    GatewayAnswered,
    GatewayRequested,
    MethodNoticed,
    NoticeReceived,
)
from guilder.domain.gateways.model import GatewayAccount
from guilder.domain.gateways.performers import performers
from guilder.domain.gateways.rules import asking
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Tenant
from guilder.domain.payments import handlers as payment_handlers
from guilder.domain.payments import service as payments
from guilder.domain.payments.events import PaymentRequested
from guilder.domain.payments.model import MethodStatus, Payable, Payment, PaymentMethod, Route, Via
from guilder.kernel import ids
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money
from guilder.platform.bus.consumer import Consumer
from guilder.platform.bus.reactions import Reaction, Reactions
from guilder.platform.clock import HandClock, WallClock
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from guilder.platform.outside.runner import Runner
from simulated_provider.webhooks import sign
from tests.simulated_provider.support import Merchant, Provider
from tests.support.builders.customers import a_customer
from tests.support.builders.gateways import a_gateway
from tests.support.builders.identity import NOW, a_tenant

PUBLIC_URL = "http://127.0.0.1:9"  # nobody listens: a test carries the webhooks itself
REACTIONS = (
    Reaction("gateways", GatewayRequested, gateway_handlers.on_gateway_requested),
    Reaction("payments", PaymentRequested, payment_handlers.on_payment_requested),
    Reaction("payments", GatewayAnswered, payment_handlers.on_gateway_answered),
    Reaction("payments", NoticeReceived, payment_handlers.on_notice_received),
    Reaction("payments", MethodNoticed, payment_handlers.on_method_noticed),
    Reaction("payments", DisputeNoticed, payment_handlers.on_dispute_noticed),
    Reaction("payments", BooksRead, payment_handlers.on_books_read),
)


def an_amount(minor: int = 4900, currency: str = "EUR") -> Money:
    return Money(minor, currency)


@dataclass
class Till:
    """What a test of money stands at."""

    database: Database
    provider: Provider
    merchant: Merchant
    gateway: Simulated
    clock: HandClock
    consumer: Consumer
    runner: Runner
    tenant: Tenant
    customer: Customer
    account: GatewayAccount
    secret: str = field(repr=False)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    @asynccontextmanager
    async def tx(self) -> AsyncIterator[Tx]:
        async with self.database.transaction([self.tenant.tenant_id], actor="test") as tx:
            yield tx

    def payable(self, **over: Any) -> Payable:
        said = {
            "tenant_id": self.tenant.tenant_id,
            "invoice_id": ids.new(self.now),
            "customer_id": self.customer.id,
            "amount": an_amount(),
        }
        return Payable(**{**said, **over})

    async def collect(self, payable: Payable | None = None, **over: Any) -> Payment:
        async with self.tx() as tx:
            [made] = await payments.collect(tx, payables=[payable or self.payable(**over)], now=self.now)
        return made

    async def another_account(self, **over: Any) -> GatewayAccount:
        """Connect another account of the tenant's at the provider: it is another merchant there."""
        async with self.tx() as tx:
            made = await a_gateway(tx, **{"is_default": False, "now": self.now, **over})
        await self.settle()
        return made

    async def a_manual_account(self, **over: Any) -> GatewayAccount:
        """Connect an account for transfers."""
        said = {"gateway": Manual.name, "name": "Our bank", "is_default": False, "now": self.now}
        settings = {"instructions": "To: Guilder Ltd\nIBAN: NL00 BANK 0000", "reference_prefix": "INV-"}
        async with self.tx() as tx:
            made = await gateways.connect(tx, secret_key="", settings=settings, **{**said, **over})
        await self.settle()
        return made

    async def ails(self, account: GatewayAccount, *, down_until: datetime | None = None, **over: Any) -> None:
        """Have an account be down, refused or quarantined; or well again, without saying anything."""
        said = {"down_until": down_until, "refused_at": None, "quarantined_at": None, **over}
        async with self.tx() as tx:
            await tx.execute(
                "update gateways.accounts set down_until = $2, refused_at = $3, quarantined_at = $4 where id = $1",
                account.id,
                said["down_until"],
                said["refused_at"],
                said["quarantined_at"],
            )

    async def routed(self, *routes: Route) -> None:
        async with self.tx() as tx:
            await payments.set_routes(tx, routes=routes, now=self.now)

    async def methods(self) -> list[PaymentMethod]:
        """Return the customer's methods in the order in which they are tried."""
        async with self.tx() as tx:
            found = await payments.methods(tx, customer_id=self.customer.id)
        return sorted(found, key=lambda each: each.rank)

    async def open(self, payment: Payment) -> Payment:
        async with self.tx() as tx:
            await payments.open_session(
                tx, invoice_id=payment.invoice_id, return_url="https://shop.example/back", now=self.now
            )
        await self.settle()
        return await self.payment(payment)

    async def payment(self, payment: Payment) -> Payment:
        async with self.tx() as tx:
            return await payments.one(tx, payment_id=payment.id)

    async def current(self, invoice_id: UUID) -> Payment:
        ref = Ref(self.tenant.tenant_id, invoice_id)
        async with self.tx() as tx:
            return (await payments.current(tx, invoices=[ref]))[ref]

    async def a_card(self, token: str = "pm_card_ok", **over: Any) -> PaymentMethod:
        """Save a card by a test token; it is validated by the provider."""
        async with self.tx() as tx:
            asked = await payments.add_method(tx, customer_id=self.customer.id, token=token, now=self.now, **over)
        await self.settle()
        async with self.tx() as tx:
            method = await payments.method(tx, method_id=asked.id)
        assert method.status is MethodStatus.VALID, method
        return method

    async def hear(self) -> None:
        """Handle all messages."""
        await self.consumer.drain()

    async def settle(self) -> None:
        """Handle messages and make calls until neither is left that can be done now."""
        while await self.consumer.drain() + await self.runner.drain():
            pass

    async def settle_in_time(self) -> None:
        """The same, as if time passed: what waits before it tries again does so now, until nothing waits."""
        await self.settle()
        late = "update platform.intents set due_at = clock_timestamp() where state = 'waiting' and due_at > clock_timestamp()"
        while True:
            async with self.tx() as tx:
                count = await tx.execute(late)
            await self.settle()
            if not count:
                return

    async def heard(self) -> list[str]:
        """Return the names of all events announced for the tenant, in order."""
        async with self.tx() as tx:
            rows = await tx.fetch("select name from platform.log order by id")
        return [row["name"] for row in rows]

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        """Return the provider's events, oldest first."""
        found = self.merchant.seen("events")["events"]
        return [
            {name: value for name, value in event.items() if name not in {"object", "deliveries"}}
            for event in found
            if not kinds or event["type"] in kinds
        ]

    def signed(self, event: Mapping[str, Any] | bytes, *, secret: str | None = None, at: int | None = None) -> Any:
        """Return (body, headers) as the provider would send them; `now` of the test is the wall."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        stamp = int(self.now.timestamp()) if at is None else at
        return body, {"simulated-signature": sign(secret or self.secret, body, at=stamp)}

    async def notify(self, event: Mapping[str, Any]) -> None:
        """Take a webhook of the provider in."""
        body, headers = self.signed(event)
        ref = Ref(self.tenant.tenant_id, self.account.id)
        async with self.tx() as tx:
            opened = await gateways.open_endpoint(tx, account=ref, gateway=self.gateway.name)
        notice = await self.gateway.read_notice(
            headers, body, secret=opened.endpoint_secret, settings=opened.account.settings, now=self.now
        )
        async with self.tx() as tx:
            await gateways.receive_notice(tx, account=opened.account, notice=notice, body=body, now=self.now)

    async def balances(self) -> dict[tuple[str, str], int]:
        async with self.tx() as tx:
            rows = await tx.fetch(
                "select account, currency, sum(amount_minor)::bigint as sum from ledger.postings group by 1, 2"
            )
        return {(row["account"], row["currency"]): row["sum"] for row in rows if row["sum"]}


@asynccontextmanager
async def a_till(database: Database, provider: Provider, *, now: datetime = NOW) -> AsyncIterator[Till]:
    clock, wall = HandClock(now), WallClock()
    clocks = identity.Clocks(clock)
    gateway = Simulated(base_url=provider.url)
    merchant = Merchant(provider, f"shop_{secrets.token_hex(8)}")
    runner = Runner(
        database, performers({gateway.name: gateway, Manual.name: Manual()}, public_url=PUBLIC_URL), clocks, clock=wall
    )
    try:
        # Nobody tries again by himself, however long a busy machine takes to look: `settle_in_time` is for that.
        with patch.object(asking, "BACKOFF_FIRST_S", 1_800), patch.object(asking, "BACKOFF_MAX_S", 3_600):
            async with database.transaction(actor="test") as tx:
                tenant = await a_tenant(tx, now=now)
                customer = await a_customer(tx, tenant_id=tenant.tenant_id, now=now)
                account = await a_gateway(tx, account=merchant.account, now=now)
                [opened] = await gateways.open_accounts(tx)
            merchant.sim("webhooks", {"mode": "drop"})
            till = Till(
                database,
                provider,
                merchant,
                gateway,
                clock,
                Consumer(database, Reactions(REACTIONS), clocks, wall),
                runner,
                tenant,
                customer,
                account,
                opened.endpoint_secret,
            )
            await till.settle()
            yield till
    finally:
        merchant.close()
        await gateway.close()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


__all__ = ["Via", "a_till", "an_amount", "at"]
