"""The customers' SQL. Personal data goes in and comes out sealed; nobody else sees the ciphertext."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from guilder.domain.customers.model import Customer, CustomerKind, NamedCustomer
from guilder.domain.customers.rules.aliases import alias_of
from guilder.domain.identity.model import Address
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.page import PageQuery
from guilder.platform.db.portable import Portable
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.vault import Sealed, Sealing

_ORGANIZATION = "customers.customers.organization_id"
_FIELD = "customers.customers.profile"
_COLUMNS = """c.tenant_id, c.id, c.organization_id, c.kind, c.sealed_profile, c.language, c.time_zone,
              c.metadata::text as metadata, c.created_at, c.erased_at, c.is_tax_exempt, c.tax_exempt_reason, c.net_days"""


class _Profile(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is sealed: all that says who somebody is."""

    name: str = ""
    email: str = ""
    phone: str = ""
    address: Address = Address()
    vat_id: str = ""


async def insert(tx: Tx, customers: Sequence[Customer], *, now: datetime) -> set[Ref]:
    """Write new customers; return those written. One is missing where its organization id was taken."""
    rows = await tx.fetch(
        """insert into customers.customers (tenant_id, id, organization_id, kind, sealed_profile, email_hash, language,
                                            time_zone, metadata, created_at, updated_at, is_tax_exempt,
                                            tax_exempt_reason, net_days)
           select n.tenant_id, n.id, n.organization_id, n.kind, n.profile, n.email_hash, n.language, n.time_zone,
                  n.metadata::jsonb, n.created_at, n.created_at, n.is_tax_exempt, n.tax_exempt_reason, n.net_days
             from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::bytea[], $7::text[],
                         $8::text[], $9::text[], $10::timestamptz[], $11::boolean[], $12::text[], $13::int[])
                  as n (tenant_id, id, organization_id, kind, profile, email_hash, language, time_zone, metadata,
                        created_at, is_tax_exempt, tax_exempt_reason, net_days)
            -- In order, so that two batches that make the same customers wait for each other and never clash.
            order by n.tenant_id, n.organization_id
           on conflict (tenant_id, organization_id) do nothing
           returning tenant_id, id""",
        [each.tenant_id for each in customers],
        [each.id for each in customers],
        [each.organization_id for each in customers],
        [each.kind.value for each in customers],
        await _sealed(tx, customers, now),
        [_email_hash(tx, each) for each in customers],
        [each.language for each in customers],
        [each.time_zone for each in customers],
        [msgspec.json.encode(each.metadata).decode() for each in customers],
        [each.created_at for each in customers],
        [each.is_tax_exempt for each in customers],
        [each.tax_exempt_reason for each in customers],
        [each.net_days for each in customers],
    )
    return {Ref(TenantId(row["tenant_id"]), row["id"]) for row in rows}


async def save(tx: Tx, customer: Customer, *, now: datetime) -> None:
    [profile] = await _sealed(tx, [customer], now)
    await tx.execute(
        """update customers.customers
              set kind = $3, sealed_profile = $4, email_hash = $5, language = $6, time_zone = $7,
                  metadata = $8::jsonb, updated_at = $9, is_tax_exempt = $10, tax_exempt_reason = $11, net_days = $12
            where tenant_id = $1 and id = $2""",
        customer.tenant_id,
        customer.id,
        customer.kind.value,
        profile,
        _email_hash(tx, customer),
        customer.language,
        customer.time_zone,
        msgspec.json.encode(customer.metadata).decode(),
        now,
        customer.is_tax_exempt,
        customer.tax_exempt_reason,
        customer.net_days,
    )


class Lock(StrEnum):
    """How rows are locked that are read; "no key": others who lock are kept out, rows that merely refer are not."""

    NOT = ""
    WAITS = "for no key update"
    SKIPS = "for no key update skip locked"


async def get(tx: Tx, refs: Sequence[Ref], *, lock: Lock = Lock.NOT) -> list[Customer]:
    rows = await tx.fetch(
        f"""select {_COLUMNS} from customers.customers c
            where (c.tenant_id, c.id) in (select * from unnest($1::uuid[], $2::uuid[]))
            order by c.tenant_id, c.id {lock}""",
        [ref.tenant_id for ref in refs],
        [ref.id for ref in refs],
    )
    return await _customers(tx, rows, lock=lock)


async def hold(
    tx: Tx, organization_ids: Sequence[str], ids: Sequence[CustomerId], *, only: CustomerId | None, lock: Lock
) -> list[Customer]:
    """Find customers by either name and lock them, in the order of their ids; `only` this one, unless it is None."""
    rows = await tx.fetch(
        f"""select {_COLUMNS} from customers.customers c
             where (c.tenant_id, c.id) in (
                     select n.tenant_id, n.id from customers.customers n
                      where n.tenant_id = $1 and n.organization_id = any($2::text[])
                     union all
                     select $1, i.id from unnest($3::uuid[]) as i (id))
               and ($4::uuid is null or c.id = $4)
             order by c.tenant_id, c.id {lock}""",
        tx.tenant_id,
        list(organization_ids),
        list(ids),
        only,
    )
    return await _customers(tx, rows, lock=lock)


async def by_organization(tx: Tx, organization_ids: Sequence[str]) -> list[Customer]:
    rows = await tx.fetch(
        f"select {_COLUMNS} from customers.customers c where c.tenant_id = $1 and c.organization_id = any($2::text[])",
        tx.tenant_id,
        list(organization_ids),
    )
    return await _customers(tx, rows)


async def named(tx: Tx, organization_ids: Sequence[str], ids: Sequence[CustomerId]) -> list[NamedCustomer]:
    """Find customers by either name, without opening what is sealed of them."""
    rows = await tx.fetch(
        # Not one search with `or`: that is planned anew each time, and takes ten times as long as to be done.
        """select c.id, c.organization_id, c.erased_at is not null as is_erased from customers.customers c
            where c.tenant_id = $1 and c.organization_id = any($2::text[])
           union all
           select c.id, c.organization_id, c.erased_at is not null from customers.customers c
            where c.tenant_id = $1 and c.id = any($3::uuid[])""",
        tx.tenant_id,
        list(organization_ids),
        list(ids),
    )
    return [NamedCustomer(CustomerId(row["id"]), row["organization_id"], row["is_erased"]) for row in rows]


async def erased_by_organization(tx: Tx, organization_ids: Sequence[str]) -> dict[str, Customer]:
    """Return the erased customers that had these organization ids, by those; the last one of each."""
    hashes = await tx.vault.blind_many(tx, tx.tenant_id, organization_ids, about=_ORGANIZATION, now=None)
    asked = dict(zip(hashes, organization_ids, strict=False))  # none, where the tenant has no key yet
    rows = await tx.fetch(
        f"""select {_COLUMNS}, c.erased_hash from customers.customers c
            where c.tenant_id = $1 and c.erased_hash = any($2::bytea[]) and c.erased_hash <> ''::bytea
            order by c.id""",
        tx.tenant_id,
        list(asked),
    )
    return {asked[row["erased_hash"]]: _customer(row, None) for row in rows}


async def records(tx: Tx, customer_id: CustomerId) -> AsyncIterator[Portable]:
    for each in await get(tx, [Ref(tx.tenant_id, customer_id)]):
        yield (
            "customer",
            {
                "id": str(each.id),
                "organization_id": each.organization_id,
                "kind": each.kind.value,
                "name": each.name,
                "email": each.email,
                "phone": each.phone,
                "address": msgspec.to_builtins(each.address),
                "vat_id": each.vat_id,
                "language": each.language,
                "time_zone": each.time_zone,
                "metadata": dict(each.metadata),
                "is_tax_exempt": each.is_tax_exempt,
                "tax_exempt_reason": each.tax_exempt_reason,
                "net_days": each.net_days,
                "created_at": each.created_at.isoformat(),
            },
        )


async def id_of_organization(tx: Tx, organization_id: str) -> CustomerId | None:
    found: CustomerId | None = await tx.fetchval(
        """select id from customers.customers
            where tenant_id = $1 and organization_id = $2 and erased_at is null""",
        tx.tenant_id,
        organization_id,
    )
    return found


async def listing(
    tx: Tx, query: PageQuery, *, email: str | None, organization_id: str | None, customer_id: CustomerId | None
) -> list[Customer]:
    """Read one more row than the page holds."""
    ring, about = tx.vault.ring, _about_email(tx.tenant_id)
    # Only what is asked for is said, so that each search is planned by its own index.
    asked: list[tuple[str, object]] = [("c.tenant_id = {}", tx.tenant_id)]
    if query.after is not None:
        asked.append(("c.id < {}", query.after))
    if email is not None:
        hashes = ring.blinds(_plain(email), about=about)
        asked.append(("c.email_hash = any({}::bytea[]) and c.email_hash <> ''::bytea", hashes))
    if organization_id is not None:
        asked.append(("c.organization_id = {}", organization_id))
    if customer_id is not None:
        asked.append(("c.id = {}", customer_id))
    where = " and ".join(text.format(f"${number}") for number, (text, _) in enumerate(asked, start=1))
    rows = await tx.fetch(
        f"select {_COLUMNS} from customers.customers c where {where} order by c.id desc limit ${len(asked) + 1}",
        *(value for _, value in asked),
        query.limit + 1,
    )
    return await _customers(tx, rows)


async def erase(tx: Tx, refs: Sequence[Ref], *, now: datetime) -> set[Ref]:
    """Destroy what the customers' personal data opens with; return those that were not erased before."""
    await tx.vault.destroy(tx, refs, now=now)
    known = await tx.fetch(
        """select tenant_id, id, organization_id from customers.customers
            where (tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[])) and erased_at is null""",
        [ref.tenant_id for ref in refs],
        [ref.id for ref in refs],
    )
    rows = await tx.fetch(
        """update customers.customers c
              set sealed_profile = ''::bytea, email_hash = ''::bytea, metadata = '{}', tax_exempt_reason = '',
                  organization_id = v.alias, erased_hash = v.erased_hash, erased_at = $5, updated_at = $5
             from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[]) as v (tenant_id, id, alias, erased_hash)
            where (c.tenant_id, c.id) = (v.tenant_id, v.id) and c.erased_at is null
           returning c.tenant_id, c.id""",
        [row["tenant_id"] for row in known],
        [row["id"] for row in known],
        [alias_of(CustomerId(row["id"])) for row in known],
        [await _organization_hash(tx, row, now) for row in known],
        now,
    )
    return {Ref(TenantId(row["tenant_id"]), row["id"]) for row in rows}


async def hash_emails_again(tx: Tx, after: CustomerId | None, limit: int) -> CustomerId | None:
    """Hash the e-mail addresses of the customers behind `after` with the current master key; None at the end."""
    rows = await tx.fetch(
        f"""select {_COLUMNS}, c.email_hash from customers.customers c
             where c.erased_at is null and c.email_hash <> ''::bytea and ($1::uuid is null or c.id > $1)
             order by c.id limit $2 for no key update""",
        after,
        limit,
    )
    found = await _customers(tx, rows)
    fresh = [
        (each, now)
        for each, row in zip(found, rows, strict=True)
        if (now := _email_hash(tx, each)) != row["email_hash"]
    ]
    await tx.execute(
        """update customers.customers c set email_hash = v.email_hash
             from unnest($1::uuid[], $2::uuid[], $3::bytea[]) as v (tenant_id, id, email_hash)
            where (c.tenant_id, c.id) = (v.tenant_id, v.id)""",
        [each.tenant_id for each, _ in fresh],
        [each.id for each, _ in fresh],
        [hashed for _, hashed in fresh],
    )
    return found[-1].id if len(rows) == limit else None


async def _sealed(tx: Tx, customers: Sequence[Customer], now: datetime) -> list[bytes]:
    return await tx.vault.seal_many(
        tx, [Sealing(each.tenant_id, each.id, _FIELD, _profile(each)) for each in customers], now=now
    )


def _profile(customer: Customer) -> str:
    profile = _Profile(customer.name, customer.email, customer.phone, customer.address, customer.vat_id)
    return msgspec.json.encode(profile).decode()


def _email_hash(tx: Tx, customer: Customer) -> bytes:
    if not customer.email:
        return b""
    return tx.vault.ring.blind(_plain(customer.email), about=_about_email(customer.tenant_id))


def _about_email(tenant_id: TenantId) -> str:
    # By tenant, so that equal addresses of two tenants do not look equal.
    return f"customers.customers.email:{tenant_id}"


async def _organization_hash(tx: Tx, row: Row, now: datetime) -> bytes:
    # By the tenant's key, and no master key: the id is known no more, and cannot be hashed again when that is changed.
    tenant_id = TenantId(row["tenant_id"])
    [hashed] = await tx.vault.blind_many(tx, tenant_id, [row["organization_id"]], about=_ORGANIZATION, now=now)
    return hashed


def _plain(email: str) -> str:
    return email.strip().casefold()


async def _customers(tx: Tx, rows: Sequence[Row], *, lock: Lock = Lock.NOT) -> list[Customer]:
    kept = [row for row in rows if row["erased_at"] is None]
    opened = tx.vault.open_many if lock is Lock.NOT else tx.vault.open_held
    texts = await opened(tx, [Sealed(row["tenant_id"], row["id"], _FIELD, row["sealed_profile"]) for row in kept])
    profiles = {
        (row["tenant_id"], row["id"]): msgspec.json.decode(text, type=_Profile)
        for row, text in zip(kept, texts, strict=True)
        if text is not None
    }
    return [_customer(row, profiles.get((row["tenant_id"], row["id"]))) for row in rows]


def _customer(row: Row, profile: _Profile | None) -> Customer:
    known = profile or _Profile()
    return Customer(
        tenant_id=TenantId(row["tenant_id"]),
        id=CustomerId(row["id"]),
        organization_id=row["organization_id"],
        kind=CustomerKind(row["kind"]),
        name=known.name,
        email=known.email,
        phone=known.phone,
        address=known.address,
        vat_id=known.vat_id,
        language=row["language"],
        time_zone=row["time_zone"],
        metadata=msgspec.json.decode(row["metadata"], type=dict[str, str]),
        created_at=row["created_at"],
        is_erased=profile is None,
        is_tax_exempt=row["is_tax_exempt"],
        tax_exempt_reason=row["tax_exempt_reason"],
        net_days=row["net_days"],
    )
