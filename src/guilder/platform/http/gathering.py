"""Requests served together: what waits is written in one transaction, and each is answered after its commit.

A route may name a `Gathered` beside its handler. It reads the bodies that are mostly sent, quickly, and does for many
requests of one caller what the handler does for one. Whatever it does not read, or will not do, goes the handler's way as
if it were not there: so every refusal, and every odd body, is answered by the one handler that the document describes.
Requests with an Idempotency-Key or a reason go that way, too: their answers and reasons are kept one by one.

A route that reads may name a `Looked`: questions that wait are answered by one look, which begins after each of them came.
"""

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Protocol, TypeVar

from starlette.responses import Response

from guilder.platform.auth.principal import Principal
from guilder.platform.db.clocks import TenantClocks, now_of
from guilder.platform.db.database import Database
from guilder.platform.db.gathering import Gathering, Size
from guilder.platform.db.tx import Tx
from guilder.platform.http import calls, idempotency
from guilder.platform.http.exchange import Exchange, traceparent_of
from guilder.platform.http.incoming import EdgeRequest, is_plain_json
from guilder.platform.http.retries import again_on_clash

OK = 200
# What is kept of a request by itself: its answer, and why it was made.
ONE_BY_ONE = (idempotency.HEADER, calls.REASON_HEADER)
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class Gathered(Protocol):
    """How a route's requests are served together. What `read` returns is handed to `write`, and nobody else looks at it."""

    size: Size

    def read(self, body: bytes) -> Any | None:
        """Read a body in the way that most are written; None if it is any other, right or wrong."""
        ...

    def weight(self, read: Any) -> int:
        """Say how much of a group it is."""
        ...

    async def write(self, tx: Tx, reads: Sequence[Any], *, now: datetime) -> Sequence[bytes | None]:
        """Do what was asked, each as if it were alone, in order; the body of each answer, None: let the handler say."""
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
    """One request that was read quickly."""

    read: Any
    caller: calls.Caller
    request_id: str
    traceparent: str | None


@dataclass(slots=True)
class Gatherings:
    """The requests of one process that are served together."""

    database: Database
    clocks: TenantClocks
    _of: dict[Hashable, "Gathering[Any, Any]"] = field(default_factory=dict)

    async def serve(
        self, gathered: Gathered, request: EdgeRequest, body: bytes, caller: calls.Caller, exchange: Exchange
    ) -> Response | None:
        """Serve a request together with those that wait; None where the handler is to.

        :raises TooManyWaiting: more waits than is soon written
        """
        if any(name in request.headers for name in ONE_BY_ONE) or not is_plain_json(request):
            return None
        if (read := gathered.read(body)) is None:
            return None
        written = await self.write(gathered, Asks(read, caller, exchange.request_id, traceparent_of(request.headers)))
        return None if written is None else Response(written, OK, media_type="application/json")

    async def write(self, gathered: Gathered, asks: Asks) -> bytes | None:
        """Have what was read written with what waits; the body of its answer, None where the handler is to say it.

        :raises TooManyWaiting: more waits than is soon written
        """
        who = asks.caller.principal
        assert who is not None, asks.caller.route
        written: bytes | None = await self.of(id(gathered), partial(self._write, gathered), gathered.size).give(
            asks, key=(who.tenant_id, who.actor), weight=gathered.weight(asks.read)
        )
        return written

    async def look(self, looked: Looked, question: Any, *, who: Principal, request_id: str) -> bytes | None:
        """Have a question answered with those that wait; None where the handler is to.

        :raises TooManyWaiting: more waits than is soon answered
        """
        found: bytes | None = await self.of(id(looked), partial(self._look, looked), looked.size).give(
            _Wonders(question, who, request_id), key=(who.tenant_id, who.actor)
        )
        return found

    async def settle(self) -> None:
        """Finish what was given: the process ends."""
        for each in self._of.values():
            await each.settle()

    def of(
        self, name: Hashable, write: Callable[[Sequence[Item]], Awaitable[Sequence[Outcome]]], size: Size
    ) -> "Gathering[Item, Outcome]":
        """Return the one gathering of this process by a name; `write` and `size` are those of who asked first."""
        found = self._of.get(name)
        if found is None:
            found = self._of[name] = Gathering(write, size)
        return found

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
        who = first.caller.principal
        assert who is not None
        # What follows from a group goes on in the trace of whoever came first and has one.
        traced = next((each.traceparent for each in group if each.traceparent), None)
        async with self.database.transaction(
            [who.tenant_id], actor=who.actor, request_id=first.request_id, traceparent=traced
        ) as tx:
            now = await now_of(self.clocks, tx, may_be_sandbox=who.is_in_sandbox)
            bodies = await gathered.write(tx, [each.read for each in group], now=now)
            for each, body in zip(group, bodies, strict=True):
                if body is not None:
                    await calls.tell_made(
                        tx, each.caller, status=OK, key=None, reason=None, now=now, request_id=each.request_id
                    )
            return bodies
