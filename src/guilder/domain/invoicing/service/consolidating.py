"""Putting drafts of one batch together, for issuers who want one invoice a customer and day."""

from collections.abc import Sequence

from guilder.domain.customers import service as customers
from guilder.domain.identity import service as identity
from guilder.domain.invoicing.model import Draft
from guilder.domain.invoicing.rules import consolidating
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx


async def consolidated(tx: Tx, *, drafts: Sequence[Draft]) -> list[Draft]:
    """Return these drafts, with those put together that share an invoice."""
    if not drafts:
        return list(drafts)
    issuers = await identity.issuers(tx, tenant_ids=sorted({draft.tenant_id for draft in drafts}))
    if not any(issuer.consolidates for issuer in issuers.values()):
        return list(drafts)
    buyers = await customers.get(tx, refs=sorted({Ref(draft.tenant_id, draft.customer_id) for draft in drafts}))
    return consolidating.consolidated(
        drafts,
        issuers=issuers,
        default_issuers={issuer.tenant_id: issuer for issuer in issuers.values() if issuer.is_default},
        time_zones={ref: buyer.time_zone for ref, buyer in buyers.items()},
    )
