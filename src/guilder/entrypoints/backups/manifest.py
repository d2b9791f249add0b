"""What a backup says of itself. It is written last: without it there is no backup, only what is left of one."""

import hashlib
import re
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from guilder.entrypoints.backups.errors import Damaged

NAME = "manifest.json"
FORMAT = 1
_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")


class Kind(StrEnum):
    PHYSICAL = "physical"
    """The server's files with their write-ahead log: restored to its end, or to any instant that the archive reaches."""
    DUMP = "dump"
    """The database's content in one snapshot, by pg_dump: restored as it was then."""


class Part(msgspec.Struct, frozen=True):
    name: str
    bytes: int
    sha256: str
    holds: str


class MasterKey(msgspec.Struct, frozen=True):
    """Which master key is needed: its name, and a fingerprint that tells nothing of it."""

    id: str
    fingerprint: str


class WriteAheadLog(msgspec.Struct, frozen=True):
    timeline: int
    first_file: str
    starts_at: str
    ends_at: str


class LogPosition(msgspec.Struct, frozen=True):
    """How far Guilder's own log was, in which life of it: at least, since it went on while the backup was taken."""

    epoch: int
    positions: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    id: str
    kind: Kind
    because: str
    began_at: datetime
    ended_at: datetime
    release: str
    schema: int
    postgresql: str
    database: str
    roles: list[str]
    log: LogPosition
    wal: WriteAheadLog | None
    documents: str
    keys_from: str
    master_keys: list[MasterKey]
    parts: list[Part]

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts)

    def part(self, name: str) -> Part | None:
        return next((each for each in self.parts if each.name == name), None)


def new_id(at: datetime, salt: str) -> str:
    """Name a backup by when it began, so that names sort by age; `salt` tells two of one second apart."""
    return f"{at:%Y%m%dT%H%M%SZ}-{salt}"


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def written(manifest: Manifest) -> bytes:
    """Write a manifest as JSON, with its own checksum: a changed manifest would vouch for changed parts."""
    content = msgspec.to_builtins(manifest)
    return msgspec.json.format(msgspec.json.encode(content | {"sha256": _checksum(content)}), indent=2)


def read(raw: bytes, *, of: str) -> Manifest:
    """Read a manifest.

    :raises Damaged: it is not what was written
    """
    try:
        content: dict[str, Any] = msgspec.json.decode(raw, type=dict[str, Any])
        stated = content.pop("sha256")
        found = msgspec.convert(content, Manifest)
    except (msgspec.MsgspecError, KeyError) as error:
        raise Damaged(f"{of}/{NAME} is damaged: it cannot be read; take another backup") from error
    if found.format > FORMAT:
        raise Damaged(f"{of}/{NAME} was written by a newer release, {found.release}; use that one")
    if stated != _checksum(msgspec.to_builtins(found)):
        raise Damaged(f"{of}/{NAME} is damaged: it is not what was written; take another backup")
    return found


def _checksum(content: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()
