"""Records, chains, and what may be wrong with them."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct

from guilder.kernel.ids import CustomerId, TenantId

HASH_BYTES = 32
NOTHING_BEFORE = bytes(HASH_BYTES)


class Class(StrEnum):
    """How long a tenant's records are kept."""

    BUSINESS = "business"  # live and test tenants
    SANDBOX = "sandbox"


class Chain(NamedTuple):
    """One line of records: a tenant's, of one partition of the log."""

    tenant_id: TenantId
    partition: int


class Place(NamedTuple):
    """Where a chain stands after a record: its number and its hash. Before the first it is (0, zeros)."""

    seq: int
    hash: bytes


BEGINNING = Place(0, NOTHING_BEFORE)


class Entry(Struct, frozen=True, kw_only=True):
    """What happened, before it stands in a chain. `payload` is text, byte for byte what the hash is made over."""

    tenant_id: TenantId
    partition: int
    id: UUID
    at: datetime
    recorded_at: datetime
    actor: str
    action: str
    version: int
    object_kind: str
    object_id: UUID | None
    customer_id: CustomerId | None
    request_id: str | None
    sealed_reason: bytes | None
    payload: str
    traceparent: str | None

    @property
    def chain(self) -> Chain:
        return Chain(self.tenant_id, self.partition)


class Record(Struct, frozen=True, kw_only=True):
    """An entry at its place in a chain. `kept_as` and `month` say how long it is kept."""

    entry: Entry
    kept_as: str
    month: date
    seq: int
    checks: bytes
    previous_hash: bytes
    hash: bytes

    @property
    def place(self) -> Place:
        return Place(self.seq, self.hash)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where a chain ends. Its months never go back, whatever the order in which transactions ended."""

    chain: Chain
    kept_as: Class
    month: date
    place: Place


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong, and exactly where. `field` is a column, or empty where it is not about one."""

    chain: Chain
    seq: int
    what: str
    field: str = ""

    def __str__(self) -> str:
        where = f"tenant {self.chain.tenant_id}, partition {self.chain.partition}, record {self.seq}"
        return f"{where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Filter:
    """What is looked for. `action` is a name or a beginning of names: `invoicing.*`."""

    actor: str | None = None
    action: str | None = None
    object_id: UUID | None = None
    customer_id: CustomerId | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A record with its reason opened: None where there is none."""

    record: Record
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """One look at the chains of a tenant. `first_fault` is a sentence; empty where nothing was wrong."""

    tenant_id: TenantId
    id: UUID
    verified_at: datetime
    verified_by: str
    records: int
    chains: int
    anchors: int
    faults: int
    first_fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A file of records that was asked for. Not `is_complete`: there were more than one export takes; narrow it."""

    tenant_id: TenantId
    id: UUID
    wanted: Filter
    asked_by: str
    asked_at: datetime
    ended_at: datetime | None = None
    records: int | None = None
    is_complete: bool | None = None
    lines_path: str = ""
    table_path: str = ""
