"""The migration runner, on a real database and folders of its own."""

import asyncio
import re
from pathlib import Path

import pytest

from guilder.platform.db.migrate import FOLDER, MigrationError, lacking, migrate, pending, read
from tests.support.database import connected


@pytest.fixture
async def empty(a_database):
    async with a_database(migrated=False) as urls:
        yield urls


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_things.sql").write_text("create table things (id int); insert into things values (1);")
    (tmp_path / "0002_more.sql").write_text("insert into things values (2);")
    return tmp_path


async def test_applies_in_order_and_once(empty, folder):
    heard = []
    assert await pending(empty.owner, folder=folder) == ["0001_things", "0002_more"]
    assert await migrate(empty.owner, report=heard.append, folder=folder) == ["0001_things", "0002_more"]
    assert heard == ["applied 0001_things", "applied 0002_more"]
    assert await migrate(empty.owner, report=heard.append, folder=folder) == []
    assert await things(empty) == [1, 2]
    async with connected(empty.app) as connection:
        assert await pending(connection, folder=folder) == []


async def test_two_at_once_apply_each_file_once(empty, folder):
    done = await asyncio.gather(*(migrate(empty.owner, report=print, folder=folder) for _ in range(4)))
    assert sorted(name for names in done for name in names) == ["0001_things", "0002_more"]
    assert await things(empty) == [1, 2]


async def test_a_file_that_fails_leaves_nothing_behind(empty, folder):
    (folder / "0003_broken.sql").write_text("insert into things values (3); select 1 / 0;")
    with pytest.raises(MigrationError, match="0003_broken failed and changed nothing: division by zero"):
        await migrate(empty.owner, report=print, folder=folder)
    assert await things(empty) == [1, 2]
    assert await pending(empty.owner, folder=folder) == ["0003_broken"]


async def test_refuses_a_file_changed_after_it_was_applied(empty, folder):
    await migrate(empty.owner, report=print, folder=folder)
    (folder / "0002_more.sql").write_text("insert into things values (99);")
    with pytest.raises(MigrationError, match="0002_more has been changed"):
        await migrate(empty.owner, report=print, folder=folder)
    with pytest.raises(MigrationError, match="has been changed"):
        await pending(empty.owner, folder=folder)


async def test_refuses_a_database_newer_than_the_code(empty, folder):
    await migrate(empty.owner, report=print, folder=folder)
    (folder / "0002_more.sql").unlink()
    with pytest.raises(MigrationError, match="newer than this code: it has migration 0002_more"):
        await migrate(empty.owner, report=print, folder=folder)


async def test_refuses_a_number_before_the_newest_applied(empty, folder):
    (folder / "0001_things.sql").rename(folder / "0003_things.sql")
    (folder / "0002_more.sql").unlink()
    await migrate(empty.owner, report=print, folder=folder)
    (folder / "0002_late.sql").write_text("select 1")
    with pytest.raises(MigrationError, match="0002_late comes before 0003"):
        await migrate(empty.owner, report=print, folder=folder)


async def test_waits_for_a_busy_table_and_tries_again(empty, folder, monkeypatch):
    await migrate(empty.owner, report=print, folder=folder)
    (folder / "0003_column.sql").write_text("alter table things add column name text")
    monkeypatch.setattr("guilder.platform.db.migrate.LOCK_TIMEOUT_MS", 100)
    monkeypatch.setattr("guilder.platform.db.migrate.WAIT_S", 0.3)
    heard = []
    async with connected(empty.owner) as other:
        transaction = other.transaction()
        await transaction.start()
        await other.fetch("select * from things")
        migrating = asyncio.create_task(migrate(empty.owner, report=heard.append, folder=folder))
        while "0003_column waits for a busy table" not in heard:
            assert not migrating.done()
            await asyncio.sleep(0.02)
        await transaction.rollback()
    assert await migrating == ["0003_column"]


async def test_gives_up_on_a_table_that_stays_busy(empty, folder, monkeypatch):
    await migrate(empty.owner, report=print, folder=folder)
    (folder / "0003_column.sql").write_text("alter table things add column name text")
    monkeypatch.setattr("guilder.platform.db.migrate.LOCK_TIMEOUT_MS", 20)
    monkeypatch.setattr("guilder.platform.db.migrate.WAIT_S", 0.01)
    async with connected(empty.owner) as other, other.transaction():
        await other.fetch("select * from things")
        with pytest.raises(MigrationError, match="found its tables busy 5 times"):
            await migrate(empty.owner, report=print, folder=folder)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["1_short.sql"], "1_short.sql is not a migration's name"),
        (["0001_Upper.sql"], "0001_Upper.sql is not a migration's name"),
        (["0001_a.sql", "0001_b.sql"], "0001_a and 0001_b have the same number"),
    ],
)
def test_refuses_names_that_have_no_order(tmp_path, names, sentence):
    for name in names:
        (tmp_path / name).write_text("select 1")
    with pytest.raises(MigrationError, match=sentence):
        read(tmp_path)


async def test_the_product_goes_from_empty_to_head_as_the_owner_alone(empty):
    applied = await migrate(empty.owner, report=print)
    assert applied == [str(migration) for migration in read(FOLDER)]
    assert applied[0].startswith("0001_")


async def things(urls) -> list[int]:
    async with connected(urls.owner) as connection:
        return [row["id"] for row in await connection.fetch("select id from things order by id")]


@pytest.mark.shows("fault J3")
async def test_older_code_runs_on_a_newer_database_until_that_says_it_cannot(empty, folder, tmp_path_factory):
    old = tmp_path_factory.mktemp("old")
    for path in folder.iterdir():
        (old / path.name).write_text(path.read_text())
    (folder / "0003_column.sql").write_text("alter table things add column name text;")
    async with connected(empty.app) as connection:
        assert await lacking(connection, folder=old) == ["0001_things", "0002_more"]
        await migrate(empty.owner, report=print, folder=folder)
        # The next release's column is nothing to it: it goes on, and stays ready.
        assert await lacking(connection, folder=old) == []
        (folder / "0004_drop.sql").write_text(
            "-- Nobody reads it.\n-- needs code: 0003\nalter table things drop column name;"
        )
        assert await lacking(connection, folder=folder) == ["0004_drop"]
        await migrate(empty.owner, report=print, folder=folder)
        assert await lacking(connection, folder=folder) == []
        with pytest.raises(
            MigrationError, match="0004_drop needs code of migration 0003 or later, and this is of 0002"
        ):
            await lacking(connection, folder=old)
        # Code that knows the column's end by number runs on, though it does not have that file itself.
        (old / "0003_column.sql").write_text((folder / "0003_column.sql").read_text())
        assert await lacking(connection, folder=old) == []
    with pytest.raises(MigrationError, match="newer than this code"):
        await migrate(empty.owner, report=print, folder=old)


async def test_a_history_from_before_is_carried_on(empty, folder):
    await migrate(empty.owner, report=print, folder=folder)
    async with connected(empty.owner) as owner:
        await owner.execute("alter table public.guilder_migrations drop column needs")
        assert await lacking(owner, folder=folder) == []
    (folder / "0003_more.sql").write_text("-- needs code: 0002\nselect 1;")
    assert await migrate(empty.owner, report=print, folder=folder) == ["0003_more"]
    async with connected(empty.owner) as owner:
        assert await owner.fetchval("select array_agg(needs order by number) from guilder_migrations") == [0, 0, 2]


TAKES_AWAY = re.compile(
    r"\b(drop\s+(table|column|view|schema|type)|rename\s+(to|column)|alter\s+(column\s+)?\w+\s+(set\s+data\s+)?type\b"
    r"|alter\s+(column\s+)?\w+\s+set\s+not\s+null)",
    re.IGNORECASE,
)
LAST_BEFORE_THE_RULE = 57


def test_a_migration_that_takes_something_away_says_which_code_can_no_longer_run():
    assert TAKES_AWAY.search("alter table t drop column c")
    assert not TAKES_AWAY.search("create table t (c int); alter table t add column d int")
    silent = [
        str(each)
        for each in read(FOLDER)
        if each.number > LAST_BEFORE_THE_RULE and TAKES_AWAY.search(each.sql) and not each.needs
    ]
    assert not silent, f"say `-- needs code: NNNN` in {silent}, or add and do not take away"
