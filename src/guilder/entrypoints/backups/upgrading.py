"""Upgrading: what could go wrong is looked for first, then the tables are changed, then everything is looked at again."""

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from guilder.entrypoints.backups import facts
from guilder.entrypoints.backups.errors import BackupTrouble
from guilder.entrypoints.backups.facts import Facts
from guilder.entrypoints.backups.manifest import Manifest
from guilder.entrypoints.backups.places import Place
from guilder.entrypoints.backups.programs import Say
from guilder.platform.config import Settings
from guilder.platform.db.migrate import migrate, pending
from guilder.wiring.doctor.command import simulated_journal
from guilder.wiring.doctor.report import CannotExamine, Report
from guilder.wiring.doctor.run import examine

FREE_BYTES_MIN = 200_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """How careful to be. `backup_within` is None where the operator has a backup that we cannot see."""

    backup_within: timedelta | None
    with_doctor: bool = True


@dataclass(frozen=True, slots=True)
class Upgraded:
    applied: list[str]
    backup: Manifest | None


def upgrade(
    settings: Settings, place: Place | None, asked: Asked, *, data: Path | None, now: datetime, say: Say
) -> Upgraded:
    """Bring the tables to this release, if everything speaks for it. `data` is the embedded server's folder.

    :raises MigrationError: the database is newer than this code: that is a downgrade, and is refused
    :raises BackupTrouble: something speaks against it; says what to do
    """
    login = settings.database_owner_url or settings.database_url
    assert login is not None, "found, or started, before it is upgraded"
    url = login.get_secret_value()
    missing = asyncio.run(pending(url))
    if not missing:
        return Upgraded([], None)
    say(f"{len(missing)} migrations to apply: {missing[0]} to {missing[-1]}")
    backup = None
    if (found := asyncio.run(_facts(url))) is not None:
        backup = _backed_up(place, asked, now=now, say=say)
        refuse_full_disk(found, data, say=say)
        if asked.with_doctor:
            _refuse_ill(settings, "before", now=now, say=say)
    applied = asyncio.run(migrate(url, report=say))
    if asked.with_doctor:
        _refuse_ill(settings, "after", now=now, say=say)
    return Upgraded(applied, backup)


def newest_within(backups: Sequence[Manifest], *, within: timedelta, now: datetime) -> Manifest:
    """Return the newest backup, if it is young enough.

    :raises BackupTrouble: it is not, or there is none
    """
    if not backups:
        raise BackupTrouble("there is no backup: guilder backup takes one (--no-backup, if you have another)")
    newest = max(backups, key=lambda each: each.ended_at)
    if now - newest.ended_at > within:
        hours = int((now - newest.ended_at).total_seconds() // 3600)
        raise BackupTrouble(
            f"the newest backup, {newest.id}, is {hours} hours old, and may be {int(within.total_seconds() // 3600)}: "
            "guilder backup takes another (--no-backup, if you have one elsewhere)"
        )
    return newest


def refuse_full_disk(found: Facts, data: Path | None, *, say: Say) -> None:
    """Refuse where a table could not be written anew, which some migrations have to do.

    :raises BackupTrouble: the disk of the embedded server has too little room
    """
    if data is None:
        say("free disk: not seen from here; half of the database's size should be free on its server")
        return
    needed, free = max(found.bytes // 2, FREE_BYTES_MIN), shutil.disk_usage(data).free
    if free < needed:
        raise BackupTrouble(
            f"{data} has {free / 1e6:,.0f} MB free, and {needed / 1e6:,.0f} MB should be: some migrations write a table anew"
        )
    say(f"free disk: {free / 1e9:,.0f} GB")


def _backed_up(place: Place | None, asked: Asked, *, now: datetime, say: Say) -> Manifest | None:
    if asked.backup_within is None:
        say("backup: not looked for, as was asked")
        return None
    assert place is not None
    newest = newest_within(place.backups(), within=asked.backup_within, now=now)
    say(f"backup: {newest.id}")
    return newest


async def _facts(url: str) -> Facts | None:
    try:
        return await facts.of(url)
    except BackupTrouble:
        return None  # an empty database: there is nothing to lose


def _refuse_ill(settings: Settings, when: str, *, now: datetime, say: Say) -> None:
    try:
        report = asyncio.run(_looked(settings, now))
    except CannotExamine as error:
        if when == "after":
            raise BackupTrouble(f"the tables are of this release now, but the doctor cannot look: {error}") from error
        say(f"doctor before: it has no opinion ({error})")
        return
    if not report.is_healthy:
        first = report.violations[0]
        raise BackupTrouble(
            f"the doctor found {sum(report.counts.values())} violations {when} the upgrade, such as {first.check}: "
            f"{first.object}: {first.says}. "
            + (
                "Nothing was changed; see guilder doctor (--no-doctor upgrades all the same)"
                if when == "before"
                else ""
            )
        )
    say(f"doctor {when}: healthy, {len(report.examined)} checks on {report.tenants} tenants")


async def _looked(settings: Settings, now: datetime) -> Report:
    url = settings.database_doctor_url or settings.database_url
    assert url is not None
    journal = None if settings.is_production else await simulated_journal(settings.simulated_url)
    return await examine(url.get_secret_value(), now=now, journal=journal)
