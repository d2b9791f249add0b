"""L2 in small: two at one row, in every order of their statements that seeds find; and without what guards that row.

Each guard is taken away in turn (an index, a constraint, a lock), and then some order breaks what it guarded.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from guilder.domain.gateways.model import Outcome, OutcomeKind, RequestKind
from guilder.domain.gateways.service import noticing
from guilder.domain.gateways.store import notices
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Answer, Payable, Payment, Via
from guilder.domain.payments.store import attempts
from guilder.platform.db.database import CLASHES, Database
from guilder.platform.db.tx import Tx
from tests.simulation.provider import Delivery
from tests.simulation.stage import Play, a_play
from tests.support.database import Cleaner, DatabaseUrls, connected, new_database

pytestmark = pytest.mark.timeout(300)
SEEDS = 4
SEEDS_MUTANT = 25

Deed = Callable[[Database], Awaitable[object]]


@dataclass(frozen=True, kw_only=True)
class Duel:
    """Who does what to one row twice at once; what is wrong afterwards; and what guards it."""

    prepare: Callable[[Play], Awaitable[Deed]]
    wrong: str = ""
    unguard: str = ""


async def _collecting(play: Play) -> Deed:
    """An invoice whose first attempt was declined is collected again, by two at once."""
    payment = await _first_payment(play)
    declined = Outcome(kind=OutcomeKind.DECLINED, decline_code="insufficient_funds")
    await play.shop.act(lambda tx: payments.record(tx, answers=[_answer(payment, declined)], now=play.stage.now))
    payable = Payable(
        tenant_id=payment.tenant_id,
        invoice_id=payment.invoice_id,
        customer_id=payment.customer_id,
        amount=payment.amount,
        via=Via.SAVED,
    )
    return partial(_act, play, lambda tx: payments.collect(tx, payables=[payable], now=play.stage.now))


async def _noticing(play: Play) -> Deed:
    """A provider delivers one webhook twice at once."""
    payment = await _first_payment(play)
    paid = Outcome(kind=OutcomeKind.SUCCEEDED, provider_ref="pi_1", amount=payment.amount)
    mail = Delivery("evt_1", RequestKind.CHARGE, payment.business_key, paid, play.stage.now)

    async def take(database: Database) -> None:
        await play.take_in(database, mail)

    return take


async def _recording(play: Play) -> Deed:
    """An answer and a notice say of a payment that it succeeded, at once."""
    payment = await _first_payment(play)
    paid = Outcome(kind=OutcomeKind.SUCCEEDED, provider_ref="pi_1", amount=payment.amount)
    return partial(_act, play, lambda tx: payments.record(tx, answers=[_answer(payment, paid)], now=play.stage.now))


async def _act(play: Play, work: Callable[[Tx], Awaitable[object]], database: Database) -> None:
    async with database.transaction([play.shop.tenant.tenant_id], actor="duel") as tx:
        await work(tx)


async def _first_payment(play: Play) -> Payment:
    async with play.calm.database.transaction([play.shop.tenant.tenant_id], actor="test") as tx:
        rows = await tx.fetch("select id from payments.payments where via = 'saved' order by id limit 1")
        return await payments.one(tx, payment_id=rows[0]["id"])


def _answer(payment: Payment, outcome: Outcome) -> Answer:
    return Answer(
        tenant_id=payment.tenant_id,
        business_key=payment.business_key,
        kind=RequestKind.CHARGE,
        outcome=outcome,
        at=payment.requested_at,
    )


DUELS = {
    "two attempts at once": Duel(
        prepare=_collecting,
        wrong="select invoice_id from payments.payments where holds_invoice group by invoice_id having count(*) > 1",
        unguard="""drop index payments.payments_one_holds; drop index payments.payments_business_key;
                   alter table payments.payments drop constraint payments_tenant_id_invoice_id_attempt_key""",
    ),
    "one webhook, two effects": Duel(
        prepare=_noticing,
        unguard="alter table gateways.notices drop constraint notices_tenant_id_account_id_notice_id_key",
    ),
    "one payment, told twice": Duel(
        prepare=_recording,
    ),
}
# How often each fact may be told of, whoever tells it.
_TOLD_TWICE = """
select name from platform.log where name in ('gateways.notice.received', 'payments.payment.succeeded')
group by name having count(*) > 1"""


@asynccontextmanager
async def arena(cluster: DatabaseUrls, name: str, unguard: str = "") -> AsyncIterator[tuple[DatabaseUrls, Cleaner]]:
    async with new_database(cluster, name) as urls:
        async with connected(urls.admin) as admin:
            await admin.execute(f"alter database \"{name}\" set deadlock_timeout = '5ms'")
            if unguard:
                await admin.execute(unguard)
        cleaner = Cleaner(urls)
        await cleaner.learn()
        yield urls, cleaner


async def fight(urls: DatabaseUrls, cleaner: Cleaner, duel: Duel, seed: int) -> tuple[list[str], list[str]]:
    """Let both do it, in this seed's order; return what went wrong on the way, and what is wrong then."""
    await cleaner.clean()
    async with a_play(urls, seed) as play:
        deed = await duel.prepare(play)

        async def once(actor: Any, rng: Any) -> None:
            async with play.house() as house:
                await actor.park("(begins)")
                try:
                    await deed(house.database)
                except CLASHES:
                    await deed(house.database)

        schedule = play.stage.schedule
        schedule.add("one", once)
        schedule.add("other", once)
        await schedule.begin(seed)
        while any(actor.state != "over" for actor in schedule.actors):
            await schedule.step()
        rows = [*await play.stage.admin.fetch(_TOLD_TWICE)]
        if duel.wrong:
            rows += await play.stage.admin.fetch(duel.wrong)
        return schedule.errors, [str(dict(row)) for row in rows]


@pytest.mark.parametrize("name", DUELS)
async def test_two_at_one_row_leave_it_right_in_every_order(cluster, worker_id, name):
    async with arena(cluster, f"guilder_{worker_id}_duel") as (urls, cleaner):
        for seed in range(SEEDS):
            assert await fight(urls, cleaner, DUELS[name], seed) == ([], []), f"seed {seed}"


@pytest.mark.parametrize("name", DUELS)
async def test_without_its_guard_some_order_breaks_it(cluster, worker_id, monkeypatch, name):
    monkeypatch.setattr(noticing, "insert_notices", _look_then_insert)
    monkeypatch.setattr(attempts, "lock_told", partial(_unlocked, attempts.lock_told))
    duel = DUELS[name]
    async with arena(cluster, f"guilder_{worker_id}_duel", duel.unguard) as (urls, cleaner):
        for seed in range(SEEDS_MUTANT):
            errors, wrong = await fight(urls, cleaner, duel, seed)
            # PostgreSQL may still refuse the second effect: what books the money is guarded by itself.
            assert all("UniqueViolation" in error for error in errors), errors
            if wrong or errors:
                print(f"{name}: seed {seed}: {wrong or errors}")
                return
    raise AssertionError(f"{name}: nothing broke in {SEEDS_MUTANT} orders")


class _Unlocking:
    """A transaction whose reads hold nothing."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    async def fetch(self, sql: str, *values: object) -> Any:
        assert "for update" in sql, sql
        return await self._tx.fetch(sql.replace("for update", ""), *values)


async def _unlocked(lock_told: Any, tx: Tx, keys: Any) -> Any:
    return await lock_told(_Unlocking(tx), keys)


async def _look_then_insert(tx: Tx, kept: Sequence[Any]) -> Any:
    """Check, then insert: what the constraint is there for."""
    [notice] = kept
    if await tx.fetchval("select count(*) from gateways.notices where notice_id = $1", notice.notice_id):
        return set()

    class Blind:
        vault = tx.vault

        async def fetch(self, sql: str, *values: object) -> Any:
            head, guard, tail = sql.partition("on conflict")
            # The keys that seal it are fetched here, too.
            return await tx.fetch(
                f"{head} returning id" if "gateways.notices" in head else head + guard + tail, *values
            )

        def __getattr__(self, name: str) -> Any:
            return getattr(tx, name)

    return await notices.insert_notices(Blind(), kept)  # type: ignore[arg-type]
