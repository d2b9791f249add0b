"""The desk: the one way in which every API call is served.

Whose key, what time, which fault; then the verb in one transaction with its events and its idempotency key; then the
answer, if there is to be one. The commit comes before the answer, so a caller without an answer knows nothing.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from simulated_provider import accounts, faults, settlement
from simulated_provider.accounts import Account
from simulated_provider.courier import Courier
from simulated_provider.faults import Holds
from simulated_provider.state import Store, Tx, loads, stamp
from simulated_provider.wire import Answer, Problem, parse, public, raw_body

KEYS_KEPT_FOR = timedelta(hours=24)  # of the account's time
IDEMPOTENCY_KEY_CHARS_MAX = 255
LIST_MAX = 100

Asked = TypeVar("Asked", bound=BaseModel)
Verb = Callable[[Tx, Account, datetime], Answer]


@dataclass(slots=True)
class Desk:
    store: Store
    courier: Courier
    public_url: str | None
    holds: Holds = field(default_factory=Holds)

    def base_url(self, request: Request) -> str:
        return (self.public_url or str(request.base_url)).rstrip("/")


def desk_of(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


async def read(request: Request, *, op: str, verb: Verb) -> Response:
    """Serve a call that changes nothing."""
    return await _serve(request, op=op, verb=verb, raw=None)


async def write(
    request: Request, *, op: str, model: type[Asked], verb: Callable[[Tx, Account, Asked, datetime], Answer]
) -> Response:
    """Serve a call that has a body and may carry an Idempotency-Key."""
    raw = await raw_body(request)

    def parsed(tx: Tx, account: Account, now: datetime) -> Answer:
        return verb(tx, account, parse(raw, model), now)

    return await _serve(request, op=op, verb=parsed, raw=raw)


async def _serve(request: Request, *, op: str, verb: Verb, raw: bytes | None) -> Response:
    desk, path, given = desk_of(request), request.url.path, given_time(request)
    with desk.store.transaction() as tx:
        account = accounts.of_key(tx, request.headers.get("authorization", ""))
        account, _ = settlement.catch_up(tx, account, given=given, wall=accounts.wall_clock())
        fault = faults.take(tx, account.id, op)
    refused = await faults.before(fault, holds=desk.holds, account=account.id, op=op, path=path)
    if refused is not None:
        return refused
    with desk.store.transaction() as tx:
        account = accounts.get(tx, account.id)  # it may have been held: its time and settings may have changed
        account, now = settlement.catch_up(tx, account, given=None, wall=accounts.wall_clock())
        answer, is_replay = _once(tx, account, request, raw=raw, verb=verb, now=now)
    response = await faults.after(
        fault, answer, holds=desk.holds, courier=desk.courier, account=account.id, op=op, path=path
    )
    if is_replay:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def _once(
    tx: Tx, account: Account, request: Request, *, raw: bytes | None, verb: Verb, now: datetime
) -> tuple[Answer, bool]:
    """Run the verb, or replay what its key was answered with before."""
    key = request.headers.get("idempotency-key")
    if key is None or raw is None:
        return verb(tx, account, now), False
    if not 0 < len(key) <= IDEMPOTENCY_KEY_CHARS_MAX:
        raise Problem(400, "idempotency_key_invalid", "An Idempotency-Key has 1 to 255 characters.")
    fingerprint = hashlib.sha256(f"{request.method} {request.url.path}\n".encode() + _canonical(raw)).hexdigest()
    tx.run(
        "delete from idempotency where account = ? and key = ? and at <= ?",
        account.id, key, stamp(now - KEYS_KEPT_FOR),
    )  # fmt: skip
    known = tx.row("select * from idempotency where account = ? and key = ?", account.id, key)
    if known and known["fingerprint"] != fingerprint:
        raise Problem(422, "idempotency_mismatch", "This Idempotency-Key was used for another request.")
    if known:
        return Answer(loads(known["body"]), status=known["status"]), True
    answer = verb(tx, account, now)
    if answer.is_replayable:
        tx.run(
            "insert into idempotency values(?, ?, ?, ?, ?, ?)",
            account.id, key, fingerprint, answer.status, json.dumps(public(answer.body)), stamp(now),
        )  # fmt: skip
    return answer, False


def _canonical(raw: bytes) -> bytes:
    """Order the keys: the same request written in another order is the same request."""
    try:
        return json.dumps(json.loads(raw or b"{}"), sort_keys=True).encode()
    except ValueError:
        return raw


def given_time(request: Request) -> datetime | None:
    """Return what the Simulated-Now header says.

    :raises Problem: 400 unless it is an instant with its zone
    """
    text = request.headers.get("simulated-now")
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Problem(
            400, "simulated_now_invalid", "Simulated-Now is an ISO 8601 instant, such as 2026-01-31T00:00:00Z."
        )
    return moment


def listed(request: Request, *, kind: str) -> Verb:
    """Make the verb that lists objects of a kind: newest first, by metadata, a page at a time."""
    wanted, limit, starting_after = {}, LIST_MAX, None
    for name, value in request.query_params.multi_items():
        if name.startswith("metadata[") and name.endswith("]"):
            wanted[name.removeprefix("metadata[").removesuffix("]")] = value
        elif name == "limit" and value.isascii() and value.isdigit() and 0 < int(value) <= LIST_MAX:
            limit = int(value)
        elif name == "starting_after":
            starting_after = value
        else:
            raise Problem(400, "parameter_unknown", f"{name}: not understood here.", param=name)

    def verb(tx: Tx, account: Account, now: datetime) -> Answer:
        found = tx.find(account.id, kind, metadata=wanted, limit=limit + 1, starting_after=starting_after)
        return Answer({"object": "list", "data": found[:limit], "has_more": len(found) > limit})

    return verb
