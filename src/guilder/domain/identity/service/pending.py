"""A sign-in under way at an issuer: what the browser keeps until it comes back, sealed so that it can only keep it."""

import base64
import json
from datetime import datetime
from typing import NamedTuple

from guilder.domain.identity.rules.signing_in import SIGN_IN_WITHIN
from guilder.domain.identity.service.providers import Asked
from guilder.platform import crypto
from guilder.platform.auth.jwt import refuse

_ABOUT = crypto.about("identity.signing_in", "pending")


class Pending(NamedTuple):
    """Who signs in where, and how it began. `member_id` is of whoever proves anew who they are; empty for a sign-in."""

    tenant_id: str
    trust_id: str
    state: str
    nonce: str
    verifier: str
    return_to: str
    begun_s: int
    member_id: str

    @property
    def asked(self) -> Asked:
        return Asked(self.state, self.nonce, self.verifier, bool(self.member_id))

    def sealed(self, ring: crypto.KeyRing) -> str:
        sealed = crypto.seal(ring, json.dumps(self).encode(), about=_ABOUT)
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def opened(cookie: str | None, ring: crypto.KeyRing, *, now: datetime) -> Pending:
    """Open what a browser brings back.

    :raises Unauthenticated: it brings nothing, or nothing of ours, or too late
    """
    try:
        sealed = base64.b64decode((cookie or "") + "=" * (-len(cookie or "") % 4), altchars=b"-_", validate=True)
        pending = Pending(*json.loads(crypto.open_(ring, sealed, about=_ABOUT)))
    except (ValueError, TypeError, crypto.CannotOpen):
        refuse("sign-in not begun in this browser")
    if now.timestamp() >= pending.begun_s + SIGN_IN_WITHIN.total_seconds():
        refuse("sign-in took too long")
    return pending
