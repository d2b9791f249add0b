"""Whose an API key is, remembered for a second: a product that asks a hundred times a second is looked up once."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from guilder.kernel.ids import TenantId
from guilder.platform.auth.principal import Principal
from guilder.platform.cache.near import LEASE_S, RIGHTS, Mark, Near
from guilder.platform.clock import Clock

LEASES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Lease:
    """Until when what is about to be read may be remembered."""

    mark: Mark
    until_s: float


@dataclass(slots=True)
class _Kept:
    principal: Principal
    expires_at: datetime | None
    lease: Lease
    is_renewed: bool = False


class Leases:
    """By the hash of a key. Only those who were let in are here; a refusal is never remembered."""

    def __init__(self, near: Near | None, clock: Clock) -> None:
        self._near = near
        self._clock = clock
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()

    def of(self, hash_: bytes) -> Principal | None:
        """Return whose a key was a moment ago; None: it is to be read."""
        kept = self._kept.get(hash_)
        if kept is None:
            return None
        if kept.lease.mark.is_old or self._clock.monotonic() >= kept.lease.until_s:
            del self._kept[hash_]
            return None
        # An expired key is refused to the second, and by who can say why.
        return kept.principal if kept.expires_at is None or self._clock.now() < kept.expires_at else None

    def is_due(self, hash_: bytes) -> bool:
        """Say, once of each lease, that it is half over: it is to be read anew, while it still counts for all others."""
        kept = self._kept.get(hash_)
        if kept is None or kept.is_renewed or self._clock.monotonic() < kept.lease.until_s - LEASE_S / 2:
            return False
        kept.is_renewed = True
        return True

    def begin(self, tenant_id: TenantId) -> Lease | None:
        """Return a lease on what is read of this tenant's keys from here on; None: nothing may be remembered."""
        mark = self._near.mark(tenant_id, RIGHTS) if self._near is not None else None
        return Lease(mark, self._clock.monotonic() + LEASE_S) if mark is not None else None

    def keep(self, hash_: bytes, principal: Principal, lease: Lease, *, expires_at: datetime | None) -> None:
        self._kept[hash_] = _Kept(principal, expires_at, lease)
        while len(self._kept) > LEASES_MAX:
            self._kept.popitem(last=False)
