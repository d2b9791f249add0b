"""The legal entities on the invoices, and how they look: one a tenant by default, and more where it has them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from guilder.domain.identity import store
from guilder.domain.identity.events import IssuerChanged
from guilder.domain.identity.model import Issuer
from guilder.domain.identity.rules.logo import checked_logo
from guilder.domain.identity.rules.numbers import checked_format
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import Ref, TenantId
from guilder.kernel.noun import replace
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

ISSUERS_MAX = 50


class NumberFormatTaken(Conflict):
    """Another series of numbers looks the same: numbers have to be told apart."""

    code = "number_format_taken"


class TooManyIssuers(Conflict):
    """This tenant has as many issuers as it may have."""

    code = "too_many_issuers"


async def issuer(tx: Tx, *, tenant_ids: Sequence[TenantId]) -> dict[TenantId, Issuer]:
    """Return each tenant's default issuer; every tenant has one from its founding on."""
    return {each.tenant_id: each for each in await store.issuers(tx, tenant_ids)}


async def issuers(tx: Tx, *, tenant_ids: Sequence[TenantId]) -> dict[Ref, Issuer]:
    """Return every issuer of these tenants by its name; each tenant's default comes first."""
    return {each.ref: each for each in await store.issuers_of(tx, tenant_ids)}


async def issuers_of(tx: Tx) -> list[Issuer]:
    """List the issuers of the transaction's tenant, the default first."""
    return await store.issuers_of(tx, [tx.tenant_id])


async def set_issuer(tx: Tx, *, issuer: Issuer, now: datetime) -> Issuer:
    """Set the tenant's default issuer anew, whole; it keeps its id. Invoices that are out stay as they are.

    :raises BadLogo: the logo does more than draw, or is too large
    :raises BadNumberFormat: numbers of this format would not be told apart
    :raises NumberFormatTaken: another issuer's, or its own other series', look the same
    """
    others = [each for each in await store.issuers_of(tx, [issuer.tenant_id]) if not each.is_default]
    _check(issuer, others)
    saved = replace(issuer, id=await store.save_issuer(tx, replace(issuer, is_default=True), now=now), is_default=True)
    outbox.announce(tx, [IssuerChanged(tenant_id=saved.tenant_id, issuer_id=saved.id)], now=now)
    return saved


async def add_issuer(tx: Tx, *, issuer: Issuer, now: datetime) -> Issuer:
    """Add a legal entity that issues invoices, beside the default one.

    :raises BadLogo, BadNumberFormat, NumberFormatTaken: see `set_issuer`
    :raises TooManyIssuers: the limit is reached
    """
    await store.lock_issuers(tx)
    others = await issuers_of(tx)
    if len(others) >= ISSUERS_MAX:
        raise TooManyIssuers(f"a tenant has {ISSUERS_MAX} issuers at most")
    added = replace(issuer, is_default=False)
    _check(added, others)
    await store.write_issuer(tx, added, now=now)
    outbox.announce(tx, [IssuerChanged(tenant_id=added.tenant_id, issuer_id=added.id)], now=now)
    return added


async def change_issuer(tx: Tx, *, issuer_id: UUID, changes: Mapping[str, Any], now: datetime) -> Issuer:
    """Change what is named of an issuer. Invoices that are out stay as they are.

    :raises NotFound: no such issuer
    :raises BadLogo, BadNumberFormat, NumberFormatTaken: see `set_issuer`
    """
    await store.lock_issuers(tx)
    known = await issuers_of(tx)
    changed = replace(_known(known, issuer_id), **changes)
    _check(changed, [each for each in known if each.id != issuer_id])
    await store.write_issuer(tx, changed, now=now)
    outbox.announce(tx, [IssuerChanged(tenant_id=changed.tenant_id, issuer_id=changed.id)], now=now)
    return changed


async def make_default_issuer(tx: Tx, *, issuer_id: UUID, now: datetime) -> Issuer:
    """Have what names no issuer issued by this one from here on.

    :raises NotFound: no such issuer
    """
    await store.lock_issuers(tx)
    chosen = _known(await issuers_of(tx), issuer_id)
    if not chosen.is_default:
        await store.make_default(tx, issuer_id)
        outbox.announce(tx, [IssuerChanged(tenant_id=chosen.tenant_id, issuer_id=chosen.id)], now=now)
    return replace(chosen, is_default=True)


def _known(issuers: Sequence[Issuer], issuer_id: UUID) -> Issuer:
    for each in issuers:
        if each.id == issuer_id:
            return each
    raise NotFound("there is no such issuer")


def _check(issuer: Issuer, others: Sequence[Issuer]) -> None:
    checked_logo(issuer.logo_svg)
    checked_format(issuer.number_format)
    checked_format(issuer.credit_note_format)
    taken = {written for each in others for written in (each.number_format, each.credit_note_format)}
    if issuer.number_format in taken or issuer.number_format == issuer.credit_note_format:
        raise NumberFormatTaken(field="number_format")
    if issuer.credit_note_format in taken:
        raise NumberFormatTaken(field="credit_note_format")
