"""Make the database and its three logins on a server of RDS, as its administrator. Twice changes nothing but passwords.

The owner migrates, the login serves under row-level security, the doctor reads. RDS's administrator is no superuser, and
has no part in any of them afterwards. The server is given what proves a password, never a password.
Runs as the task `prepare` of deploy/aws/services.yaml.
"""

import asyncio
import base64
import hashlib
import hmac
import os
import ssl
from collections.abc import Mapping

import asyncpg

AUTHORITIES = "/etc/guilder/rds.pem"
TIMEOUT_S = 20
ROUNDS = 4096  # what PostgreSQL itself takes
SALT_BYTES = 16

# `alter role` takes no parameters: the names are ours, and a verifier has no quote in it.
_ROLES = """
do $$
declare name text;
begin
    foreach name in array array['{p}app', '{p}doctor', '{p}owner', '{p}login', '{p}doctor_login'] loop
        if not exists (select from pg_roles where rolname = name) then
            execute format('create role %I nologin', name);
        end if;
    end loop;
end $$;
alter role {p}owner login password '{owner}';
alter role {p}login login password '{login}';
alter role {p}doctor_login login password '{doctor}';
alter role {p}doctor_login set default_transaction_read_only = on;
grant {p}app to {p}login;
grant {p}doctor to {p}doctor_login;
grant {p}app, {p}doctor to {p}owner;
"""
_CLOSED = """
revoke all on database {database} from public;
grant connect, temporary on database {database} to {p}login, {p}doctor_login;
"""


async def prepare(
    connection: "asyncpg.Connection[asyncpg.Record]",
    *,
    passwords: Mapping[str, str],
    database: str = "guilder",
    prefix: str = "guilder_",
) -> bool:
    """Make what is missing; return whether the database is new. `passwords` are those of owner, login and doctor."""
    async with connection.transaction():
        await connection.execute(_ROLES.format(p=prefix, **{who: verifier(word) for who, word in passwords.items()}))
    is_new = not await connection.fetchval("select exists (select from pg_database where datname = $1)", database)
    # Only who could act as the owner may give it a database, and say who connects to that.
    await connection.execute(f"grant {prefix}owner to current_user")
    try:
        if is_new:
            await connection.execute(
                f"create database {database} owner {prefix}owner template template0 encoding 'UTF8'"
            )
        await connection.execute(_CLOSED.format(p=prefix, database=database))
    finally:
        await connection.execute(f"revoke {prefix}owner from current_user")
    return is_new


def verifier(password: str) -> str:
    """Return what PostgreSQL keeps of a password (RFC 5803): it can check one by it, and nobody can find it out."""
    salt = os.urandom(SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, ROUNDS)
    stored = hashlib.sha256(_mac(salted, b"Client Key")).digest()
    return f"SCRAM-SHA-256${ROUNDS}:{_text(salt)}${_text(stored)}:{_text(_mac(salted, b'Server Key'))}"


def _mac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


async def _main() -> None:
    connection = await asyncpg.connect(
        host=os.environ["DATABASE_HOST"],
        user=os.environ["ADMINISTRATOR_NAME"],
        password=os.environ["ADMINISTRATOR_PASSWORD"],
        database="postgres",
        ssl=ssl.create_default_context(cafile=AUTHORITIES),
        timeout=TIMEOUT_S,
    )
    try:
        words = {who: os.environ[f"{who.upper()}_PASSWORD"] for who in ("owner", "login", "doctor")}
        is_new = await prepare(connection, passwords=words)
    finally:
        await connection.close()
    print("Made the database guilder and its roles." if is_new else "The database was there; its roles are set.")


if __name__ == "__main__":
    asyncio.run(_main())
