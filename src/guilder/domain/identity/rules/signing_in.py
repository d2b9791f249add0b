"""What of signing in is decided in plain values: how long a session lasts, how long a guess waits, where one may go then.

a session     12 hours without a request, or 7 days, whatever comes first
a guess       the first 4 at an address cost nothing; each further one doubles the wait, from 1 second to 5 minutes;
              a day without a guess, or a right password, and all is forgotten: nobody is shut out for ever
where to      a path of our own and nothing that a browser could read as another host
"""

import re
from datetime import datetime, timedelta
from posixpath import normpath
from urllib.parse import unquote
from uuid import UUID, uuid5

from guilder.domain.identity.model import StaffSession
from guilder.kernel.ids import TenantId

IDLE = timedelta(hours=12)
LIFETIME = timedelta(days=7)
SEEN_EVERY = timedelta(minutes=1)
TRIES_FREE = 4
WAIT_MAX = timedelta(minutes=5)
TRIES_FORGOTTEN = timedelta(days=1)
SIGN_IN_WITHIN = timedelta(minutes=10)
PATH_MAX = 500
HOME = "/sign-in"
CALLBACK = f"{HOME}/callback"

_NOBODYS = UUID("0d1c9d4e-6f3a-5b52-9c1e-7f0a52d6b8e1")
_PATH = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:%?/#-]*)")


def is_alive(session: StaffSession, *, now: datetime) -> bool:
    """Tell whether a session counts."""
    return session.ended_at is None and now < min(session.expires_at, session.last_seen_at + IDLE)


def wait_after(tries: int) -> timedelta:
    """Return how long the next guess at an address has to wait after this many."""
    if tries < TRIES_FREE:
        return timedelta(0)
    return min(timedelta(seconds=2 ** min(tries - TRIES_FREE, 20)), WAIT_MAX)


def nobodys(slug: str) -> TenantId:
    """Return what stands in for the tenant of a short name that is nobody's: an id that no tenant has, one for each name.

    Under it the same is asked and counted as under a tenant's, or whoever never has to wait would know that there is none.
    """
    return TenantId(uuid5(_NOBODYS, slug))


def own_path(said: str | None) -> str:
    """Return where to go after signing in; what is not plainly a path of our own is not gone to.

    `//evil`, `/\\evil`, `/@evil` and `https:evil` are what a redirect elsewhere looks like; and below the page itself one is
    sent on to an issuer, which a link must not choose.
    """
    if said is None or not 0 < len(said) <= PATH_MAX or not _PATH.fullmatch(said) or "//" in said:
        return HOME
    path = normpath(unquote(said.partition("?")[0].partition("#")[0]))
    return HOME if path.startswith(f"{HOME}/") else said
