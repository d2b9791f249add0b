"""Appending: a batch of the log becomes records, each in its chain, in the transaction that moves the cursor."""

from collections.abc import Sequence

import msgspec

from guilder.domain.audit.model import Chain, Class, Entry, Record
from guilder.domain.audit.rules import chain as chains
from guilder.domain.audit.rules import keeping
from guilder.domain.audit.store import chains as store
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Mode
from guilder.kernel.ids import CustomerId, TenantId
from guilder.platform.db.tx import Row, Tx


async def append(tx: Tx, *, rows: Sequence[Row]) -> None:
    """Put rows of the log behind the heads of their chains, once: the cursor that names them moves, or nothing happens.

    However many rows, it is a statement to lock the heads, one to write, one to move the heads.
    """
    by_chain: dict[Chain, list[Entry]] = {}
    for row in rows:
        entry = _entry(row)
        by_chain.setdefault(entry.chain, []).append(entry)
    wanted = sorted(by_chain)
    heads = await store.lock_heads(tx, wanted)
    if fresh := [chain for chain in wanted if chain not in heads]:
        await _begin(tx, fresh, by_chain)
        heads |= await store.lock_heads(tx, fresh)
    grown = [chains.appended(heads[chain], by_chain[chain]) for chain in wanted]
    records: list[Record] = [record for _, made in grown for record in made]
    await store.insert(tx, records)
    await store.move_heads(tx, [head for head, _ in grown])


async def _begin(tx: Tx, fresh: Sequence[Chain], by_chain: dict[Chain, list[Entry]]) -> None:
    tenants = await identity.tenants(tx, ids=sorted({chain.tenant_id for chain in fresh}))
    month = chains.month_of(min(by_chain[chain][0].recorded_at for chain in fresh))
    kinds = [(chain, _class_of(tenants[chain.tenant_id].mode)) for chain in fresh]
    await store.begin(tx, kinds, month=month)


def _class_of(mode: Mode) -> Class:
    return Class.SANDBOX if mode is Mode.SANDBOX else Class.BUSINESS


def _entry(row: Row) -> Entry:
    said = msgspec.json.decode(row["payload"])
    action, customer_id = row["name"], keeping.customer_of(said)
    object_kind, object_id = keeping.object_of(action, said, row["key"])
    return Entry(
        tenant_id=TenantId(row["tenant_id"]),
        partition=row["partition"],
        id=row["event_id"],
        at=row["occurred_at"],
        recorded_at=row["recorded_at"],
        actor=row["actor"],
        action=action,
        version=row["version"],
        object_kind=object_kind,
        object_id=object_id,
        customer_id=None if customer_id is None else CustomerId(customer_id),
        request_id=row["request_id"],
        sealed_reason=keeping.reason_of(said),
        payload=msgspec.json.encode(keeping.kept(action, said)).decode(),
        traceparent=row["traceparent"],
    )
