"""Restoring, into what is empty. Everything that would be a reason not to is looked for before anything is changed.

The embedded server's data folder is put together in a folder `restoring` beside its place, and is moved there last:
interrupted at any point there is either no database, or one in quarantine. A database of one's own takes writes from
nobody else meanwhile (`holding`).
"""

import asyncio
import shlex
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import asyncpg

from guilder.entrypoints.backups import archiving, holding, keyrings, programs, settling, taking
from guilder.entrypoints.backups.errors import BackupTrouble
from guilder.entrypoints.backups.manifest import Kind, Manifest
from guilder.entrypoints.backups.places import WAL, Place
from guilder.entrypoints.backups.programs import Say
from guilder.entrypoints.backups.settling import Settled
from guilder.entrypoints.databases import with_endpoints
from guilder.platform.clock import Clock
from guilder.platform.config import Settings
from guilder.platform.db import migrate
from guilder.platform.db.database import connect_once
from guilder.platform.db.embedded import Cluster, EmbeddedError, EmbeddedPostgres, cluster_of

RESTORING = "restoring"
DATABASE = "guilder"
OWNER = "guilder_owner"
_LEFT = """
select coalesce(string_agg(format('%s (%s tables)', nspname, tables), ', ' order by nspname), '') from (
    select n.nspname, count(c.oid) as tables
    from pg_namespace n left join pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p')
    where n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
    group by n.nspname having n.nspname <> 'public' or count(c.oid) > 0) found"""


def choose(place: Place, *, named: str | None, to_time: datetime | None) -> Manifest:
    """Choose the backup: the one that is named, or the newest that was whole by the instant to restore to.

    :raises BackupTrouble: there is none
    """
    if named is not None:
        if named not in place.ids():
            raise BackupTrouble(
                f"there is no whole backup {named} in {place.shown}; guilder backup list shows those that are"
            )
        chosen = place.manifest(named)
    else:
        whole = [each for each in place.backups() if to_time is None or each.ended_at <= to_time]
        # A dump is of its own instant only: a copy before it leads to any.
        whole = [each for each in whole if to_time is not None and each.kind is Kind.PHYSICAL] or whole
        if not whole:
            before = f" that was taken before {to_time:%Y-%m-%d %H:%M:%S} UTC" if to_time else ""
            raise BackupTrouble(f"there is no whole backup in {place.shown}{before}")
        chosen = whole[-1]
    if to_time is not None and to_time < chosen.ended_at:
        raise BackupTrouble(
            f"{chosen.id} was whole at {chosen.ended_at:%Y-%m-%d %H:%M:%S} UTC: to go back further, name an older backup"
        )
    return chosen


def refuse(made: Manifest, settings: Settings, *, to_time: datetime | None) -> None:
    """Look for every reason not to begin.

    :raises BackupTrouble: says what was found, and the way out
    """
    newest = max(each.number for each in migrate.read(migrate.FOLDER))
    if made.schema > newest:
        raise BackupTrouble(
            f"{made.id} is of release {made.release}, whose tables (migration {made.schema:04d}) are newer than this code's "
            f"({newest:04d}): install that release or a newer one, and restore with it"
        )
    if made.kind is Kind.DUMP and to_time is not None:
        raise BackupTrouble(
            f"{made.id} is a dump: it is of {made.began_at:%Y-%m-%d %H:%M:%S} UTC, and of no other instant"
        )
    if made.kind is Kind.PHYSICAL and settings.database_url is not None:
        raise BackupTrouble(
            f"{made.id} is a copy of a server's files: unset DATABASE_URL to restore it as the embedded server, or put it "
            "into a folder for a PostgreSQL of your own with --into"
        )
    if made.kind is Kind.PHYSICAL and (made.database != DATABASE or OWNER not in made.roles):
        raise BackupTrouble(
            f"{made.id} is a copy of your own PostgreSQL's files (database {made.database}): put it into a folder with --into"
        )
    _refuse_full(settings)
    kept = taking.documents_folder(settings)
    if made.part(taking.DOCUMENTS) and kept is not None and kept.is_dir() and any(kept.iterdir()):
        raise BackupTrouble(
            f"there are documents in {kept} already: move that folder away, or choose another GUILDER_DATA"
        )
    asyncio.run(keyrings.refuse_missing(made, settings))


def restore(
    settings: Settings,
    place: Place,
    made: Manifest,
    *,
    to_time: datetime | None,
    clock: Clock,
    say: Say,
    spare_numbers: int = 0,
    durable: bool = True,
) -> Settled:
    """Restore a backup into what is empty, and make it safe to work on.

    :raises BackupTrouble: the target is not empty, a part is damaged, keys are missing, or the log does not reach
    """
    refuse(made, settings, to_time=to_time)
    with _fetched(settings, place, made, say=say) as parts:
        if settings.database_url is not None:
            with _held(settings, say=say):
                _load(settings, made, parts, say=say)
            _put_documents(settings, made, parts, say=say)
            settled = asyncio.run(
                settling.settle(settings, restored_to=made.began_at, clock=clock, say=say, spare_numbers=spare_numbers)
            )
        else:
            with _nursery(settings, made, parts, durable=durable, say=say) as (inner, cluster):
                if made.kind is Kind.PHYSICAL:
                    _lay_out(place, made, parts, cluster, to_time=to_time, say=say)
                found = _started(inner, cluster, settings, to_time=to_time, say=say)
                if made.kind is Kind.DUMP:
                    _load(found, made, parts, say=say)
                restored_to = asyncio.run(_replayed_to(inner.admin_url())) or made.began_at
                settled = asyncio.run(
                    settling.settle(found, restored_to=restored_to, clock=clock, say=say, spare_numbers=spare_numbers)
                )
    return settled


def lay_out_into(
    folder: Path, settings: Settings, place: Place, made: Manifest, *, to_time: datetime | None, say: Say
) -> None:
    """Put a physical backup into a folder for a PostgreSQL of one's own, which replays the log when it is started.

    :raises BackupTrouble: the folder is not empty, or it is no physical backup
    """
    if made.kind is not Kind.PHYSICAL:
        raise BackupTrouble(f"{made.id} is a dump: restore it into a database, with DATABASE_URL")
    folder = folder.absolute()  # the server reads from there, whatever folder it is started in
    if folder.exists() and any(folder.iterdir()):
        raise BackupTrouble(f"{folder} is not empty: there is {min(path.name for path in folder.iterdir())} in it")
    asyncio.run(keyrings.refuse_missing(made, settings))
    with _fetched(settings, place, made, say=say) as parts:
        _unpack(made, parts, folder)
        wal = folder / WAL
        wal.mkdir()
        _fetch_log(place, made, wal, say=say)
        _write_recovery(folder, wal, to_time=to_time)


@contextmanager
def _held(settings: Settings, *, say: Say) -> Iterator[None]:
    """Hold the database while it is loaded, and beyond: who settles it lets it go. Empty as before, it is let go here."""
    login = holding.login(settings)
    asyncio.run(holding.hold(login, say=say))
    try:
        yield
    except BaseException:
        asyncio.run(holding.let_go(login))
        raise


def _refuse_full(settings: Settings) -> None:
    if settings.database_url is None:
        data = cluster_of(settings.guilder_data / "postgres").data
        if data.exists():
            raise BackupTrouble(
                f"there is a database in {data} (PostgreSQL {_version_of(data)}): a backup is restored into nothing. Move "
                f"{settings.guilder_data} away, or choose another with GUILDER_DATA"
            )
        return
    url = settings.database_owner_url or settings.database_url
    left, others = asyncio.run(_look(url.get_secret_value()))
    if left:
        raise BackupTrouble(f"the database is not empty: it has {left}. Make a new one, and name that in DATABASE_URL")
    if others:
        raise BackupTrouble(f"{others} connections of Guilder are open to the database: stop every process first")


def _version_of(data: Path) -> str:
    try:
        return (data / "PG_VERSION").read_text().strip()
    except OSError:
        return "unknown"


async def _look(url: str) -> tuple[str, int]:
    connection = await connect_once(url)
    try:
        others = await connection.fetchval(
            """select count(*) from pg_stat_activity
               where datname = current_database() and pid <> pg_backend_pid() and application_name ~ '^guilder\\M'"""
        )
        return str(await connection.fetchval(_LEFT)), int(others)
    finally:
        await connection.close()


@contextmanager
def _fetched(settings: Settings, place: Place, made: Manifest, *, say: Say) -> Iterator[Path]:
    """Give a folder with every part, each held against the manifest first: nothing damaged is restored."""
    if place.folder is not None:
        taking.check(place, made, say=say)
        yield place.folder / made.id
        return
    settings.guilder_data.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetched-", dir=settings.guilder_data) as name:
        taking.check(place, made, say=say, into=Path(name))
        yield Path(name)


@contextmanager
def _nursery(
    settings: Settings, made: Manifest, parts: Path, *, durable: bool, say: Say
) -> Iterator[tuple[EmbeddedPostgres, Cluster]]:
    """Give a server on a folder of its own; at the end what it made becomes the data folder, if all went well."""
    folder = settings.guilder_data / "postgres"
    folder.parent.mkdir(parents=True, exist_ok=True)
    holder = EmbeddedPostgres(folder)
    target = holder.claim()
    home = target.folder / RESTORING
    shutil.rmtree(home, ignore_errors=True)
    inner = EmbeddedPostgres(home, durable=durable, is_restoring=True, progress=say)
    try:
        cluster = inner.claim()
        cluster.passwords()
        yield inner, cluster
        inner.stop()
        (cluster.data / "postgresql.auto.conf").write_text("# settings are written at each start, beside this folder\n")
        _put_documents(settings, made, parts, say=say)
        (cluster.folder / "passwords.json").replace(target.folder / "passwords.json")
        cluster.data.rename(target.data)
        say(f"the database is in {target.data}")
    finally:
        inner.stop()
        shutil.rmtree(home, ignore_errors=True)
        holder.stop()


def _lay_out(
    place: Place, made: Manifest, parts: Path, cluster: Cluster, *, to_time: datetime | None, say: Say
) -> None:
    say(f"unpacking {made.id}")
    _unpack(made, parts, cluster.data)
    wal = cluster.folder / WAL
    wal.mkdir(mode=0o711)
    _fetch_log(place, made, wal, say=say)
    _write_recovery(cluster.data, wal, to_time=to_time)
    for path in (cluster.data, *cluster.data.rglob("*"), wal, *wal.iterdir()):
        cluster.account.give(path)


def _unpack(made: Manifest, parts: Path, data: Path) -> None:
    strays = [
        part.name for part in made.parts if part.name.endswith(".tar") or part.name.removesuffix(".tar.gz").isdigit()
    ]
    if strays:
        raise BackupTrouble(f"{made.id} has tablespaces of its own ({', '.join(strays)}): restore it by hand")
    for name, into in ((taking.BASE, data), (taking.LOG, data / "pg_wal")):
        with tarfile.open(parts / name) as archive:
            archive.extractall(into, filter="data")
    for path in (data, *(each for each in data.rglob("*") if each.is_dir())):
        path.chmod(0o700)


def _fetch_log(place: Place, made: Manifest, into: Path, *, say: Say) -> None:
    pieces = archiving.pieces_for(place, made)
    for piece in pieces:
        place.fetch(f"{WAL}/{piece}", into / piece)
    say(f"{len(pieces)} pieces of archived log")


def _write_recovery(data: Path, wal: Path, *, to_time: datetime | None) -> None:
    lines = [
        # A new timeline begins in any case: what is archived from here on never meets what was.
        f"restore_command = '{_fetching(wal)}'",
        "recovery_target_timeline = 'latest'",
        "recovery_target_action = 'promote'",
        # The server it comes from may have allowed more connections: only who reads during recovery would care.
        "hot_standby = off",
        *([f"recovery_target_time = '{to_time:%Y-%m-%d %H:%M:%S.%f}+00'"] if to_time else []),
    ]
    (data / "postgresql.auto.conf").write_text("\n".join(lines) + "\n")
    (data / "recovery.signal").touch()


def _fetching(wal: Path) -> str:
    """Write the line of shell that fetches a piece, as the server's settings have it."""
    folder = shlex.quote(str(wal)).replace("%", "%%")
    return f'cp {folder}/%f "%p"'.replace("'", "''")


def _started(
    inner: EmbeddedPostgres, cluster: Cluster, settings: Settings, *, to_time: datetime | None, say: Say
) -> Settings:
    try:
        found = inner.start()
    except EmbeddedError as error:
        if to_time is not None and "before configured recovery target" in cluster.log.read_text(errors="replace"):
            raise BackupTrouble(
                f"the archived log ends before {to_time:%Y-%m-%d %H:%M:%S} UTC: leave --to-time out to restore all there is"
            ) from error
        raise
    say("the log is replayed")
    return with_endpoints(settings, owner=found.owner_url, app=found.app_url, doctor=found.doctor_url)


async def _replayed_to(admin_url: str) -> datetime | None:
    connection = await connect_once(admin_url)
    try:
        found: datetime | None = await connection.fetchval("select pg_last_xact_replay_timestamp()")
    finally:
        await connection.close()
    return found


def _load(settings: Settings, made: Manifest, parts: Path, *, say: Say) -> None:
    """Load a dump as one transaction: it is there whole, or not at all."""
    url = holding.login(settings)
    major = asyncio.run(_ready_for(url, made))
    say(f"pg_restore: {made.bytes / 1e6:,.1f} MB")
    tools = programs.found("pg_restore", major=major)
    how = ["--single-transaction", "--exit-on-error", "--no-owner"]
    name = programs.environment(url)["PGDATABASE"]
    programs.run(
        tools,
        "pg_restore",
        *how,
        f"--dbname={name}",
        str(parts / taking.DUMP),
        url=url,
        options=holding.OPTIONS,
    )


async def _ready_for(url: str, made: Manifest) -> int:
    connection: asyncpg.Connection[asyncpg.Record] = await connect_once(url)
    try:
        rows = await connection.fetch("select rolname::text from pg_roles where rolname = any($1)", made.roles)
        if missing := set(made.roles) - {row["rolname"] for row in rows}:
            raise BackupTrouble(
                f"the server has no role {', '.join(sorted(missing))}, which the dump names: create it (nologin will do)"
            )
        return int(await connection.fetchval("select current_setting('server_version_num')::int / 10000"))
    finally:
        await connection.close()


def _put_documents(settings: Settings, made: Manifest, parts: Path, *, say: Say) -> None:
    kept = taking.documents_folder(settings)
    if made.part(taking.DOCUMENTS) is None or kept is None:
        return
    aside = kept.with_name(f"{kept.name}.{RESTORING}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    with tarfile.open(parts / taking.DOCUMENTS) as archive:
        archive.extractall(aside, filter="data")
    if kept.exists():
        kept.rmdir()  # empty: looked at before
    aside.rename(kept)
    say(f"documents: {made.documents}, now in {kept}")
