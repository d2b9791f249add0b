"""Messages and the attempts at them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from guilder.domain.webhooks.model import Attempt, Message, NewMessage, Replay, Status
from guilder.domain.webhooks.rules.wanting import split
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.noun import replace
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.words import Column, Words, open_words, seal_words

_COLUMNS = """tenant_id, id, endpoint_id, event_id, event_name, line, customer_id, body, occurred_at, created_at, status,
              first_ended_at, is_out, due_at, tries, attempts, ended_at, reason"""
# What a receiver answered may repeat what it was sent, or hold anything else.
ANSWERS = Column("webhooks.attempts", "answer", "t.tenant_id")
_NAMED = "(tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[]))"


class Line(NamedTuple):
    """Whose first attempts at an endpoint go out one after another."""

    tenant_id: TenantId
    endpoint_id: UUID
    line: UUID


async def insert(tx: Tx, messages: Sequence[NewMessage], *, now: datetime) -> int:
    """Write new messages, in the order given; return how many: an event is written once for an endpoint."""
    return await tx.execute(
        """insert into webhooks.messages (tenant_id, id, endpoint_id, event_id, event_name, line, customer_id, body,
                                          occurred_at, created_at)
           select tenant_id, id, endpoint_id, event_id, event_name, line, customer_id, body, occurred_at, $10
             from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::uuid[], $7::uuid[], $8::text[],
                         $9::timestamptz[]) with ordinality
               as v (tenant_id, id, endpoint_id, event_id, event_name, line, customer_id, body, occurred_at, nth)
            order by nth
           on conflict (tenant_id, endpoint_id, event_id) do nothing""",
        [each.tenant_id for each in messages],
        [each.id for each in messages],
        [each.endpoint_id for each in messages],
        [each.event_id for each in messages],
        [each.event_name for each in messages],
        [each.line for each in messages],
        [each.customer_id for each in messages],
        [each.body for each in messages],
        [each.occurred_at for each in messages],
        now,
    )


async def call_up(tx: Tx, lines: Iterable[Line]) -> list[Ref]:
    """Mark the first of each line that nobody has tried as under way, unless it is already; return those that became so.

    Their endpoints are locked, or two would be called up.
    """
    wanted = sorted(set(lines))
    rows = await tx.fetch(
        """update webhooks.messages m set is_out = true
             from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as w (tenant_id, endpoint_id, line)
            cross join lateral (
                  select n.id, n.is_out from webhooks.messages n
                   where (n.tenant_id, n.endpoint_id, n.line) = (w.tenant_id, w.endpoint_id, w.line)
                     and n.status = 'pending' and n.first_ended_at is null
                   order by n.sequence limit 1) as head
            where (m.tenant_id, m.id) = (w.tenant_id, head.id) and not head.is_out
           returning m.tenant_id, m.id, m.endpoint_id""",
        [each.tenant_id for each in wanted],
        [each.endpoint_id for each in wanted],
        [each.line for each in wanted],
    )
    return [Ref(TenantId(row["tenant_id"]), row["id"]) for row in rows]


async def get(tx: Tx, refs: Sequence[Ref]) -> dict[Ref, Message]:
    rows = await tx.fetch(f"select {_COLUMNS} from webhooks.messages where {_NAMED}", *_split(refs))
    return {each.ref: each for each in map(_message, rows)}


async def lock(tx: Tx, refs: Sequence[Ref]) -> dict[Ref, Message]:
    rows = await tx.fetch(
        f"select {_COLUMNS} from webhooks.messages where {_NAMED} order by tenant_id, id for update", *_split(refs)
    )
    return {each.ref: each for each in map(_message, rows)}


async def lock_due(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> list[Message]:
    """Lock those that are still due and that nobody else is at."""
    rows = await tx.fetch(
        f"""select {_COLUMNS} from webhooks.messages where {_NAMED} and due_at <= $3
             order by tenant_id, id for update skip locked""",
        *_split(refs),
        now,
    )
    return [_message(row) for row in rows]


async def send_again(tx: Tx, refs: Sequence[Ref]) -> None:
    """Mark messages as under way."""
    await tx.execute(f"update webhooks.messages set is_out = true, due_at = null where {_NAMED}", *_split(refs))


async def save(tx: Tx, messages: Sequence[Message]) -> None:
    """Write what attempts came to."""
    await tx.execute(
        """update webhooks.messages m
              set status = n.status, first_ended_at = n.first_ended_at, is_out = n.is_out, due_at = n.due_at,
                  tries = n.tries, attempts = n.attempts, ended_at = n.ended_at, reason = n.reason
             from unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::bool[], $6::timestamptz[], $7::int[],
                         $8::int[], $9::timestamptz[], $10::text[])
               as n (tenant_id, id, status, first_ended_at, is_out, due_at, tries, attempts, ended_at, reason)
            where (m.tenant_id, m.id) = (n.tenant_id, n.id)""",
        *_split([each.ref for each in messages]),
        [each.status.value for each in messages],
        [each.first_ended_at for each in messages],
        [each.is_out for each in messages],
        [each.due_at for each in messages],
        [each.tries for each in messages],
        [each.attempts for each in messages],
        [each.ended_at for each in messages],
        [each.reason for each in messages],
    )


async def give_up(tx: Tx, endpoints: Sequence[Ref], *, reason: str, now: datetime) -> int:
    """Let go of all that was still to be sent to these endpoints; it stays, and can be replayed."""
    return await tx.execute(
        """update webhooks.messages m
              set status = case when status = 'pending' then 'dead' else status end,
                  ended_at = coalesce(ended_at, $3), is_out = false, due_at = null,
                  reason = case when status = 'pending' then $4 else reason end
             from unnest($1::uuid[], $2::uuid[]) as e (tenant_id, endpoint_id)
            where (m.tenant_id, m.endpoint_id) = (e.tenant_id, e.endpoint_id)
              and (m.status = 'pending' or m.due_at is not null or m.is_out)""",
        *_split(endpoints),
        now,
        reason,
    )


async def replayable(tx: Tx, endpoint: Ref, replay: Replay, *, limit: int) -> list[Ref]:
    """Lock what a replay is about: what has ended, or waits for its next attempt; in the order of its events."""
    names, beginnings = split(replay.events)
    rows = await tx.fetch(
        """select tenant_id, id from webhooks.messages m
            where tenant_id = $1 and endpoint_id = $2 and occurred_at >= $3 and occurred_at < $4
              and not is_out and (first_ended_at is not null or status = 'dead')
              and (not $5 or status <> 'delivered')
              and (event_name = any ($6) or exists (select from unnest($7::text[]) b where starts_with(m.event_name, b)))
              and sequence > coalesce((select a.sequence from webhooks.messages a
                                        where a.tenant_id = $1 and a.id = $9), 0)
            order by sequence limit $8 for update""",
        *endpoint,
        replay.since,
        replay.until,
        replay.only_failed,
        names,
        beginnings,
        limit,
        replay.after,
    )
    return [Ref(TenantId(row["tenant_id"]), row["id"]) for row in rows]


async def begin_anew(tx: Tx, refs: Sequence[Ref]) -> None:
    """Have messages sent again, with their whole schedule before them. What was delivered stays so, whatever comes."""
    await tx.execute(
        f"""update webhooks.messages
               set is_out = true, due_at = null, tries = 0,
                   status = case when status = 'dead' then 'pending' else status end,
                   ended_at = case when status = 'dead' then null else ended_at end,
                   first_ended_at = coalesce(first_ended_at, ended_at),
                   reason = case when status = 'dead' then '' else reason end
             where {_NAMED}""",
        *_split(refs),
    )


async def add_attempts(tx: Tx, attempts: Sequence[Attempt], *, now: datetime) -> None:
    """Write down attempts. What somebody's server answered may hold anything: it is sealed for the tenant."""
    answers = await seal_words(tx, [_words(each.tenant_id, each.answer) for each in attempts], now=now)
    await tx.execute(
        """insert into webhooks.attempts (tenant_id, id, message_id, attempted_at, status, duration_ms, answer, error)
           select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::int[], $6::int[], $7::text[],
                                $8::text[])""",
        [each.tenant_id for each in attempts],
        [each.id for each in attempts],
        [each.message_id for each in attempts],
        [each.attempted_at for each in attempts],
        [each.status for each in attempts],
        [each.duration_ms for each in attempts],
        answers,
        [each.error for each in attempts],
    )


async def attempts(tx: Tx, message: Ref, *, limit: int) -> list[Attempt]:
    """Return the latest attempts at a message, the first of them first."""
    rows = await tx.fetch(
        """select tenant_id, id, message_id, attempted_at, status, duration_ms, answer, error from webhooks.attempts
            where tenant_id = $1 and message_id = $2 order by id desc limit $3""",
        *message,
        limit,
    )
    found = [Attempt(**{**dict(row), "tenant_id": TenantId(row["tenant_id"])}) for row in reversed(rows)]
    answers = await open_words(tx, [_words(each.tenant_id, each.answer) for each in found])
    return [replace(each, answer=answer) for each, answer in zip(found, answers, strict=True)]


def _words(tenant_id: TenantId, answer: str) -> Words:
    return Words(tenant_id, tenant_id, ANSWERS.field, answer)


async def listing(
    tx: Tx, endpoint: Ref, query: PageQuery, *, status: Status | None, event_name: str | None
) -> list[Message]:
    rows = await tx.fetch(
        f"""select {_COLUMNS} from webhooks.messages
             where tenant_id = $1 and endpoint_id = $2 and ($3::uuid is null or id < $3)
               and ($4::text is null or status = $4) and ($5::text is null or event_name = $5)
             order by id desc limit $6""",
        *endpoint,
        query.after,
        status.value if status else None,
        event_name,
        query.limit + 1,
    )
    return [_message(row) for row in rows]


async def purge(tx: Tx, *, before: datetime, limit: int) -> int:
    """Delete what was sent long ago; return how many. Repeat until 0."""
    return int(await tx.fetchval("select webhooks.purge($1, $2)", before, limit))


def _message(row: Row) -> Message:
    return Message(
        **{
            **dict(row),
            "tenant_id": TenantId(row["tenant_id"]),
            "customer_id": CustomerId(row["customer_id"]) if row["customer_id"] else None,
            "status": Status(row["status"]),
        }
    )


def _split(refs: Sequence[Ref]) -> tuple[list[UUID], list[UUID]]:
    return [ref.tenant_id for ref in refs], [ref.id for ref in refs]
