"""Every table of a room belongs to tenants, and a forgotten filter shows nothing. Asked of the migrated database."""

import pytest

from tests.support.database import connected

ROOMS = """
    n.nspname not like 'pg\\_%' and n.nspname not in ('information_schema', 'public', 'platform')
"""
# A room may refer to rows of rooms below it, never beside or above. Lowest first.
FLOORS = [
    {"platform", "identity"},
    {"catalog", "customers", "gateways", "ledger"},
    {"payments", "subscriptions", "usage"},
    {"invoicing"},
    {"orders", "dunning"},
    {"entitlements"},
    {"notifications", "webhooks", "audit", "analytics"},
    {"privacy"},
]
# References from one tenant's row to another's, each with the reason.
ACROSS_TENANTS = {
    "identity.tenants.tenants_root_id_fkey": "a sandbox names the tenant that it belongs to",
}


@pytest.fixture(scope="module")
async def ask(database_urls):
    async with connected(database_urls.admin) as admin:

        async def names(query: str) -> list[str]:
            return [row[0] for row in await admin.fetch(query)]

        yield names


@pytest.mark.shows("I28", "ASVS 8.4.1")
async def test_every_table_of_a_room_has_a_tenant(ask):
    tables = f"""
        select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p') and {ROOMS}"""
    assert await ask(tables), "there are rooms"
    assert (
        await ask(
            f"""{tables} and not exists (
                select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and a.attnotnull)"""
        )
        == []
    )


@pytest.mark.shows("I28", "ASVS 8.4.1")
async def test_every_table_with_a_tenant_has_forced_row_level_security(ask):
    # A partition is reached through its parent; for itself it must be out of the application's reach.
    assert (
        await ask(
            """select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
               join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
               where c.relkind in ('r', 'p') and n.nspname not like 'pg\\_%'
                 and not (c.relrowsecurity and c.relforcerowsecurity)
                 and not (c.relispartition
                          and not has_table_privilege('guilder_app', c.oid, 'select, insert, update, delete'))"""
        )
        == []
    )


@pytest.mark.shows("I28", "ASVS 8.4.1")
async def test_every_policy_of_the_application_asks_for_the_tenant(ask):
    protected = """
        select c.oid::regclass::text from pg_class c
        where c.relrowsecurity and not c.relispartition and not exists (
            select from pg_policies p where p.schemaname || '.' || p.tablename = c.oid::regclass::text
              and 'guilder_app' = any (p.roles) and p.qual like '%tenants()%' and p.with_check like '%tenants()%')"""
    loose = """
        select schemaname || '.' || tablename || ': ' || policyname from pg_policies
        where roles && '{guilder_app,guilder_login,public}'
          and (coalesce(qual, '%tenants()%') not like '%tenants()%'
               or coalesce(with_check, '%tenants()%') not like '%tenants()%')"""
    assert await ask(protected) == []
    assert await ask(loose) == []


async def test_a_view_shows_no_more_than_its_reader_may_see(ask):
    assert (
        await ask(
            """select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
               where c.relkind = 'v' and n.nspname not in ('pg_catalog', 'information_schema')
                 and not coalesce(c.reloptions @> '{security_invoker=true}', false)
                 and not coalesce(c.reloptions @> '{security_invoker=on}', false)"""
        )
        == []
    )


@pytest.mark.shows("ASVS 8.4.1")
async def test_a_definer_function_has_a_fixed_search_path_and_is_not_for_everyone(ask):
    assert (
        await ask(
            """select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
               where p.prosecdef and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
                 and (not exists (select from unnest(p.proconfig) as setting where setting like 'search_path=%')
                      or has_function_privilege('public', p.oid, 'execute'))"""
        )
        == []
    )


@pytest.mark.shows("ASVS 8.4.1", "ASVS 16.4.2")
async def test_the_application_owns_nothing_and_bypasses_nothing(ask):
    assert (
        await ask(
            """select rolname::text from pg_roles
               where rolname in ('guilder_app', 'guilder_doctor', 'guilder_login', 'guilder_doctor_login')
                 and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb)
               union all
               select oid::regclass::text from pg_class where pg_get_userbyid(relowner) in ('guilder_app', 'guilder_login')"""
        )
        == []
    )


@pytest.mark.shows("I27", "fault G3")
async def test_a_reference_stays_within_its_tenant(ask):
    found = await ask(
        f"""select k.conrelid::regclass || '.' || k.conname from pg_constraint k
            join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
            where k.contype = 'f' and {ROOMS}
              and not exists (select from pg_attribute a where a.attrelid = k.conrelid
                              and a.attnum = any (k.conkey) and a.attname = 'tenant_id')"""
    )
    assert set(found) == set(ACROSS_TENANTS)


async def test_references_go_down_the_floors(ask):
    links = await ask(
        """select distinct n.nspname || ' ' || m.nspname from pg_constraint k
           join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
           join pg_class d on d.oid = k.confrelid join pg_namespace m on m.oid = d.relnamespace
           where k.contype = 'f' and n.oid <> m.oid"""
    )
    floor_of = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
    assert [link for link in links if floor_of[link.split()[0]] <= floor_of[link.split()[1]]] == []


@pytest.mark.shows("ASVS 1.4.2")
async def test_no_column_is_a_float(ask):
    assert (
        await ask(
            f"""select a.attrelid::regclass || '.' || a.attname from pg_attribute a
                join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
                where c.relkind in ('r', 'p') and a.atttypid in ('real'::regtype, 'double precision'::regtype)
                  and {ROOMS}"""
        )
        == []
    )


async def test_a_table_without_protection_is_noticed(a_database):
    async with a_database() as urls, connected(urls.owner) as owner, connected(urls.admin) as admin:
        await owner.execute(
            """create schema loose;
               create table loose.rows (tenant_id uuid not null, id uuid, amount double precision,
                                        primary key (tenant_id, id))"""
        )

        async def names(query: str) -> list[str]:
            return [row[0] for row in await admin.fetch(query)]

        with pytest.raises(AssertionError, match=r"loose\.rows"):
            await test_every_table_with_a_tenant_has_forced_row_level_security(names)
        with pytest.raises(AssertionError, match=r"loose\.rows\.amount"):
            await test_no_column_is_a_float(names)
