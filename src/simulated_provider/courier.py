"""The background task: delivers what is due, and does what falls due by the wall's clock."""

import asyncio
import logging
import sqlite3
import time

from simulated_provider import accounts, settlement, webhooks
from simulated_provider.state import Store

AT_ONCE_MAX = 32
LOOK_AGAIN_S = 1.0  # at least so often, for what falls due by the wall's clock

log = logging.getLogger(__name__)


class Courier:
    """One a process. A delivery is in one pair of hands at a time, whoever asked for it to be sent."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sender = webhooks.Sender(store)
        self._in_hand: dict[int, asyncio.Task[str]] = {}
        self._wake = asyncio.Event()
        store.on_announced = self._wake.set

    async def run(self) -> None:
        """Go round until canceled; a mistake in one round is logged and does not end the next."""
        while True:
            self._wake.clear()
            try:
                wait_s = self._round()
            except sqlite3.Error:
                log.exception("a round of deliveries failed")
                wait_s = LOOK_AGAIN_S
            try:
                await asyncio.wait_for(self._wake.wait(), timeout=wait_s)
            except TimeoutError:
                continue

    def _round(self) -> float:
        wall = accounts.wall_clock()
        with self._store.transaction() as tx:
            for name in settlement.overdue_by_the_wall(tx, wall=wall):
                settlement.catch_up(tx, accounts.get(tx, name), given=None, wall=wall)
            due = webhooks.pending(tx, account=None, due_by=time.time(), limit=AT_ONCE_MAX * 2)
            next_at = webhooks.next_attempt_at(tx)
        for delivery in due:
            if len(self._in_hand) < AT_ONCE_MAX:
                self._take(delivery)
        if self._in_hand:
            return 0.2
        return min(max((next_at or float("inf")) - time.time(), 0.01), LOOK_AGAIN_S)

    def _take(self, delivery: sqlite3.Row) -> asyncio.Task[str]:
        seq = delivery["seq"]
        if seq not in self._in_hand:
            task = asyncio.create_task(self._sender.send(delivery))
            self._in_hand[seq] = task
            task.add_done_callback(lambda _: self._done(seq))
        return self._in_hand[seq]

    def _done(self, seq: int) -> None:
        self._in_hand.pop(seq, None)
        self._wake.set()

    async def deliver_now(self, account: str) -> None:
        """Try everything that waits for this account once, oldest first, and wait for each answer."""
        with self._store.transaction() as tx:
            waiting = webhooks.pending(tx, account=account, due_by=None, limit=1000)
        for delivery in sorted(waiting, key=lambda row: row["seq"]):
            await asyncio.shield(self._take(delivery))

    async def deliver_in_order(self, deliveries: list[sqlite3.Row]) -> list[dict[str, str]]:
        """Send held deliveries one after the other, each after the answer to the one before."""
        told = []
        for delivery in deliveries:
            with self._store.transaction() as tx:
                freed = tx.run(
                    "update deliveries set status = 'pending' where seq = ? and status = 'held'", delivery["seq"]
                )
            if freed:
                answer = await asyncio.shield(self._take(delivery))
                told.append({"event": delivery["event_id"], "answer": answer})
        return told

    async def close(self) -> None:
        for task in list(self._in_hand.values()):
            task.cancel()
        await asyncio.gather(*self._in_hand.values(), return_exceptions=True)
        await self._sender.close()
