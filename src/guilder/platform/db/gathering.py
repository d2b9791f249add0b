"""Group commit: what waits together is written together, and each is answered after the commit that it is in.

    asked    a ─ b ─────── c d e ──────────── f
    written  [a]·[b]·············[c d e]·········[f]

Nobody waits for company: while one group is being written, the next one gathers, so that a single request is as quick as
ever and a crowd shares the price of a commit (and of each statement) among itself. Who stands at the door already, unread,
is let in first: else the first of a crowd that was just answered would go alone, and the rest of it wait.

What is written together is alike by a key that the caller names (a tenant and who acts in it), so that a transaction never
holds the rows of two tenants. Of one key one group is written at a time: two beside each other would be half as large, and
the same work dearer.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, cast

from guilder.kernel.errors import Unavailable
from guilder.platform.db.database import GONE, DatabaseGone

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

RETRY_AFTER_S = 1
# What has come to a socket is read in one turn of the loop, gets its task in the next, and is given here in the third.
TURNS = 3


class TooManyWaiting(Unavailable):
    """More is sent than can be written soon; send it again in a moment."""

    code = "overloaded"


@dataclass(frozen=True, slots=True)
class Size:
    """How much one group holds, how many groups are written at once, and how much may wait; items weigh what they say."""

    group: int
    at_once: int
    waiting: int


class Told(Protocol):
    """Who is told what became of an item, once; a future is one. Whoever waits no longer is `done`, and is not written.

    What is done when it is told is quick and does not raise: the others of its group are told after it.
    """

    def done(self) -> bool: ...
    def set_result(self, outcome: Any, /) -> None: ...
    def set_exception(self, error: Any, /) -> None: ...
    def cancel(self) -> object: ...


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Item]):
    item: Item
    key: Hashable
    weight: int
    outcome: Told


@dataclass(slots=True)
class Gathering(Generic[Item, Outcome]):
    """Writes what is given to it in groups. `write` opens and ends its transaction itself, and answers in order."""

    write: Callable[[Sequence[Item]], Awaitable[Sequence[Outcome]]]
    size: Size
    _waiting: "deque[_Waiting[Item]]" = field(default_factory=deque)
    _writing: set[asyncio.Task[None]] = field(default_factory=set)
    _busy: set[Hashable] = field(default_factory=set)
    _weight: int = 0

    async def give(self, item: Item, *, key: Hashable = None, weight: int = 1) -> Outcome:
        """Have an item written with what else waits, and return what became of it, once that is committed.

        Who is cancelled while it waits is not written; who is cancelled while it is being written may have been.

        :raises TooManyWaiting: the queue is full; nothing was written
        """
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.put(item, outcome, key=key, weight=weight)
        return await outcome

    def put(self, item: Item, outcome: Told, *, key: Hashable = None, weight: int = 1) -> None:
        """Have an item written as `give` does, and go on; `outcome` is told what became of it.

        :raises TooManyWaiting: the queue is full; nothing was written
        """
        # What is heavier than the whole queue waits alone, or it would be turned away for ever.
        if self._waiting and self._weight + weight > self.size.waiting:
            raise TooManyWaiting(retry_after_s=RETRY_AFTER_S)
        self._waiting.append(_Waiting(item, key, weight, outcome))
        self._weight += weight
        if key not in self._busy and len(self._writing) < self.size.at_once:
            # A context of its own: what is true of whoever came first (a trace, a request's id) is not of the others.
            task = asyncio.get_running_loop().create_task(self._write_on(), context=Context())
            self._writing.add(task)

    async def settle(self) -> None:
        """Wait until nothing waits and nothing is being written."""
        while self._writing:
            await asyncio.wait(self._writing)

    async def _write_on(self) -> None:
        try:
            await self._let_in()
            while group := self._next():
                key = group[0].key
                self._busy.add(key)
                try:
                    await self._write_group(group)
                finally:
                    self._busy.discard(key)
                await self._let_in()
        finally:
            # In the same step in which nothing was found to wait: whoever comes next is to start another.
            self._writing.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _let_in(self) -> None:
        """Let who has come already be read, for as long as that brings more; nobody is waited for who has not."""
        waited = 0
        while waited < len(self._waiting) < self.size.group:
            waited = len(self._waiting)
            for _ in range(TURNS):
                await asyncio.sleep(0)

    def _next(self) -> "list[_Waiting[Item]]":
        """Take the oldest that waits for none of its key, and all of that key that fit beside it, in their order."""
        group: list[_Waiting[Item]] = []
        left: deque[_Waiting[Item]] = deque()
        weight, is_full = 0, False
        for each in self._waiting:
            if each.outcome.done():  # cancelled
                self._weight -= each.weight
            elif not group and each.key in self._busy:
                left.append(each)
            elif group and (is_full or each.key != group[0].key or weight + each.weight > self.size.group):
                # None of a key goes past another of the same one.
                is_full = is_full or each.key == group[0].key
                left.append(each)
            else:
                group.append(each)
                weight += each.weight
        self._waiting = left
        self._weight -= weight
        return group

    async def _write_group(self, group: "list[_Waiting[Item]]") -> None:
        try:
            outcomes = await self.write([each.item for each in group])
        except (*GONE, DatabaseGone) as error:
            _fail(group, error)  # no item's fault: alone it would fare no better
        except Exception as error:  # noqa: BLE001  (whoever asked is told)
            if len(group) == 1:
                _fail(group, error)
                return
            # One of them cannot be written: whichever it is, it alone is to hear so.
            for each in group:
                if not each.outcome.done():
                    await self._write_group([each])
        except BaseException:
            for each in group:
                each.outcome.cancel()
            raise
        else:
            for each, outcome in zip(group, outcomes, strict=True):
                if not each.outcome.done():
                    each.outcome.set_result(outcome)


def _fail(group: "Sequence[_Waiting[Any]]", error: BaseException) -> None:
    for each in group:
        if not each.outcome.done():
            each.outcome.set_exception(error)
