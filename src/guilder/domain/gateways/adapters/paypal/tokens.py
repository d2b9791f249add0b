"""OAuth tokens by client credentials: one an account, kept until shortly before it ends."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

# Asked for anew this long before its end, so that none runs out on its way.
MARGIN_S = 60.0
ACCOUNTS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Account:
    """Whose token it is. The secret takes part in the name: a renewed secret never uses the old one's token."""

    base_url: str
    client_id: str
    secret: str = field(repr=False)

    @property
    def name(self) -> str:
        return hashlib.sha256(f"{self.base_url}\0{self.client_id}\0{self.secret}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Token:
    value: str = field(repr=False)
    scopes: frozenset[str]
    ends_at_s: float  # on the monotonic clock


class Tokens:
    """Who needs a token while another fetches it waits for that one."""

    def __init__(self, fetch: Callable[[Account], Awaitable[Token]]) -> None:
        self._fetch = fetch
        self._known: dict[str, Token] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(self, account: Account, *, stale: str = "") -> Token:
        """Return a token that is good; `stale` is one that was just refused, and is not returned again."""
        name = account.name
        if (known := self._good(name, stale)) is not None:
            return known
        async with self._locks.setdefault(name, asyncio.Lock()):
            if (known := self._good(name, stale)) is not None:
                return known
            token = await self._fetch(account)
            self._keep(name, token)
            return token

    def _good(self, name: str, stale: str) -> Token | None:
        token = self._known.get(name)
        if token is None or token.value == stale or time.monotonic() > token.ends_at_s - MARGIN_S:
            return None
        return token

    def _keep(self, name: str, token: Token) -> None:
        self._known[name] = token
        if len(self._known) > ACCOUNTS_MAX:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._locks.pop(oldest, None)
