"""The customers' verbs."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.customers import store
from guilder.domain.customers.events import CustomerCreated, CustomerErased, CustomerUpdated
from guilder.domain.customers.model import Customer, CustomerChanges, NamedCustomer, NewCustomer
from guilder.domain.customers.rules import vat_ids
from guilder.domain.customers.rules.aliases import alias_of
from guilder.domain.customers.rules.details import changed_by, checked
from guilder.domain.customers.store import Lock
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Tenant
from guilder.kernel import ids
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.bus import outbox
from guilder.platform.db.portable import Portable
from guilder.platform.db.tx import Tx

BATCH_MAX = 1_000


class OrganizationExists(Conflict):
    """There is a customer of this organization already."""

    code = "organization_exists"


class CustomerIsErased(Conflict):
    """This customer's data has been erased; nothing more can be kept about it."""

    code = "customer_erased"


async def create(tx: Tx, *, customers: Sequence[NewCustomer], now: datetime) -> list[Customer]:
    """Take customers on, in order. One without a time zone gets its tenant's, and one without an organization id its own.

    :raises OrganizationExists: a tenant has a customer of that organization, or with that id, or the batch names it twice;
        none is made
    :raises BadDetail: a detail is not of its form
    :raises BadVatId: the VAT id cannot be
    :raises UnknownTimeZone: no such zone
    """
    assert len(customers) <= BATCH_MAX, len(customers)
    if not customers:
        return []
    tenants = await identity.tenants(tx, ids=sorted({new.tenant_id for new in customers}))
    made = [checked(_made(new, tenants, now)) for new in customers]
    for each in made:
        vat_ids.check(each.vat_id)
    read_as = [ref for each in made if (ref := _read_as(each)) != ref_of(each)]
    others = await get(tx, refs=read_as) if read_as else {}
    written = await store.insert(tx, made, now=now)
    for each in made:
        if ref_of(each) not in written or _read_as(each) in others:
            raise OrganizationExists(f"there is a customer {each.organization_id!r} already", field="organization_id")
    outbox.announce(
        tx,
        [
            CustomerCreated(tenant_id=each.tenant_id, customer_id=each.id, organization_id=each.organization_id)
            for each in made
        ],
        now=now,
    )
    return made


async def get(tx: Tx, *, refs: Sequence[Ref]) -> dict[Ref, Customer]:
    return {ref_of(each): each for each in await store.get(tx, refs)}


async def one(tx: Tx, *, customer_id: CustomerId) -> Customer:
    """Return a customer of the transaction's tenant.

    :raises NotFound: no such customer
    """
    ref = Ref(tx.tenant_id, customer_id)
    found = await get(tx, refs=[ref])
    if ref not in found:
        raise _unknown()
    return found[ref]


async def find(tx: Tx, *, text: str, only: CustomerId | None = None, field: str | None = None) -> Customer:
    """Return the customer of an id (`cus_…` or a UUID) or else of an organization id.

    `only` is the one customer that whoever asks may see: any other is unknown to them. `field` is where they named it.

    :raises NotFound: no such customer
    """
    found: Customer | None = None
    if (by_id := ids.from_text("cus", text)) is not None:
        found = (await get(tx, refs=[Ref(tx.tenant_id, by_id)])).get(Ref(tx.tenant_id, by_id))
    if found is None:
        found = (await by_organization(tx, organization_ids=[text])).get(text)
    if found is None or (only is not None and found.id != only):
        raise _unknown(field)
    return found


async def about(tx: Tx, *, text: str | None, only: CustomerId | None, field: str = "customer_id") -> CustomerId | None:
    """Return the one customer that a list is about: who is named (see `find`), else the only one that whoever asks may see.

    None: it is about all of the tenant's.

    :raises NotFound: no such customer
    """
    return only if text is None else (await find(tx, text=text, only=only, field=field)).id


async def by_organization(tx: Tx, *, organization_ids: Sequence[str]) -> dict[str, Customer]:
    """Return the tenant's customers of these organizations; where one was erased, what is left of it (`is_erased`)."""
    found = {each.organization_id: each for each in await store.by_organization(tx, organization_ids)}
    missing = [each for each in organization_ids if each not in found]
    return found | await store.erased_by_organization(tx, missing) if missing else found


async def named(
    tx: Tx, *, organization_ids: Sequence[str], ids: Sequence[CustomerId] = ()
) -> dict[str | CustomerId, NamedCustomer]:
    """Say who the tenant's customers of these organizations and of these ids are, by what they were called here.

    For who needs no more of them: nothing that is sealed is opened. Of an organization that was erased it is what is left.
    """
    found = await store.named(tx, organization_ids, ids)
    wanted, by_name = set(organization_ids), dict[str | CustomerId, NamedCustomer]()
    by_name.update((each.id, each) for each in found)
    by_name.update((each.organization_id, each) for each in found if each.organization_id in wanted)
    if missing := [each for each in organization_ids if each not in by_name]:
        gone = await store.erased_by_organization(tx, missing)
        by_name.update((name, NamedCustomer(each.id, name, is_erased=True)) for name, each in gone.items())
    return by_name


async def customer_of(tx: Tx, organization_id: str) -> CustomerId | None:
    """Return whom an organization of a verified token is, if anybody: the port that identity's Authentication asks."""
    return await store.id_of_organization(tx, organization_id)


async def lock(tx: Tx, *, refs: Sequence[Ref], waits: bool = True) -> dict[Ref, Customer]:
    """Lock customers, in the order of their ids, so that what is done to each is done one after another.

    If it does not wait, those whom another transaction has locked are left out.
    """
    how = Lock.WAITS if waits else Lock.SKIPS
    return {ref_of(each): each for each in await store.get(tx, sorted(set(refs)), lock=how)}


async def hold_each(
    tx: Tx, *, texts: Sequence[str], only: CustomerId | None = None, waits: bool = True
) -> dict[str, Customer]:
    """Lock the customers whom `find` would find for each of these texts, in the order of their ids; erased ones, too.

    For whom there is nobody is left out; so is, if it does not wait, who is locked by another transaction.
    """
    by_id = {text: CustomerId(found) for text in texts if (found := ids.from_text("cus", text)) is not None}
    how = Lock.WAITS if waits else Lock.SKIPS
    known = dict[str | CustomerId, Customer]()
    for each in await store.hold(tx, texts, list(by_id.values()), only=only, lock=how):
        known[each.id] = known[each.organization_id] = each
    meant = {text: (known.get(by_id[text]) if text in by_id else None) or known.get(text) for text in texts}
    held = {text: each for text, each in meant.items() if each is not None}
    # Whom nobody is called like, who was erased (while this waited, it may be), or who is not waited for.
    missing = [text for text in texts if text not in held]
    return held | await _hold_others(tx, missing, only=only, how=how) if missing else held


async def _hold_others(tx: Tx, texts: Sequence[str], *, only: CustomerId | None, how: Lock) -> dict[str, Customer]:
    gone = await store.erased_by_organization(tx, texts)
    refs = {text: ref_of(each) for text, each in gone.items() if only in (None, each.id)}
    held = {ref_of(each): each for each in await store.get(tx, sorted(set(refs.values())), lock=how)} if refs else {}
    return {text: held[ref] for text, ref in refs.items() if ref in held}


async def update(tx: Tx, *, customer_id: CustomerId, changes: CustomerChanges, now: datetime) -> Customer:
    """Change a customer; what is not given stays. Changing nothing announces nothing.

    :raises NotFound: no such customer
    :raises CustomerIsErased: its data was erased
    :raises BadDetail: a detail is not of its form
    :raises BadVatId: the VAT id cannot be
    """
    ref = Ref(tx.tenant_id, customer_id)
    before = (await lock(tx, refs=[ref])).get(ref)
    if before is None:
        raise _unknown()
    if before.is_erased:
        raise CustomerIsErased
    after, changed = changed_by(before, changes)
    if "vat_id" in changed:  # what is there already stays, so that everything else can still be changed
        vat_ids.check(after.vat_id)
    if not changed:
        return before
    await store.save(tx, after, now=now)
    event = CustomerUpdated(
        tenant_id=after.tenant_id, customer_id=after.id, organization_id=after.organization_id, changed=changed
    )
    outbox.announce(tx, [event], now=now)
    return after


async def listing(
    tx: Tx,
    *,
    query: PageQuery,
    email: str | None = None,
    organization_id: str | None = None,
    customer_id: CustomerId | None = None,
) -> Page[Customer]:
    """List the tenant's customers, the newest first; an e-mail address is compared whole, without regard to case."""
    rows = await store.listing(tx, query, email=email, organization_id=organization_id, customer_id=customer_id)
    return page_of(rows, query, lambda each: each.id)


async def erase(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> None:
    """Destroy what the customers' personal data opens with, for good. Whether it may be is for the caller to know.

    From here on the customer is known by `alias_of` its id: the organization id is free, and late data that still comes
    under it finds the erased customer, by a keyed hash.
    """
    found = await lock(tx, refs=refs)
    erased = await store.erase(tx, list(found), now=now)
    outbox.announce(
        tx,
        [
            CustomerErased(tenant_id=ref.tenant_id, customer_id=each.id, organization_id=alias_of(each.id))
            for ref, each in found.items()
            if ref in erased
        ],
        now=now,
    )


def of_customer_export(tx: Tx, *, customer_id: CustomerId) -> AsyncIterator[Portable]:
    return store.records(tx, customer_id)


def ref_of(customer: Customer) -> Ref:
    return Ref(customer.tenant_id, customer.id)


def _read_as(customer: Customer) -> Ref:
    """Return whose id an organization id reads as: nobody may be called what somebody else's id is. Most read as none."""
    return Ref(customer.tenant_id, ids.from_text("cus", customer.organization_id) or customer.id)


def _made(new: NewCustomer, tenants: Mapping[TenantId, Tenant], now: datetime) -> Customer:
    customer_id = CustomerId(ids.new(now))
    return Customer(
        tenant_id=new.tenant_id,
        id=customer_id,
        organization_id=new.organization_id or ids.to_text("cus", customer_id),
        kind=new.kind,
        name=new.name,
        email=new.email,
        phone=new.phone,
        address=new.address,
        vat_id=new.vat_id,
        language=new.language,
        time_zone=new.time_zone or tenants[new.tenant_id].time_zone,
        metadata=new.metadata,
        created_at=now,
        is_tax_exempt=new.is_tax_exempt,
        tax_exempt_reason=new.tax_exempt_reason,
        net_days=new.net_days,
    )


def _unknown(field: str | None = None) -> NotFound:
    return NotFound("there is no such customer", field=field)


async def hash_emails_again(tx: Tx, after: UUID | None, limit: int) -> UUID | None:
    """Hash e-mail addresses by the current master key, a batch behind `after`; return its last one, None at the end."""
    return await store.hash_emails_again(tx, CustomerId(after) if after else None, limit)
