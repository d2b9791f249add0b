"""L2: the product's own handlers, performers and jobs on PostgreSQL, with a provider in this process that lies."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.model import Notice
from guilder.domain.gateways.performers import performers
from guilder.domain.identity import service as identity
from guilder.domain.invoicing import service as invoicing
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import NewRefund
from guilder.kernel import ids
from guilder.kernel.errors import Refusal
from guilder.kernel.ids import Ref
from guilder.platform.bus.consumer import Consumer
from guilder.platform.bus.reactions import Reactions
from guilder.platform.bus.sequencer import Sequencer
from guilder.platform.clock import HandClock
from guilder.platform.db.database import CLASHES, Database
from guilder.platform.db.vault import Vault
from guilder.platform.jobs.scheduler import Scheduler
from guilder.platform.jobs.timetable import Timetable
from guilder.platform.outside.intents import CallFailed, Done
from guilder.platform.outside.phases import Phases
from guilder.wiring.reactions import REACTION_LIST
from guilder.wiring.timetable import JOBS, TENANTS
from tests.simulation.engine import CLASS_IS_ON, FAULTS, RATES
from tests.simulation.gate import Actor, Gated, Schedule, here
from tests.simulation.provider import Provider
from tests.support.builders.identity import NOW
from tests.support.builders.orders import Shop, a_shop
from tests.support.database import DatabaseUrls
from tests.support.ground import RING

ROOMS = frozenset({"gateways", "payments", "invoicing", "orders", "dunning", "entitlements"})
# What moves money acts a statement at a time; the others hear of it when the storm is over.
STORMY = frozenset({"gateways", "payments", "invoicing", "dunning"})
HEARD_IN_STORM = Reactions(tuple(each for each in REACTION_LIST if each.group in STORMY))
HEARD = Reactions(tuple(each for each in REACTION_LIST if each.group in ROOMS))
# The clock's jobs about money act in the storm, too; the rest of the timetable when it is over.
STORMY_JOBS = tuple(
    job
    for job in JOBS
    if job.name in {"invoicing.bill_due", "dunning.retry", "gateways.look_again", "payments.look_after"}
)
CUSTOMERS = 3
STATEMENTS = 500
# The calm after the storm: what is under way first, then what is looked at again, then what is planned.
CALMS_S = (60, 3_600, 7_200, 86_400, 86_400, 3_600, 60)
ADVANCES_S = (60, 3_600, 86_400)
# What somebody holds in this moment is passed over: nobody would let go while this waits.
_PASS_TIME = """
update platform.intents set due_at = due_at - make_interval(secs => $1)
where (tenant_id, id) in (
    select tenant_id, id from platform.intents where state = 'waiting' for update skip locked)"""


@dataclass
class Stage:
    """Chance, time and the provider of one run; what it asks to pause for is one more place to be killed at."""

    seed: int
    admin: "asyncpg.Connection[Any]"
    rng: random.Random = field(init=False)
    seen: Counter[str] = field(default_factory=Counter)
    is_calm: bool = False
    clock: HandClock = field(default_factory=lambda: HandClock(NOW))
    _later: list[tuple[datetime, int, Callable[[], object]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.rates = {name: self.rng.choice(RATES) if self.rng.random() < CLASS_IS_ON else 0.0 for name in FAULTS}
        self.schedule = Schedule(self.rng, self.admin)
        self.provider = Provider(self)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def strikes(self, fault: str) -> bool:
        if self.is_calm or self.rng.random() >= self.rates[fault]:
            return False
        self.seen[fault] += 1
        return True

    async def pause(self, seconds: float | None = None) -> None:
        actor = here()
        if actor is not None:
            await actor.park("(a call)")

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        self._later.append((self.now + timedelta(seconds=seconds), len(self._later), act))

    def note(self, text: str) -> None:
        self.schedule.note(text.split(" ", maxsplit=1)[0])

    async def pass_time(self, seconds: int) -> None:
        """Move the clock, and the leases and retries of intents with it, which live on the database's own."""
        self.clock.move_by(timedelta(seconds=seconds))
        await self.admin.execute(_PASS_TIME, float(seconds))
        for each in sorted(self._later):
            if each[0] <= self.now:
                self._later.remove(each)
                each[2]()

    def let_customers_pay(self) -> None:
        for each in list(self.provider.objects.values()):
            if each.page and each.status == "open" and (self.is_calm or self.rng.random() < 0.5):
                self.provider.pay(each.ref, is_good=self.is_calm or self.rng.random() < 0.7)

    def journal(self) -> dict[str, Any]:
        return {
            "charges": [
                {
                    "ref": each.ref,
                    "business_key": each.business_key,
                    "amount": each.amount.minor,
                    "currency": each.amount.currency.lower(),
                    "status": "succeeded",
                    "at": each.at.isoformat(),
                }
                for each in self.provider.charges
            ],
            "refunds": [
                {
                    "ref": each.ref,
                    "charge_ref": self.provider.refund_targets[each.ref],
                    "business_key": each.business_key,
                    "amount": each.amount.minor,
                    "currency": each.amount.currency.lower(),
                    "status": "succeeded",
                    "at": each.at.isoformat(),
                }
                for each in self.provider.refunds
            ],
        }


async def _pool(urls: DatabaseUrls, *, is_gated: bool) -> Database:
    more: dict[str, Any] = {"connection_class": Gated} if is_gated else {}
    pool = await asyncpg.create_pool(
        urls.app, min_size=1, max_size=3, server_settings={"application_name": "guilder", "timezone": "UTC"}, **more
    )
    database = Database(pool, url=urls.app, direct_url=urls.app, vault=Vault(RING))
    if is_gated:
        # Wake-ups are sent by a task of its own, whenever it comes to it; here everybody looks without them.
        database.waker.wake = lambda channels: None  # type: ignore[method-assign]
    return database


@dataclass
class House:
    """The product's machinery over one pool: what a process of it is made of, taken step by step."""

    stage: Stage
    database: Database
    hears: Reactions = HEARD

    def __post_init__(self) -> None:
        clock, clocks = self.stage.clock, identity.Clocks(self.stage.clock)
        fakes: Any = {"simulated": self.stage.provider}
        self.sequencer = Sequencer(self.database)
        self.consumer = Consumer(self.database, self.hears, clocks, clock)
        self.phases = Phases(self.database, performers(fakes, public_url="https://billing.example"), clocks)
        self.scheduler = Scheduler(self.database, Timetable(JOBS, []), clock=clock, tenants=TENANTS)

    async def hear(self, rng: random.Random | None = None) -> int:
        """Take a batch of some group's news; without chance, all there is."""
        if rng is None:
            return await self.consumer.drain(hurry=True)
        shares = sorted(await self.consumer._news())
        return await self.consumer.step(*rng.choice(shares)) if shares else 0

    async def sequence(self, rng: random.Random) -> None:
        waiting = sorted(await self.sequencer._waiting())
        if waiting:
            await self.sequencer.step(rng.choice(waiting))

    async def call(self) -> int:
        """Take one intent through all its phases."""
        count = 0
        for destination in sorted(await self.phases.destinations()):
            claims, _ = await self.phases.take(destination, 1)
            ready = await self.phases.load(claims)
            while ready:
                count += 1
                (each,) = ready
                try:
                    outcome = await each.performer.call(each.intent, each.request, now=each.now)
                    done = Done(intent=each.intent, request=each.request, outcome=outcome)
                except CallFailed as failure:
                    done = Done(intent=each.intent, request=each.request, failure=failure)
                ready = await self.phases.record([done])
        return count


@dataclass
class Play:
    """The actors: two workers, the clock's jobs, the webhook intake, and somebody with the API."""

    stage: Stage
    urls: DatabaseUrls
    shop: Shop
    calm: House  # by hand, no statement of it waits for a turn
    deeds: list[str] = field(default_factory=list)

    async def storm(self) -> None:
        """Let the actors act, and the nemesis among them."""
        stage, rng = self.stage, self.stage.rng
        self._cast()
        await stage.schedule.begin(stage.seed)
        while stage.schedule.statements < STATEMENTS:
            await stage.schedule.step()
            fate = rng.random()
            if fate < 0.01:
                await stage.pass_time(rng.choice(ADVANCES_S))
            elif fate < 0.02:
                stage.let_customers_pay()
            elif fate < 0.02 + stage.rates["crash"] / 20:
                await stage.schedule.kill_one(stage.seed)
        await stage.schedule.end()

    async def rest(self) -> None:
        """Let everything come to an end without a fault: what is due, what is planned, and what customers still owe."""
        stage, house = self.stage, self.calm
        stage.is_calm = True
        for seconds in CALMS_S:
            await stage.pass_time(seconds)
            while mails := [each for each in stage.provider.mailbag if each.due_at <= stage.now]:
                for mail in mails:
                    await self.take_in(house.database, mail)
                    stage.provider.mailbag.remove(mail)
            for job in JOBS:
                await house.scheduler.step(job)
            while await house.hear() + await house.call():
                pass
            stage.let_customers_pay()

    def _cast(self) -> None:
        for name, live in (
            ("worker1", self.worker),
            ("worker2", self.worker),
            ("jobs", self.jobs),
            ("intake", self.intake),
            ("api", self.api),
        ):
            self.stage.schedule.add(name, live)

    @asynccontextmanager
    async def house(self) -> AsyncIterator[House]:
        database = await _pool(self.urls, is_gated=True)
        try:
            house = House(self.stage, database, HEARD_IN_STORM)
            house.consumer._registered = True
            yield house
        finally:
            database.pool.terminate()

    async def worker(self, actor: Actor, rng: random.Random) -> None:
        async with self.house() as house:
            while True:
                await actor.park("(looks)")
                with suppress(*CLASHES):
                    match rng.choice(("hear", "hear", "hear", "sequence", "call", "call")):
                        case "hear":
                            await house.hear(rng)
                        case "sequence":
                            await house.sequence(rng)
                        case "call":
                            await house.call()

    async def jobs(self, actor: Actor, rng: random.Random) -> None:
        async with self.house() as house:
            while True:
                await actor.park("(looks)")
                if rng.random() < 0.7:
                    continue
                await house.scheduler.step(rng.choice(STORMY_JOBS))

    async def intake(self, actor: Actor, rng: random.Random) -> None:
        mailbag = self.stage.provider.mailbag
        async with self.house() as house:
            while True:
                await actor.park("(looks)")
                due = [each for each in mailbag if each.due_at <= self.stage.now]
                if due:
                    mail = rng.choice(due)
                    await self.take_in(house.database, mail)
                    if mail in mailbag:
                        mailbag.remove(mail)

    async def take_in(self, database: Database, mail: Any) -> None:
        tenant_id = self.shop.tenant.tenant_id
        notice = Notice(
            notice_id=mail.notice_id,
            type="told",
            subject=mail.kind,
            business_key=mail.business_key,
            outcome=mail.outcome,
        )
        async with database.transaction([tenant_id], actor="webhook") as tx:
            (account,) = await gateways.accounts(tx)
            await gateways.receive_notice(tx, account=account, notice=notice, body=b"{}", now=self.stage.now)

    async def api(self, actor: Actor, rng: random.Random) -> None:
        tenant_id, now = self.shop.tenant.tenant_id, self.stage.clock.now
        async with self.house() as house:
            while True:
                await actor.park("(waits)")
                if rng.random() < 0.5:
                    continue
                deed = rng.choice(("open", "open", "void", "refund", "refund"))
                with suppress(Refusal, *CLASHES):
                    async with house.database.transaction([tenant_id], actor="api") as tx:
                        rows = await tx.fetch("select id, status from invoicing.invoices order by number")
                        paid = await tx.fetch("select id from payments.payments where status = 'succeeded' order by id")
                        invoice = rng.choice(rows)["id"] if rows else None
                        if deed == "open" and invoice:
                            await payments.open_session(
                                tx, invoice_id=invoice, return_url="https://s.example", now=now()
                            )
                        elif deed == "void" and invoice and rng.random() < 0.3:
                            await invoicing.void(tx, refs=[Ref(tenant_id, invoice)], now=now())
                        elif deed == "refund" and paid:
                            amount = rng.choice((None, 100))
                            wish = NewRefund(payment_id=rng.choice(paid)["id"], reason="asked", amount_minor=amount)
                            await payments.make_refund(tx, refund=wish, now=now())
                        else:
                            continue
                        self.deeds.append(deed)


@asynccontextmanager
async def a_play(urls: DatabaseUrls, seed: int) -> AsyncIterator[Play]:
    """Furnish a shop whose customers have bought something, up to the first statement of the storm."""
    admin = await asyncpg.connect(urls.admin)
    database = await _pool(urls, is_gated=False)
    stage = Stage(seed, admin)
    kept, chance = (ids.urandom, ids._sequencer), random.Random(seed)
    # Ids are made of chance, too, and rows are locked in their order.
    ids.urandom = chance.randbytes  # type: ignore[attr-defined]
    ids._sequencer = ids._Sequencer()
    try:
        house = House(stage, database)
        await house.consumer.register()
        stage.is_calm = True
        shop = await a_shop(database)
        await house.hear()
        await house.call()
        plan = await shop.plan()
        for number in range(CUSTOMERS):
            customer = await shop.customer(organization_id=f"org-{number}")
            if number < 2 or stage.rng.random() < 0.5:
                await shop.card(customer)
            await shop.act(lambda tx, c=customer: shop.subscribed(tx, c, plan))  # type: ignore[misc]
        # The storm begins where the providers are about to be asked.
        await house.hear()
        stage.is_calm = False
        yield Play(stage, urls, shop, house)
    finally:
        ids.urandom, ids._sequencer = kept  # type: ignore[attr-defined]
        await stage.schedule.end()
        await database.close()
        await admin.close()
