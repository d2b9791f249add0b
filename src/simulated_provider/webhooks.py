"""Webhooks: an event is written with the change that it tells of, and delivered until it was answered with 2xx.

No order is promised and an event may come more than once, as with a real provider.
"""

import asyncio
import hashlib
import hmac
import json
import logging
import secrets
import sqlite3
import time
from datetime import datetime

import httpx

from simulated_provider import schemas
from simulated_provider.state import Store, Tx, loads, new_id, unix
from simulated_provider.wire import Document, Problem, public

API_VERSION = "2026-11-01"
TIMEOUT_S = 10.0
BACKOFF_S = (0.2, 1.0, 3.0, 10.0, 30.0)  # then every minute
EVERY_S = 60.0
GIVE_UP_AFTER_S = 3 * 24 * 3600.0
ENDPOINTS_MAX = 16

log = logging.getLogger(__name__)


def announce(tx: Tx, account: str, *, kind: str, of: Document, was: Document | None = None, now: datetime) -> None:
    """Write an event, and a delivery of it for each endpoint of the account, in the transaction of the change.

    `was` says what of the object was otherwise before, where an event of this kind says that.
    """
    event: Document = {
        "id": new_id("evt"),
        "object": "event",
        "type": kind,
        "created": unix(now),
        "livemode": False,
        "account": account,
        "api_version": API_VERSION,
        "data": {"object": public(of), **({"previous_attributes": was} if was else {})},
    }
    tx.add(account, event)
    mode = mode_of(tx, account)
    status = {"drop": "dropped", "hold": "held", "reverse": "held"}.get(mode["mode"], "pending")
    copies = mode["copies"] if mode["mode"] == "duplicate" else 1
    for endpoint in tx.rows("select id from endpoints where account = ? order by rowid", account):
        _intend(tx, account, event["id"], endpoint["id"], status=status, copies=copies)
    tx.has_announced = True


def _intend(tx: Tx, account: str, event_id: str, endpoint_id: str, *, status: str, copies: int) -> None:
    wall = time.time()
    tx.run(
        "insert into deliveries(event_id, endpoint_id, account, status, copies, first_at, next_at)"
        " values(?, ?, ?, ?, ?, ?, ?)",
        event_id, endpoint_id, account, status, copies, wall, wall,
    )  # fmt: skip


def register(tx: Tx, account: str, asked: schemas.NewWebhookEndpoint) -> Document:
    """Return the endpoint of this address, made if it is new; a secret that is given replaces the one it had."""
    known = tx.row("select * from endpoints where account = ? and url = ?", account, asked.url)
    if known is None:
        count = tx.row("select count(*) as n from endpoints where account = ?", account)
        if count is not None and count["n"] >= ENDPOINTS_MAX:
            raise Problem(400, "too_many_endpoints", f"An account has at most {ENDPOINTS_MAX} endpoints.")
        secret = asked.secret or f"whsec_{secrets.token_urlsafe(32)}"
        tx.run("insert into endpoints values(?, ?, ?, ?)", new_id("we"), account, asked.url, secret)
    elif asked.secret:
        tx.run("update endpoints set secret = ? where id = ?", asked.secret, known["id"])
    return next(endpoint for endpoint in endpoints(tx, account) if endpoint["url"] == asked.url)


def endpoints(tx: Tx, account: str) -> list[Document]:
    rows = tx.rows("select * from endpoints where account = ? order by rowid", account)
    return [{"id": row["id"], "object": "webhook_endpoint", "url": row["url"], "secret": row["secret"]} for row in rows]


def remove(tx: Tx, account: str, endpoint_id: str) -> Document:
    """Forget an endpoint, and what was still to be delivered to it."""
    removed = tx.run("delete from endpoints where id = ? and account = ?", endpoint_id, account)
    if not removed:
        raise Problem(404, "resource_missing", f"No such webhook endpoint: '{endpoint_id}'.", param="id")
    tx.run("delete from deliveries where endpoint_id = ? and status in ('pending', 'held')", endpoint_id)
    return {"id": endpoint_id, "object": "webhook_endpoint", "deleted": True}


def mode_of(tx: Tx, account: str) -> Document:
    row = tx.row("select webhooks from accounts where id = ?", account)
    assert row is not None, account
    return loads(row["webhooks"])


def set_mode(tx: Tx, account: str, asked: schemas.WebhookMode) -> None:
    tx.run("update accounts set webhooks = ? where id = ?", json.dumps(asked.model_dump()), account)


def held(tx: Tx, account: str) -> list[sqlite3.Row]:
    return tx.rows("select * from deliveries where account = ? and status = 'held' order by seq", account)


def redeliver(tx: Tx, account: str, event_id: str, *, copies: int) -> None:
    """Send an event to every endpoint again, whatever became of it before."""
    tx.get(account, "event", event_id)
    for endpoint in tx.rows("select id from endpoints where account = ?", account):
        _intend(tx, account, event_id, endpoint["id"], status="pending", copies=copies)
    tx.has_announced = True


def pending(tx: Tx, *, account: str | None, due_by: float | None, limit: int) -> list[sqlite3.Row]:
    """Return deliveries that wait, the longest due first."""
    return tx.rows(
        "select * from deliveries where status = 'pending' and (? is null or account = ?) and (? is null or next_at <= ?)"
        " order by next_at, seq limit ?",
        account, account, due_by, due_by, limit,
    )  # fmt: skip


def next_attempt_at(tx: Tx) -> float | None:
    row = tx.row("select min(next_at) as at from deliveries where status = 'pending'")
    return row["at"] if row else None


def counts(tx: Tx, account: str) -> dict[str, int]:
    """Count what was not delivered yet, by status (pending, held)."""
    rows = tx.rows(
        "select status, count(*) as n from deliveries where account = ? and status in ('pending', 'held')"
        " group by status",
        account,
    )
    return {row["status"]: row["n"] for row in rows}


def sign(secret: str, body: bytes, *, at: int) -> str:
    """Sign as Stripe does: the secret's own text is the key, and the time is part of what is signed."""
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={mac.hexdigest()}"


class Sender:
    """Makes one attempt at one delivery, and records what came of it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()

    async def send(self, delivery: sqlite3.Row) -> str:
        """Send all copies of a delivery; return what the endpoint said to the last ("200", "timeout", ...)."""
        with self._store.transaction() as tx:
            endpoint = tx.row("select url, secret from endpoints where id = ?", delivery["endpoint_id"])
            event = tx.get(delivery["account"], "event", delivery["event_id"])
        if endpoint is None:
            return self._record(delivery, answer="endpoint removed", status="dropped")
        body = json.dumps({key: value for key, value in event.items() if key != "object"}).encode()
        answers = await asyncio.gather(*(self._post(endpoint, body) for _ in range(delivery["copies"])))
        failed = [answer for answer in answers if not answer.startswith("2")]
        if not failed:
            return self._record(delivery, answer=answers[-1], status="delivered")
        is_over = time.time() - delivery["first_at"] > GIVE_UP_AFTER_S
        return self._record(delivery, answer=failed[0], status="abandoned" if is_over else "pending")

    async def _post(self, endpoint: sqlite3.Row, body: bytes) -> str:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "simulated-provider",
            "Simulated-Signature": sign(endpoint["secret"], body, at=int(time.time())),
        }
        try:
            response = await self._client.post(endpoint["url"], content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as trouble:
            return type(trouble).__name__
        return str(response.status_code)

    def _record(self, delivery: sqlite3.Row, *, answer: str, status: str) -> str:
        attempts = delivery["attempts"] + 1
        wait_s = BACKOFF_S[attempts - 1] if attempts <= len(BACKOFF_S) else EVERY_S
        with self._store.transaction() as tx:
            tx.run(
                "update deliveries set status = ?, attempts = ?, next_at = ?, last_answer = ? where seq = ?",
                status, attempts, time.time() + wait_s, answer, delivery["seq"],
            )  # fmt: skip
        if status != "delivered":
            log.info("webhook %s: %s (%s)", delivery["event_id"], answer, status)
        return answer
