"""The tool that empties a database between tests: if it left something behind, every other test would lie."""

from tests.support.database import Cleaner, connected


async def test_puts_back_what_migrations_left_and_nothing_else(a_database):
    async with a_database(migrated=False) as urls, connected(urls.admin) as admin:
        await admin.execute(
            """create schema room;
               create table room.parent (id int primary key generated always as identity, name text, at timestamptz);
               create table room.child (parent int references room.parent) partition by list (parent);
               create table room.child_1 partition of room.child default;
               create function room.never() returns trigger language plpgsql as
                   $$ begin raise exception 'append only'; end $$;
               create trigger never before delete on room.parent for each row execute function room.never();
               insert into room.parent (name, at) values ('seed', '2026-01-31T12:00:00.123456Z')"""
        )
        before = await admin.fetch("select * from room.parent")
        cleaner = Cleaner(urls)
        await cleaner.learn()
        await admin.execute(
            """update room.parent set name = 'spoilt';
               insert into room.parent (name) values ('more');
               insert into room.child values (1), (2)"""
        )
        await cleaner.clean()
        assert await admin.fetch("select * from room.parent") == before
        assert await admin.fetchval("select count(*) from room.child") == 0


async def test_a_worker_gets_the_products_tables_as_the_role_that_is_bound(database_urls, clean):
    async with connected(database_urls.app) as connection:
        is_bound = await connection.fetchval(
            """select not rolsuper and not rolbypassrls and pg_has_role(rolname, 'guilder_app', 'member')
               from pg_roles where rolname = current_user"""
        )
        owned = await connection.fetchval("select count(*) from pg_class where relowner = current_user::regrole")
    assert (is_bound, owned) == (True, 0)
