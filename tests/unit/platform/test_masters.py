"""Where master keys come from, what is refused there, and that a ring is changed under the hands of who holds it."""

import asyncio
import base64
import os
import signal
import ssl

import pytest

from guilder.platform.config import BadSettings, read_settings
from guilder.platform.crypto import Key, KeyRing, UnknownKey, new_key, open_, seal, written
from guilder.platform.db import masters
from guilder.platform.db.masters.aws import AwsKms
from guilder.platform.db.tls import context_for, is_checked

ONE, TWO = Key("one", b"1" * 32), Key("two", b"2" * 32)


def a_folder(tmp_path, *keys: Key, mode: int = 0o600) -> masters.Folder:
    path = tmp_path / "master.key"
    path.write_text(written(keys or (ONE,)))
    path.chmod(mode)
    return masters.Folder(tmp_path)


async def test_a_folder_gives_its_ring_in_order(tmp_path):
    assert await a_folder(tmp_path, TWO, ONE).load() == [TWO, ONE]


@pytest.mark.shows("ASVS 13.3.1")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620, 0o601])
async def test_a_key_that_others_may_touch_is_not_used(tmp_path, mode: int):
    with pytest.raises(masters.KeysUnreadable, match=r"GUILDER_MASTER_KEY.*chmod 600"):
        await a_folder(tmp_path, mode=mode).load()


@pytest.mark.parametrize("content", ["", "not base64!", "id:" + base64.b64encode(b"short").decode()])
async def test_a_file_that_is_no_ring_is_told_without_its_content(tmp_path, content: str):
    folder = a_folder(tmp_path)
    folder.path.write_text(content)
    with pytest.raises(masters.KeysUnreadable, match="GUILDER_MASTER_KEY") as told:
        await folder.load()
    assert not content or content not in str(told.value)


async def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(masters.KeysUnreadable, match="No such file"):
        await masters.Folder(tmp_path / "nowhere").load()


async def test_what_a_folder_stores_is_private_whole_and_read_again(tmp_path):
    folder = a_folder(tmp_path)
    await folder.store([TWO, ONE])
    assert await folder.load() == [TWO, ONE]
    assert folder.path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["master.key"]


async def test_keys_in_the_environment_are_no_commands_to_change():
    source = masters.Environment(written([ONE]))
    assert await source.load() == [ONE]
    with pytest.raises(masters.Unchangeable, match="GUILDER_MASTER_KEY"):
        await source.store([TWO, ONE])


def test_whoever_holds_a_ring_goes_on_with_the_keys_it_adopts():
    ring = KeyRing([ONE])
    sealed = seal(ring, b"x", about=b"")
    assert ring.adopt([TWO, ONE])
    assert not ring.adopt([TWO, ONE])
    assert ring.current == TWO
    assert open_(ring, sealed, about=b"") == b"x"
    ring.adopt([TWO])
    with pytest.raises(UnknownKey):
        open_(ring, sealed, about=b"")


async def test_a_running_process_knows_a_new_key_within_its_interval_and_survives_a_bad_file(tmp_path):
    folder = a_folder(tmp_path)
    ring = await masters.opened(folder)
    keeping = asyncio.create_task(masters.keep_fresh(ring, folder, every_s=0.02))
    try:
        await folder.store([TWO, ONE])
        await _until(lambda: ring.ids == ["two", "one"])
        folder.path.write_text("nonsense")
        await asyncio.sleep(0.1)
        assert ring.ids == ["two", "one"]
        await folder.store([TWO])
        await _until(lambda: ring.ids == ["two"])
    finally:
        keeping.cancel()


async def test_a_running_process_reads_its_keys_at_once_on_sighup(tmp_path):
    folder = a_folder(tmp_path)
    ring = await masters.opened(folder)
    keeping = asyncio.create_task(masters.keep_fresh(ring, folder, every_s=3_600))
    try:
        await asyncio.sleep(0)
        await folder.store([TWO, ONE])
        os.kill(os.getpid(), signal.SIGHUP)
        await _until(lambda: ring.ids == ["two", "one"])
    finally:
        keeping.cancel()
        asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)


async def _until(is_so) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("arn", ["", "alias/x", "arn:aws:s3:::bucket", "arn:aws:kms::1:key/x"])
def test_what_is_no_arn_of_a_kms_key_is_told_by_its_setting(arn: str):
    with pytest.raises(masters.KeysUnreadable, match="GUILDER_MASTER_KEY"):
        AwsKms(arn)


@pytest.mark.parametrize(
    "value", ["file:///run/keys", "kms:aws:arn:aws:kms:eu-central-1:1:key/x", base64.b64encode(b"k" * 32).decode()]
)
def test_the_setting_takes_each_place_of_keys(monkeypatch, value: str):
    monkeypatch.setenv("GUILDER_MASTER_KEY", value)
    assert read_settings(env_file=None).guilder_master_key.get_secret_value() == value


@pytest.mark.parametrize("value", ["file://relative", "kms:gcp:x", "c2hvcnQ="])
def test_the_setting_refuses_other_places(monkeypatch, value: str):
    monkeypatch.setenv("GUILDER_MASTER_KEY", value)
    with pytest.raises(BadSettings, match="GUILDER_MASTER_KEY"):
        read_settings(env_file=None)


@pytest.mark.shows("ASVS 12.3.1", "ASVS 12.3.2", "ASVS 12.2.1")
def test_a_database_elsewhere_is_spoken_to_over_tls_with_its_certificate_checked():
    context = context_for("postgresql://u:p@db.example.com:5432/guilder")
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@localhost/x", "postgresql://u:p@127.0.0.1:5432/x", "postgresql://u:p@[::1]:5432/x",
        "postgresql:///x?host=/run/postgresql", "postgresql://u@/x", "postgresql://u:p@db.example.com/x?sslmode=disable",
    ],
)  # fmt: skip
def test_what_is_here_or_says_it_itself_is_left_alone(url: str):
    assert context_for(url) is None


@pytest.mark.parametrize(
    ("url", "is_so"),
    [
        ("postgresql://db.example.com/x", True), ("postgresql://db.example.com/x?sslmode=verify-full", True),
        ("postgresql://localhost/x?sslmode=disable", True), ("postgresql://db.example.com/x?sslmode=disable", False),
        ("postgresql://db.example.com/x?sslmode=require", False), ("postgresql://localhost,db.example.com/x?sslmode=prefer", False),
    ],
)  # fmt: skip
def test_tells_an_address_that_can_be_listened_to(url: str, is_so: bool):
    assert is_checked(url) is is_so


def test_a_mixed_list_of_hosts_is_not_local():
    assert context_for("postgresql://u:p@localhost,db.example.com/x") is not None


def test_no_two_new_keys_are_alike():
    assert len({new_key().secret for _ in range(100)}) == 100
