"""What of an event is kept: ids, codes, amounts and instants, and nothing that may be of a person.

A record can never be changed, so what erasure would have to reach must not come in. Texts that are not plainly a code
are written as "sealed": whoever may know them reads them where they belong, as long as they are kept there.
"""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from guilder.domain.gateways.events import CONVERSATION
from guilder.kernel import ids

SEALED = "sealed"
# What a product calls its customer, and what people wrote: never kept, whatever it looks like.
NEVER = frozenset(
    {
        "organization_id", "external_id", "source", "source_id", "business_key", "event_id", "detail", "alert", "note",
        "memo", "description", "metadata", "properties", "email", "phone", "address", "customer_name", "display_name",
        "full_name", "first_name", "last_name", "vat_id", "tax_id", "subject", "organization", "brand", "last4",
    }
)  # fmt: skip
# Where a reason is somebody's sentence, and not a code of ours or of a provider.
_WRITTEN = ("payments.refund.", "invoicing.credit.", "orders.charge.", "identity.tenant.", "dunning.", "privacy.")
# Made for the audit: they hold nothing else to begin with.
_MADE_FOR_IT = ("http.", "platform.row.", "audit.")
_NEVER_OF_WRITTEN = NEVER | {"reason"}
_is_code = re.compile(r"[A-Za-z0-9_.:+/*-]{0,128}").fullmatch
_is_id = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_SEALED_REASON = "sealed_reason"


def kept(action: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of an event's payload is written in its record."""
    if action.startswith(_MADE_FOR_IT):
        return {name: value for name, value in said.items() if name != _SEALED_REASON}
    if action.startswith(CONVERSATION):
        return {name: value for name, value in said.items() if isinstance(value, str) and _is_id(value)}
    never = _NEVER_OF_WRITTEN if action.startswith(_WRITTEN) else NEVER
    return {name: _kept(name, value, never) for name, value in said.items()}


def object_of(action: str, said: Mapping[str, Any], key: UUID) -> tuple[str, UUID | None]:
    """Say what an event is about, and of what kind that is: by its name, or by what orders it."""
    if action.startswith("http."):
        return _last_object(said.get("objects") or ())
    if action == "platform.row.changed":
        return str(said.get("table", "")), _id(said.get("row", {}).get("id")) or key
    noun = action.split(".")[1] if action.count(".") else action
    found = _id(said.get(f"{noun}_id"))
    return noun, found or key


def customer_of(said: Mapping[str, Any]) -> UUID | None:
    """Return whose customer's it is; a change of a customer's row is that customer's."""
    if said.get("table") == "customers.customers":
        return _id(said.get("row", {}).get("id"))
    return _id(said.get("customer_id"))


def reason_of(said: Mapping[str, Any]) -> bytes | None:
    """Return why, as the caller said it, sealed."""
    text = said.get(_SEALED_REASON)
    return bytes.fromhex(text) if isinstance(text, str) else None


def _kept(name: str, value: Any, never: frozenset[str]) -> Any:
    if name in never:
        return SEALED if value not in (None, "", {}, []) else value
    if isinstance(value, str):
        return value if _is_code(value) else SEALED
    if isinstance(value, Mapping):
        return {each if _is_code(each) else SEALED: _kept(each, inner, never) for each, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_kept("", each, never) for each in value]
    return value


def _id(value: object) -> UUID | None:
    return ids.read(value) if isinstance(value, str) and _is_id(value) else None


def _last_object(objects: Any) -> tuple[str, UUID | None]:
    for text in reversed(list(objects)):
        prefix = text.rpartition("_")[0]
        found = ids.from_text(prefix, text)
        if found is not None:
            return prefix or "id", found
    return "call", None
