"""What a backup says of itself is held to, and tells nothing of a key."""

from datetime import UTC, datetime

import pytest

from guilder.entrypoints.backups import archiving, keyrings, manifest
from guilder.entrypoints.backups.errors import Damaged
from guilder.entrypoints.backups.manifest import Kind, LogPosition, Manifest, Part, WriteAheadLog
from guilder.platform.crypto import Key

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KEY = Key("k1", b"s" * 32)


def a_manifest(**over):
    said = {
        "format": 1,
        "id": manifest.new_id(AT, "abc123"),
        "kind": Kind.PHYSICAL,
        "because": "copied",
        "began_at": AT,
        "ended_at": AT,
        "release": "1.0",
        "schema": 61,
        "postgresql": "18.1",
        "database": "guilder",
        "roles": ["guilder_owner"],
        "log": LogPosition(epoch=1, positions=7),
        "wal": WriteAheadLog(
            timeline=1, first_file="000000010000000000000005", starts_at="0/5000028", ends_at="0/5000120"
        ),
        "documents": "there are none",
        "keys_from": "the data folder",
        "master_keys": keyrings.named([KEY]),
        "parts": [Part(name="base.tar.gz", bytes=1, sha256="0" * 64, holds="")],
    }
    return Manifest(**{**said, **over})


def test_is_read_as_it_was_written():
    made = a_manifest()
    assert manifest.read(manifest.written(made), of="x") == made
    assert manifest.is_id(made.id)


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"bytes": 1', b'"bytes": 2'), (b'"schema": 61', b'"schema": 6'), (b"}", b""), (b"sha256", b"sha255")],
)
def test_a_changed_manifest_vouches_for_nothing(old, new):
    raw = manifest.written(a_manifest())
    assert old in raw
    with pytest.raises(Damaged, match=r"x/manifest\.json is damaged"):
        manifest.read(raw.replace(old, new), of="x")


def test_of_a_newer_release_says_so():
    with pytest.raises(Damaged, match=r"newer release, 9\.9"):
        manifest.read(manifest.written(a_manifest(format=2, release="9.9")), of="x")


def test_holds_no_key():
    raw = manifest.written(a_manifest())
    assert KEY.secret not in raw
    assert keyrings.fingerprint(KEY) != keyrings.fingerprint(Key("k1", b"t" * 32))


@pytest.mark.parametrize(
    ("piece", "is_needed"),
    [
        ("000000010000000000000005", True),
        ("000000010000000000000004", False),
        ("000000020000000000000004", False),
        ("000000020000000100000000", True),
        ("000000010000000000000005.00000028.backup", True),
        ("000000010000000000000001.00000028.backup", False),
        ("00000002.history", True),
    ],
)
def test_the_archive_is_needed_from_where_a_backup_begins(piece, is_needed):
    assert archiving.is_needed(piece, since="000000010000000000000005") is is_needed
