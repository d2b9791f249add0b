"""Plans: put on sale, changed by new versions, taken off sale."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.catalog.events import PlanArchived, PlanCreated, PlanVersioned
from guilder.domain.catalog.model import NewPrice, Plan, PlanContent, PlanStatus, Price
from guilder.domain.catalog.rules import checking, rating
from guilder.domain.catalog.service.meters import meters
from guilder.domain.catalog.store import plans as store
from guilder.kernel import ids
from guilder.kernel.errors import Conflict, Invalid, NotFound
from guilder.kernel.ids import TenantId
from guilder.kernel.noun import replace
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


class CodeTaken(Conflict):
    """The code is taken by another plan or product."""

    code = "code_taken"


class NoSuchMeter(Invalid):
    """A charge or a limit measures by a meter that does not exist."""

    code = "no_such_meter"


class PlanIsArchived(Conflict):
    """The plan is archived: it takes no new subscriptions and no new versions."""

    code = "plan_archived"


async def create_plan(tx: Tx, *, code: str, content: PlanContent, now: datetime) -> Plan:
    """Put a plan on sale, as its version 1.

    :raises CodeTaken: another plan of the tenant has the code
    :raises Invalid: what it says cannot be: BadPrice, BadBilling, BadCharge, NoSuchMeter
    """
    await _check(tx, content)
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
    :raises Invalid: as in `create_plan`
    """
    await _check(tx, content)
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
    found = (await newest(tx, plans=[plan])).get(plan)
    if found is None:
        raise no_such_plan()
    return found


async def newest(tx: Tx, *, plans: Sequence[UUID | str]) -> dict[UUID | str, Plan]:
    """Return the newest version of each of these plans, by what it was named by: an id or a code; unknown ones left out."""
    wanted = {name: name if isinstance(name, UUID) else ids.from_text("plan", name) for name in plans}
    codes = [name for name in wanted if isinstance(name, str)]
    found = await store.newest(tx, plan_ids=[each for each in wanted.values() if each is not None], codes=codes)
    by_name: dict[UUID | str, Plan] = {each.code: each for each in found}
    by_name.update((each.id, each) for each in found)
    meant = {name: by_name.get(name) or (by_name.get(id_) if id_ else None) for name, id_ in wanted.items()}
    return {name: each for name, each in meant.items() if each is not None}


def no_such_plan() -> NotFound:
    return NotFound("there is no such plan", field="plan_id")


async def plans(tx: Tx, *, query: PageQuery, archived: bool = False) -> Page[Plan]:
    return page_of(await store.plans(tx, query, archived=archived), query, lambda each: each.id)


async def versions(tx: Tx, *, keys: Sequence[tuple[TenantId, UUID, int]]) -> dict[tuple[TenantId, UUID, int], Plan]:
    """Return the very versions that were agreed to, by (tenant, plan, version)."""
    found = await store.versions(tx, sorted(set(keys)))
    return {(each.tenant_id, each.id, each.version): each for each in found}


async def plan_ids(tx: Tx, *, plans: Sequence[UUID | str], field: str = "plan_ids") -> tuple[UUID, ...]:
    """Return the ids of plans, named by id or code, in their order.

    :raises NotFound: there is no such plan; names which
    """
    known = await store.ids_of(tx, plans)
    for n, each in enumerate(plans):
        if each not in known:
            raise NotFound(f"there is no plan {each}", field=f"{field}[{n}]")
    return tuple(dict.fromkeys(known[each] for each in plans))


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
        billing=content.billing,
        charges=content.charges,
        is_add_on=content.is_add_on,
        metadata=content.metadata,
    )


def _price(price: NewPrice, now: datetime) -> Price:
    made = Price(
        id=ids.new(now),
        interval=price.interval,
        unit_amount=price.unit_amount,
        cycle=price.cycle,
        model=price.model,
    )
    # With a model the amount is what one costs: something to show in a list.
    return made if made.model is None else replace(made, unit_amount=rating.fee(made, quantity=1).amount)


async def _check(tx: Tx, content: PlanContent) -> None:
    checking.check_plan(content)
    wanted = [(f"charges[{n}].meter", charge.meter) for n, charge in enumerate(content.charges)]
    wanted += [(f"limits[{n}].meter", limit.meter) for n, limit in enumerate(content.limits) if limit.meter]
    known = await meters(tx, tenant_codes=[(tx.tenant_id, code) for _, code in wanted]) if wanted else {}
    for field, code in wanted:
        if (tx.tenant_id, code) not in known:
            raise NoSuchMeter(f"there is no meter with the code {code!r}", field=field)
