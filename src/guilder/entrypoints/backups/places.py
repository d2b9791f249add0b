"""Where backups lie: a folder, or a bucket of S3, Google or Azure. Parts are as large as a database: they are streamed."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, ObjectStore

from guilder.entrypoints.backups import manifest as manifests
from guilder.entrypoints.backups.errors import BackupTrouble, Damaged
from guilder.entrypoints.backups.manifest import Manifest, Part
from guilder.platform.outside.files import AS_AWS_HAS_IT, S3Access, store_of

UNFINISHED = "unfinished-"
WAL = "wal"
_PIECE = 8 * 1024 * 1024
# Of one request, of which a large part has many.
_REQUEST_TIMEOUT = "120s"
_RETRIES_MAX = 5
_RETRY_FOR = timedelta(minutes=3)


class Place:
    """Backups by their names, each a folder of parts; beside them `wal/`, the archive."""

    def __init__(self, store: ObjectStore, *, shown: str, folder: Path | None) -> None:
        self._store = store
        self.shown = shown
        self.folder = folder
        """Where it is on this machine; None: it is a bucket."""

    def names(self, under: str = "") -> list[str]:
        """Return the paths of everything under a prefix, in order."""
        try:
            found = [each["path"] for some in obstore.list(self._store, prefix=under or None) for each in some]
        except (BaseError, OSError) as error:
            raise self._unavailable(error) from error
        return sorted(found)

    def backups(self) -> list[Manifest]:
        """Return every whole backup, oldest first.

        :raises Damaged: the manifest of one is
        """
        return [self.manifest(name) for name in self.ids()]

    def ids(self) -> list[str]:
        paths = (path.split("/") for path in self.names())
        return sorted(
            parts[0] for parts in paths if len(parts) == 2 and parts[1] == manifests.NAME and manifests.is_id(parts[0])
        )

    def manifest(self, backup: str) -> Manifest:
        return manifests.read(self.read(f"{backup}/{manifests.NAME}"), of=backup)

    def read(self, path: str) -> bytes:
        return b"".join(self._pieces(path))

    def fetch(self, path: str, into: Path) -> None:
        with into.open("wb") as file:
            for piece in self._pieces(path):
                file.write(piece)

    def check(self, backup: str, part: Part, *, into: Path | None = None) -> None:
        """Read a part whole, into a file if one is named, and hold it against what the manifest says of it.

        :raises Damaged: it is not there, or is not what was written; names the file
        """
        path, digest, size = f"{backup}/{part.name}", hashlib.sha256(), 0
        try:
            with (into or Path("/dev/null")).open("wb") as file:
                for piece in self._pieces(path):
                    digest.update(piece)
                    size += len(piece)
                    file.write(piece)
        except Missing:
            raise Damaged(f"{path} is missing in {self.shown}: this backup is not whole; use another") from None
        if size != part.bytes or digest.hexdigest() != part.sha256:
            raise Damaged(
                f"{path} in {self.shown} is damaged: it has {size:,} bytes and SHA-256 {digest.hexdigest()[:12]}…, "
                f"and was written with {part.bytes:,} and {part.sha256[:12]}…; use another backup"
            )

    def put(self, path: str, source: Path) -> None:
        try:
            with source.open("rb") as file:
                obstore.put(self._store, path, file)
            if self.folder is not None:
                flushed(self.folder / path)
        except (BaseError, OSError) as error:
            raise self._unavailable(error) from error

    def delete(self, *paths: str) -> None:
        """Remove these; a backup's manifest first, so that what is left of an interrupted removal is no backup."""
        for path in sorted(paths, key=lambda each: not each.endswith(manifests.NAME)):
            try:
                obstore.delete(self._store, path)
            except (NotFoundError, FileNotFoundError):
                continue
            except (BaseError, OSError) as error:
                raise self._unavailable(error) from error

    def forget(self, backup: str) -> None:
        self.delete(*self.names(f"{backup}/"))
        if self.folder is not None:
            shutil.rmtree(self.folder / backup, ignore_errors=True)

    def _pieces(self, path: str) -> Iterator[bytes]:
        try:
            for piece in obstore.get(self._store, path).stream(min_chunk_size=_PIECE):
                yield bytes(piece)
        except (NotFoundError, FileNotFoundError):
            raise Missing(f"there is no {path} in {self.shown}") from None
        except (BaseError, OSError) as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> BackupTrouble:
        # The store's own message may hold an address with credentials: only its kind is told.
        return BackupTrouble(f"{self.shown} does not answer as it should ({type(error).__name__})")


class Missing(BackupTrouble):
    """There is no such file."""


def open_place(where: str, *, access: S3Access = AS_AWS_HAS_IT, must_exist: bool = False) -> Place:
    """Open a folder's path or file:// (made if missing), s3:// with `access`, gs:// or az:// with the cloud's usual settings.

    :raises BackupTrouble: it is none of these, or a folder that must be there is not
    """
    parts = urlsplit(where)
    if parts.scheme in {"", "file"}:
        folder = Path(parts.path).absolute()
        if must_exist and not folder.is_dir():
            raise BackupTrouble(f"there is no folder {folder}")
        folder.mkdir(parents=True, exist_ok=True)
        return Place(LocalStore(folder), shown=str(folder), folder=folder)
    # What is told of it, and an error above all, is without the login that an address may hold.
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    try:
        store = store_of(where, access=access, timeout=_REQUEST_TIMEOUT, retries=_RETRIES_MAX, retry_for=_RETRY_FOR)
    except (BaseError, ValueError):
        raise BackupTrouble(
            f"{shown} is no place for backups: name a folder, or s3://bucket/prefix, gs:// or az://"
        ) from None
    return Place(store, shown=shown, folder=None)


def flushed(*paths: Path) -> None:
    """Have files and folders on the disk itself before anything is removed that they stand for."""
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def part_of(path: Path, *, holds: str) -> Part:
    """Say what a file is: its size and its SHA-256."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Part(name=path.name, bytes=path.stat().st_size, sha256=digest, holds=holds)
