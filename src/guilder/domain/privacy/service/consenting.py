"""What subjects agree to, and take back: each said once, never changed."""

from datetime import datetime

from guilder.domain.customers import service as customers
from guilder.domain.privacy.events import ConsentRecorded
from guilder.domain.privacy.model import Consent
from guilder.domain.privacy.store import consents as store
from guilder.kernel import ids
from guilder.kernel.ids import CustomerId
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


async def consent(
    tx: Tx,
    *,
    customer: str,
    purpose: str,
    version: str,
    is_given: bool,
    at: datetime | None = None,
    proof: str = "",
    only: CustomerId | None = None,
    now: datetime,
) -> Consent:
    """Note that a customer agreed to a purpose in the words of this version, or took that back, at an instant.

    :raises NotFound: no such customer
    :raises CustomerIsErased: nothing more is kept of it
    """
    found = await customers.find(tx, text=customer, only=only, field="customer")
    if found.is_erased:
        raise customers.CustomerIsErased(field="customer")
    made = Consent(
        tenant_id=found.tenant_id,
        id=ids.new(now),
        customer_id=found.id,
        purpose=purpose,
        version=version,
        is_given=is_given,
        at=at or now,
        recorded_at=now,
        recorded_by=tx.actor,
        proof=proof,
    )
    await store.insert(tx, made)
    event = ConsentRecorded(
        tenant_id=made.tenant_id,
        consent_id=made.id,
        customer_id=made.customer_id,
        purpose=made.purpose,
        is_given=made.is_given,
    )
    outbox.announce(tx, [event], now=now)
    return made


async def consents(tx: Tx, *, query: PageQuery, customer_id: CustomerId | None = None) -> Page[Consent]:
    """List consents, the newest first: the first of each purpose is what holds."""
    rows = await store.listing(tx, query, customer_id=customer_id)
    return page_of(rows, query, lambda each: each.id)
