"""Tax rates: what is owed where, and since when."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from guilder.domain.catalog.model import TaxRate
from guilder.domain.catalog.rules import checking
from guilder.domain.catalog.store import taxes as store
from guilder.kernel import ids
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import TenantId
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.db.tx import Tx

# Every batch of invoices reads all of them: 27 countries, a few categories and what has ended fit in many times.
TAX_RATES_MAX = 2_000


class TooManyTaxRates(Conflict):
    """There are as many tax rates as can be."""

    code = "too_many_tax_rates"


async def create_tax_rate(
    tx: Tx,
    *,
    name: str,
    percent: Decimal,
    country: str = "",
    region: str = "",
    category: str = "",
    is_default: bool = False,
    legal_note: str = "",
    valid_from: date | None = None,
    valid_until: date | None = None,
    now: datetime,
) -> TaxRate:
    """Say what is owed where. A new default takes the place of the old one.

    :raises BadTaxRate: it contradicts itself; names the field
    :raises TooManyTaxRates: there are too many
    """
    rate = TaxRate(
        tenant_id=tx.tenant_id,
        id=ids.new(now),
        name=name,
        percent=percent,
        country=country,
        region=region,
        category=category,
        is_default=is_default,
        legal_note=legal_note,
        valid_from=valid_from,
        valid_until=valid_until,
    )
    checking.check_tax_rate(rate)
    if await store.count(tx) >= TAX_RATES_MAX:
        raise TooManyTaxRates
    if is_default:
        await store.archive_default(tx)
    await store.insert(tx, rate, created_at=now)
    return rate


async def set_default_tax_rate(
    tx: Tx, *, name: str, percent: Decimal, country: str, legal_note: str, now: datetime
) -> TaxRate:
    """Set the rate that net prices are taxed with from now on, where no other one fits."""
    return await create_tax_rate(
        tx, name=name, percent=percent, country=country, legal_note=legal_note, is_default=True, now=now
    )


async def end_tax_rate(tx: Tx, *, rate_id: UUID, now: datetime) -> TaxRate:
    """Let a rate hold no more from today on (in UTC). What is dated before keeps it.

    :raises NotFound: no such tax rate
    """
    ended = await store.end(tx, rate_id=rate_id, on=now.date())
    if ended is None:
        raise NotFound("there is no such tax rate")
    return ended


async def tax_rate(tx: Tx, *, rate_id: UUID) -> TaxRate:
    """Return a tax rate.

    :raises NotFound: no such tax rate
    """
    found = await store.one(tx, rate_id)
    if found is None:
        raise NotFound("there is no such tax rate")
    return found


async def all_tax_rates(tx: Tx, *, query: PageQuery) -> Page[TaxRate]:
    return page_of(await store.page(tx, query), query, lambda each: each.id)


async def tax_rates(tx: Tx, *, tenant_ids: Sequence[TenantId]) -> dict[TenantId, tuple[TaxRate, ...]]:
    """Return all rates of each tenant, also those that have ended; `rules/taxes.rate_for` chooses among them."""
    found: dict[TenantId, list[TaxRate]] = {tenant_id: [] for tenant_id in tenant_ids}
    for rate in await store.of_tenants(tx, sorted(found)):
        found[rate.tenant_id].append(rate)
    return {tenant_id: tuple(rates) for tenant_id, rates in found.items()}


async def default_tax_rates(tx: Tx, *, tenant_ids: Sequence[TenantId]) -> dict[TenantId, TaxRate]:
    """Return the default rate of each tenant that has one."""
    return {rate.tenant_id: rate for rate in await store.defaults(tx, sorted(set(tenant_ids)))}
