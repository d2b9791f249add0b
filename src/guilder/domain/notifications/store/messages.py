"""Messages as rows. What was said goes in and comes out sealed under the customer's key."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from guilder.domain.notifications.model import About, Channel, Content, Delivery, Kind, Notification, Status
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.noun import replace
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.vault import Sealed, Sealing

FIELD = "notifications.notifications.sealed_content"
_SELECT = "select *, about::text as about_json from notifications.notifications"
_NAMED = "(tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[]))"


async def insert(tx: Tx, notifications: Sequence[Notification]) -> set[Ref]:
    """Write new messages; return those written: one is missing where its cause was told of on that channel."""
    rows = await tx.fetch(
        """insert into notifications.notifications (tenant_id, id, customer_id, channel, kind, status, cause_id, about,
                                                    language, created_at, detail, held_until)
           select v.tenant_id, v.id, v.customer_id, v.channel, v.kind, v.status, v.cause_id, v.about::jsonb, v.language,
                  v.created_at, '', v.held_until
             from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::text[],
                         $9::text[], $10::timestamptz[], $11::timestamptz[])
                  as v (tenant_id, id, customer_id, channel, kind, status, cause_id, about, language, created_at,
                        held_until)
            order by v.tenant_id, v.cause_id, v.kind, v.channel
           on conflict (tenant_id, cause_id, kind, channel) do nothing
           returning tenant_id, id""",
        [each.tenant_id for each in notifications],
        [each.id for each in notifications],
        [each.customer_id for each in notifications],
        [each.channel.value for each in notifications],
        [each.kind.value for each in notifications],
        [each.status.value for each in notifications],
        [each.cause_id for each in notifications],
        [msgspec.json.encode(each.about).decode() for each in notifications],
        [each.language for each in notifications],
        [each.created_at for each in notifications],
        [each.held_until for each in notifications],
    )
    return {Ref(TenantId(row["tenant_id"]), row["id"]) for row in rows}


async def get(tx: Tx, refs: Sequence[Ref]) -> list[Notification]:
    """Read messages without what they say."""
    rows = await tx.fetch(f"{_SELECT} where {_NAMED} order by tenant_id, id", *_split(refs))
    return [_notification(row) for row in rows]


async def lock_pending(tx: Tx, refs: Sequence[Ref]) -> list[Notification]:
    rows = await tx.fetch(
        f"{_SELECT} where {_NAMED} and status = 'pending' order by tenant_id, id for update", *_split(refs)
    )
    return [_notification(row) for row in rows]


async def take_up(tx: Tx, refs: Sequence[Ref]) -> None:
    await tx.execute(
        f"update notifications.notifications set status = 'pending', detail = '' where {_NAMED} and status = 'failed'",
        *_split(refs),
    )


async def one(tx: Tx, notification_id: UUID) -> Notification | None:
    rows = await tx.fetch(f"{_SELECT} where id = $1", notification_id)
    return next(iter(await _opened(tx, rows)), None)


async def told(tx: Tx, *, kind: Kind, causes: Sequence[Ref]) -> set[Ref]:
    """Return those of these causes that were told of as this kind."""
    rows = await tx.fetch(
        """select distinct tenant_id, cause_id from notifications.notifications
            where kind = $3 and (tenant_id, cause_id) in (select * from unnest($1::uuid[], $2::uuid[]))""",
        *_split(causes),
        kind.value,
    )
    return {Ref(TenantId(row["tenant_id"]), row["cause_id"]) for row in rows}


async def followed(tx: Tx, refs: Sequence[Ref]) -> set[Ref]:
    """Return those of these messages that another of their kind was written after, to the same reader about the same
    subscription; one that was not to be sent, or could not be, took nobody's place."""
    rows = await tx.fetch(
        """select n.tenant_id, n.id from notifications.notifications n
            where (n.tenant_id, n.id) in (select * from unnest($1::uuid[], $2::uuid[]))
              and exists (select from notifications.notifications m
                           where (m.tenant_id, m.customer_id, m.kind, m.channel)
                               = (n.tenant_id, n.customer_id, n.kind, n.channel)
                             and m.status not in ('dropped', 'failed')
                             and m.id > n.id and m.about ->> 'subscription_id' = n.about ->> 'subscription_id')""",
        *_split(refs),
    )
    return {Ref(TenantId(row["tenant_id"]), row["id"]) for row in rows}


async def listing(
    tx: Tx,
    query: PageQuery,
    *,
    customer_id: UUID | None,
    kind: Kind | None,
    channel: Channel | None,
    hides: Sequence[Kind],
) -> list[Notification]:
    """Read one more row than the page holds, of every tenant that the transaction sees."""
    rows = await tx.fetch(
        f"""{_SELECT} where tenant_id = any ($1) and ($2::uuid is null or customer_id = $2)
             and ($3::text is null or kind = $3) and ($4::text is null or channel = $4)
             and ($5::uuid is null or id < $5) and kind <> all ($7::text[]) order by id desc limit $6""",
        list(tx.tenants),
        customer_id,
        kind.value if kind else None,
        channel.value if channel else None,
        query.after,
        query.limit + 1,
        [each.value for each in hides],
    )
    return await _opened(tx, rows)


async def release(tx: Tx, *, causes: Sequence[Ref], kind: Kind) -> list[Ref]:
    """Let go what waits for a document, by what it is about."""
    rows = await tx.fetch(
        """update notifications.notifications set held_until = null
            where (tenant_id, cause_id) in (select * from unnest($1::uuid[], $2::uuid[])) and kind = $3
              and held_until is not null and status = 'pending'
        returning tenant_id, id""",
        *_split(causes),
        kind.value,
    )
    return sorted(Ref(TenantId(row["tenant_id"]), row["id"]) for row in rows)


async def release_due(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> list[Ref]:
    """Let go those of `refs` that have waited long enough."""
    rows = await tx.fetch(
        f"""update notifications.notifications set held_until = null
             where {_NAMED} and held_until <= $3 and status = 'pending' returning tenant_id, id""",
        *_split(refs),
        now,
    )
    return sorted(Ref(TenantId(row["tenant_id"]), row["id"]) for row in rows)


async def by_provider_ref(tx: Tx, provider_ref: str) -> Notification | None:
    rows = await tx.fetch(
        f"{_SELECT} where tenant_id = $1 and provider_ref = $2 and provider_ref <> ''", tx.tenant_id, provider_ref
    )
    return next(iter(await _opened(tx, rows)), None)


async def mark_bounced(tx: Tx, ref: Ref, *, reason: str, now: datetime) -> bool:
    """Note that a message did not arrive, once."""
    return bool(
        await tx.execute(
            """update notifications.notifications set bounced_at = $3, detail = $4
                where tenant_id = $1 and id = $2 and bounced_at is null""",
            *ref,
            now,
            reason,
        )
    )


async def save(tx: Tx, pairs: Sequence[tuple[Notification, Delivery]], *, now: datetime) -> None:
    """Write what came of messages, and seal what they said."""
    said = [(each, delivery.content) for each, delivery in pairs if delivery.content is not None]
    sealings = [Sealing(each.tenant_id, each.customer_id, FIELD, _json(content)) for each, content in said]
    texts = await tx.vault.seal_many(tx, sealings, now=now) if sealings else []
    sealed = {each.ref: text for (each, _), text in zip(said, texts, strict=True)}
    await tx.execute(
        """update notifications.notifications n
              set status = v.status, detail = v.detail, sealed_content = v.content, sent_at = v.sent_at,
                  provider_ref = v.provider_ref
             from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::timestamptz[], $7::text[])
                  as v (tenant_id, id, status, detail, content, sent_at, provider_ref)
            where n.tenant_id = v.tenant_id and n.id = v.id""",
        *_split([each.ref for each, _ in pairs]),
        [delivery.status.value for _, delivery in pairs],
        [delivery.detail for _, delivery in pairs],
        [sealed.get(each.ref) for each, _ in pairs],
        [now if delivery.status in (Status.SENT, Status.KEPT) else None for _, delivery in pairs],
        [delivery.provider_ref for _, delivery in pairs],
    )


async def mailboxes(tx: Tx, *, limit: int) -> list[TenantId]:
    rows = await tx.fetch("select tenant_id from notifications.mailboxes($1)", limit)
    return [TenantId(row["tenant_id"]) for row in rows]


async def _opened(tx: Tx, rows: Sequence[Row]) -> list[Notification]:
    sealed = [
        Sealed(TenantId(row["tenant_id"]), row["customer_id"], FIELD, row["sealed_content"])
        for row in rows
        if row["sealed_content"] is not None
    ]
    opened = iter(await tx.vault.open_many(tx, sealed) if sealed else [])
    contents = [next(opened) if row["sealed_content"] is not None else None for row in rows]
    return [
        replace(_notification(row), content=msgspec.json.decode(text, type=Content) if text else None)
        for row, text in zip(rows, contents, strict=True)
    ]


def _notification(row: Row) -> Notification:
    return Notification(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        customer_id=CustomerId(row["customer_id"]),
        channel=Channel(row["channel"]),
        kind=Kind(row["kind"]),
        status=Status(row["status"]),
        cause_id=row["cause_id"],
        about=msgspec.json.decode(row["about_json"], type=About),
        language=row["language"],
        created_at=row["created_at"],
        sent_at=row["sent_at"],
        detail=row["detail"],
        held_until=row["held_until"],
        counted_on=row["counted_on"],
        provider_ref=row["provider_ref"],
        bounced_at=row["bounced_at"],
    )


def _json(content: Content) -> str:
    return msgspec.json.encode(content).decode()


def _split(refs: Sequence[Ref]) -> tuple[list[UUID], list[UUID]]:
    return [ref.tenant_id for ref in refs], [ref.id for ref in refs]
