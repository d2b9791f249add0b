"""Forgetting a subject in the log: its events stay, in their places, and say a pseudonym instead of who it was."""

from datetime import date
from uuid import UUID

from guilder.platform.db.tx import Tx


async def pseudonymise(tx: Tx, *, subject_id: UUID, old: str, new: str, after: date | None) -> date | None:
    """Take a day of the tenant's log, the first after `after`, and write `new` for `old` wherever it names the subject.

    What people wrote (descriptions, notes, metadata) is emptied there. Parked messages are done with every day. Returns
    the day that was done; None: there is no other.
    """
    done: date | None = await tx.fetchval(
        "select platform.log_pseudonymise($1, $2, $3, $4, $5)", tx.tenant_id, subject_id, old, new, after
    )
    return done
