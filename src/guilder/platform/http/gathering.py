"""Requests served together: what waits is written in one transaction, and each is answered after its commit.

A route may name a `Gathered` beside its handler. It reads the bodies that are mostly sent, quickly, and does for many
requests of one caller what the handler does for one. Whatever it does not read, or will not do, goes the handler's way as
if it were not there: so every refusal, and every odd body, is answered by the one handler that the document describes.
Requests with a reason, or that would wait for more than the commit, go that way, too. An Idempotency-Key is taken with
those of the others; one that is held, or was answered, has the handler say so.

A route that reads may name a `Looked`: questions that wait are answered by one look, which begins after each of them came.
"""

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Protocol, TypeVar

from starlette.responses import Response
from starlette.types import Scope

from guilder.kernel.noun import replace
from guilder.platform import tracing
from guilder.platform.auth.principal import Principal
from guilder.platform.crypto import KeyRing
from guilder.platform.db.clocks import TenantClocks, now_of
from guilder.platform.db.database import Database
from guilder.platform.db.gathering import Gathering, Size, Told
from guilder.platform.db.tx import Tx
from guilder.platform.http import calls, idempotency
from guilder.platform.http.exchange import Exchange, traceparent_of
from guilder.platform.http.incoming import EdgeRequest, is_plain_json
from guilder.platform.http.retries import again_on_clash

# What of a request is for it alone: why it was made, and what it would wait for.
ONE_BY_ONE = (calls.REASON_HEADER, "Prefer")
JSON = "application/json"
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class Gathered(Protocol):
    """How a route's requests are served together. What `read` returns is handed to `write`, and nobody else looks at it.

    `status` is what is answered where all went well, as the route has it.
    """

    size: Size
    status: int

    def read(self, body: bytes) -> Any | None:
        """Read a body in the way that most are written; None if it is any other, right or wrong."""
        ...

    def weight(self, read: Any) -> int:
        """Say how much of a group it is."""
        ...

    async def write(self, tx: Tx, group: "Sequence[Asks]", *, now: datetime) -> Sequence[bytes | None]:
        """Do what was asked by one caller, each as if it were alone, in order; the body of each answer, None: let the
        handler say."""
        ...


class Looked(Protocol):
    """How questions of a route are answered together, ahead of it (`ahead`), by one look for all that wait."""

    size: Size

    def question(self, path: Mapping[str, str]) -> Any | None:
        """Say what is asked, by the words of the path; None: let the handler say."""
        ...

    async def look(self, tx: Tx, questions: Sequence[Any], *, now: datetime) -> Sequence[bytes | None]:
        """Answer each, in order, as the handler would; None: let the handler say."""
        ...


@dataclass(frozen=True, slots=True)
class _Wonders:
    """One question."""

    question: Any
    who: Principal
    request_id: str


@dataclass(frozen=True, slots=True)
class Asks:
    """One request that was read quickly; `base_url` is where links in its answer begin."""

    read: Any
    caller: calls.Caller
    request_id: str
    traceparent: str | None
    base_url: str
    key: idempotency.Key | None = None

    @property
    def who(self) -> Principal:
        assert self.caller.principal is not None, self.caller.route
        return self.caller.principal


@dataclass(slots=True)
class Gatherings:
    """The requests of one process that are served together."""

    database: Database
    clocks: TenantClocks
    keys: KeyRing
    base_url: str
    _of: dict[Hashable, "Gathering[Any, Any]"] = field(default_factory=dict)

    async def serve(
        self, gathered: Gathered, request: EdgeRequest, body: bytes, caller: calls.Caller, exchange: Exchange
    ) -> Response | None:
        """Serve a request together with those that wait; None where the handler is to.

        :raises TooManyWaiting: more waits than is soon written
        """
        if any(name in request.headers for name in ONE_BY_ONE) or not is_plain_json(request):
            return None
        # As the request's own transaction would pass it on: a group is in nobody's span.
        traceparent = tracing.carried(traceparent_of(request.headers))
        given = request.headers.getlist(idempotency.HEADER)
        written = await self.write(
            gathered, request.scope, body, caller, exchange, given=given, traceparent=traceparent
        )
        return None if written is None else Response(written, gathered.status, media_type=JSON)

    async def write(
        self,
        gathered: Gathered,
        scope: Scope,
        body: bytes,
        caller: calls.Caller,
        exchange: Exchange,
        *,
        given: Sequence[str],
        traceparent: str | None = None,
    ) -> bytes | None:
        """Have what a request asks written with what waits; the body of its answer, None where the handler is to say it.

        `given` is what its headers say of an Idempotency-Key.

        :raises TooManyWaiting: more waits than is soon written
        """
        if (read := gathered.read(body)) is None:
            return None
        asks = Asks(read, caller, exchange.request_id, traceparent, self.base_url)
        if given:
            try:
                asks = replace(asks, key=idempotency.key_of(scope, given, asks.who, body))
            except idempotency.BadKey:
                return None
        written: bytes | None = await self._gathering(gathered).give(
            asks, key=_alike(asks.who), weight=gathered.weight(read)
        )
        return written

    def put(self, gathered: Gathered, read: Any, caller: calls.Caller, outcome: Told, *, request_id: str) -> None:
        """Have what was read of a request without a key written as `write` does; `outcome` is told what `write` returns.

        :raises TooManyWaiting: more waits than is soon written
        """
        asks = Asks(read, caller, request_id, None, self.base_url)
        self._gathering(gathered).put(asks, outcome, key=_alike(asks.who), weight=gathered.weight(read))

    async def look(self, looked: Looked, question: Any, *, who: Principal, request_id: str) -> bytes | None:
        """Have a question answered with those that wait; None where the handler is to.

        :raises TooManyWaiting: more waits than is soon answered
        """
        found: bytes | None = await self.of(id(looked), lambda: partial(self._look, looked), looked.size).give(
            _Wonders(question, who, request_id), key=(who.tenant_id, who.actor)
        )
        return found

    async def settle(self) -> None:
        """Finish what was given: the process ends."""
        for each in self._of.values():
            await each.settle()

    def of(
        self, name: Hashable, write: Callable[[], Callable[[Sequence[Item]], Awaitable[Sequence[Outcome]]]], size: Size
    ) -> "Gathering[Item, Outcome]":
        """Return the one gathering of this process by a name; who asks first makes what writes it, and says its size."""
        found = self._of.get(name)
        if found is None:
            found = self._of[name] = Gathering(write(), size)
        return found

    def _gathering(self, gathered: Gathered) -> "Gathering[Asks, bytes | None]":
        return self.of(id(gathered), lambda: partial(self._write, gathered), gathered.size)

    async def _write(self, gathered: Gathered, group: Sequence[Asks]) -> Sequence[bytes | None]:
        return await again_on_clash(lambda: self._transact(gathered, group))

    async def _look(self, looked: Looked, group: "Sequence[_Wonders]") -> Sequence[bytes | None]:
        first = group[0]
        async with self.database.transaction(
            [first.who.tenant_id], actor=first.who.actor, request_id=first.request_id
        ) as tx:
            return await looked.look(tx, [each.question for each in group], now=self.clocks.on_the_wall())

    async def _transact(self, gathered: Gathered, group: Sequence[Asks]) -> Sequence[bytes | None]:
        first = group[0]
        # What follows from a group goes on in the trace of whoever came first and has one.
        traced = next((each.traceparent for each in group if each.traceparent), None)
        async with self.database.transaction(
            [first.who.tenant_id], actor=first.who.actor, request_id=first.request_id, traceparent=traced
        ) as tx:
            now = await now_of(self.clocks, tx, may_be_sandbox=first.who.is_in_sandbox)
            is_new = await _are_new(tx, group)
            new = [each for each, is_so in zip(group, is_new, strict=True) if is_so]
            bodies = iter(await gathered.write(tx, new, now=now) if new else ())
            answered = [(each, next(bodies) if is_so else None) for each, is_so in zip(group, is_new, strict=True)]
            await self._note(tx, gathered, answered, now=now)
            return [body for _, body in answered]

    async def _note(
        self, tx: Tx, gathered: Gathered, answered: Sequence[tuple[Asks, bytes | None]], *, now: datetime
    ) -> None:
        """Write down what was asked and done: the calls, and the answers of those that came with a key."""
        done = [(each, body) for each, body in answered if body is not None]
        made = [calls.Made(each.caller, each.request_id, each.key.text if each.key else None) for each, _ in done]
        calls.tell_made_together(tx, made, status=gathered.status, now=now)
        kept = [idempotency.Kept(each.key, gathered.status, body, JSON) for each, body in done if each.key is not None]
        if kept:
            await idempotency.remember_each(tx, kept, self.keys)


def _alike(who: Principal) -> Hashable:
    return who.tenant_id, who.actor, who.customer_id


async def _are_new(tx: Tx, group: Sequence[Asks]) -> list[bool]:
    """Say which of them nobody has done or is doing; those without a key say nothing of that."""
    keys = [each.key for each in group if each.key is not None]
    claimed = iter(await idempotency.claim_new(tx, keys) if keys else ())
    return [each.key is None or next(claimed) for each in group]
