"""What HTTP says and hears of Clerk's keys."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from guilder.domain.identity.schemas.access import TrustRef
from guilder.domain.identity.store.revocations import ClerkKeys
from guilder.platform.http.fields import In, Out, Text

Key = Annotated[str, Text(255, min=0)]


class ClerkKeysIn(In):
    """What is left out stays as it is; an empty text takes it away."""

    secret_key: Annotated[Key | None, Field(description="`sk_…`: re-checks a membership before sensitive steps.")] = (
        None
    )
    webhook_secret: Annotated[Key | None, Field(description="`whsec_…`, as Clerk shows it for the endpoint.")] = None


class ClerkKeysOut(Out):
    """The keys themselves are never shown."""

    id: TrustRef
    webhook_url: str
    asks_clerk: bool
    hears_clerk: bool
    secret_key_hint: str | None
    changed_at: datetime | None


def to_wire(keys: ClerkKeys, *, trust_id: UUID, base_url: str) -> ClerkKeysOut:
    return ClerkKeysOut(
        id=trust_id,
        webhook_url=f"{base_url.rstrip('/')}/api/webhooks/clerk/{trust_id}",
        asks_clerk=bool(keys.secret_key),
        hears_clerk=bool(keys.webhook_secret),
        secret_key_hint=keys.secret_key[-4:] or None,
        changed_at=keys.changed_at,
    )
