"""Issuers' key sets, fetched by one process and known to all.

Sealed as answers are: a key that somebody else put there would let anybody in. Their age is counted from the date inside.
"""

import json
import struct
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from guilder.platform import crypto, metrics
from guilder.platform.cache.client import Away, Client, Shared
from guilder.platform.clock import Clock
from guilder.platform.crypto import CannotOpen, KeyRing

AHEAD_MAX_S = 1
ROOM = "key_sets"


class KeySets:
    """The port of `auth.jwks.SharedKeySets`."""

    def __init__(self, shared: Shared, keys: KeyRing, clock: Clock) -> None:
        self._shared = shared
        self._keys = keys
        self._clock = clock

    async def find(self, url: str) -> tuple[Mapping[str, Any], float] | None:
        async def work(client: Client) -> bytes | None:
            found: bytes | None = await client.get(self._name(url))
            return found

        try:
            sealed = await self._shared.ask(work)
        except Away:
            metrics.cache_read(room=ROOM, outcome="away")
            return None
        found = self._open(url, sealed) if sealed is not None else None
        metrics.cache_read(room=ROOM, outcome="miss" if found is None else "hit")
        return found

    async def may_fetch(self, url: str, gap_s: int) -> bool:
        async def work(client: Client) -> bool:
            return bool(await client.set(f"{self._name(url)}:asked", b"", nx=True, px=gap_s * 1_000))

        try:
            return await self._shared.ask(work)
        except Away:
            return True

    async def keep(self, url: str, document: Mapping[str, Any], seconds: int) -> None:
        plain = struct.pack(">d", self._clock.now().timestamp()) + json.dumps(document).encode()
        sealed = crypto.seal(self._keys, plain, about=self._about(url))

        async def work(client: Client) -> None:
            await client.set(self._name(url), sealed, px=seconds * 1_000)

        try:
            await self._shared.ask(work)
        except Away:
            return

    def _open(self, url: str, sealed: bytes) -> tuple[Mapping[str, Any], float] | None:
        try:
            plain = crypto.open_(self._keys, sealed, about=self._about(url))
        except CannotOpen:
            return None
        (at,) = struct.unpack_from(">d", plain)
        age_s = self._clock.now().timestamp() - at
        return (json.loads(plain[8:]), max(0.0, age_s)) if age_s >= -AHEAD_MAX_S else None

    def _about(self, url: str) -> bytes:
        return crypto.about("key set", url)

    def _name(self, url: str) -> str:
        return self._shared.key(blake2b(url.encode(), digest_size=16).hexdigest(), ROOM)
