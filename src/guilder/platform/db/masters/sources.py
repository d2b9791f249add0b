"""Where master keys come from. Each source answers with all keys, the one for new data first."""

import asyncio
import os
import signal
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import structlog

from guilder.kernel.errors import Foreseen
from guilder.platform.crypto import FILE_NAME, Key, KeyRing, parse_keys, written

REREAD_EVERY_S = 60.0
OTHERS = stat.S_IRWXG | stat.S_IRWXO

log = structlog.get_logger("guilder.keys")


class KeysUnreadable(Foreseen):
    """The master keys cannot be had; one sentence says why, and which setting names them. Never a key."""


class Unchangeable(Foreseen):
    """This place of keys is changed by whoever runs the process, not by a command."""


class Source(Protocol):
    """A place of master keys."""

    async def load(self) -> list[Key]:
        """Return every key, the one for new data first.

        :raises KeysUnreadable: with the reason
        """
        ...

    async def store(self, keys: Sequence[Key]) -> None:
        """Keep these keys, in this order, and no others.

        :raises Unchangeable: it is no command's to change
        """
        ...


class Environment:
    """The ring in GUILDER_MASTER_KEY itself: fixed for as long as the process lives."""

    def __init__(self, text: str) -> None:
        self._text = text

    async def load(self) -> list[Key]:
        return parse_keys(self._text)

    async def store(self, keys: Sequence[Key]) -> None:
        raise Unchangeable("GUILDER_MASTER_KEY holds the keys themselves: change it there, and restart each process")


class Folder:
    """A file `master.key` in a folder: a ring of `id:base64`, read by its owner alone."""

    def __init__(self, folder: Path, *, makes_first: bool = False) -> None:
        self._folder = folder
        self._makes_first = makes_first

    @property
    def path(self) -> Path:
        return self._folder / FILE_NAME

    async def load(self) -> list[Key]:
        if self._makes_first:
            KeyRing.in_folder(self._folder)
        try:
            mode = self.path.stat().st_mode
            if mode & OTHERS:
                raise KeysUnreadable(
                    f"{self.path}, which GUILDER_MASTER_KEY names, may be read by others (mode {mode & 0o777:03o}): "
                    f"chmod 600 {self.path}"
                )
            return parse_keys(self.path.read_text())
        except OSError as error:
            raise KeysUnreadable(f"GUILDER_MASTER_KEY: {self.path} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise KeysUnreadable(f"GUILDER_MASTER_KEY: {self.path} holds no ring of keys (id:base64, …)") from error

    async def store(self, keys: Sequence[Key]) -> None:
        # Whole or not at all, and never readable by others in between.
        aside = self._folder / f".{FILE_NAME}.{os.getpid()}"
        aside.unlink(missing_ok=True)
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(written(keys))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self.path)


async def opened(source: Source) -> KeyRing:
    """Return a ring of what the source holds now.

    :raises KeysUnreadable: with the reason
    """
    return KeyRing(await source.load())


async def keep_fresh(ring: KeyRing, source: Source, *, every_s: float = REREAD_EVERY_S) -> None:
    """Read the source again every so often, and at once on SIGHUP: a key added elsewhere is known here soon."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    try:
        loop.add_signal_handler(signal.SIGHUP, asked.set)
    except (RuntimeError, NotImplementedError, ValueError):  # not the main thread: the minute must do
        log.debug("no_signal_handler")
    while True:
        try:
            async with asyncio.timeout(every_s):
                await asked.wait()
        except TimeoutError:
            pass
        asked.clear()
        try:
            if ring.adopt(await source.load()):
                log.info("keys_read_again", keys=ring.ids)
        except Exception:
            # Whatever it is, what is known goes on working.
            log.exception("keys_not_read_again")
