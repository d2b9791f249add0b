"""A bucket for backups is reached as the one for documents is; what is said of it holds no secret."""

from datetime import UTC, datetime, timedelta

import pytest
from obstore.store import MemoryStore
from typer.testing import CliRunner

from guilder.entrypoints.backups import manifest, restoring
from guilder.entrypoints.backups.errors import BackupTrouble
from guilder.entrypoints.backups.manifest import Kind
from guilder.entrypoints.backups.places import Place, open_place, part_of
from guilder.entrypoints.cli import app
from tests.support.s3 import a_bucket
from tests.unit.backups.test_manifests import a_manifest

WHERE = "s3://documents/backups"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def bucket():
    with a_bucket() as bucket:
        yield bucket


def a_backup(place, folder, *, at=NOON, kind=Kind.PHYSICAL):
    """Put a backup of one part into a place, and return what it says of itself."""
    path = folder / "base.tar.gz"
    path.write_bytes(b"rows" * 100)
    made = a_manifest(
        id=manifest.new_id(at, "abc123"), kind=kind, began_at=at, ended_at=at, parts=[part_of(path, holds="all")]
    )
    place.put(f"{made.id}/{path.name}", path)
    path.write_bytes(manifest.written(made))
    place.put(f"{made.id}/{manifest.NAME}", path)
    return made


def test_a_bucket_at_an_address_of_ones_own_holds_backups(bucket, tmp_path):
    place = open_place(WHERE, access=bucket.access())
    made = a_backup(place, tmp_path)
    assert place.backups() == [made]
    place.check(made.id, made.parts[0], into=tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == b"rows" * 100
    place.forget(made.id)
    assert place.names() == []


def test_the_command_asks_the_bucket_by_the_settings_of_documents(bucket, tmp_path, monkeypatch):
    made = a_backup(open_place(WHERE, access=bucket.access()), tmp_path)
    for name, value in {**bucket.environment(), "BACKUP_URL": WHERE, "GUILDER_DATA": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["backup", "verify", made.id])
    assert f"{made.id} is whole" in done.output, done.output
    # Named in one go, it is the same bucket, and the same backup.
    done = CliRunner().invoke(app, ["restore", f"{WHERE}/{made.id}", "--into", str(tmp_path / "into")])
    assert "needs master keys that are not here" in " ".join(done.output.split())


def test_what_is_no_place_is_told_without_the_login_in_it():
    with pytest.raises(BackupTrouble) as told:
        open_place("ftp://ours:secret@host/backups")
    assert "ftp://host/backups is no place" in str(told.value)
    assert "secret" not in str(told.value)


def test_to_an_instant_a_copy_leads_and_not_the_dump_that_was_taken_after_it(tmp_path):
    place = Place(MemoryStore(), shown="s3://bucket", folder=None)
    copied = a_backup(place, tmp_path)
    dumped = a_backup(place, tmp_path, at=NOON + timedelta(hours=1), kind=Kind.DUMP)
    assert restoring.choose(place, named=None, to_time=None) == dumped
    assert restoring.choose(place, named=None, to_time=NOON + timedelta(hours=2)) == copied
    place.forget(copied.id)
    # It is refused for what it is, and not as if there were none.
    assert restoring.choose(place, named=None, to_time=NOON + timedelta(hours=2)) == dumped
