"""An issuer's key set, fetched rarely and kept while the issuer is away.

At most one fetch in ten seconds, whatever tokens come in; those who need its answer wait for the same one. Where processes
share what they know (`SharedKeySets`), that is one of all of them, and its answer is everybody's.

    young (under 300 s)    answered from memory; a `kid` not in the set asks for a fetch, once in a while
    old                    fetched again before it is used; where that fails, still used, and fetched behind the scenes
    stale (over an hour)   not used: better nobody in than somebody whose key was withdrawn
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx
import jwt

from guilder.kernel.errors import Unavailable
from guilder.platform import logging
from guilder.platform.auth.jwt import VerifyingKey, verifying_key

TTL_S = 300
REFETCH_GAP_S = 10
STALE_MAX_S = 3_600
UNKNOWN_TTL_S = 30
UNKNOWN_MAX = 1_000
TIMEOUT_S = 3
BODY_BYTES_MAX = 65_536
KEYS_MAX = 50
# How often another process's answer is looked for while it asks the issuer.
LOOK_EVERY_S = 0.1
# What is no younger than this is what we have, or about to be too old.
NEWER_BY_S = 1

log = logging.get(__name__)


class KeysUnavailable(Unavailable):
    """The issuer's keys cannot be had right now."""

    code = "issuer_unavailable"


class SharedKeySets(Protocol):
    """Key sets that processes have in common. Whatever happens to them, they answer; without them each is on its own."""

    async def find(self, url: str) -> tuple[Mapping[str, Any], float] | None:
        """Return what was kept and its age in seconds, or None."""
        ...

    async def may_fetch(self, url: str, gap_s: int) -> bool:
        """Say whether this process is the one to ask: one of all in so many seconds."""
        ...

    async def keep(self, url: str, document: Mapping[str, Any], seconds: int) -> None: ...


class JwksKeys:
    """The key set behind a URL: of the set itself, or of an OpenID discovery document that names it.

    `client` decides whom one may connect to (a URL given by a tenant needs one that refuses private addresses);
    `monotonic` counts seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        client: httpx.AsyncClient,
        monotonic: Callable[[], float],
        ttl_s: float = TTL_S,
        shared: SharedKeySets | None = None,
    ) -> None:
        self._url = checked_url(url)
        self._client = client
        self._monotonic = monotonic
        self._shared = shared
        self._ttl_s = min(ttl_s, TTL_S)
        self._keys: dict[str | None, VerifyingKey] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._failed = False
        self._flight: asyncio.Task[None] | None = None
        self._unknown: dict[str, float] = {}

    async def find(self, kid: str | None) -> VerifyingKey | None:
        """Return the key named `kid`, or the only one where none is named.

        :raises KeysUnavailable: none were ever had, or they are over an hour old
        """
        if not self._is_young():
            await self._renew(None, wait=not (self._failed and self._is_usable()))
        elif self._look_up(kid) is None and self._may_be_new(kid):
            await self._renew(kid, wait=True)
        if not self._is_usable():
            raise KeysUnavailable
        return self._look_up(kid)

    def _look_up(self, kid: str | None) -> VerifyingKey | None:
        if kid is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(kid)

    def _may_be_new(self, kid: str | None) -> bool:
        """Remember a `kid` that is not in the set, so that asking for it over and over fetches nothing."""
        if kid is None:
            return False
        now = self._monotonic()
        if now - self._unknown.get(kid, -UNKNOWN_TTL_S) < UNKNOWN_TTL_S:
            return False
        if not self._may_fetch():
            return self._flight is not None  # one is under way: its answer may hold it
        if len(self._unknown) >= UNKNOWN_MAX:
            del self._unknown[next(iter(self._unknown))]
        self._unknown[kid] = now
        return True

    def _age_s(self) -> float:
        return float("inf") if self._fetched_at is None else self._monotonic() - self._fetched_at

    def _is_young(self) -> bool:
        return self._age_s() < self._ttl_s

    def _is_usable(self) -> bool:
        return self._age_s() < STALE_MAX_S

    def _may_fetch(self) -> bool:
        return self._tried_at is None or self._monotonic() - self._tried_at >= REFETCH_GAP_S

    async def _renew(self, kid: str | None, *, wait: bool) -> None:
        if self._flight is None and self._may_fetch():
            self._tried_at = self._monotonic()
            self._flight = asyncio.create_task(self._fetch(kid))
            self._flight.add_done_callback(self._landed)
        if wait and self._flight is not None:
            # Shielded: whoever gives up waiting does not take the answer from the others.
            await asyncio.shield(self._flight)

    def _landed(self, _flight: "asyncio.Task[None]") -> None:
        self._flight = None

    async def _fetch(self, kid: str | None) -> None:
        if self._shared is not None:
            has_new = await self._adopt(self._shared)
            # One that is not in what was fetched a moment ago will not be in what nobody may fetch yet.
            if has_new and (kid is None or kid in self._keys or self._age_s() < REFETCH_GAP_S):
                return
            if not await self._shared.may_fetch(self._url, REFETCH_GAP_S):
                await self._await_others(self._shared)
                return
        try:
            document = await self._get(self._url)
            if "keys" not in document and isinstance(document.get("jwks_uri"), str):
                document = await self._get(checked_url(document["jwks_uri"]))
            self._keys = keys_of(document)
        except (httpx.HTTPError, ValueError, TimeoutError) as error:
            self._failed = True
            log.warning("key set not fetched", url=self._url, error=type(error).__name__)
            return
        self._failed = False
        self._fetched_at = self._monotonic()
        if self._shared is not None:
            await self._shared.keep(self._url, document, TTL_S)

    async def _adopt(self, shared: SharedKeySets) -> bool:
        """Take what another process fetched since we did, if it did and that is young."""
        found = await shared.find(self._url)
        if found is None or found[1] + NEWER_BY_S >= min(self._ttl_s, self._age_s()):
            return False
        document, age_s = found
        try:
            self._keys = keys_of(document)
        except ValueError:
            return False
        self._failed, self._fetched_at = False, self._monotonic() - age_s
        return True

    async def _await_others(self, shared: SharedKeySets) -> None:
        """Wait while another process asks the issuer; it may have asked in vain."""
        for _ in range(int(TIMEOUT_S / LOOK_EVERY_S)):
            if await self._adopt(shared):
                return
            await asyncio.sleep(LOOK_EVERY_S)
        self._failed = True

    async def _get(self, url: str) -> Mapping[str, Any]:
        async with (
            asyncio.timeout(TIMEOUT_S),
            self._client.stream("GET", url, timeout=TIMEOUT_S, follow_redirects=False) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise ValueError("not a key set")
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > BODY_BYTES_MAX:
                    raise ValueError("too long for a key set")
        document = json.loads(bytes(body))
        if not isinstance(document, dict):
            raise ValueError("not a key set")  # noqa: TRY004  (of their document, not of our call)
        return document


def keys_of(document: Mapping[str, Any]) -> dict[str | None, VerifyingKey]:
    """Read a key set, passing over keys of other kinds and uses (a symmetric key is never one of ours).

    :raises ValueError: it holds no key that can be used
    """
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise ValueError("not a key set")  # noqa: TRY004  (of their document, not of our call)
    found: dict[str | None, VerifyingKey] = {}
    for each in listed[:KEYS_MAX]:
        if key := _key(each):
            found[each.get("kid")] = key
    if not found:
        raise ValueError("no key that can be used")
    return found


def _key(each: object) -> VerifyingKey | None:
    if not isinstance(each, dict) or each.get("kty") not in {"RSA", "EC"} or each.get("use", "sig") != "sig":
        return None
    if not isinstance(each.get("kid", ""), str):
        return None
    public = {name: value for name, value in each.items() if name not in {"d", "p", "q", "dp", "dq", "qi", "oth"}}
    try:
        key = verifying_key(jwt.PyJWK.from_dict(public).key)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return key if each.get("alg", key.algorithm) == key.algorithm else None


def checked_url(url: str) -> str:
    """Return the URL if keys or answers may be fetched from it: https, or http on this machine.

    :raises ValueError: it is neither
    """
    parts = urlsplit(url)
    if parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))):
        return url
    raise ValueError("an https URL is needed (http only on this machine)")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
