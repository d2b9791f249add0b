"""Verifying: each chain walked from its beginning, or from where what was dropped ended, to its head."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from guilder.domain.audit.events import AuditVerified
from guilder.domain.audit.model import Chain, Fault, Place, Record, Verification
from guilder.domain.audit.rules.chain import Verifier
from guilder.domain.audit.store import chains as store
from guilder.domain.audit.store import reading
from guilder.kernel import ids
from guilder.kernel.ids import TenantId
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

WALK = 2_000
FAULTS_MAX = 100
FAULT_TEXT_MAX = 500


@dataclass(slots=True)
class Found:
    """What verifying came to: of one chain, or of several together. The first FAULTS_MAX faults are listed."""

    records: int = 0
    chains: int = 0
    anchors: int = 0
    count: int = 0
    faults: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        self.count += 1
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(fault)

    def merge(self, other: "Found") -> None:
        self.records += other.records
        self.chains += other.chains
        self.anchors += other.anchors
        self.count += other.count
        self.faults += other.faults[: FAULTS_MAX - len(self.faults)]


async def chains_of(tx: Tx, *, tenant_id: TenantId | None = None, anchored: Iterable[Chain] = ()) -> list[Chain]:
    """Return the chains of a tenant, or of every tenant that the transaction may see.

    `anchored` are chains that were there once: one that was removed with its head is in no table any more.
    """
    there = await store.chains(tx, tenant_id)
    return sorted({*there, *(each for each in anchored if tenant_id in {None, each.tenant_id})})


async def verify_chain(
    tx: Tx,
    *,
    chain: Chain,
    anchors: Mapping[int, bytes] | None = None,
    progress: Callable[[int], None] | None = None,
    walk: int = WALK,
) -> Found:
    """Walk along a chain, `walk` records at a time, and say what is wrong and where.

    `progress` is told how many records were looked at. Records that are appended meanwhile are left for the next time.
    """
    start = await store.start(tx, chain)
    verifier = Verifier(chain, start, anchors or {})
    found = Found(chains=1, anchors=len(verifier.anchors))
    _heed(found, verifier.walk(await store.before(tx, chain, start)))
    last: Record | None = None
    head: Place | None = None
    while True:
        batch = await store.walk(tx, chain, start=start, after=last, limit=walk)
        _heed(found, verifier.walk(batch))
        if batch:
            last = batch[-1]
            if progress is not None:
                progress(len(batch))
            continue
        # What was appended meanwhile is walked along, too; a head that is ahead of all there is, is a fault.
        before, head = head, await store.head(tx, chain)
        if head is None or head == before or head.seq <= verifier.at.seq:
            break
    _heed(found, verifier.end(head))
    found.records = verifier.count
    return found


async def record_verification(tx: Tx, *, found: Found, by: str, now: datetime) -> Verification:
    """Keep what was found of the transaction's tenant, and say so to whoever listens."""
    made = Verification(
        tenant_id=tx.tenant_id,
        id=ids.new(now),
        verified_at=now,
        verified_by=by,
        records=found.records,
        chains=found.chains,
        anchors=found.anchors,
        faults=found.count,
        first_fault=str(found.faults[0])[:FAULT_TEXT_MAX] if found.faults else "",
    )
    await reading.keep_verification(tx, made)
    told = AuditVerified(tenant_id=made.tenant_id, verification_id=made.id, records=made.records, faults=made.faults)
    outbox.announce(tx, [told], now=now)
    return made


async def last_verification(tx: Tx) -> Verification | None:
    """Return the last look at the transaction's tenant's chains; None if nobody has looked yet."""
    return await reading.last_verification(tx, tx.tenant_id)


def _heed(found: Found, faults: Iterable[Fault]) -> None:
    for fault in faults:
        found.add(fault)
