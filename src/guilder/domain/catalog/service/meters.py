"""Meters: what is measured of a customer's use. One is never changed: what was measured by it would mean something else."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.catalog.events import MeterCreated
from guilder.domain.catalog.model import Meter, NewMeter
from guilder.domain.catalog.rules import checking
from guilder.domain.catalog.store import meters as store
from guilder.kernel import ids
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import TenantId
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


class MeterCodeTaken(Conflict):
    """The code is taken by another meter."""

    code = "code_taken"


async def create_meter(tx: Tx, *, meter: NewMeter, now: datetime) -> Meter:
    """Say what is to be measured.

    :raises BadMeter: it names a property that it does not need, or none where it needs one
    :raises MeterCodeTaken: another meter of the tenant has the code
    """
    checking.check_meter(meter)
    made = Meter(
        tenant_id=tx.tenant_id,
        id=ids.new(now),
        code=meter.code,
        name=meter.name,
        aggregation=meter.aggregation,
        property=meter.property,
        created_at=now,
    )
    if not await store.insert(tx, made):
        raise MeterCodeTaken(f"another meter has the code {made.code!r}", field="code")
    outbox.announce(tx, [MeterCreated(tenant_id=made.tenant_id, meter_id=made.id, code=made.code)], now=now)
    return made


async def meter(tx: Tx, *, meter: UUID | str) -> Meter:
    """Return a meter by id or code.

    :raises NotFound: no such meter
    """
    by_id = meter if isinstance(meter, UUID) else ids.from_text("mtr", meter)
    found = await store.one(tx, meter_id=by_id, code=None if isinstance(meter, UUID) else meter)
    if found is None:
        raise NotFound("there is no such meter", field="meter")
    return found


async def meters(tx: Tx, *, tenant_codes: Sequence[tuple[TenantId, str]]) -> dict[tuple[TenantId, str], Meter]:
    """Return the meters of these tenants and codes; what there is not is left out."""
    found = await store.by_codes(tx, sorted(set(tenant_codes)))
    return {(each.tenant_id, each.code): each for each in found}


async def all_meters(tx: Tx, *, query: PageQuery) -> Page[Meter]:
    return page_of(await store.page(tx, query), query, lambda each: each.id)
