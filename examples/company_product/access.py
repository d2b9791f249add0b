"""May this customer be served? From a cache that the feed keeps fresh; Guilder is asked for whom it does not know.

| what is known | then |
|---|---|
| an answer younger than FRESH_S | it holds. A change of access comes by the feed within a second or two |
| an older one | asked again; if Guilder is away, the old one holds for STALE_S more: an outage of billing stops no rendering |
| nothing, and Guilder is away | `Unknown`: nobody is let in on no ground, and nobody is called blocked |
"""

import time

from .guilder import Away, Guilder, Refused
from .state import Access, State

FRESH_S = 300
STALE_S = 3_600


class Unknown(Exception):
    """Whether the customer is blocked cannot be said now."""


class NoSuchCustomer(Exception):
    """Guilder has no customer of this name."""


def of(customer: str, *, state: State, guilder: Guilder) -> Access:
    """Say how a customer stands.

    :raises Unknown: Guilder is away, and nothing young enough is known
    :raises NoSuchCustomer: there is none
    """
    known = state.access(customer)
    age_s = (time.time_ns() - known.asked_at_ns) / 1e9 if known else None
    if known is not None and age_s is not None and age_s < FRESH_S:
        return known
    try:
        found = guilder.access(customer)
    except Refused as refusal:
        raise NoSuchCustomer(customer) from refusal
    except Away as away:
        if known is not None and age_s is not None and age_s < FRESH_S + STALE_S:
            return known
        raise Unknown(customer) from away
    state.keep(found)
    return found
