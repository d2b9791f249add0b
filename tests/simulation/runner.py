"""The runner of L1: claim, load, call, record, with the product's own performers and verdicts."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from guilder.domain.gateways.model import Asked, Call, GatewayAccount, OpenAccount, RequestKind
from guilder.domain.payments.model import Answer
from guilder.kernel.ids import TenantId
from guilder.kernel.noun import replace
from guilder.platform.outside.intents import CallFailed, Done, Intent
from guilder.platform.outside.phases import LEASE_MARGIN_S, Change
from tests.simulation.books import ACCOUNT, Books, Event, IntentRow
from tests.simulation.engine import EPOCH, Actor
from tests.simulation.protocol import Canceling, Refunding
from tests.simulation.storage import Clash, Tx

LEASE_S = 25.0 + LEASE_MARGIN_S


def answer_of(books: Books, kind: RequestKind, business_key: str, outcome: Any, *, is_notice: bool = False) -> Answer:
    return Answer(
        tenant_id=TenantId(UUID(business_key.split(":", maxsplit=1)[0])),
        business_key=business_key,
        kind=kind,
        outcome=outcome,
        at=books.sim.now,
        is_notice=is_notice,
    )


@dataclass
class Runner:
    books: Books
    _wait: Callable[[bool], Awaitable[None]]

    def __post_init__(self) -> None:
        gateways: Any = {"simulated": self.books.provider}
        self.performers = {
            RequestKind.CHARGE: self.books.protocol.charging(gateways),
            RequestKind.CANCEL: Canceling(gateways),
            RequestKind.REFUND: Refunding(gateways),
        }

    async def run(self, me: Actor) -> None:
        """Claim, load, call, record, as platform/outside does."""
        sim = self.books.sim
        while True:
            rows = self.books.store.table("intents")
            due = [key for key, row in rows.items() if row.state == "waiting" and row.due_s <= sim.seconds]
            await self._wait(bool(due))
            if not due:
                continue
            claimed = await self._claim(sim.rng.choice(due))
            claimed_at = sim.seconds
            row, call = await self._load(claimed) if claimed else (None, None)
            while row is not None and call is not None:
                if sim.seconds - claimed_at > LEASE_S:
                    break  # it stood still since it claimed: its lease is somebody else's by now
                done = await self._call(me, row, call)
                row, call = await self._record(row, done)
                me.where = ""

    async def _claim(self, key: Any) -> IntentRow | None:
        sim = self.books.sim
        with self.books.store.begin() as tx:
            row: IntentRow = tx.get("intents", key)
            if not tx.try_lock("intents", key) or row.state != "waiting" or row.due_s > sim.seconds:
                return None
            due_s = sim.seconds + LEASE_S
            row = replace(row, fence=row.fence + 1, attempts=row.attempts + 1, due_s=due_s, is_leased=True)
            tx.put("intents", key, row)
            await tx.commit()
        return row

    async def _load(self, row: IntentRow) -> tuple[IntentRow | None, Call | None]:
        with self.books.store.begin() as tx:
            try:
                if await self._held(tx, row) is None:
                    return None, None
                call = await self._call_of(tx, row)
                if call is None:
                    tx.put("intents", (row.kind, row.business_key), replace(row, state="done", is_leased=False))
                await tx.commit()
            except Clash:
                return None, None
        return row, call

    async def _held(self, tx: Tx, mine: IntentRow) -> IntentRow | None:
        row: IntentRow = await tx.lock("intents", (mine.kind, mine.business_key))
        return row if row.fence == mine.fence and row.state == "waiting" and row.is_leased else None

    async def _call_of(self, tx: Tx, row: IntentRow) -> Call | None:
        asked: Asked = await tx.lock("requests", (row.kind, row.business_key))
        account = self.account(asked.request.tenant_id)
        if not self.books.protocol.is_callable(asked, account, row.step, now=self.books.sim.now):
            return None
        is_cancel = row.kind is RequestKind.CANCEL
        charge = await tx.lock("requests", (RequestKind.CHARGE, row.business_key)) if is_cancel else None
        return Call(asked=asked, account=account, charge=charge)

    async def _call(self, me: Actor, row: IntentRow, call: Call) -> Done[Call, Any]:
        me.where = f"call {row.business_key}"
        intent = self._intent(row)
        try:
            outcome = await self.performers[row.kind].call(intent, call, now=self.books.sim.now)
        except CallFailed as failure:
            return Done(intent=intent, request=call, failure=failure)
        return Done(intent=intent, request=call, outcome=outcome)

    async def _record(self, mine: IntentRow, done: Done[Call, Any]) -> tuple[IntentRow | None, Call | None]:
        books, protocol, key = self.books, self.books.protocol, (mine.kind, mine.business_key)
        await books.sim.pause()
        with books.store.begin() as tx:
            try:
                row = await self._held(tx, mine)
                if row is None:
                    return None, None
                asked: Asked = await tx.lock("requests", key)
                turn = protocol.turn(asked, step=mine.step, outcome=protocol.outcome_of(done), now=books.sim.now)
                tx.put("requests", key, turn.asked)
                self._write_down(turn.asked)
                if turn.tells is not None:
                    answer = answer_of(books, mine.kind, mine.business_key, turn.tells)
                    invoice_id = UUID(mine.business_key.split(":")[1])
                    tx.announce(invoice_id, Event("GatewayAnswered", invoice_id, answer))
                performer, verdict = self.performers[mine.kind], protocol.verdict_of(turn)
                change: Change = protocol.change_of(self._intent(row), verdict, performer, lease_s=LEASE_S)
                after = replace(
                    row,
                    state=change.state,
                    step=change.step,
                    attempts=change.attempts,
                    is_leased=change.is_leased,
                    due_s=books.sim.seconds + change.after_s,
                )
                call = None
                if verdict.kind == "next":
                    call = await self._call_of(tx, after)
                    after = after if call is not None else replace(after, state="done", is_leased=False)
                tx.put("intents", key, after)
                await tx.commit()
            except Clash:
                return None, None
        return after, call

    def _write_down(self, asked: Asked) -> None:
        ref = asked.request.provider_ref
        if ref in self.books.provider.objects:
            self.books.provider.objects[ref].is_known = True

    def _intent(self, row: IntentRow) -> Intent:
        tenant_id = TenantId(UUID(row.business_key.split(":")[0]))
        return Intent(
            tenant_id=tenant_id,
            id=row.id,
            kind=f"gateway.{row.kind.value}",
            destination="gateway:simulated",
            subject_id=row.id,
            step=row.step,
            attempts=row.attempts,
            fence=row.fence,
        )

    def account(self, tenant_id: TenantId) -> OpenAccount:
        account = GatewayAccount(
            tenant_id=tenant_id,
            id=ACCOUNT,
            gateway="simulated",
            name="",
            is_default=True,
            is_active=True,
            created_at=EPOCH,
            endpoint_id=ACCOUNT,
        )
        return OpenAccount(account=account, secret_key="", endpoint_secret="")
