"""Which master keys a backup needs, and whether they are there: by name and fingerprint, never by content."""

import hashlib
import hmac
import os
from collections.abc import Sequence
from pathlib import Path

from guilder.entrypoints.backups.errors import BackupTrouble
from guilder.entrypoints.backups.manifest import Manifest, MasterKey
from guilder.platform.config import FOLDER_PREFIX, KMS_PREFIX, Settings
from guilder.platform.crypto import FILE_NAME, Key, written
from guilder.platform.db import masters
from guilder.wiring.ports import key_source


class KeysMissing(BackupTrouble):
    """The ring here does not open that backup."""


def named(keys: Sequence[Key]) -> list[MasterKey]:
    return [MasterKey(id=key.id, fingerprint=fingerprint(key)) for key in keys]


def fingerprint(key: Key) -> str:
    """Tell keys of one name apart. The key has 256 random bits: nobody finds it by this."""
    return hmac.digest(key.secret, b"guilder backup fingerprint", hashlib.sha256).hex()[:16]


def place_of(settings: Settings) -> str:
    """Say where the ring lies, without saying the ring."""
    if settings.guilder_master_key is None:
        return "the data folder"
    named_by = settings.guilder_master_key.get_secret_value()
    return named_by if named_by.startswith((FOLDER_PREFIX, KMS_PREFIX)) else "the environment"


def write_apart(keys: Sequence[Key], path: Path) -> None:
    """Write the ring itself to a file of its own, which only its owner reads. It opens everything.

    :raises BackupTrouble: the file is there already
    """
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(written(keys))
    except FileExistsError:
        raise BackupTrouble(f"{path} is there already; master keys are never written over") from None
    except OSError as error:
        raise BackupTrouble(f"the master keys cannot be written to {path}: {error.strerror}") from error


async def refuse_missing(manifest: Manifest, settings: Settings) -> None:
    """Refuse a ring that would open less than everything, before anything is restored.

    :raises KeysMissing: names the keys that are not there
    """
    if manifest.keys_from.startswith(KMS_PREFIX):
        # They are in the database, wrapped; without the KMS key that wrapped them they are nothing.
        if place_of(settings) != manifest.keys_from:
            raise KeysMissing(
                f"this backup's master keys were wrapped by {manifest.keys_from}: set GUILDER_MASTER_KEY to that "
                f"(it is {place_of(settings)} now)"
            )
        return
    here = {each.id: each.fingerprint for each in named(await _ring(settings))}
    missing = [each for each in manifest.master_keys if here.get(each.id) != each.fingerprint]
    if missing:
        told = ", ".join(
            f"{each.id} (another key of that name is here)" if each.id in here else each.id for each in missing
        )
        raise KeysMissing(
            f"this backup needs master keys that are not here: {told}. Here is {', '.join(here) or 'none'}, from "
            f"{place_of(settings)}. Put the copies of that day into the ring, and begin again; nothing was changed"
        )


async def _ring(settings: Settings) -> list[Key]:
    if place_of(settings).startswith(KMS_PREFIX):
        return []  # they are in the database that is not there yet
    if settings.guilder_master_key is None and not (settings.guilder_data / FILE_NAME).exists():
        return []  # asked for, one would be made
    try:
        return await key_source(settings).load()
    except masters.KeysUnreadable:
        return []
