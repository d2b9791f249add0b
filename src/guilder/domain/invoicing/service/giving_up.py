"""Giving numbers up: after a restore, those that may be on invoices which nobody here remembers are never used again."""

from datetime import datetime, timedelta

from guilder.domain.identity import service as identity
from guilder.domain.invoicing import store
from guilder.domain.invoicing.model import GivenUp, InvoiceKind
from guilder.domain.invoicing.rules import sparing
from guilder.domain.invoicing.store import giving_up as rows
from guilder.platform.db.tx import Tx

LOOKED_BACK = timedelta(days=400)  # a year of renewals, its busiest day among them


async def give_up_numbers(tx: Tx, *, restored_to: datetime, now: datetime, at_least: int = 0) -> list[GivenUp]:
    """Skip, in every series of the tenant's, what may have been taken between `restored_to` and `now`; return what was.

    As many as twice what the busiest stretch of that length took in the last year, `at_least` so many.
    """
    lost = max(now - restored_to, timedelta(0)) + timedelta(hours=1)
    issuers = [each.id for each in await identity.issuers_of(tx)]
    given_up: list[GivenUp] = []
    for kind in InvoiceKind:
        busiest = await rows.taken_most(tx, kind=kind, within=lost, since=now - LOOKED_BACK)
        counts = {
            (tx.tenant_id, issuer): sparing.spared(busiest=busiest.get(issuer, 0), at_least=at_least)
            for issuer in issuers
        }
        first = await store.take_numbers(tx, counts, kind=kind)
        given_up += [
            GivenUp(
                issuer_id=key[1],
                kind=kind,
                first=first[key],
                last=first[key] + counts[key] - 1,
                restored_to=restored_to,
            )
            for key in counts
        ]
    await rows.save_given_up(tx, given_up, now=now)
    return given_up
