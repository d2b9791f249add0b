"""The people of L1: whoever has the API, the customers with their cards and pages, and the nemesis."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from guilder.domain.payments.model import Status, Via
from guilder.kernel.ids import CustomerId, TenantId
from tests.simulation.books import Books, Invoice
from tests.simulation.engine import Actor
from tests.simulation.storage import Tx

FATES = ("ok", "ok", "ok", "soft", "hard")


@dataclass
class People:
    books: Books
    _do: Callable[[Callable[[Tx], Awaitable[object]]], Awaitable[bool]]
    _invoice: Callable[..., Awaitable[Any]]

    async def api(self, me: Actor) -> None:
        """Whoever has the API does what can be done, at random: buys, opens links, pays again, voids, refunds."""
        books, sim = self.books, self.books.sim
        while True:
            await sim.pause(sim.rng.uniform(1, 300))
            if sim.is_calm:
                continue
            deed = sim.rng.choice(
                ("buy", "buy", "buy", "open", "open", "open", "charge", "charge", "method", "void", "refund", "refund")
            )
            sim.note(f"api {deed}")
            customers = list(books.store.table("subscriptions").values())
            who = sim.rng.choice(customers)
            invoices = list(books.store.table("invoices").values())
            if deed == "buy":
                order = ("order", sim.id())
                via = sim.rng.choice((Via.LINK, Via.EITHER))
                await self._do(partial(self._buy, who.tenant_id, who.customer_id, order, via))
            elif deed == "method":
                await self._add_method(who.customer_id)
            elif invoices:
                await self._deal(deed, sim.rng.choice(invoices))

    async def _buy(self, tenant_id: TenantId, customer: CustomerId, order: tuple[Any, ...], via: Via, tx: Tx) -> None:
        await self._invoice(tx, tenant_id, customer, order, via)

    async def _deal(self, deed: str, invoice: Invoice) -> None:
        books, rng = self.books, self.books.sim.rng
        attempts = books.store.table("payments").get(invoice.id, ())
        if deed == "open" and invoice.status == "open":
            await self._do(lambda tx: books.open_session(tx, invoice.id))
        elif deed == "charge" and invoice.status == "open":

            async def charge(tx: Tx) -> None:
                held = await tx.lock("invoices", invoice.id)
                current = (tx.get("payments", invoice.id) or (None,))[-1]
                if held.status == "open" and not books.protocol.is_under_way(current):
                    await books.collect(tx, held, Via.SAVED)

            await self._do(charge)
        elif deed == "void" and rng.random() < 0.3:
            await self._do(lambda tx: books.void(tx, invoice.id))
        elif deed == "refund" and attempts:
            attempt = rng.choice(attempts).attempt
            await self._do(lambda tx: books.refund(tx, invoice.id, attempt, rng.choice((50, 100))))

    async def _add_method(self, customer: CustomerId) -> None:
        """Add a card, and try with it what the customer is behind with, as dunning does."""
        books, sim = self.books, self.books.sim
        token = f"tok_{customer.int}_{sim.id().int}"
        books.provider.cards[token] = sim.rng.choice(FATES)

        async def add(tx: Tx) -> None:
            await tx.lock("methods", customer)
            tx.put("methods", customer, token)

        await self._do(add)

    async def customers(self, me: Actor) -> None:
        """Customers who have a provider's page before them pay on it, or fail to, or go away."""
        books, sim = self.books, self.books.sim
        while True:
            await sim.pause(sim.rng.uniform(1, 600))
            shown = [
                payment.provider_ref
                for attempts in books.store.table("payments").values()
                for payment in attempts
                if payment.action_url and payment.provider_ref
            ]
            # Pages stay open in browsers when nobody shows them any more.
            shown += [o.ref for o in books.provider.objects.values() if o.is_shown and o.status == "open"]
            for ref in shown if sim.is_calm else shown[:1]:
                is_good = sim.is_calm or sim.rng.random() < 0.7
                if sim.is_calm or sim.rng.random() < 0.5:
                    is_paid = books.provider.pay(ref, is_good=is_good)
                    sim.note(f"page {ref} {is_good} {is_paid}")
            if sim.is_calm:
                await self._open_what_waits()

    async def _open_what_waits(self) -> None:
        books = self.books
        for invoice_id, attempts in list(books.store.table("payments").items()):
            holder = next((p for p in attempts if p.holds_invoice), None)
            if holder is None or holder.status not in {Status.AWAITING_CUSTOMER, Status.REQUIRES_ACTION}:
                continue
            if books.protocol.needs_session(holder, now=books.sim.now):
                await self._do(lambda tx, i=invoice_id: books.open_session(tx, i))  # type: ignore[misc]

    async def nemesis(self, me: Actor) -> None:
        """Time: it passes by fits and starts; and the bus, which stops."""
        sim = self.books.sim
        while True:
            await sim.pause(sim.rng.uniform(5, 60))
            if sim.is_calm:
                continue
            if sim.rng.random() < 0.3:
                sim.seconds += sim.rng.choice((1, 60, 3_600, 86_400))
            if sim.strikes("clock_jump") and sim.rng.random() < 0.2:
                sim.seconds += sim.rng.choice((2, 31)) * 86_400
                sim.seen["jumps"] += 1
                sim.note("the clock jumps")
            if sim.strikes("bus_stop"):
                sim.bus_back_at = sim.seconds + 300
