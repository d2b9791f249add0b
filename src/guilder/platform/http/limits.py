"""How often: token buckets by caller, by tenant and by address. Of this process, or shared by all of them in Redis.

Nothing of right or wrong depends on them: a bucket that is lost is a bucket that is full.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from ipaddress import IPv6Network, ip_address
from typing import Protocol

from guilder.kernel.errors import TooMany
from guilder.platform import metrics
from guilder.platform.cache import buckets
from guilder.platform.cache.client import Away, Shared
from guilder.platform.http.settings import Allowance

BUCKETS_MAX = 50_000
LINE_BITS = 64


@dataclass(frozen=True, slots=True)
class Taken:
    """What a bucket said: whether it held enough, what is left, and in how many seconds it would hold enough again."""

    is_allowed: bool
    limit: int
    left: int
    reset_s: int

    @property
    def headers(self) -> dict[str, str]:
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.left),
            "RateLimit-Reset": str(self.reset_s),
        }


@dataclass(frozen=True, slots=True)
class Want:
    """Tokens of one bucket. Cost 0 only looks."""

    key: str
    allowance: Allowance
    cost: int = 1


class RateLimiter(Protocol):
    async def take(self, home: str, wants: Sequence[Want]) -> Taken:
        """Take from all of these buckets, or, if one of them does not hold as much, from none.

        The answer is that of the bucket that is nearest to its end. `home` is whose they are: a tenant, an address.
        """
        ...


class InProcess:
    """Buckets of this process alone; the least lately used are forgotten beyond `BUCKETS_MAX`."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def take(self, home: str, wants: Sequence[Want]) -> Taken:
        return self.take_now(home, wants)

    def take_now(self, home: str, wants: Sequence[Want]) -> Taken:
        now, is_allowed, levels = self._monotonic(), True, []
        for each in wants:
            key = f"{home}:{each.key}"
            level = self._level(key, each.allowance, now)
            levels.append((key, each, level))
            is_allowed = is_allowed and level >= (each.cost or 1)
        said = []
        for key, each, level in levels:
            kept = level - each.cost if is_allowed else level
            self._buckets[key] = (kept, now)
            missing = (each.cost or 1) - kept
            said.append((int(kept), math.ceil(missing * 60 / each.allowance.per_minute) if missing > 0 else 0))
        if len(self._buckets) > BUCKETS_MAX:
            self._forget()
        return _nearest(wants, said, is_allowed=is_allowed)

    def _forget(self) -> None:
        while len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)

    def _level(self, key: str, allowance: Allowance, now: float) -> float:
        size = allowance.size
        level, since = self._buckets.pop(key, (float(size), now))
        level += (now - since) * allowance.per_minute / 60
        return min(size, level)


class InRedis:
    """Buckets that all processes share; while Redis is away, each process has its own, and they begin full."""

    def __init__(self, shared: Shared, own: InProcess) -> None:
        self._shared = shared
        self._own = own

    async def take(self, home: str, wants: Sequence[Want]) -> Taken:
        # Digests: an address or somebody's name is nothing to be read in Redis.
        slot = _digest(home)
        draws = [
            buckets.Draw(
                self._shared.key(slot, "limit", _digest(each.key)),
                each.allowance.size,
                each.allowance.per_minute,
                each.cost,
            )
            for each in wants
        ]
        try:
            is_allowed, levels = await buckets.draw(self._shared, draws)
        except Away:
            taken = await self._own.take(home, wants)
            metrics.limit_drawn(is_shared=False, is_allowed=taken.is_allowed)
            return taken
        metrics.limit_drawn(is_shared=True, is_allowed=is_allowed)
        said = [(level.left, math.ceil(level.wait_us / 1_000_000)) for level in levels]
        return _nearest(wants, said, is_allowed=is_allowed)


def _nearest(wants: Sequence[Want], said: Sequence[tuple[int, int]], *, is_allowed: bool) -> Taken:
    """Return the answer of the bucket with the least left, or of the one that is to be waited for longest."""
    place = 0
    for n, (left, reset_s) in enumerate(said):
        if left < said[place][0] if is_allowed else reset_s > said[place][1]:
            place = n
    left, reset_s = said[place]
    return Taken(is_allowed, wants[place].allowance.size, left, reset_s)


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=12).hexdigest()


def sender_of(address: str) -> str:
    """Return whom an address stands for. Of IPv6 a whole /64 is one line's: each of its addresses would be a full bucket."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if found.version == 4 or found.ipv4_mapped is not None:
        return str(found if found.version == 4 else found.ipv4_mapped)
    return str(IPv6Network((int(found), LINE_BITS), strict=False))


def enough(taken: Taken) -> Taken:
    """Pass it on.

    :raises TooMany: the bucket did not hold enough
    """
    if not taken.is_allowed:
        raise TooMany(retry_after_s=max(1, taken.reset_s))
    return taken
