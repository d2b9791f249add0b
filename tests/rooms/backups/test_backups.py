"""A backup is whole or is none, says what is wrong with it, and is restored into nothing but what is empty."""

import asyncio
import json
import multiprocessing
import os
import shutil
import signal
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from obstore.store import MemoryStore
from pydantic import SecretStr
from typer.testing import CliRunner

from guilder.entrypoints.backups import keyrings, restoring, settling, taking, upgrading
from guilder.entrypoints.backups.errors import BackupTrouble, Damaged
from guilder.entrypoints.backups.keyrings import KeysMissing
from guilder.entrypoints.backups.manifest import Kind
from guilder.entrypoints.backups.places import Place, open_place
from guilder.entrypoints.backups.taking import Source
from guilder.entrypoints.cli import app
from guilder.entrypoints.databases import with_endpoints
from guilder.platform.clock import WallClock
from guilder.platform.crypto import Key
from guilder.platform.db import migrate as migrations
from guilder.platform.db.migrate import MigrationError
from tests.support.builders.identity import new_tenant
from tests.support.database import connected
from tests.support.ground import database_with_vault
from tests.support.homes import Home, a_street

KEYS = keyrings.named([Key("k1", b"s" * 32)])
DAY = timedelta(days=1)


def silent(_: str) -> None: ...


def taken(settings, source, place, *, say=silent, keys=KEYS):
    return taking.take(settings, source, place, keys=keys, keys_from="the environment", clock=WallClock(), say=say)


@pytest.fixture
def street():
    with a_street() as folder:
        yield folder


@pytest.fixture
def settings(street):
    """An installation with an external database, to be given its addresses; its ring has the key that backups need."""
    ring = "k1:" + "c3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3M="
    found = Home(street / "home").settings
    return found.model_copy(update={"guilder_master_key": SecretStr(ring)})


def at(settings, urls):
    return with_endpoints(settings, owner=urls.owner, app=urls.app, doctor=urls.doctor)


def dumped(settings, urls, place, **over):
    return taken(at(settings, urls), Source(urls.owner, is_embedded=False), place, **over)


async def furnished(urls):
    async with database_with_vault(urls) as database:
        tenant = await new_tenant(database)
    async with connected(urls.admin) as admin:
        return tenant, await admin.fetchval("select count(*) from identity.tenants")


async def test_the_content_of_a_database_of_ones_own_is_dumped_and_comes_back_in_quarantine(
    settings, street, a_database
):
    place = open_place(str(street / "backups"))
    async with a_database() as old, a_database(migrated=False) as new:
        _, count = await furnished(old)
        (settings.guilder_data / "files").mkdir(parents=True)
        (settings.guilder_data / "files" / "invoice.pdf").write_bytes(b"%PDF")
        made = await asyncio.to_thread(dumped, settings, old, place)
        assert made.kind is Kind.DUMP
        assert "may not replicate" in made.because
        assert [part.name for part in made.parts] == ["database.dump", "documents.tar.gz"]

        with pytest.raises(BackupTrouble, match=r"there are documents in .*/files already"):
            await asyncio.to_thread(restoring.refuse, made, at(settings, new), to_time=None)
        shutil.rmtree(settings.guilder_data / "files")
        await asyncio.to_thread(wrong_rings, made, at(settings, new), street / "rings")

        def restored():
            return restoring.restore(
                at(settings, new), place, made, to_time=None, clock=WallClock(), say=silent, spare_numbers=50
            )

        settled = await asyncio.to_thread(restored)
        assert (settled.epoch, settled.tenants) == (2, count)
        # Two series of the one issuer of the one tenant on the wall's time.
        assert settled.numbers == 100
        assert (settings.guilder_data / "files" / "invoice.pdf").read_bytes() == b"%PDF"
        async with connected(new.admin) as admin:
            assert await admin.fetchval("select count(*) from identity.tenants") == count
            assert await admin.fetchval("select array_agg(distinct next) from invoicing.series") == [51]
            forced = "select count(*) from pg_class where relforcerowsecurity"
            assert await admin.fetchval(forced) > 50
        with pytest.raises(BackupTrouble, match=r"the database is not empty: it has .*identity \(\d+ tables\)"):
            await asyncio.to_thread(restoring.refuse, made, at(settings, new), to_time=None)


async def test_nobody_writes_to_a_database_that_is_loaded_and_not_yet_in_quarantine(
    settings, street, a_database, monkeypatch
):
    """A worker that was only waiting for its tables would charge what the backup knew as due."""
    place = open_place(str(street / "backups"))
    async with a_database() as old, a_database(migrated=False) as new:
        tenant, _ = await furnished(old)
        made = await asyncio.to_thread(dumped, settings, old, place)
        here = at(settings, new)

        async def write():
            async with database_with_vault(new) as database, database.transaction(actor="worker") as tx:
                await tx.execute("update platform.log_epoch set epoch = epoch")

        def restored():
            restoring.restore(here, place, made, to_time=None, clock=WallClock(), say=silent)

        def fails(*_, **__):
            raise OSError("the disk is full")

        for name in ("guilder", "guilder work 15 0123abcd"):  # behind a pooler, and not
            process = await asyncpg.connect(new.app, server_settings={"application_name": name})
            with pytest.raises(BackupTrouble, match="stop every process first"):
                await asyncio.to_thread(restored)
            await process.close()

        with monkeypatch.context() as patched:
            patched.setattr(restoring.programs, "run", fails)
            with pytest.raises(OSError, match="the disk is full"):
                await asyncio.to_thread(restored)
        async with connected(new.owner) as owner:  # nothing was loaded: nothing is held
            await owner.execute("create schema tried; drop schema tried")

        with monkeypatch.context() as patched:
            patched.setattr(restoring, "_put_documents", fails)
            with pytest.raises(OSError, match="the disk is full"):
                await asyncio.to_thread(restored)
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await write()
        settled = await settling.settle(here, restored_to=None, clock=WallClock(), say=silent)
        assert settled.epoch == 2
        async with database_with_vault(new) as database, database.transaction([tenant.tenant_id], actor="test") as tx:
            await tx.execute("create temporary table written ()")


async def test_a_login_that_is_not_shown_every_row_takes_no_backup(settings, street, a_database):
    place = open_place(str(street / "backups"))
    async with a_database() as urls:
        async with connected(urls.admin) as admin:
            for policy in ("owner", "doctor"):
                await admin.execute(f"alter policy {policy} on identity.tenants using (slug <> 'hidden')")
        with pytest.raises(BackupTrouble, match=r"does not see all rows of identity\.tenants"):
            await asyncio.to_thread(dumped, settings, urls, place)
    assert place.ids() == []
    assert list((street / "backups").iterdir()) == []


async def test_in_a_bucket_the_manifest_comes_last_and_every_part_is_held_against_it(settings, a_database):
    store = MemoryStore()
    place = Place(store, shown="s3://bucket", folder=None)
    async with a_database() as urls:
        made = await asyncio.to_thread(dumped, settings, urls, place)
        assert place.backups() == [made]
        taking.check(place, made, say=silent)
        path = f"{made.id}/database.dump"
        raw = bytearray(place.read(path))
        raw[len(raw) // 2] ^= 1
        store.put(path, bytes(raw))
        with pytest.raises(Damaged, match=rf"{path} in s3://bucket is damaged"):
            taking.check(place, made, say=silent)
        store.delete(path)
        with pytest.raises(Damaged, match=rf"{path} is missing in s3://bucket"):
            taking.check(place, made, say=silent)
        store.delete(f"{made.id}/manifest.json")
        assert place.ids() == [], "without its manifest it is no backup"


async def test_upgrades_from_an_older_schema_and_refuses_the_way_back(settings, street, a_database, tmp_path):
    older = tmp_path / "older"
    shutil.copytree(migrations.FOLDER, older, ignore=shutil.ignore_patterns("__*"))
    files = sorted(older.glob("*.sql"))
    for path in files[-2:]:
        path.unlink()
    place = open_place(str(street / "backups"))
    async with a_database(migrated=False) as urls:
        await migrations.migrate(urls.owner, report=silent, folder=older)
        here, now = at(settings, urls), datetime.now(UTC) + timedelta(minutes=30)

        def upgraded(*, within=DAY, now=now, place=place):
            asked = upgrading.Asked(backup_within=within)
            return upgrading.upgrade(here, place, asked, data=None, now=now, say=told.append)

        told = []
        with pytest.raises(BackupTrouble, match="there is no backup: guilder backup takes one"):
            await asyncio.to_thread(upgraded)
        made = await asyncio.to_thread(dumped, settings, urls, place)
        with pytest.raises(BackupTrouble, match=rf"the newest backup, {made.id}, is 48 hours old, and may be 24"):
            await asyncio.to_thread(upgraded, now=now + 2 * DAY)
        assert await migrations.pending(urls.owner), "what was refused changed nothing"
        done = await asyncio.to_thread(upgraded)
        assert done.applied == [path.stem for path in files[-2:]]
        assert done.backup == made
        assert any("doctor after: healthy" in each for each in told), told
        assert (await asyncio.to_thread(upgraded)).applied == []

        async with connected(urls.owner) as owner:
            await owner.execute("insert into public.guilder_migrations values (9999, 'of_tomorrow', '')")
        with pytest.raises(MigrationError, match=r"newer than this code: it has migration 9999_of_tomorrow"):
            await asyncio.to_thread(upgraded)
        newer = await asyncio.to_thread(dumped, settings, urls, place)
        with pytest.raises(BackupTrouble, match=r"whose tables \(migration 9999\) are newer than this code's"):
            await asyncio.to_thread(restoring.refuse, newer, settings, to_time=None)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_of_the_embedded_server_everything_is_copied_and_nothing_damaged_is_restored(settings, street):
    """One server for the whole story, since making one takes seconds."""
    home, place = Home(settings.guilder_data, durable=False), open_place(str(street / "backups"))
    with home.open() as found:
        source = Source(home.admin_url, is_embedded=True)
        made = taken(found, source, place)
    assert made.kind is Kind.PHYSICAL
    assert {part.name for part in made.parts} == {"backup_manifest", "base.tar.gz", "pg_wal.tar.gz"}
    taking.check(place, made, say=silent)

    new = settings.model_copy(update={"guilder_data": street / "new"})

    def restored(here=new):
        return restoring.restore(here, place, made, to_time=None, clock=WallClock(), say=silent, durable=False)

    with pytest.raises(BackupTrouble, match=r"there is a database in .* \(PostgreSQL \d+\): .* restored into nothing"):
        restored(settings)
    path = place.folder / made.id / "base.tar.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(Damaged, match=rf"{made.id}/base\.tar\.gz in .* is damaged"):
        restored()
    assert not (street / "new" / "postgres" / "data").exists()
    path.write_bytes(whole)

    with pytest.raises(BackupTrouble, match=r"the archived log ends before .*: leave --to-time out"):
        restoring.restore(new, place, made, to_time=datetime.now(UTC), clock=WallClock(), say=silent, durable=False)
    assert not (street / "new" / "postgres" / "data").exists(), "what failed leaves nothing that could be started"
    settled = restored()
    assert (settled.epoch, settled.accounts) == (2, 0)
    plain = street / "plain"
    restoring.lay_out_into(plain, settings, place, made, to_time=None, say=silent)
    assert (plain / "recovery.signal").exists()
    assert (plain / "PG_VERSION").exists()
    with pytest.raises(BackupTrouble, match=r"plain is not empty: there is "):
        restoring.lay_out_into(plain, settings, place, made, to_time=None, say=silent)
    with Home(street / "new", durable=False).open() as found:
        assert asyncio.run(migrations.pending(found.database_owner_url.get_secret_value())) == []


async def test_killed_half_way_it_leaves_nothing_that_passes_for_a_backup(settings, street, a_database):
    place = open_place(str(street / "backups"))
    async with a_database() as urls:
        await asyncio.to_thread(killed_half_way, at(settings, urls), Source(urls.owner, is_embedded=False), place)
        assert any(street.glob("backups/unfinished-*/database.dump")), "it had come far"
        assert place.ids() == []
        with pytest.raises(BackupTrouble, match="there is no whole backup"):
            restoring.choose(place, named=None, to_time=None)
        made = await asyncio.to_thread(dumped, settings, urls, place)
    assert [each.name for each in street.joinpath("backups").iterdir()] == [made.id], "what was left is gone"


def killed_half_way(settings, source, place):
    """Kill a backup at the moment when its parts are there and its manifest is not."""
    fork = multiprocessing.get_context("fork")
    ready = fork.Event()

    def stands_still(said):
        if said.startswith("pg_restore"):
            ready.set()
            signal.pause()

    child = fork.Process(target=taken, args=(settings, source, place), kwargs={"say": stands_still})
    child.start()
    assert ready.wait(120)
    os.kill(child.pid, signal.SIGKILL)
    child.join()


def wrong_rings(made, settings, folder):
    here = settings.model_copy(update={"guilder_master_key": None, "guilder_data": folder})
    with pytest.raises(KeysMissing, match=r"needs master keys that are not here: k1\. Here is none"):
        restoring.refuse(made, here, to_time=None)
    assert not folder.exists(), "asked for, no key was made"
    folder.mkdir()
    (folder / "master.key").write_text("k1:" + "dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHQ=")
    (folder / "master.key").chmod(0o600)
    with pytest.raises(KeysMissing, match=r"k1 \(another key of that name is here\)"):
        restoring.refuse(made, here, to_time=None)


async def test_is_typed_as_people_type_it(settings, street, a_database, monkeypatch):
    async with a_database() as urls:
        for name, value in {
            "GUILDER_DATA": str(settings.guilder_data),
            "DATABASE_URL": urls.app,
            "DATABASE_OWNER_URL": urls.owner,
            "DATABASE_DOCTOR_URL": urls.doctor,
            "BACKUP_URL": str(street / "backups"),
            "GUILDER_MASTER_KEY": settings.guilder_master_key.get_secret_value(),
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(street)

        def typed(*words, code=0):
            done = CliRunner().invoke(app, list(words))
            assert done.exit_code == code, (words, done.output, done.exception)
            return done.output

        def story():
            assert "is whole" in typed("backup", "--with-master-keys", "keys", "--keep", "daily=1")
            assert (street / "keys").stat().st_mode & 0o777 == 0o600
            [name] = (path.name for path in (street / "backups").iterdir())
            raw = json.loads((street / "backups" / name / "manifest.json").read_text())
            assert [key["id"] for key in raw["master_keys"]] == ["k1"]
            assert "c3Nzc3Nz" not in json.dumps(raw)
            assert name in typed("backup", "list")
            assert f"{name} is whole" in typed("backup", "verify")
            typed("backup", "--keep", "daily=1")
            assert len(list((street / "backups").iterdir())) == 1
            assert "the database is not empty" in typed("restore", code=1).lower()
            assert "its archive is its own" in typed("backup", "--archive", "on", code=1)
            assert "Nothing to do" in typed("upgrade")
            assert "The log is in epoch 2" in typed("restore", "--finish")

        await asyncio.to_thread(story)
