"""The catalog's verbs."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from guilder.domain.catalog import store
from guilder.domain.catalog.events import PlanArchived, PlanCreated, PlanVersioned, ProductCreated
from guilder.domain.catalog.model import NewPrice, NewProduct, Plan, PlanContent, PlanStatus, Price, Product, TaxRate
from guilder.kernel import ids
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import TenantId
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


class CodeTaken(Conflict):
    """The code is taken by another plan or product."""

    code = "code_taken"


class PlanIsArchived(Conflict):
    """The plan is archived: it takes no new subscriptions and no new versions."""

    code = "plan_archived"


async def create_plan(tx: Tx, *, code: str, content: PlanContent, now: datetime) -> Plan:
    """Put a plan on sale, as its version 1.

    :raises CodeTaken: another plan of the tenant has the code
    """
    plan = _version(tx.tenant_id, ids.new(now), code, 1, content, now)
    if not await store.insert_plan(tx, plan):
        raise CodeTaken(f"another plan has the code {code!r}", field="code")
    created = PlanCreated(tenant_id=plan.tenant_id, plan_id=plan.id, code=plan.code, plan_version=1)
    outbox.announce(tx, [created], now=now)
    return plan


async def new_version(tx: Tx, *, plan_id: UUID, content: PlanContent, now: datetime) -> Plan:
    """Change what new customers get. Subscriptions stay on the version that they were made with.

    :raises NotFound: no such plan
    :raises PlanIsArchived: it is not sold any more
    """
    newest = await store.lock_plan(tx, plan_id)
    current = await plan(tx, plan=plan_id)
    if current.status is PlanStatus.ARCHIVED or newest is None:
        raise PlanIsArchived
    made = _version(tx.tenant_id, plan_id, current.code, newest + 1, content, current.created_at)
    await store.insert_version(tx, made, created_at=now)
    await store.save_head(tx, plan_id=plan_id, version=made.version, status=made.status)
    event = PlanVersioned(tenant_id=made.tenant_id, plan_id=plan_id, code=made.code, plan_version=made.version)
    outbox.announce(tx, [event], now=now)
    return made


async def archive(tx: Tx, *, plan_id: UUID, now: datetime) -> Plan:
    """Take a plan off sale; who has it keeps it. Archiving twice changes nothing."""
    await store.lock_plan(tx, plan_id)
    current = await plan(tx, plan=plan_id)
    if current.status is PlanStatus.ARCHIVED:
        return current
    await store.save_head(tx, plan_id=plan_id, version=current.version, status=PlanStatus.ARCHIVED)
    event = PlanArchived(tenant_id=current.tenant_id, plan_id=plan_id, code=current.code, plan_version=current.version)
    outbox.announce(tx, [event], now=now)
    return await plan(tx, plan=plan_id)


async def plan(tx: Tx, *, plan: UUID | str) -> Plan:
    """Return the newest version of a plan, by id or code.

    :raises NotFound: no such plan
    """
    by_id = plan if isinstance(plan, UUID) else ids.from_text("plan", plan)
    found = await store.plan(tx, plan_id=by_id, code=None if isinstance(plan, UUID) else plan)
    if found is None:
        raise NotFound("there is no such plan", field="plan_id")
    return found


async def plans(tx: Tx, *, query: PageQuery, archived: bool = False) -> Page[Plan]:
    return page_of(await store.plans(tx, query, archived=archived), query, lambda each: each.id)


async def versions(tx: Tx, *, keys: Sequence[tuple[TenantId, UUID, int]]) -> dict[tuple[TenantId, UUID, int], Plan]:
    """Return the very versions that were agreed to, by (tenant, plan, version)."""
    found = await store.versions(tx, sorted(set(keys)))
    return {(each.tenant_id, each.id, each.version): each for each in found}


async def create_product(tx: Tx, *, product: NewProduct, now: datetime) -> Product:
    """Put a one-off product on sale.

    :raises CodeTaken: another product of the tenant has the code
    """
    made = Product(
        tenant_id=tx.tenant_id,
        id=ids.new(now),
        code=product.code,
        name=product.name,
        description=product.description,
        prices=product.prices,
        access_days=product.access_days,
        created_at=now,
        metadata=product.metadata,
    )
    if not await store.insert_product(tx, made):
        raise CodeTaken(f"another product has the code {made.code!r}", field="code")
    event = ProductCreated(tenant_id=made.tenant_id, product_id=made.id, code=made.code)
    outbox.announce(tx, [event], now=now)
    return made


async def product(tx: Tx, *, product: UUID | str) -> Product:
    """Return a product by id or code.

    :raises NotFound: no such product
    """
    by_id = product if isinstance(product, UUID) else ids.from_text("prod", product)
    found = await store.product(tx, product_id=by_id, code=None if isinstance(product, UUID) else product)
    if found is None:
        raise NotFound("there is no such product", field="product_id")
    return found


async def products(tx: Tx, *, query: PageQuery) -> Page[Product]:
    return page_of(await store.products(tx, query), query, lambda each: each.id)


async def set_default_tax_rate(
    tx: Tx, *, name: str, percent: Decimal, country: str, legal_note: str, now: datetime
) -> TaxRate:
    """Set the rate that net prices are taxed with from now on."""
    rate = TaxRate(
        tenant_id=tx.tenant_id,
        id=ids.new(now),
        name=name,
        percent=percent,
        country=country,
        is_default=True,
        legal_note=legal_note,
    )
    await store.set_default_tax_rate(tx, rate, created_at=now)
    return rate


async def default_tax_rates(tx: Tx, *, tenant_ids: Sequence[TenantId]) -> dict[TenantId, TaxRate]:
    """Return the default rate of each tenant that has one."""
    return {rate.tenant_id: rate for rate in await store.default_tax_rates(tx, sorted(set(tenant_ids)))}


def _version(
    tenant_id: TenantId, plan_id: UUID, code: str, version: int, content: PlanContent, created_at: datetime
) -> Plan:
    return Plan(
        tenant_id=tenant_id,
        id=plan_id,
        code=code,
        version=version,
        name=content.name,
        description=content.description,
        status=PlanStatus.ACTIVE,
        prices=tuple(_price(price, created_at) for price in content.prices),
        features=content.features,
        limits=content.limits,
        trial_days=content.trial_days,
        created_at=created_at,
        metadata=content.metadata,
    )


def _price(price: NewPrice, now: datetime) -> Price:
    return Price(id=ids.new(now), interval=price.interval, unit_amount=price.unit_amount, cycle=price.cycle)
