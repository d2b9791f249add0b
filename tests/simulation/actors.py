"""The workers of L1: the log, the runner, the intake and the clock's jobs. Each may die at any `await`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from guilder.domain.dunning.rules.lifecycle import Step as CaseStep
from guilder.domain.payments.model import Via
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.platform.outside.phases import LEASE_MARGIN_S
from tests.simulation.books import Books, Event, Invoice
from tests.simulation.engine import EPOCH, Actor
from tests.simulation.people import FATES, People
from tests.simulation.provider import Delivery
from tests.simulation.runner import Runner, answer_of
from tests.simulation.storage import PARTITIONS, Clash, Row, Tx

GROUPS: dict[str, frozenset[str]] = {
    "gateways": frozenset({"GatewayRequested"}),
    "payments": frozenset({"PaymentRequested", "GatewayAnswered", "NoticeReceived"}),
    "invoicing": frozenset({"PaymentSucceeded"}),
    "dunning": frozenset({"PaymentFailed", "InvoicePaid", "InvoiceVoided"}),
}
LEASE_S = 25.0 + LEASE_MARGIN_S
BATCH_MAX = 4
PERIOD = timedelta(days=30)
PERIODS = 3
TENANTS = (TenantId(UUID(int=2**90 + 1)), TenantId(UUID(int=2**90 + 2)))
CUSTOMERS_EACH = 3

Work = Callable[[Tx], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Subscription:
    tenant_id: TenantId
    customer_id: CustomerId
    billed: int = 0


@dataclass
class Cast:
    books: Books

    def __post_init__(self) -> None:
        self._furnish()

    def enter(self) -> None:
        sim = self.books.sim
        for number in (1, 2):
            sim.start(f"sequencer{number}", self.sequencer)
            sim.start(f"consumer{number}", self.consumer)
            sim.start(f"runner{number}", Runner(self.books, self._wait).run)
            sim.start(f"jobs{number}", self.jobs)
            sim.start(f"intake{number}", self.intake)
        people = People(self.books, self.do, self.invoice)
        sim.start("api", people.api)
        sim.start("customers", people.customers, is_mortal=False)
        sim.start("nemesis", people.nemesis, is_mortal=False)

    def _furnish(self) -> None:
        store, rng = self.books.store, self.books.sim.rng
        for tenant in TENANTS:
            for number in range(CUSTOMERS_EACH):
                customer = CustomerId(UUID(int=tenant.int + 1_000 * (number + 1)))
                has_method = rng.random() < 0.8
                token = f"tok_{customer.int}"
                self.books.provider.cards[token] = rng.choice(FATES)
                store.table("methods")[customer] = token if has_method else None
                store.table("subscriptions")[customer] = Subscription(tenant, customer)

    async def do(self, work: Work) -> bool:
        """Do something in one transaction; one that clashed is undone, and whoever wanted it comes again."""
        with self.books.store.begin() as tx:
            try:
                await work(tx)
                await tx.commit()
            except Clash:
                return False
        return True

    async def sequencer(self, me: Actor) -> None:
        store, sim = self.books.store, self.books.sim
        while True:
            await self._wait(bool(store.unsequenced))
            if not self.books.protocol.marks_with_publishing:
                marked, store.unsequenced = store.unsequenced, []
                await sim.pause()
                self._publish(marked)
                continue
            with store.begin() as tx:
                if tx.try_lock("sequencer", 0):
                    await sim.pause()
                    given, store.unsequenced = store.unsequenced, []
                    self._publish(given)

    def _publish(self, given: list[int]) -> None:
        store = self.books.store
        for id_ in sorted(given):
            row = store.log[id_]
            line = store.lines[row.partition]
            line.append(row)
            row.position = len(line)

    async def consumer(self, me: Actor) -> None:
        sim = self.books.sim
        while True:
            group = sim.rng.choice(list(GROUPS))
            partition = sim.rng.randrange(PARTITIONS)
            if sim.seconds < sim.bus_back_at:
                await sim.pause(sim.rng.uniform(1, 60))
                continue
            taken = await self._take(group, partition)
            await self._wait(taken)

    async def _take(self, group: str, partition: int) -> bool:
        """Take a batch: its effects and its cursor are one transaction, and what the cursor has passed is passed over."""
        protocol, sim = self.books.protocol, self.books.sim
        with self.books.store.begin() as tx:
            if not tx.try_lock("cursors", (group, partition)):
                return False
            cursor = tx.get("cursors", (group, partition)) or 0
            rows = self._read(partition, cursor)
            if not rows:
                return False
            tx.put("cursors", (group, partition), rows[-1].position if protocol.reads_by_position else rows[-1].id)
            fresh = [row for row in rows if not protocol.reads_by_position or row.position > cursor]
            try:
                if not protocol.acks_with_effect:
                    await tx.commit()
                for row in fresh:
                    if row.event.name in GROUPS[group]:
                        await sim.pause()
                        await self._hear(tx, row)
                await tx.commit()
            except Clash:
                return False
        return True

    def _read(self, partition: int, cursor: int) -> list[Row]:
        sim, store = self.books.sim, self.books.store
        count = sim.rng.randint(1, BATCH_MAX)
        if not self.books.protocol.reads_by_position:
            rows = [row for row in store.log.values() if row.partition == partition and row.id > cursor]
            return sorted(rows, key=lambda row: row.id)[:count]
        line = store.lines[partition]
        back = min(cursor, 2) if cursor < len(line) and sim.strikes("delivered_again") else 0
        return line[cursor - back : cursor + count]

    async def _hear(self, tx: Tx, row: Row) -> None:
        books, event = self.books, row.event
        match event.name:
            case "PaymentRequested":
                await books.start(tx, event.invoice_id, event.about)
            case "GatewayRequested":
                await books.intend(tx, event.about)
            case "GatewayAnswered" | "NoticeReceived":
                await books.record(tx, event.invoice_id, event.about)
            case "PaymentSucceeded":
                await books.settle(tx, event.invoice_id, event.at)
            case "PaymentFailed":
                await books.dunning.failed(tx, event.about, event.at)
            case "InvoicePaid":
                await books.dunning.end(tx, event.invoice_id, CaseStep.RECOVER, event.at)
            case "InvoiceVoided":
                await books.dunning.end(tx, event.invoice_id, CaseStep.CLOSE, event.at)

    async def intake(self, me: Actor) -> None:
        """Take webhooks in: written with their event, and only then answered."""
        books, sim = self.books, self.books.sim
        while True:
            due = [each for each in books.provider.mailbag if each.due_at <= sim.now]
            await self._wait(bool(due))
            if not due:
                continue
            mail = sim.rng.choice(due)
            mail.tries += 1
            mail.due_at = sim.now + timedelta(seconds=30 * 4**mail.tries)  # unless it is answered

            if await self.do(partial(self._take_in, mail)):
                await sim.pause()
                if mail in books.provider.mailbag:
                    books.provider.mailbag.remove(mail)

    async def _take_in(self, mail: Delivery, tx: Tx) -> None:
        books = self.books
        if tx.get("requests", (mail.kind, mail.business_key)) is None:
            return
        is_new = await tx.insert("notices", mail.notice_id, mail)
        if not is_new and books.protocol.notices_are_unique:
            return
        answer = answer_of(books, mail.kind, mail.business_key, mail.outcome, is_notice=True)
        invoice_id = UUID(mail.business_key.split(":")[1])
        tx.announce(invoice_id, Event("NoticeReceived", invoice_id, answer, mail.notice_id))

    async def jobs(self, me: Actor) -> None:
        """What the clock asks, in the order of the timetable."""
        books, sim = self.books, self.books.sim
        tables = books.store.table
        while True:
            now = sim.now
            works: list[Work] = [
                lambda tx, c=customer: self._bill(tx, c)  # type: ignore[misc]
                for customer, each in tables("subscriptions").items()
                if each.billed < PERIODS and EPOCH + each.billed * PERIOD <= now
            ]
            works += [
                lambda tx, i=invoice: books.dunning.retry(tx, i)  # type: ignore[misc]
                for invoice, case in tables("cases").items()
                if case.next_retry_at is not None and case.next_retry_at <= now
            ]
            if books.protocol.looks_again:
                works += [
                    lambda tx, k=key: books.look_again(tx, k)  # type: ignore[misc]
                    for key, asked in tables("requests").items()
                    if asked.check_due_at is not None and asked.check_due_at <= now
                ]
            works += [
                lambda tx, i=invoice: books.look_after(tx, i)  # type: ignore[misc]
                for invoice, attempts in tables("payments").items()
                if any(p.check_due_at is not None and p.check_due_at <= now for p in attempts)
            ]
            for work in works[:BATCH_MAX]:
                await self.do(work)
            await self._wait(bool(works))

    async def _bill(self, tx: Tx, customer: CustomerId) -> None:
        books = self.books
        seen: Subscription = tx.get("subscriptions", customer)
        if seen.billed >= PERIODS or EPOCH + seen.billed * PERIOD > books.sim.now:
            return
        await books.sim.pause()
        if await self.invoice(tx, seen.tenant_id, customer, (customer, seen.billed), Via.EITHER):
            tx.put("subscriptions", customer, replace(seen, billed=seen.billed + 1))

    async def invoice(
        self, tx: Tx, tenant_id: TenantId, customer: CustomerId, item: tuple[Any, ...], via: Via
    ) -> Invoice | None:
        books = self.books
        if books.protocol.items_are_unique:
            if not await tx.insert("items", item, True):
                return None
        elif tx.get("items", item):
            return None
        await books.sim.pause()
        invoice_id = books.sim.id()
        if books.protocol.numbers_are_counted:
            number = (await tx.lock("counters", tenant_id) or 0) + 1
            tx.put("counters", tenant_id, number)
        else:
            counters = books.store.table("counters")
            number = counters[tenant_id] = counters.get(tenant_id, 0) + 1
        tx.put("items", item, True)
        made = Invoice(
            id=invoice_id,
            tenant_id=tenant_id,
            customer_id=customer,
            number=number,
            item=item,
            total=Money(1_000 + number, "EUR"),
        )
        tx.put("invoices", invoice_id, made)
        await books.collect(tx, made, via)
        return made

    async def _wait(self, is_busy: bool) -> None:
        await self.books.sim.pause(None if is_busy else self.books.sim.rng.uniform(0.5, 20.0))
