"""`guilder backup | restore | upgrade`: a copy that is proven, the way back from it, and the way to the next release."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from guilder.entrypoints import rewrapping
from guilder.entrypoints.backups import archiving, keeping, keyrings, restoring, settling, taking, upgrading
from guilder.entrypoints.backups.manifest import Manifest, is_id
from guilder.entrypoints.backups.places import Place, open_place
from guilder.entrypoints.backups.settling import Settled
from guilder.entrypoints.backups.taking import Source
from guilder.entrypoints.cli.instants import instant
from guilder.entrypoints.cli.speaking import Polite, Trouble, out, progress, table
from guilder.entrypoints.databases import database_of
from guilder.platform.clock import WallClock
from guilder.platform.config import Settings, read_settings
from guilder.platform.crypto import Key, KeyRing
from guilder.platform.db.database import Database
from guilder.platform.db.embedded import cluster_of, running_admin_url
from guilder.platform.db.vault import Vault
from guilder.wiring.ports import open_keys, s3_access

app = typer.Typer(cls=Polite, help="Take backups; list and verify them; archive the log.", invoke_without_command=True)

To = Annotated[
    str | None,
    typer.Option("--to", help="A folder, or s3://, gs://, az://; by default BACKUP_URL.", show_default=False),
]


@app.callback()
def backup(
    ctx: typer.Context,
    to: To = None,
    keep: Annotated[
        str | None, typer.Option(help=f"Remove older ones but these: {keeping.DEFAULT}.", show_default=False)
    ] = None,
    with_master_keys: Annotated[
        Path | None, typer.Option(help="Also write the master keys, to this file. Keep it apart: it opens everything.")
    ] = None,
    archive: Annotated[
        str | None, typer.Option(help="on, off, status or push: archive the embedded server's log all the time.")
    ] = None,
) -> None:
    """Take a backup of the database and of the documents, prove it, and remove those that are older than to be kept.

    Examples: guilder backup --to s3://backups/guilder --keep daily=7,weekly=5,monthly=12 · guilder backup --archive on
    """
    ctx.obj = to
    if ctx.invoked_subcommand is not None:
        return
    settings = read_settings()
    place = _place(settings, to)
    if archive is not None:
        _archive(settings, place, archive)
        return
    rule = keeping.parsed(keep) if keep else None
    with _source(settings) as (found, source):
        keys = asyncio.run(_needed(found))
        if with_master_keys is not None:
            keyrings.write_apart(keys, with_master_keys)
        made = taking.take(
            found,
            source,
            place,
            keys=keyrings.named(keys),
            keys_from=keyrings.place_of(settings),
            clock=WallClock(),
            say=progress,
        )
        if source.is_embedded:
            archiving.push(cluster_of(settings.guilder_data / "postgres"), place, say=progress)
    _tell(made, place)
    if rule is not None:
        _forget(place, rule)


@app.command("list")
def listing(ctx: typer.Context, to: To = None) -> None:
    """List the whole backups of a place, oldest first, and how far the archived log reaches."""
    place = _place(read_settings(), to or ctx.obj, must_exist=True)
    rows: list[tuple[object, ...]] = [
        (made.id, made.kind, f"{made.bytes / 1e6:,.1f} MB", made.release, f"{made.schema:04d}", made.documents)
        for made in place.backups()
    ]
    table(
        "backup", "kind", "size", "release", "tables", "documents", rows=rows, none=f"There is none in {place.shown}."
    )
    out.print("Master keys needed: " + (", ".join(_key_names(place)) or "none"), soft_wrap=True, markup=False)


@app.command("verify")
def verify(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(help="One backup; by default the newest.")] = None,
    to: To = None,
    every: Annotated[bool, typer.Option("--all", help="Every one that is there.")] = False,
) -> None:
    """Read a backup whole, and hold each part against what was written. Exit code 1: it is damaged; names the file."""
    place = _place(read_settings(), to or ctx.obj, must_exist=True)
    names = place.ids() if every else [name] if name else place.ids()[-1:]
    if not names:
        raise Trouble(f"there is no whole backup in {place.shown}")
    for each in names:
        made = place.manifest(each)
        taking.check(place, made, say=progress)
        out.print(f"{made.id} is whole: {len(made.parts)} parts, {made.bytes / 1e6:,.1f} MB.")


def restore(
    source: Annotated[
        str | None, typer.Argument(metavar="FROM", help="Where backups are, or one: s3://…, /backups, /backups/2026…")
    ] = None,
    to_time: Annotated[
        str | None, typer.Option(help="An instant to restore to, such as 2026-03-01T12:00Z; by default the last one.")
    ] = None,
    into: Annotated[
        Path | None, typer.Option(help="Put a copy of a server's files into this folder, for a PostgreSQL of your own.")
    ] = None,
    finish: Annotated[
        bool,
        typer.Option("--finish", help="The database was restored by other means: do what must follow, and no more."),
    ] = False,
    spare_numbers: Annotated[
        int, typer.Option(min=0, max=1_000_000, help="Give up at least so many numbers of each series of invoices.")
    ] = 0,
) -> None:
    """Restore a backup into an empty data folder or database: its log begins a new epoch, and nothing is charged.

    What the providers know and the backup does not is read before anything is charged again: `guilder quarantine`.
    """
    settings = read_settings()
    until = instant(to_time) if to_time else None
    if finish:
        with database_of(settings, progress=progress) as found:
            _next_steps(
                asyncio.run(
                    settling.settle(
                        found, restored_to=until, clock=WallClock(), say=progress, spare_numbers=spare_numbers
                    )
                )
            )
        return
    place, named = _from(settings, source)
    made = restoring.choose(place, named=named, to_time=until)
    out.print(f"Restoring {made.id}, {made.kind}, of release {made.release}, from {place.shown}.", soft_wrap=True)
    if into is not None:
        restoring.lay_out_into(into, settings, place, made, to_time=until, say=progress)
        out.print(
            f"It is in {into}. Next: give it to PostgreSQL's account, start PostgreSQL {made.postgresql} on it, set "
            "DATABASE_URL, and before anything else: guilder restore --finish",
            soft_wrap=True,
        )
        return
    _next_steps(
        restoring.restore(
            settings, place, made, to_time=until, clock=WallClock(), say=progress, spare_numbers=spare_numbers
        )
    )


def upgrade(
    to: To = None,
    hours: Annotated[int, typer.Option(min=1, help="How old the newest backup may be.")] = 24,
    no_backup: Annotated[
        bool, typer.Option("--no-backup", help="There is a backup that is not seen from here.")
    ] = False,
    no_doctor: Annotated[bool, typer.Option("--no-doctor", help="Do not ask the doctor, before or after.")] = False,
) -> None:
    """Bring the tables to this release: after a look at backup, disk and doctor, and with another look behind it.

    Run it before the new release starts; the one before, which runs, goes on. A downgrade is refused.
    """
    settings = read_settings()
    is_embedded = settings.database_url is None
    asked = upgrading.Asked(backup_within=None if no_backup else timedelta(hours=hours), with_doctor=not no_doctor)
    with database_of(settings, progress=progress) as found:
        done = upgrading.upgrade(
            found,
            None if no_backup else _place(settings, to),
            asked,
            data=cluster_of(settings.guilder_data / "postgres").data if is_embedded else None,
            now=WallClock().now(),
            say=progress,
        )
    if not done.applied:
        out.print("Nothing to do: the tables are of this release.")
        return
    out.print(f"Applied {len(done.applied)} migrations. Next: restart each process with this release, one by one.")
    back = f"guilder restore {done.backup.id}" if done.backup else "guilder restore your backup"
    out.print(
        "The way back: the release before runs on these tables, too, unless it says itself that it cannot. To have the "
        f"tables of before, stop everything and {back} with that release, into an empty place; what was charged since is "
        "found again in quarantine.",
        soft_wrap=True,
    )


def _place(settings: Settings, to: str | None, *, must_exist: bool = False) -> Place:
    where = to or settings.backup_url or str((settings.guilder_data / "backups").absolute())
    return open_place(where, access=s3_access(settings), must_exist=must_exist)


def _from(settings: Settings, source: str | None) -> tuple[Place, str | None]:
    """Read FROM: a place, one backup's name, or a place and a name."""
    if source is None or is_id(source):
        return _place(settings, None, must_exist=True), source
    above, _, last = source.rstrip("/").rpartition("/")
    return (
        (_place(settings, above, must_exist=True), last)
        if is_id(last)
        else (_place(settings, source, must_exist=True), None)
    )


@contextmanager
def _source(settings: Settings) -> Iterator[tuple[Settings, Source]]:
    with database_of(settings, progress=progress) as found:
        if settings.database_url is None:
            url = running_admin_url(settings.guilder_data / "postgres")
            if url is None:
                raise Trouble("the embedded server is just starting or stopping: try again")
            yield found, Source(url, is_embedded=True)
            return
        login = settings.database_backup_url or settings.database_owner_url or settings.database_url
        yield found, Source(login.get_secret_value(), is_embedded=False)


async def _needed(settings: Settings) -> list[Key]:
    """Return the master keys that something is sealed under, and the one that new data is."""
    assert settings.database_url is not None
    ring: KeyRing = await open_keys(settings)
    database = await Database.connect(settings.database_url.get_secret_value(), size_max=2, vault=Vault(ring))
    try:
        keys = [ring.find(each) for each in ring.ids]
        counts = [sum((await rewrapping.count_under(database, key)).values()) for key in keys]
    finally:
        await database.close()
    return [key for key, count in zip(keys, counts, strict=True) if count or key is ring.current]


def _archive(settings: Settings, place: Place, wish: str) -> None:
    if settings.database_url is not None:
        raise Trouble("DATABASE_URL names a server of your own: its archive is its own (docs/operations/backups.md)")
    cluster = cluster_of(settings.guilder_data / "postgres")
    if wish == "push":
        out.print(f"{archiving.push(cluster, place, say=progress)} pieces of log brought to {place.shown}.")
        return
    if wish not in {"on", "off", "status"}:
        raise Trouble("--archive is on, off, status or push")
    with _source(settings) as (_, source):
        if wish == "on":
            spool = archiving.turn_on(cluster, place, admin_url=source.url)
            out.print(f"The log is archived to {spool}, at the latest after {archiving.HANDED_OVER_AFTER_S} seconds.")
            if place.folder is None or spool.parent != place.folder:
                out.print(f"Bring it to {place.shown} from cron, each minute: guilder backup --archive push")
        elif wish == "off":
            archiving.turn_off(cluster, admin_url=source.url)
            out.print("The log is archived no more; what is archived stays.")
        else:
            _tell_archive(archiving.is_on(cluster), archiving.standing(source.url))


def _tell_archive(is_on: bool, found: archiving.Standing) -> None:
    out.print("The archive is on." if is_on else "The archive is off: guilder backup --archive on")
    if is_on and found.last_at is not None:
        out.print(f"Last: {found.last} at {found.last_at:%Y-%m-%d %H:%M:%S} UTC; failures: {found.failed}.")
    if is_on and found.failed_at is not None and (found.last_at is None or found.failed_at > found.last_at):
        raise Trouble("the last piece could not be archived; the server keeps it, and its log says why")


def _tell(made: Manifest, place: Place) -> None:
    out.print(f"{made.id} is whole, in {place.shown}: {made.kind}, {made.bytes / 1e6:,.1f} MB.", soft_wrap=True)
    out.print(f"  {made.because[0].upper()}{made.because[1:]}.", soft_wrap=True, markup=False)
    out.print(f"  Documents: {made.documents}.", soft_wrap=True, markup=False)
    names = ", ".join(each.id for each in made.master_keys)
    out.print(f"  It opens with master keys {names} (from {made.keys_from}), which are not in it.", soft_wrap=True)


def _forget(place: Place, rule: keeping.Keep) -> None:
    backups = place.backups()
    kept = keeping.kept([made.began_at for made in backups], rule)
    for made in backups:
        if made.began_at not in kept:
            place.forget(made.id)
            progress(f"{made.id} is removed: newer ones stand for it")
    pieces = archiving.prune(place, [made for made in backups if made.began_at in kept])
    if pieces:
        progress(f"{pieces} pieces of log that no backup needs are removed")


def _key_names(place: Place) -> list[str]:
    return sorted({key.id for made in place.backups() for key in made.master_keys})


def _next_steps(settled: Settled) -> None:
    since = f"{settled.read_since:%Y-%m-%dT%H:%MZ}"
    out.print(
        f"Restored to {settled.restored_to:%Y-%m-%d %H:%M:%S} UTC. The log is in epoch {settled.epoch}; "
        f"{settled.accounts} gateway accounts of {settled.tenants} tenants are in quarantine; "
        f"{settled.numbers} invoice and credit note numbers are given up, as they may be out.",
        soft_wrap=True,
    )
    out.print("Next, in this order:")
    for step in (
        "erase again who was erased since (GET /api/privacy/requests of before), before anybody signs in",
        "start the API and the workers: nothing is charged yet",
        f'guilder quarantine read --since "{since}"',
        "guilder quarantine status, until the books are read beyond now; decide what was found without a match",
        "guilder quarantine leave",
        "guilder doctor",
        "guilder backup, and guilder backup --archive on: this is a new timeline, the old archive ends here",
    ):
        out.print(f"  · {step}", soft_wrap=True, markup=False)
