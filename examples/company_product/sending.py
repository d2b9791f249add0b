"""Charges out: from the outbox to Guilder, again until they are taken.

A job and its charge are written in one transaction, so a crash before that leaves neither, and a crash after it leaves
both. A crash between sending and marking sends twice; `source` and `id` name the charge, so Guilder takes it once.
"""

import logging
import random
import threading
from collections.abc import Sequence
from typing import Any, Protocol

from .guilder import Away, Refused
from .state import Job, State

log = logging.getLogger(__name__)

BATCH = 100
LOOK_EVERY_S = 5.0
WAIT_MAX_S = 60.0


class Charges(Protocol):
    """Where charges go: Guilder's API, or a topic of Kafka's."""

    def ask_charges(self, events: Sequence[dict[str, Any]]) -> list[str | None]: ...


def charge_of(job: Job, *, source: str) -> dict[str, Any]:
    """Write a job's charge as a CloudEvent 1.0. `source` and `id` name it for ever."""
    return {
        "specversion": "1.0",
        "id": job.id,
        "source": source,
        "type": "orders.charge.requested",
        "data": {
            "customer": job.customer,
            "amount": job.amount,
            "currency": job.currency,
            "description": job.description,
        },
    }


def send_next(state: State, charges: Charges) -> bool:
    """Send the oldest charges; say whether there were any.

    :raises Away: they stay where they are, and are sent again
    """
    waiting = state.to_send(limit=BATCH)
    if not waiting:
        return False
    try:
        _send(state, charges, waiting)
    except Refused:
        # One of them is at fault, and all were left: alone, each has an answer of its own.
        for each in waiting:
            try:
                _send(state, charges, [each])
            except Refused as refusal:
                log.warning("charge %s is refused: %s", each[1]["id"], refusal)
                state.sent([each[0]], status="refused", charge_ids=[None], reason=refusal.code)
    return True


def _send(state: State, charges: Charges, waiting: Sequence[tuple[int, dict[str, Any]]]) -> None:
    taken = charges.ask_charges([event for _, event in waiting])
    state.sent([number for number, _ in waiting], status="sent", charge_ids=taken)


def keep_sending(state: State, charges: Charges, wake: threading.Event, stop: threading.Event) -> None:
    """Send whatever comes into the outbox, until `stop`. `wake` says that there is something."""
    tries = 0
    while not stop.is_set():
        wake.clear()
        try:
            while send_next(state, charges) and not stop.is_set():
                tries = 0
            wait_s = LOOK_EVERY_S
        except Away as away:
            tries += 1
            # Full jitter, so that products which lost Guilder together do not come back together.
            wait_s = away.wait_s or random.uniform(0.1, min(WAIT_MAX_S, 2.0**tries))
            log.warning("charges wait for %.1f s: %s", wait_s, away)
            stop.wait(wait_s)
            continue
        wake.wait(wait_s)
