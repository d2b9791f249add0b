"""What falls due as an account's time moves on, each thing dated when it fell due and not when somebody looked."""

from datetime import datetime

from simulated_provider import accounts, intents
from simulated_provider.accounts import Account
from simulated_provider.state import Tx, stamp


def catch_up(tx: Tx, account: Account, *, given: datetime | None, wall: datetime) -> tuple[Account, datetime]:
    """Move the account's clock forward to what was given (never back), do what fell due, return its time."""
    if given is not None and (account.clock is None or given > account.clock):
        accounts.set_clock(tx, account.id, given)
        account = accounts.get(tx, account.id)
    now = accounts.now(account, wall=wall)
    for due in tx.rows("select * from due where account = ? and at <= ? order by at", account.id, stamp(now)):
        tx.run("delete from due where object_id = ?", due["object_id"])
        intents.settle(tx, account, due["object_id"], now=datetime.fromisoformat(due["at"]))
    return account, now


def next_due_at(tx: Tx, account: str) -> str | None:
    row = tx.row("select min(at) as at from due where account = ?", account)
    return row["at"] if row else None


def overdue_by_the_wall(tx: Tx, *, wall: datetime) -> list[str]:
    """Name the accounts without a clock of their own where something fell due."""
    rows = tx.rows(
        "select distinct account from due join accounts a on a.id = account where a.clock is null and at <= ?",
        stamp(wall),
    )
    return [row["account"] for row in rows]
