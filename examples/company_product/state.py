"""What the product knows, in one SQLite file. Whatever must be true together is written in one transaction."""

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

HEARD_KEPT_S = 45 * 86_400  # longer than Guilder keeps its feed

_SCHEMA = """
create table if not exists jobs (
    id text primary key, customer text not null, amount integer not null, currency text not null,
    description text not null, status text not null default 'asked', reason text not null default '', charge_id text);
create table if not exists outbox (
    number integer primary key autoincrement, job_id text not null unique references jobs, event text not null);
create table if not exists cursors (reader text primary key, cursor text not null);
create table if not exists heard (event_id text primary key, type text not null, at real not null);
create table if not exists access (
    customer text primary key, is_blocked integer not null, reasons text not null, asked_at_ns integer not null);
"""
# What a job may still become. An answer that comes late (a charge was sent, settled, and only then marked as sent)
# must not take it back.
_BEFORE = {
    "sent": ("asked",),
    "accepted": ("asked", "sent"),
    "failed": ("asked", "sent", "accepted", "failed"),
    "settled": ("asked", "sent", "accepted", "failed"),
    "refused": ("asked", "sent"),
}


class Reused(Exception):
    """This job's id was used for another job."""


class Overtaken(Exception):
    """Somebody else moved this cursor: another process works on the same file."""


@dataclass(frozen=True, slots=True)
class Job:
    """`amount` is in minor units. `status`: asked, sent, accepted, settled, failed or refused."""

    id: str
    customer: str
    amount: int
    currency: str
    description: str
    status: str = "asked"
    reason: str = ""
    charge_id: str | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """What Guilder said of a customer. `asked_at_ns` is when it was asked, so that an older answer never wins."""

    customer: str
    is_blocked: bool
    reasons: list[str]
    asked_at_ns: int


class State:
    """One connection; each thread has its own."""

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, timeout=30, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        # FULL: what was answered with 202 is on the disk, also when the power goes.
        self._connection.executescript(f"pragma journal_mode=wal; pragma synchronous=full; {_SCHEMA}")

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("begin immediate")
        try:
            yield self._connection
        except BaseException:
            self._connection.execute("rollback")
            raise
        self._connection.execute("commit")

    def add(self, job: Job, event: dict[str, Any]) -> Job:
        """Take a job and, in the same transaction, write down the charge that is to be sent. Again, it is the same job.

        :raises Reused: its id belongs to another job
        """
        with self._transaction() as db:
            row = (job.id, job.customer, job.amount, job.currency, job.description)
            new = db.execute(
                "insert or ignore into jobs (id, customer, amount, currency, description) values (?, ?, ?, ?, ?)", row
            ).rowcount
            if new:
                db.execute("insert into outbox (job_id, event) values (?, ?)", (job.id, json.dumps(event)))
            found = self.job(job.id)
        assert found is not None
        if (found.id, found.customer, found.amount, found.currency, found.description) != row:
            raise Reused
        return found

    def job(self, job_id: str) -> Job | None:
        row = self._connection.execute("select * from jobs where id = ?", (job_id,)).fetchone()
        return Job(**dict(row)) if row else None

    def open_jobs(self) -> list[Job]:
        """Return the jobs that Guilder took and that may still be paid."""
        rows = self._connection.execute("select * from jobs where status in ('sent', 'accepted', 'failed')")
        return [Job(**dict(row)) for row in rows]

    def to_send(self, *, limit: int) -> list[tuple[int, dict[str, Any]]]:
        """Return the oldest charges that nobody is known to have taken: number and CloudEvent."""
        rows = self._connection.execute("select number, event from outbox order by number limit ?", (limit,))
        return [(row["number"], json.loads(row["event"])) for row in rows]

    def sent(self, numbers: Iterable[int], *, status: str, charge_ids: Iterable[str | None], reason: str = "") -> None:
        """Take charges out of the outbox: they were taken (or refused for good)."""
        with self._transaction() as db:
            for number, charge_id in zip(numbers, charge_ids, strict=True):
                found = db.execute("delete from outbox where number = ? returning job_id", (number,)).fetchone()
                if found:
                    db.execute("update jobs set charge_id = ? where id = ?", (charge_id, found["job_id"]))
                    _become(db, found["job_id"], status, reason)

    def cursor(self, reader: str) -> str | None:
        row = self._connection.execute("select cursor from cursors where reader = ?", (reader,)).fetchone()
        return row["cursor"] if row else None

    def hear(
        self,
        events: Iterable[dict[str, Any]],
        *,
        source: str,
        access: Iterable[Access],
        reader: str,
        before: str | None,
        after: str,
    ) -> int:
        """Do what events ask for and move the cursor from `before` to `after`, all or nothing; say how many were new.

        :raises Overtaken: the cursor no longer stands at `before`
        """
        new = 0
        with self._transaction() as db:
            if self.cursor(reader) != before:
                raise Overtaken
            db.execute("insert or replace into cursors (reader, cursor) values (?, ?)", (reader, after))
            for event in events:
                row = (event["id"], event["type"], time.time())
                if not db.execute("insert or ignore into heard values (?, ?, ?)", row).rowcount:
                    continue  # heard before: over Kafka, or before a restore
                new += 1
                if event["type"].startswith("orders.charge.") and event["data"].get("source") == source:
                    kind = event["type"].rpartition(".")[2]
                    if kind in _BEFORE:
                        _become(db, event["data"]["source_id"], kind, event["data"].get("reason", ""))
            _keep(db, access)
        return new

    def begin_again(
        self, *, reader: str, before: str | None, cursor: str, blocked: Iterable[Access], jobs: Iterable[Job]
    ) -> None:
        """Start from a snapshot: who is blocked now, what became of open jobs, and where the feed goes on from there.

        :raises Overtaken: the cursor no longer stands at `before`
        """
        with self._transaction() as db:
            if self.cursor(reader) != before:
                raise Overtaken
            db.execute("insert or replace into cursors (reader, cursor) values (?, ?)", (reader, cursor))
            db.execute("delete from access")
            _keep(db, blocked)
            for job in jobs:
                _become(db, job.id, job.status, job.reason)

    def access(self, customer: str) -> Access | None:
        row = self._connection.execute("select * from access where customer = ?", (customer,)).fetchone()
        if row is None:
            return None
        return Access(row["customer"], bool(row["is_blocked"]), json.loads(row["reasons"]), row["asked_at_ns"])

    def keep(self, access: Access) -> None:
        with self._transaction() as db:
            _keep(db, [access])

    def forget_old(self) -> None:
        with self._transaction() as db:
            db.execute("delete from heard where at < ?", (time.time() - HEARD_KEPT_S,))

    def counts(self) -> dict[str, int]:
        """Return how much there is of each: for /health, and for whoever wonders."""
        return {
            table: self._connection.execute(f"select count(*) from {table}").fetchone()[0]  # noqa: S608  (our own names)
            for table in ("jobs", "outbox", "heard", "access")
        }

    def heard(self) -> list[tuple[str, str]]:
        """Return id and type of what was heard, in order."""
        return [tuple(row) for row in self._connection.execute("select event_id, type from heard order by rowid")]


def _become(db: sqlite3.Connection, job_id: str, status: str, reason: str) -> None:
    marks = ", ".join("?" * len(_BEFORE[status]))
    db.execute(
        f"update jobs set status = ?, reason = ? where id = ? and status in ({marks})",  # noqa: S608  (question marks)
        (status, reason, job_id, *_BEFORE[status]),
    )


def _keep(db: sqlite3.Connection, found: Iterable[Access]) -> None:
    # The younger question wins: an answer that was under way while an event told of a change is thrown away.
    db.executemany(
        """insert into access values (?, ?, ?, ?) on conflict (customer) do update set is_blocked = excluded.is_blocked,
           reasons = excluded.reasons, asked_at_ns = excluded.asked_at_ns where excluded.asked_at_ns > access.asked_at_ns""",
        [(each.customer, each.is_blocked, json.dumps(each.reasons), each.asked_at_ns) for each in found],
    )
