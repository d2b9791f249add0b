"""Taking a backup: its parts are gathered aside, held against their sums, and become a backup with their manifest."""

import asyncio
import fcntl
import importlib.metadata
import json
import os
import secrets
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from guilder.entrypoints.backups import facts, manifest, places, programs
from guilder.entrypoints.backups.errors import BackupTrouble
from guilder.entrypoints.backups.facts import Facts
from guilder.entrypoints.backups.manifest import Kind, Manifest, MasterKey, WriteAheadLog
from guilder.entrypoints.backups.places import UNFINISHED, Place
from guilder.entrypoints.backups.programs import ProgramFailed, Say
from guilder.platform.clock import Clock
from guilder.platform.config import Settings

BASE, LOG, LIST = "base.tar.gz", "pg_wal.tar.gz", "backup_manifest"
DUMP = "database.dump"
DOCUMENTS = "documents.tar.gz"
_HOLDS = {
    BASE: "the server's files",
    LOG: "the write-ahead log that makes them whole",
    LIST: "the server's list of them, with checksums",
    DUMP: "the database's content, by pg_dump",
    DOCUMENTS: "documents: invoices, exports, logos",
}


@dataclass(frozen=True, slots=True)
class Source:
    """The database to be backed up, by the login that does it."""

    url: str
    is_embedded: bool


def take(
    settings: Settings,
    source: Source,
    place: Place,
    *,
    keys: Sequence[MasterKey],
    keys_from: str,
    clock: Clock,
    say: Say,
) -> Manifest:
    """Take a backup. It is in the place whole, or is not there.

    :raises BackupTrouble: it cannot be taken; says why
    """
    found = asyncio.run(facts.of(source.url))
    began = clock.now()
    backup = manifest.new_id(began, secrets.token_hex(3))
    with _aside(settings, place, backup) as folder:
        kind, because = _database(source, found, folder, say=say)
        documents = _documents(settings, folder, say=say)
        parts = [
            places.part_of(path, holds=_HOLDS.get(path.name, "a tablespace of the server"))
            for path in sorted(folder.iterdir())
            if path.name != _LOCK
        ]
        made = Manifest(
            format=manifest.FORMAT,
            id=backup,
            kind=kind,
            because=because,
            began_at=began,
            ended_at=clock.now(),
            release=release(),
            schema=found.schema,
            postgresql=found.version,
            database=found.name,
            roles=found.roles,
            log=found.log,
            wal=_log_of(folder) if kind is Kind.PHYSICAL else None,
            documents=documents,
            keys_from=keys_from,
            master_keys=list(keys),
            parts=parts,
        )
        _deliver(made, folder, place, say=say)
    return made


def release() -> str:
    return importlib.metadata.version("guilder")


def documents_folder(settings: Settings) -> Path | None:
    """Return the folder in which documents are kept; None: they are in a bucket."""
    if settings.files_url is None:
        return settings.guilder_data / "files"
    parts = urlsplit(settings.files_url)
    return Path(parts.path) if parts.scheme in {"", "file"} else None


_LOCK = ".lock"


@contextmanager
def _aside(settings: Settings, place: Place, backup: str) -> Iterator[Path]:
    """Give a folder to gather parts in: in the place itself, where that is one. What others left unfinished goes."""
    above = place.folder or settings.guilder_data / "backup-staging"
    above.mkdir(parents=True, exist_ok=True)
    for left in above.glob(f"{UNFINISHED}*"):
        _remove_if_left(left)
    folder = above / f"{UNFINISHED}{backup}"
    folder.mkdir(mode=0o700)
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)


def _remove_if_left(folder: Path) -> None:
    """Remove what an interrupted backup left. Its lock went with its process, even by kill -9."""
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        return
    finally:
        os.close(lock)


def _database(source: Source, found: Facts, folder: Path, *, say: Say) -> tuple[Kind, str]:
    """Back the database up as well as this login may; say how, and why so."""
    if not found.may_replicate:
        _dump(source, found, folder, say=say)
        return Kind.DUMP, f"dumped: the login {found.login} may not replicate, so the server's files cannot be copied"
    try:
        _physical(source, found, folder, say=say)
    except ProgramFailed as error:
        if source.is_embedded or "pg_hba.conf" not in str(error):
            raise
        for path in folder.iterdir():
            if path.name != _LOCK:
                path.unlink()
        _dump(source, found, folder, say=say)
        return (
            Kind.DUMP,
            f"dumped: the server lets {found.login} make no replication connection from here (pg_hba.conf)",
        )
    return Kind.PHYSICAL, "copied: the server's files with their write-ahead log, which can be replayed to any instant"


def _physical(source: Source, found: Facts, folder: Path, *, say: Say) -> None:
    tools = programs.found("pg_basebackup", major=found.major)
    say(f"pg_basebackup: {found.bytes / 1e6:,.0f} MB of {found.name}, and what else is on the server")
    inside = folder / "base"
    how = ["--format=tar", "--gzip", "--wal-method=stream", "--checkpoint=fast", "--manifest-checksums=SHA256"]
    programs.run(
        tools, "pg_basebackup", f"--pgdata={inside}", *how, "--progress", "--label=guilder", url=source.url, say=say
    )
    programs.verify_physical(inside, major=found.major, unpack=unpacked, say=say)
    for path in inside.iterdir():
        path.rename(folder / path.name)
    inside.rmdir()


def _dump(source: Source, found: Facts, folder: Path, *, say: Say) -> None:
    if found.hidden:
        raise BackupTrouble(
            f"the login {found.login} does not see all rows of {', '.join(found.hidden[:3])}: a dump would leave some out. "
            "Set DATABASE_BACKUP_URL to the login that owns the tables, or to one with BYPASSRLS"
        )
    tools = programs.found("pg_dump", major=found.major)
    say(f"pg_dump: {found.bytes / 1e6:,.0f} MB of {found.name}")
    seen = [] if found.sees_all else ["--enable-row-security"]
    path = folder / DUMP
    programs.run(
        tools, "pg_dump", "--format=custom", f"--file={path}", "--lock-wait-timeout=60s", *seen, url=source.url
    )
    say("pg_restore: the dump is read to its end")
    programs.run(tools, "pg_restore", "--file=/dev/null", str(path))


def unpacked(folder: Path) -> Path:
    """Unpack a physical backup beside itself, for programs that read no tar files."""
    plain = folder / "plain"
    for name, into in ((BASE, plain), (LOG, plain / "pg_wal")):
        with tarfile.open(folder / name) as archive:
            archive.extractall(into, filter="data")
    shutil.copy(folder / LIST, plain / LIST)
    return plain


def _log_of(folder: Path) -> WriteAheadLog:
    """Read where the log of a backup begins and ends from the server's list."""
    (span,) = json.loads((folder / LIST).read_text())["WAL-Ranges"]
    timeline, begins = span["Timeline"], span["Start-LSN"]
    high, low = (int(half, 16) for half in begins.split("/"))
    # A segment has 16 MB, in a server that was not made otherwise.
    return WriteAheadLog(
        timeline=timeline,
        first_file=f"{timeline:08X}{high:08X}{low >> 24:08X}",
        starts_at=begins,
        ends_at=span["End-LSN"],
    )


def _documents(settings: Settings, folder: Path, *, say: Say) -> str:
    kept = documents_folder(settings)
    if kept is None:
        parts = urlsplit(settings.files_url or "")
        return f"in {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}, not in this backup"
    if not kept.is_dir():
        return "there are none"
    say(f"documents: {kept}")
    count = 0
    with tarfile.open(folder / DOCUMENTS, "w:gz", compresslevel=1) as archive:
        for path in sorted(each for each in kept.rglob("*") if each.is_file()):
            try:
                archive.add(path, arcname=str(path.relative_to(kept)), recursive=False)
            except FileNotFoundError:
                continue  # erased meanwhile, as it may be
            count += 1
    return f"{count:,} in this backup"


def _deliver(made: Manifest, folder: Path, place: Place, *, say: Say) -> None:
    (folder / manifest.NAME).write_bytes(manifest.written(made))
    if place.folder is not None:
        (folder / _LOCK).unlink()
        places.flushed(*folder.iterdir(), folder)
        folder.rename(place.folder / made.id)
        places.flushed(place.folder)
        return
    for part in made.parts:
        say(f"{part.name}: {part.bytes / 1e6:,.1f} MB to {place.shown}")
        place.put(f"{made.id}/{part.name}", folder / part.name)
    place.put(f"{made.id}/{manifest.NAME}", folder / manifest.NAME)


def check(place: Place, made: Manifest, *, say: Say, into: Path | None = None) -> None:
    """Read every part whole and hold it against the manifest; into a folder, if one is named, for what comes after.

    :raises Damaged: names the part
    """
    for part in made.parts:
        say(f"{made.id}/{part.name}: {part.bytes / 1e6:,.1f} MB")
        place.check(made.id, part, into=into / part.name if into else None)


def age(made: Manifest, *, now: datetime) -> str:
    hours = int((now - made.began_at).total_seconds() // 3600)
    return f"{hours} hours" if hours < 72 else f"{hours // 24} days"
