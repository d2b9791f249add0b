"""One batch in its handlers' hands: sorted by clock, then in waves, decoded, and told."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter

import asyncpg

from guilder.kernel.ids import TenantId
from guilder.platform import tracing
from guilder.platform.bus import codec, store
from guilder.platform.bus.reactions import Reactions
from guilder.platform.bus.remembered import Messages
from guilder.platform.bus.waves import waves
from guilder.platform.db.clocks import ClockDomain, TenantClocks
from guilder.platform.db.tx import Row, Tx

# Of what means that the database is gone, these may as well be a handler's own doing.
AMBIGUOUS = (TimeoutError, ConnectionError, asyncpg.InterfaceError)


class HandlerFailed(Exception):
    """A handler raised what usually means that the database is gone, while it is not: the fault is the message's."""


@dataclass(frozen=True, slots=True)
class Handling:
    """Knows who hears what, and what time it is for whom."""

    reactions: Reactions
    clocks: TenantClocks
    messages: Messages = field(default_factory=Messages)

    async def tell(self, tx: Tx, group: str, rows: Sequence[Row]) -> None:
        """Call the group's handlers about rows of the log. What they announce is written, a clock at a time.

        The transaction sees the rows' tenants; afterwards it may see fewer. Rows of a tenant that has no clock any more
        (a sandbox that was thrown away) concern nobody.
        """
        heard = self._heard(group, rows)
        if not heard:
            return
        tenants = set(map(itemgetter("tenant_id"), heard))
        for domain in await self.clocks.domains(tx, tenants):
            here = frozenset(domain.tenants & tenants)
            if here:
                told = heard if here == tenants else [row for row in heard if row["tenant_id"] in here]
                await self._tell_domain(tx, group, told, here, domain)

    def _heard(self, group: str, rows: Sequence[Row]) -> Sequence[Row]:
        """Return those of the rows that the group hears. They are of few kinds, so it is the kinds that are asked about."""
        hears_rows = self.reactions.hears_rows(group)
        kinds = set(map(itemgetter("name", "topic"), rows))
        heard = {
            (name, topic)
            for name, topic in kinds
            if self.reactions.of(group, name) and (hears_rows or topic not in store.PRIVATE_TOPICS)
        }
        return rows if heard == kinds else [row for row in rows if (row["name"], row["topic"]) in heard]

    async def _tell_domain(
        self, tx: Tx, group: str, rows: Sequence[Row], tenants: frozenset[TenantId], domain: ClockDomain
    ) -> None:
        if tx.tenants != tenants:
            await tx.narrow(tenants)
        heard = set(map(itemgetter("traceparent"), rows))
        with tracing.taken_up(f"hear {group}", heard, messages=len(rows)):
            # Of one trace, or each message's by its key: what handlers announce goes on with what it follows from.
            tx.traceparent = tracing.carried(None)
            tx.traces = {row["key"]: row["traceparent"] for row in rows} if len(heard) > 1 else {}
            await self._call(tx, group, rows, domain)

    async def _call(self, tx: Tx, group: str, rows: Sequence[Row], domain: ClockDomain) -> None:
        hears_all = self.reactions.hears_all(group)
        hears_rows = self.reactions.hears_rows(group)
        types = codec.known_types() if hears_all and not hears_rows else self.reactions.types(group)
        try:
            # Whoever hears everything hears it in one list, in order.
            for name, wave in (
                [("", rows)] if hears_all else waves(rows, key=itemgetter("key"), name=itemgetter("name"))
            ):
                messages = wave if hears_rows else self.messages.of(wave, types)
                for reaction in self.reactions.of(group, name):
                    await reaction.handler(tx, messages, now=domain.now)
            # Before the next clock's tenants are in sight instead of these.
            await tx.run_hooks()
        except AMBIGUOUS as error:
            if tx.connection.is_closed():
                raise
            raise HandlerFailed(f"{type(error).__name__}: {error}") from error
