"""The archive of the embedded server's write-ahead log: PostgreSQL copies each piece out itself, and keeps what it could not.

A piece is handed over when it is full, or a minute old: that minute is what a lost disk costs. The command that copies
is a line of shell, since the server's account may be kept out of where Python is.
"""

import asyncio
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

from guilder.entrypoints.backups.errors import BackupTrouble
from guilder.entrypoints.backups.manifest import Manifest
from guilder.entrypoints.backups.places import WAL, Place
from guilder.entrypoints.backups.programs import Say
from guilder.platform.db.database import connect_once
from guilder.platform.db.embedded import Cluster

HANDED_OVER_AFTER_S = 60
# A segment, a timeline's history, or the note that a base backup leaves; all sort by age behind their timeline.
_PIECE = re.compile(r"(?P<timeline>[0-9A-F]{8})(?:(?P<place>[0-9A-F]{16})(?:\.[0-9A-F]{8}\.backup)?|\.history)")


@dataclass(frozen=True, slots=True)
class Standing:
    archived: int
    last: str | None
    last_at: datetime | None
    failed: int
    failed_at: datetime | None


def spool_of(cluster: Cluster, place: Place) -> Path:
    """Return the folder that the server itself copies to: the place's own, if its account may write there."""
    if place.folder is not None:
        folder = place.folder / WAL
        folder.mkdir(exist_ok=True)
        if cluster.account.may_enter(folder):
            return folder
    return cluster.folder / "archive"


def turn_on(cluster: Cluster, place: Place, *, admin_url: str) -> Path:
    """Have the server archive from now on; return the folder that it copies to."""
    spool = spool_of(cluster, place)
    spool.mkdir(mode=0o700, exist_ok=True)
    cluster.account.give(spool)
    text = (
        "archive_mode = on\n"
        f"archive_timeout = '{HANDED_OVER_AFTER_S}s'\n"
        f"archive_command = '{_command(spool).replace(chr(39), chr(39) * 2)}'\n"
    )
    _configure(cluster, text)
    asyncio.run(_reload(admin_url))
    return spool


def turn_off(cluster: Cluster, *, admin_url: str) -> None:
    """Have the server archive nowhere from now on. What is archived stays where it is."""
    cluster.archiving.unlink(missing_ok=True)
    asyncio.run(_reload(admin_url))


def is_on(cluster: Cluster) -> bool:
    return cluster.archiving.exists()


def standing(admin_url: str) -> Standing:
    return asyncio.run(_standing(admin_url))


def push(cluster: Cluster, place: Place, *, say: Say) -> int:
    """Bring to the place what the server could only copy to its own disk; return how many pieces."""
    spool = cluster.folder / "archive"
    if not spool.is_dir() or spool_of(cluster, place) != spool:
        return 0
    pieces = sorted(path for path in spool.iterdir() if _PIECE.fullmatch(path.name))
    for path in pieces:
        place.put(f"{WAL}/{path.name}", path)
        say(f"{path.name} to {place.shown}")
        path.unlink()
    return len(pieces)


def pieces_for(place: Place, made: Manifest) -> list[str]:
    """Return the names of the archived pieces that a backup can be replayed with, in order."""
    assert made.wal is not None
    return [name for name in _names(place) if is_needed(name, since=made.wal.first_file)]


def prune(place: Place, kept: Sequence[Manifest]) -> int:
    """Remove what of the archive no kept backup needs; return how many pieces."""
    firsts = sorted(made.wal.first_file[8:] for made in kept if made.wal is not None)
    if not firsts:
        return 0
    gone = [name for name in _names(place) if not is_needed(name, since=f"{0:08X}{firsts[0]}")]
    place.delete(*(f"{WAL}/{name}" for name in gone))
    return len(gone)


def is_needed(name: str, *, since: str) -> bool:
    """Tell whether a piece is needed to replay the log from a segment on. Histories of timelines always are."""
    match = _PIECE.fullmatch(name)
    assert match is not None, name
    return match["place"] is None or match["place"] >= since[8:]


def _names(place: Place) -> list[str]:
    names = (path.removeprefix(f"{WAL}/") for path in place.names(f"{WAL}/"))
    return [name for name in names if _PIECE.fullmatch(name)]


def _command(spool: Path) -> str:
    folder = shlex.quote(str(spool))
    if "%" in folder:
        raise BackupTrouble(f"the server cannot archive to {spool}: choose a folder without a % in its name")
    # Never written over; and what was copied before a crash, in full, is taken for done.
    copy = f"cp %p {folder}/.%f.new && sync {folder}/.%f.new && mv {folder}/.%f.new {folder}/%f"
    return f"if test -f {folder}/%f; then cmp -s %p {folder}/%f; else {copy}; fi"


def _configure(cluster: Cluster, text: str) -> None:
    path = cluster.archiving
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
    cluster.account.give(path)


async def _reload(admin_url: str) -> None:
    connection = await connect_once(admin_url)
    try:
        await connection.execute("select pg_reload_conf()")
    finally:
        await connection.close()


async def _standing(admin_url: str) -> Standing:
    connection: asyncpg.Connection[Any] = await connect_once(admin_url)
    try:
        row = await connection.fetchrow(
            """select archived_count, last_archived_wal, last_archived_time, failed_count, last_failed_time
               from pg_stat_archiver"""
        )
        assert row is not None
        return Standing(*row.values())
    finally:
        await connection.close()
