"""What audit announces of itself."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from guilder.kernel.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditExported(Event):
    """Records were written to files that whoever asked may fetch."""

    name: ClassVar = "audit.export.made"
    topic: ClassVar = "audit.events"
    key: ClassVar = "export_id"

    export_id: UUID
    records: int
    is_complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditVerified(Event):
    """The chains were verified; with `faults`, somebody has changed what is written, and an operator must look."""

    name: ClassVar = "audit.chains.verified"
    topic: ClassVar = "audit.events"
    key: ClassVar = "verification_id"

    verification_id: UUID
    records: int
    faults: int
