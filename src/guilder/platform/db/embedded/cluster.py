"""The data folder: made once, with its passwords, settings, roles and the one database."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from guilder.platform.db.embedded.account import Account
from guilder.platform.db.embedded.binaries import Binaries
from guilder.platform.db.embedded.errors import EmbeddedError

DATABASE = "guilder"
SUPERUSER = "postgres"
OWNER, LOGIN, DOCTOR = "guilder_owner", "guilder_login", "guilder_doctor_login"
BUILTIN_LOCALE_SINCE = 17
# Below the range from which systems draw ports for outgoing connections, so that a remembered one stays free.
PORTS = range(20_000, 30_000)
PORTS_TRIED_MAX = 200
# A unix socket's path has room for 107 bytes, and PostgreSQL adds "/.s.PGSQL.12345.lock".
SOCKET_FOLDER_BYTES_MAX = 85

# The write-ahead log is not compressed: these programs know no other way than pglz, which takes a billing run as long as
# all else that PostgreSQL does in it (ADR 0033).
_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_permissions = 0700
max_connections = 200
shared_buffers = '256MB'
max_locks_per_transaction = 256
wal_compression = off
min_wal_size = '256MB'
max_wal_size = '2GB'
jit = off
autovacuum_naptime = '15s'
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
logging_collector = off
log_line_prefix = '%m [%p] %q%u@%d '
log_checkpoints = off
# On from the start, to nowhere: an archive is begun and ended by a command then, without a restart.
archive_mode = on
archive_command = '/bin/true'
"""
# Only for tests: a crash of the machine loses the folder. Several whole houses are up at a time.
_NOT_DURABLE = """
max_connections = 600
fsync = off
synchronous_commit = off
full_page_writes = off
archive_mode = off
autovacuum_naptime = '5min'
"""
_ACCESS = f"""
local all all                    scram-sha-256
local replication {SUPERUSER}       scram-sha-256
host  all {SUPERUSER} all        reject
host  all all      127.0.0.1/32  scram-sha-256
"""
# While a backup is being restored: its superuser's password was another installation's. The socket's folder is private.
_RESTORING = f"""
local all {SUPERUSER} trust
local all all         scram-sha-256
host  all {SUPERUSER} all          reject
host  all all         127.0.0.1/32 scram-sha-256
"""

_ROLES = """
set client_min_messages = warning;
do $$
declare name text;
begin
    foreach name in array array['guilder_app', 'guilder_doctor', '{owner}', '{login}', '{doctor}'] loop
        if not exists (select from pg_roles where rolname = name) then
            execute format('create role %I', name);
        end if;
    end loop;
end $$;
alter role {owner} login nosuperuser nocreaterole nocreatedb nobypassrls noreplication password '{owner_password}';
alter role {login} login nosuperuser nocreaterole nocreatedb nobypassrls noreplication password '{login_password}';
alter role {doctor} login nosuperuser nocreaterole nocreatedb nobypassrls noreplication password '{doctor_password}';
alter role {doctor} set default_transaction_read_only = on;
grant guilder_app to {login};
grant guilder_doctor to {doctor};
grant guilder_app, guilder_doctor to {owner};
select 'create database {database} owner {owner}'
where not exists (select from pg_database where datname = '{database}') \\gexec
revoke all on database {database} from public;
grant connect, temporary on database {database} to {login}, {doctor};
revoke connect on database postgres from public;
"""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the server answers: over loopback, with a password each."""

    owner_url: str = field(repr=False)
    """Role guilder_owner: owns the database, runs the migrations."""
    app_url: str = field(repr=False)
    """Role guilder_login, a member of guilder_app: owns nothing, bound by row-level security."""
    doctor_url: str = field(repr=False)
    """Role guilder_doctor_login, a member of guilder_doctor: reads only."""
    port: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """The files of one server. `folder` is the process's own; only `data` and `socket` belong to the account."""

    folder: Path
    account: Account

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def settings(self) -> Path:
        return self.folder / "postgresql.conf"

    @property
    def access(self) -> Path:
        return self.folder / "pg_hba.conf"

    @property
    def archiving(self) -> Path:
        """Return the file of settings that say where the write-ahead log is archived; none where it is not."""
        return self.folder / "archive.conf"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def passwords(self) -> dict[str, str]:
        """Read the passwords, or draw them for a folder that has no data yet.

        :raises EmbeddedError: there is data but its passwords are gone
        """
        path = self.folder / "passwords.json"
        if not path.exists():
            if self.data.exists():
                raise EmbeddedError(
                    f"The password file {path} is gone, and the data beside it cannot be opened without it; "
                    "put it back from a backup, or choose another data folder."
                )
            drawn = {name: secrets.token_urlsafe(24) for name in (SUPERUSER, OWNER, LOGIN, DOCTOR)}
            write_private(path, json.dumps(drawn))
        return dict(json.loads(path.read_text()))

    def initialise(self, binaries: Binaries, *, durable: bool) -> None:
        """Make the data folder. It appears whole or not at all: a start that was killed half-way is started over."""
        fresh = self.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self.account.give(fresh)
        builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        locale = builtin if binaries.major >= BUILTIN_LOCALE_SINCE else ["--locale=C.UTF-8"]
        with tempfile.NamedTemporaryFile("w", prefix="guilder-") as password:
            password.write(self.passwords()[SUPERUSER])
            password.flush()
            self.account.give(Path(password.name))
            command = [binaries.program("initdb"), "--pgdata", str(fresh), "--username", SUPERUSER, "--encoding=UTF8"]
            command += [f"--pwfile={password.name}", "--auth=scram-sha-256", "--data-checksums", "--no-instructions"]
            command += [*locale, *([] if durable else ["--no-sync"])]
            done = subprocess.run(
                command, check=False, capture_output=True, text=True, timeout=300, **self.account.popen()
            )
        if done.returncode != 0:
            why = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
            raise EmbeddedError(f"A database cannot be made in {self.folder}: {why.removeprefix('initdb: ')}.")
        fresh.rename(self.data)

    def configure(self, *, port: int, sockets: Path, durable: bool, is_restoring: bool = False) -> None:
        """Write settings and access rules anew at every start, so that a newer Guilder's are used."""
        own = f"port = {port}\nunix_socket_directories = '{_quoted(sockets)}'\nhba_file = '{_quoted(self.access)}'\n"
        # Its own file comes first: initdb has written there what suits this machine.
        first = f"include '{_quoted(self.data / 'postgresql.conf')}'\n"
        last = f"include_if_exists '{_quoted(self.archiving)}'\n"
        for path, text in (
            (self.settings, first + _SETTINGS + ("" if durable else _NOT_DURABLE) + own + last),
            (self.access, _RESTORING if is_restoring else _ACCESS),
        ):
            write_private(path, text)
            self.account.give(path)

    def reset_password(self, binaries: Binaries, *, port: int, sockets: Path) -> None:
        """Give the superuser of a restored database the password of this folder."""
        word = self.passwords()[SUPERUSER]
        self._run_as_superuser(binaries, f"alter role {SUPERUSER} password '{word}';", port=port, sockets=sockets)

    def create_roles(self, binaries: Binaries, *, port: int, sockets: Path) -> None:
        """Make the roles and the database, or set right what is there. Passwords travel by stdin only."""
        words = self.passwords()
        script = _ROLES.format(
            database=DATABASE,
            owner=OWNER,
            login=LOGIN,
            doctor=DOCTOR,
            owner_password=words[OWNER],
            login_password=words[LOGIN],
            doctor_password=words[DOCTOR],
        )
        self._run_as_superuser(binaries, script, port=port, sockets=sockets)

    def _run_as_superuser(self, binaries: Binaries, script: str, *, port: int, sockets: Path) -> None:
        command = [binaries.program("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"]
        place = {"PGHOST": str(sockets), "PGPORT": str(port), "PGUSER": SUPERUSER, "PGDATABASE": "postgres"}
        environment = {"PATH": os.defpath, "PGPASSWORD": self.passwords()[SUPERUSER], **place}
        done = subprocess.run(
            command, check=False, input=script, capture_output=True, text=True, timeout=120, cwd="/", env=environment
        )
        if done.returncode != 0:
            raise EmbeddedError(f"The roles of the embedded database cannot be set up: {done.stderr.strip()}")

    def endpoints(self, port: int) -> Endpoints:
        words = self.passwords()
        owner, login, doctor = (
            f"postgresql://{role}:{words[role]}@127.0.0.1:{port}/{DATABASE}" for role in (OWNER, LOGIN, DOCTOR)
        )
        return Endpoints(owner_url=owner, app_url=login, doctor_url=doctor, port=port)

    def admin_url(self, port: int, sockets: Path, *, database: str = "postgres") -> str:
        password = self.passwords()[SUPERUSER]
        return f"postgresql://{SUPERUSER}:{password}@/{database}?host={quote(str(sockets), safe='')}&port={port}"

    def sockets(self) -> Path:
        """Make the folder of the unix socket: beside the data, or in a short place if that path is too long."""
        path = self.folder / "socket"
        if len(os.fsencode(path)) <= SOCKET_FOLDER_BYTES_MAX:
            path.mkdir(mode=0o700, exist_ok=True)
        else:
            path = Path(tempfile.mkdtemp(prefix="guilder-", dir="/tmp"))  # private, unguessable
        self.account.give(path)
        return path

    def ports(self) -> Iterator[int]:
        """Yield ports that are free now: the one used last, then from a start of this folder's own."""
        remembered = self.folder / "port"
        offset = zlib.crc32(os.fsencode(self.folder)) % len(PORTS)
        last = [int(remembered.read_text())] if remembered.exists() else []
        for port in (*last, *(PORTS[(offset + step) % len(PORTS)] for step in range(PORTS_TRIED_MAX))):
            if _is_free(port):
                remembered.write_text(str(port))
                yield port
        raise EmbeddedError(
            f"None of {PORTS_TRIED_MAX} ports between {PORTS[0]} and {PORTS[-1]} is free for the embedded database; "
            "stop what uses them, or set DATABASE_URL to a PostgreSQL of your own."
        )


def write_private(path: Path, text: str) -> None:
    """Replace a file by one that only its owner can read. It is never there half-written, nor readable by others."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
