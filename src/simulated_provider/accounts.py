"""Accounts: whose key this is, what it has set, and what time it is there."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from simulated_provider import schemas
from simulated_provider.state import Tx, loads, stamp
from simulated_provider.wire import Problem

KEY = re.compile(r"^sk_sim_([A-Za-z0-9_-]{1,80})$")
SLOW_S = 8.0
ASYNC_DELAY_S = 3 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Account:
    """`clock` is None while the account was never given a time: then the wall's holds."""

    id: str
    clock: datetime | None
    is_revoked: bool
    merchant_name: str
    slow_s: float
    async_delay_s: float


def of_key(tx: Tx, authorization: str) -> Account:
    """Return the account of a Bearer key; the first use of sk_sim_<account> opens that account.

    :raises Problem: 401
    """
    scheme, _, key = authorization.partition(" ")
    known = tx.row("select id from accounts where api_key = ?", key)
    if scheme.lower() == "bearer" and known:
        account = get(tx, known["id"])
    elif scheme.lower() == "bearer" and (new := KEY.match(key)):
        account = ensure(tx, new[1])
        if not tx.row("select 1 from accounts where id = ? and api_key = ?", account.id, key):
            raise _bad_key()
    else:
        raise _bad_key()
    if account.is_revoked:
        raise Problem(401, "api_key_revoked", "This API key has been revoked.")
    return account


def _bad_key() -> Problem:
    return Problem(401, "api_key_invalid", "No account has this API key. Keys look like sk_sim_<account>.")


def open_with_key(tx: Tx, asked: schemas.NewAccount) -> Account:
    """Open an account, with a key of its own if one is given; asking again for the same changes nothing.

    :raises Problem: 409 if the account or the key is taken otherwise
    """
    key = asked.api_key or f"sk_sim_{asked.account}"
    tx.run("insert or ignore into accounts(id, api_key) values(?, ?)", asked.account, key)
    if not tx.row("select 1 from accounts where id = ? and api_key = ?", asked.account, key):
        raise Problem(409, "account_exists", "This account, or this key, exists already with another.")
    return get(tx, asked.account)


def ensure(tx: Tx, account: str) -> Account:
    """Return the account, opened with the key that its name gives if it is new."""
    if not KEY.match(f"sk_sim_{account}"):
        raise Problem(400, "parameter_invalid", "An account is named by letters, digits, - and _.", param="account")
    tx.run("insert or ignore into accounts(id, api_key) values(?, ?)", account, f"sk_sim_{account}")
    return get(tx, account)


def get(tx: Tx, account: str) -> Account:
    row = tx.row("select * from accounts where id = ?", account)
    assert row is not None, account
    settings = loads(row["settings"])
    return Account(
        id=row["id"],
        clock=datetime.fromisoformat(row["clock"]) if row["clock"] else None,
        is_revoked=bool(row["is_revoked"]),
        merchant_name=settings.get("merchant_name") or row["id"].replace("_", " ").replace("-", " ").title(),
        slow_s=settings.get("slow_seconds", SLOW_S),
        async_delay_s=settings.get("async_delay_seconds", ASYNC_DELAY_S),
    )


def set_clock(tx: Tx, account: str, moment: datetime) -> None:
    tx.run("update accounts set clock = ? where id = ?", stamp(moment), account)


def set_revoked(tx: Tx, account: str, *, is_revoked: bool) -> None:
    tx.run("update accounts set is_revoked = ? where id = ?", int(is_revoked), account)


def change_settings(tx: Tx, account: str, settings: schemas.Settings) -> Account:
    row = tx.row("select settings from accounts where id = ?", account)
    assert row is not None, account
    merged = loads(row["settings"]) | settings.model_dump(exclude_none=True)
    tx.run("update accounts set settings = ? where id = ?", json.dumps(merged), account)
    return get(tx, account)


def now(account: Account, *, wall: datetime) -> datetime:
    """Return the account's time: what it was given last, or the wall's if it never was given any."""
    return account.clock or wall


def wall_clock() -> datetime:
    """Look at the wall: called at the edge (a request comes in, the deliverer wakes) and nowhere else."""
    return datetime.now(UTC)
