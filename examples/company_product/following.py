"""Events in: Guilder's feed, followed by a cursor that moves in the transaction of what the events do.

The feed has every event once, complete, and in order for each customer. Because the cursor is kept with the effects, a
crash anywhere means: both happened, or neither. A webhook says nothing that the feed does not say; it only wakes this.
"""

import logging
import random
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from .guilder import Away, Guilder, Refused
from .sending import charge_of
from .state import Access, Job, State

log = logging.getLogger(__name__)

READER = "feed"
LOOK_EVERY_S = 1.0
WAIT_MAX_S = 30.0
OUTDATED = "feed_cursor_outdated"
# A charge's status as the API says it, in the words of its events.
AS_EVENTS_SAY = {
    "received": "sent",
    "placed": "accepted",
    "settled": "settled",
    "failed": "failed",
    "refused": "refused",
}


class Events(Protocol):
    """Where events come from: the feed, or topics of Kafka's."""

    def next(self) -> bool:
        """Hear the next events; say whether there may be more at once.

        :raises Away: nothing was heard, and the cursor stands where it stood
        """
        ...


class Feed:
    def __init__(self, state: State, guilder: Guilder, *, source: str) -> None:
        self._state = state
        self._guilder = guilder
        self._source = source

    def next(self) -> bool:
        before = self._state.cursor(READER)
        if before is None:
            return self._begin(None)
        try:
            events, after, has_more = self._guilder.events(before)
        except Refused as refusal:
            if refusal.code != OUTDATED:
                raise
            log.warning("Guilder's database was restored: beginning again from how things are now")
            return self._begin(before)
        if after != before:
            access = how_they_stand(events, self._guilder)
            self._state.hear(events, source=self._source, access=access, reader=READER, before=before, after=after)
        return has_more

    def _begin(self, before: str | None) -> bool:
        _, cursor, _ = self._guilder.events("latest")
        begin(self._state, self._guilder, source=self._source, reader=READER, before=before, cursor=cursor)
        return True


def begin(state: State, guilder: Guilder, *, source: str, reader: str, before: str | None, cursor: str) -> None:
    """Learn how things are, and follow from `cursor`, which was taken before: what happens meanwhile is heard as well."""
    blocked = list(guilder.blocked())
    jobs = [_asked_again(job, guilder, source) for job in state.open_jobs()]
    state.begin_again(reader=reader, before=before, cursor=cursor, blocked=blocked, jobs=jobs)


def how_they_stand(events: Sequence[dict[str, Any]], guilder: Guilder) -> list[Access]:
    """Ask after everybody whose access changed, once each: an event says that it did, and may be old by now."""
    changed = [each["data"]["customer_id"] for each in events if each["type"].startswith("entitlements.access.")]
    found = []
    for customer in dict.fromkeys(changed):
        try:
            found.append(guilder.access(customer))
        except Refused:  # erased since
            log.info("customer %s is not known any more", customer)
    return found


def _asked_again(job: Job, guilder: Guilder, source: str) -> Job:
    """Ask for an open job's charge once more: what Guilder knows is the same charge, and what a restore lost is new."""
    try:
        [charge_id] = guilder.ask_charges([charge_of(job, source=source)])
        charge = guilder.charge(charge_id or "")
    except Refused as refusal:
        return replace(job, status="refused", reason=refusal.code)
    return replace(job, status=AS_EVENTS_SAY[charge["status"]], reason=charge["reason"])


def keep_following(state: State, events: Events, wake: threading.Event, stop: threading.Event) -> None:
    """Follow until `stop`; `wake` (a webhook) makes it look at once."""
    tries = 0
    state.forget_old()
    while not stop.is_set():
        wake.clear()
        try:
            while events.next() and not stop.is_set():
                tries = 0
            tries = 0
        except Away as away:
            tries += 1
            wait_s = away.wait_s or random.uniform(0.1, min(WAIT_MAX_S, 2.0**tries))
            log.warning("events wait for %.1f s: %s", wait_s, away)
            stop.wait(wait_s)
            continue
        wake.wait(LOOK_EVERY_S)
