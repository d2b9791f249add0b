"""The legal entity on the invoices, and how they look."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from guilder.domain.identity import store
from guilder.domain.identity.events import IssuerChanged
from guilder.domain.identity.model import Issuer
from guilder.domain.identity.rules.logo import checked_logo
from guilder.domain.identity.rules.numbers import checked_format
from guilder.kernel.ids import TenantId
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


async def issuer(tx: Tx, *, tenant_ids: Sequence[TenantId]) -> dict[TenantId, Issuer]:
    """Return each tenant's issuer; every tenant has one from its founding on."""
    return {each.tenant_id: each for each in await store.issuers(tx, tenant_ids)}


async def set_issuer(tx: Tx, *, issuer: Issuer, now: datetime) -> Issuer:
    """Set the tenant's issuer anew, whole; it keeps its id. Invoices that are out stay as they are.

    :raises BadLogo: the logo does more than draw, or is too large
    :raises BadNumberFormat: numbers of this format would not be told apart
    """
    checked_logo(issuer.logo_svg)
    checked_format(issuer.number_format)
    saved = replace(issuer, id=await store.save_issuer(tx, issuer, now=now), is_default=True)
    outbox.announce(tx, [IssuerChanged(tenant_id=saved.tenant_id, issuer_id=saved.id)], now=now)
    return saved
