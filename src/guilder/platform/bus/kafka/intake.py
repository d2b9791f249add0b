"""The intake: what other systems publish to topics of their own is taken in by the verb that the API calls.

A record counts as taken when the verb's transaction has committed; only then is its offset. So a record may be taken
twice, and the verb knows it by (source, id). One that cannot be taken goes to the tenant's topic of dead letters with the
reason, and stops nobody behind it.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

from confluent_kafka import KafkaException

from guilder.platform import cards, metrics
from guilder.platform.bus.kafka.connection import Connection, complain
from guilder.platform.bus.kafka.hearing import AGAIN_S, Hearing
from guilder.platform.bus.kafka.record import Received, Record
from guilder.platform.bus.kafka.sender import Sender
from guilder.platform.bus.kafka.topics import BrokerAway
from guilder.platform.bus.rounds import DATABASE_AWAY
from guilder.platform.db.database import CLASHES, GONE, DatabaseGone
from guilder.platform.db.wakes import first
from guilder.platform.logging import get

GROUP = "intake"
BODY_MAX = 262_144
TRIES_MAX = 3
TRY_AGAIN_S = 0.2
# What CloudEvents' binary mode puts before its attributes.
BINARY = "ce_"
REASON = "guilder-reason"
ORIGIN = "guilder-origin"
OMITTED = "guilder-omitted"

# Takes a tenant's records, named by its slug, in their order and in one transaction; says of each why not, or None.
Take = Callable[[str, Sequence[bytes]], Awaitable[list[str | None]]]

_log = get(__name__)


class Intake:
    """Reads `<name>.<tenant>` for every tenant that has such a topic; what it refuses goes to `<dead>.<tenant>`."""

    def __init__(self, connection: Connection, sender: Sender, take: Take, *, name: str, dead: str) -> None:
        self._connection = connection
        self._sender = sender
        self._take = take
        self._name = name
        self._dead = dead

    async def run(self, stop: asyncio.Event) -> None:
        """Take in what comes, until `stop` is set; then finish what is at hand."""
        threads = ThreadPoolExecutor(1, thread_name_prefix="kafka-intake")
        hearing = Hearing(self._connection, GROUP, threads, enable_auto_commit=False)
        # The regular expression is librdkafka's: it begins with ^, and is matched against names on the brokers.
        topics = frozenset({f"^{re.escape(self._connection.prefix + self._name)}\\.[a-z0-9-]+$"})
        try:
            while not stop.is_set():
                try:
                    messages = await hearing.receive(topics)
                except KafkaException as error:
                    complain("intake_waits", error.args[0].str())
                    await first(stop, timeout_s=AGAIN_S)
                    continue
                if messages and await self._take_until(messages, stop):
                    await hearing.commit(messages)
        finally:
            await hearing.close()
            threads.shutdown(wait=False)

    async def close(self) -> None:
        await self._sender.close()

    async def _take_until(self, messages: Sequence[Received], stop: asyncio.Event) -> bool:
        """Take these, again and again while the database or the brokers are away; say whether it is done."""
        while not stop.is_set():
            try:
                for topic, group in groupby(messages, key=lambda each: each.topic):
                    await self._take_in(topic.rpartition(".")[2], list(group))
                return True
            except (*DATABASE_AWAY, BrokerAway) as error:
                complain("intake_waits", f"{type(error).__name__}: {error}")
                await first(stop, timeout_s=AGAIN_S)
        return False

    async def _take_in(self, tenant: str, messages: Sequence[Received]) -> None:
        fit = [each for each in messages if len(each.value or b"") <= BODY_MAX]
        said = dict(zip(map(_place, fit), await self._taken(tenant, [_event(each) for each in fit]), strict=True))
        reasons = [said.get(_place(each), "too_large") for each in messages]
        dead = [self._letter(tenant, each, why) for each, why in zip(messages, reasons, strict=True) if why]
        if dead:
            await self._sender.send(dead)
            _log.warning("records_refused", tenant=tenant, records=len(dead), reason=next(filter(None, reasons)))
        metrics.intake_took(count=len(messages) - len(dead), outcome="taken")
        metrics.intake_took(count=len(dead), outcome="dead")

    async def _taken(self, tenant: str, bodies: Sequence[bytes]) -> list[str | None]:
        """Have records taken; halve them until one that always fails stands alone, and give that up after its tries."""
        for attempt in range(1, TRIES_MAX + 1):
            try:
                return await self._take(tenant, bodies) if bodies else []
            except (*GONE, DatabaseGone):
                raise
            except Exception as error:
                complain("intake_failed", f"{type(error).__name__}: {error}")
                if len(bodies) > 1:
                    break
                if isinstance(error, CLASHES):
                    raise  # the record's fault it is not: it waits, as for a database that is away
                # Whatever else it is, it must not stop the partition.
                if attempt == TRIES_MAX:
                    return [f"failed: {type(error).__name__}"]
                await asyncio.sleep(TRY_AGAIN_S * attempt)
        half = len(bodies) // 2
        return [*await self._taken(tenant, bodies[:half]), *await self._taken(tenant, bodies[half:])]

    def _letter(self, tenant: str, message: Received, why: str) -> Record:
        """Write a dead letter: the record as it came, and why. What may hold a card number, or is large, is left out."""
        value = message.value
        origin = f"{message.topic}/{message.partition}/{message.offset}"
        headers = [(REASON, why.encode()), (ORIGIN, origin.encode())]
        if value is not None and (len(value) > BODY_MAX or cards.looks_like_card(value.decode("utf-8", "replace"))):
            value = None
            headers.append((OMITTED, b"too large, or like a card number"))
        return Record(f"{self._dead}.{tenant}", 0, message.key, value, headers)


def _place(message: Received) -> tuple[str, int, int]:
    return message.topic, message.partition, message.offset


def _event(message: Received) -> bytes:
    """Return the CloudEvent in structured form, whichever way it was published: whole, or its attributes in headers."""
    value = message.value or b""
    said = {name: text for name, text in message.headers if name.startswith(BINARY)}
    if not said:
        return value
    attributes = {name.removeprefix(BINARY): text.decode("utf-8", "replace") for name, text in said.items()}
    return json.dumps(attributes).encode()[:-1] + b', "data": ' + (value or b"null") + b"}"
