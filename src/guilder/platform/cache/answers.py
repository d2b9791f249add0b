"""Answers kept for seconds, so that the same question is not put to PostgreSQL again and again.

Each answer is kept with the *stamp* of what it is about (a tenant's catalog, one customer's access). A stamp is a random
word; whoever commits a change puts another in its place, and every answer under the old one is old at once:

    reader  asks for stamp and answer (one round trip); an answer counts under the present stamp alone
            none: reads the database, and keeps what it read under the stamp that it saw *before* it read
    writer  commits, then replaces the stamp (`Tx.touch`), before it says that it is done

What was read before a commit is never kept under the stamp that came after it. A writer that dies between its commit and
the stamp, or a Redis that forgets one (flushed, failed over), is why nothing is kept for longer than `Question.seconds`:
that, and a second for clocks that differ, is the bound. A stamp lives longer than any answer under it.

Answers are sealed with the installation's key, bound to their name and dated inside: whoever can write to Redis can make
none up, move none, and bring none back after its time.
"""

import struct
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from secrets import token_bytes

from guilder.kernel.ids import TenantId
from guilder.platform import crypto, metrics
from guilder.platform.cache.client import Away, Client, Shared
from guilder.platform.clock import Clock
from guilder.platform.crypto import CannotOpen, KeyRing

# The longest that any answer is kept, and so how long an answer may lag behind what was committed.
KEPT_MAX_S = 30
STAMP_S = 120
STAMP_BYTES = 8
ANSWER_MAX_BYTES = 65_536
READ_MAX_S = 1
# Clocks of machines differ: an answer from the future is this much ahead at most.
AHEAD_MAX_S = 1

assert 2 * KEPT_MAX_S < STAMP_S, "a stamp outlives what is kept under it"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: of whom, about which subject (as `Tx.touch` names it), and exactly what. Kept for `seconds`."""

    tenant_id: TenantId
    room: str
    subject: str
    exactly: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Found:
    """The kept answer, or None; the stamp under which a new one may be kept, None where none may; and when it was asked."""

    answer: bytes | None
    stamp: bytes | None
    at: datetime


class Answers:
    def __init__(self, shared: Shared, keys: KeyRing, clock: Clock) -> None:
        self._shared = shared
        self._keys = keys
        self._clock = clock

    async def find(self, question: Question) -> Found:
        names = [self._stamp(question.tenant_id, question.subject), self._name(question)]

        async def work(client: Client) -> list[bytes | None]:
            found: list[bytes | None] = await client.mget(names)
            return found

        at = self._clock.now()
        try:
            stamp, sealed = await self._shared.ask(work)
        except Away:
            metrics.cache_read(room=question.room, outcome="away")
            return Found(None, None, at)
        answer = self._open(question, stamp or b"", sealed) if sealed is not None else None
        metrics.cache_read(room=question.room, outcome="miss" if answer is None else "hit")
        return Found(answer, stamp or b"", at)

    async def keep(self, question: Question, found: Found, answer: bytes) -> None:
        """Keep what was read after `found` was; what took long to read is too old to be kept."""
        assert question.seconds <= KEPT_MAX_S, question
        read_in_s = (self._clock.now() - found.at).total_seconds()
        if found.stamp is None or len(answer) > ANSWER_MAX_BYTES or read_in_s > READ_MAX_S:
            return
        plain = struct.pack(">d", found.at.timestamp()) + answer
        sealed = crypto.seal(self._keys, plain, about=self._about(question, found.stamp))

        async def work(client: Client) -> None:
            await client.set(self._name(question), sealed, px=question.seconds * 1_000)

        try:
            await self._shared.ask(work)
        except Away:
            return

    async def touched(self, touched: Collection[tuple[TenantId, str]]) -> None:
        """Make old whatever is kept about these."""

        async def work(client: Client) -> None:
            async with client.pipeline(transaction=False) as pipeline:
                for tenant_id, subject in touched:
                    pipeline.set(self._stamp(tenant_id, subject), token_bytes(STAMP_BYTES), ex=STAMP_S)
                await pipeline.execute()

        try:
            await self._shared.ask(work)
        except Away:
            return  # nobody reads what is kept there either, or not for longer than it is kept

    def _open(self, question: Question, stamp: bytes, sealed: bytes) -> bytes | None:
        try:
            plain = crypto.open_(self._keys, sealed, about=self._about(question, stamp))
        except CannotOpen:
            return None  # under another stamp, by another key, or not by us
        (at,) = struct.unpack_from(">d", plain)
        age_s = self._clock.now().timestamp() - at
        return plain[8:] if -AHEAD_MAX_S <= age_s <= question.seconds else None

    def _about(self, question: Question, stamp: bytes) -> bytes:
        return crypto.about("answer", self._name(question), stamp.hex())

    def _stamp(self, tenant_id: TenantId, subject: str) -> str:
        return self._shared.key(str(tenant_id), "stamp", _digest(subject))

    def _name(self, question: Question) -> str:
        exactly = _digest(question.subject, question.exactly)
        return self._shared.key(str(question.tenant_id), question.room, exactly)


def _digest(*parts: str) -> str:
    return blake2b(crypto.about(*parts), digest_size=16).hexdigest()
