"""The store: one SQLite file, one connection, one transaction for a change and the events that tell of it.

Objects are kept as the JSON that the API shows. Verbs run to their end between two awaits, so there is one writer
and nothing to lock; WAL and the operating system's cache keep every commit when the process is killed.
"""

import json
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from simulated_provider.wire import Document, missing

SCHEMA = """
create table if not exists accounts(
    id text primary key, api_key text not null unique, clock text, is_revoked integer not null default 0,
    settings text not null default '{}', webhooks text not null default '{"mode": "ok"}');
create table if not exists objects(
    seq integer primary key, id text not null unique, account text not null, kind text not null, body text not null);
create index if not exists objects_by_kind on objects(account, kind, seq);
create table if not exists metadata(
    account text not null, kind text not null, key text not null, value text not null, seq integer not null,
    primary key(account, kind, key, value, seq)) without rowid;
create table if not exists due(account text not null, at text not null, object_id text primary key);
create index if not exists due_by_time on due(account, at);
create table if not exists counters(account text, name text, n integer not null, primary key(account, name));
create table if not exists idempotency(
    account text, key text, fingerprint text not null, status integer not null, body text not null, at text not null,
    primary key(account, key));
create table if not exists faults(account text, op text, spec text not null, left integer, primary key(account, op));
create table if not exists endpoints(
    id text primary key, account text not null, url text not null, secret text not null, unique(account, url));
create table if not exists deliveries(
    seq integer primary key, event_id text not null, endpoint_id text not null, account text not null,
    status text not null, copies integer not null default 1, attempts integer not null default 0,
    first_at real not null, next_at real not null, last_answer text);
create index if not exists deliveries_waiting on deliveries(next_at) where status = 'pending';
create index if not exists deliveries_by_account on deliveries(account, status);
create index if not exists deliveries_by_event on deliveries(event_id);
"""


def stamp(moment: datetime) -> str:
    """Write an instant so that texts sort as instants do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def unix(moment: datetime) -> int:
    return int(moment.timestamp())


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


class Tx:
    """One transaction. Every call names the account: an id of another account's object is an unknown id."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.has_announced = False

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, *values: object) -> sqlite3.Row | None:
        found: sqlite3.Row | None = self._connection.execute(sql, values).fetchone()
        return found

    def run(self, sql: str, *values: object) -> int:
        """Run a statement and say how many rows it touched."""
        return self._connection.execute(sql, values).rowcount

    def add(self, account: str, document: Document) -> None:
        """Keep a new object, findable by its metadata from this transaction on."""
        kind, body = document["object"], json.dumps(document)
        seq = self._connection.execute(
            "insert into objects(id, account, kind, body) values(?, ?, ?, ?)", (document["id"], account, kind, body)
        ).lastrowid
        self._connection.executemany(
            "insert into metadata(account, kind, key, value, seq) values(?, ?, ?, ?, ?)",
            [(account, kind, key, value, seq) for key, value in document.get("metadata", {}).items()],
        )

    def save(self, document: Document) -> None:
        touched = self.run("update objects set body = ? where id = ?", json.dumps(document), document["id"])
        assert touched == 1, document["id"]

    def get(self, account: str, kind: str, object_id: str) -> Document:
        """Return one object.

        :raises Problem: 404, also where the object is another account's
        """
        found = self.row("select body from objects where id = ? and account = ? and kind = ?", object_id, account, kind)
        return loads(found["body"]) if found else missing(kind, object_id)

    def find(
        self, account: str, kind: str, *, metadata: Mapping[str, str], limit: int, starting_after: str | None = None
    ) -> list[Document]:
        """Return objects, newest first, that carry every one of these metadata."""
        sql, values = "select body from objects o where account = ? and kind = ?", [account, kind]
        for key, value in metadata.items():
            sql += (
                " and seq in (select seq from metadata m where m.account = o.account and m.kind = o.kind"
                " and m.key = ? and m.value = ?)"
            )
            values += [key, value]
        if starting_after is not None:
            sql += " and seq < (select seq from objects where id = ? and account = ?)"
            values += [starting_after, account]
        return [loads(row["body"]) for row in self.rows(f"{sql} order by seq desc limit ?", *values, limit)]

    def everything(self, account: str | None, kind: str) -> Iterator[Document]:
        """Walk all objects of a kind, oldest first."""
        sql = "select body from objects where kind = ? and (? is null or account = ?) order by seq"
        return (loads(row["body"]) for row in self._connection.execute(sql, (kind, account, account)))

    def count(self, account: str, name: str) -> int:
        """Return how often this was counted before, and count it once more."""
        found = self.row("select n from counters where account = ? and name = ?", account, name)
        self.run(
            "insert into counters values(?, ?, 1) on conflict(account, name) do update set n = n + 1", account, name
        )
        return int(found["n"]) if found else 0


def loads(text: str) -> Document:
    document: Document = json.loads(text)
    return document


class Store:
    """The file, and who wants to know when a transaction has announced events."""

    def __init__(self, folder: Path, *, on_announced: Callable[[], None] = lambda: None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(folder / "provider.sqlite3", isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("pragma journal_mode = wal")
        # A power cut may cost the last commits (never the file); a killed process costs nothing.
        self._connection.execute("pragma synchronous = normal")
        self._connection.executescript(SCHEMA)
        self.on_announced = on_announced

    @contextmanager
    def transaction(self) -> Iterator[Tx]:
        """Commit what is done inside, or, if it raises, nothing of it. No await may stand inside."""
        tx = Tx(self._connection)
        self._connection.execute("begin immediate")
        try:
            yield tx
        except BaseException:
            self._connection.execute("rollback")
            raise
        self._connection.execute("commit")
        if tx.has_announced:
            self.on_announced()

    def close(self) -> None:
        self._connection.close()
