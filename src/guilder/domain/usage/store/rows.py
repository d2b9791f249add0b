"""Rows of usage as nouns."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from guilder.domain.usage.model import (
    Alert,
    AlertWindow,
    Content,
    Correction,
    EventStatus,
    UsageEvent,
)
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.platform.db.tx import Row

_properties = msgspec.json.Decoder(dict[str, str])


def split(refs: Sequence[Ref]) -> tuple[list[UUID], list[UUID]]:
    return [ref.tenant_id for ref in refs], [ref.id for ref in refs]


def to_json(properties: Mapping[str, str]) -> str:
    return msgspec.json.encode(properties).decode()


def event_from_row(row: Row) -> UsageEvent:
    return UsageEvent(
        tenant_id=TenantId(row["tenant_id"]),
        event_id=row["event_id"],
        customer_id=CustomerId(row["customer_id"]),
        meter_id=row["meter_id"],
        meter_code=row["meter_code"],
        at=row["at"],
        value=row["value"],
        properties=_properties.decode(row["properties"]),
        subscription_id=row["subscription_id"],
        status=EventStatus(row["status"]),
        received_at=row["received_at"],
        id=row["id"],
    )


def correction_from_row(row: Row) -> Correction:
    return Correction(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        event_id=row["event_id"],
        customer_id=CustomerId(row["customer_id"]),
        old=_content(row, "old"),
        new=_content(row, "new"),
        corrected_by=row["corrected_by"],
        corrected_at=row["corrected_at"],
    )


def alert_from_row(row: Row) -> Alert:
    return Alert(
        tenant_id=TenantId(row["tenant_id"]),
        id=row["id"],
        customer_id=CustomerId(row["customer_id"]),
        meter_code=row["meter_code"],
        threshold=row["threshold"],
        window=AlertWindow(row["window_kind"]),
        is_recurring=row["is_recurring"],
        starts_at=row["starts_at"],
        created_at=row["created_at"],
        removed_at=row["removed_at"],
    )


def _content(row: Row, prefix: str) -> Content:
    return Content(
        at=row[f"{prefix}_at"],
        value=row[f"{prefix}_value"],
        properties=_properties.decode(row[f"{prefix}_properties"]),
        status=EventStatus(row[f"{prefix}_status"]),
    )
