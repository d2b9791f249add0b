"""What HTTP says and hears of the audit."""

import json
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from guilder.domain.audit.model import Export, Filter, Told, Verification
from guilder.kernel import ids
from guilder.kernel.ids import CustomerId
from guilder.platform.http.fields import IdOf, In, Instant, Out, Shape, Text

RecordRef = Annotated[UUID, IdOf("evt")]
ExportRef = Annotated[UUID, IdOf("exp")]
CustomerRef = Annotated[CustomerId, IdOf("cus")]
ActionText = Annotated[
    str,
    Shape(
        r"[a-z][a-z_]*(\.[a-z][a-z_]*)*(\.\*)?", "a name such as http.call.made, or a beginning: invoicing.*", max=100
    ),
]
OBJECT_MAX = 64
_OBJECT = r"([a-z]{2,8}_[0-7][0-9a-hjkmnp-tv-z]{25}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})"
ObjectText = Annotated[str, Shape(_OBJECT, "an id such as inv_…, or a UUID", max=OBJECT_MAX)]


class ExportIn(In):
    """Which records: as the list's parameters; all of them, if nothing is said. `action` may be a beginning: `payments.*`."""

    actor: Annotated[str, Text(300)] | None = None
    action: ActionText | None = None
    object: ObjectText | None = None
    customer_id: CustomerRef | None = None
    request_id: Annotated[str, Text(64)] | None = None
    since: Instant | None = None
    until: Instant | None = None


class RecordOut(Out):
    """What happened: who did it, what, to what, in answer to which request and why; and its place in its chain.

    `details` holds ids, codes and amounts; what may be of a person stands there as "sealed". `hash` is made over
    `previous_hash` and every field.
    """

    id: RecordRef
    at: datetime
    recorded_at: datetime
    actor: str
    action: str
    object_kind: str
    object_id: UUID | None
    customer_id: CustomerRef | None
    request_id: str | None
    reason: str | None
    details: dict[str, Any]
    partition: int
    seq: int
    previous_hash: str
    hash: str


class ExportOut(Out):
    """An export. Not `is_complete`: there were more records than one takes; ask for a shorter stretch of time."""

    id: ExportRef
    status: str
    asked_by: str
    asked_at: datetime
    ended_at: datetime | None
    records: int | None
    is_complete: bool | None


class VerificationOut(Out):
    """The last look at the chains; `is_sound` is null where nobody has looked yet (`guilder audit verify`)."""

    is_sound: bool | None
    verified_at: datetime | None = None
    verified_by: str | None = None
    records: int | None = None
    chains: int | None = None
    anchors: int | None = None
    faults: int | None = None
    first_fault: str | None = None


def object_from_wire(text: str | None) -> UUID | None:
    return None if text is None else ids.from_text(text.rpartition("_")[0], text)


def filter_from_wire(body: ExportIn) -> Filter:
    return Filter(
        actor=body.actor,
        action=body.action,
        object_id=object_from_wire(body.object),
        customer_id=body.customer_id,
        request_id=body.request_id,
        since=body.since,
        until=body.until,
    )


def to_wire(told: Told) -> RecordOut:
    record, entry = told.record, told.record.entry
    return RecordOut(
        id=entry.id,
        at=entry.at,
        recorded_at=entry.recorded_at,
        actor=entry.actor,
        action=entry.action,
        object_kind=entry.object_kind,
        object_id=entry.object_id,
        customer_id=entry.customer_id,
        request_id=entry.request_id,
        reason=told.reason,
        details=_details(entry.payload),
        partition=entry.partition,
        seq=record.seq,
        previous_hash=record.previous_hash.hex(),
        hash=record.hash.hex(),
    )


def _details(payload: str) -> dict[str, Any]:
    # What somebody changed may be no JSON any more; it is shown all the same, and verifying says so.
    try:
        said = json.loads(payload)
    except ValueError:
        return {"unreadable": payload}
    return (
        {name: value for name, value in said.items() if name != "tenant_id"} if isinstance(said, dict) else {"": said}
    )


def export_to_wire(export: Export) -> ExportOut:
    return ExportOut(
        id=export.id,
        status="done" if export.ended_at else "running",
        asked_by=export.asked_by,
        asked_at=export.asked_at,
        ended_at=export.ended_at,
        records=export.records,
        is_complete=export.is_complete,
    )


def verification_to_wire(made: Verification | None) -> VerificationOut:
    if made is None:
        return VerificationOut(is_sound=None)
    return VerificationOut(
        is_sound=made.faults == 0,
        verified_at=made.verified_at,
        verified_by=made.verified_by,
        records=made.records,
        chains=made.chains,
        anchors=made.anchors,
        faults=made.faults,
        first_fault=made.first_fault or None,
    )
