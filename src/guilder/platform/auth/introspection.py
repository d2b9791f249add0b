"""Tokens that are not ours to read: an external auth service is asked what they are worth (RFC 7662).

A good answer is believed for 30 seconds at most and never beyond the token's end; a bad one for 5. No answer lets
nobody in. One question for each token is under way at a time.
"""

import asyncio
import json
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from guilder.kernel.errors import Unavailable
from guilder.platform import logging
from guilder.platform.auth.jwks import checked_url
from guilder.platform.auth.jwt import CLAIM_LENGTH_MAX, TOKEN_BYTES_MAX, VerifiedToken, organization_of, refuse
from guilder.platform.auth.proving import verified_at
from guilder.platform.crypto import digest

GOOD_TTL_S = 30
BAD_TTL_S = 5
REMEMBERED_MAX = 10_000
QUESTIONS_MAX = 50
TIMEOUT_S = 3
BODY_BYTES_MAX = 65_536

log = logging.get(__name__)


class IntrospectionUnavailable(Unavailable):
    """The authentication service cannot be asked right now."""

    code = "auth_unavailable"


@dataclass(frozen=True, slots=True)
class AuthService:
    """An external auth service. `issuer` is what its users are known by here, and its `iss` where it says one."""

    url: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    audiences: frozenset[str] = frozenset()
    organization_claim: str = "org_id"
    role_claim: str = "org_role"
    acr_values: frozenset[str] = frozenset()


class Introspector:
    """Verifies tokens by asking. The same face as TokenVerifier."""

    def __init__(self, service: AuthService, *, client: httpx.AsyncClient, monotonic: Callable[[], float]) -> None:
        self._service = service
        self._url = checked_url(service.url)
        self._client = client
        self._monotonic = monotonic
        # By the token's digest: until when it is believed, and the token; None for one that is worth nothing.
        self._remembered: OrderedDict[bytes, tuple[float, VerifiedToken | None]] = OrderedDict()
        self._flights: dict[bytes, asyncio.Task[VerifiedToken | None]] = {}
        self._questions = asyncio.Semaphore(QUESTIONS_MAX)

    async def verify(self, token: str, *, now: datetime) -> VerifiedToken:
        """Return what the service says of a token.

        :raises Unauthenticated: it is worth nothing
        :raises IntrospectionUnavailable: there was no answer, or not one that can be read
        """
        if not 0 < len(token) <= TOKEN_BYTES_MAX or not token.isascii() or not token.isprintable():
            refuse("not a token")
        name = digest(token)
        until, known = self._remembered.get(name, (-math.inf, None))
        if self._monotonic() >= until:
            known = await self._ask_once(name, token, now)
        if known is None or known.expires_at <= now:
            refuse("introspection: not active")
        return known

    async def _ask_once(self, name: bytes, token: str, now: datetime) -> VerifiedToken | None:
        flight = self._flights.get(name)
        if flight is None:
            flight = asyncio.create_task(self._ask(name, token, now))
            self._flights[name] = flight
            flight.add_done_callback(lambda landed: self._land(name, landed))
        return await asyncio.shield(flight)

    def _land(self, name: bytes, flight: "asyncio.Task[VerifiedToken | None]") -> None:
        del self._flights[name]
        if not flight.cancelled():
            flight.exception()  # looked at, so that asyncio does not complain where everybody has stopped waiting

    async def _ask(self, name: bytes, token: str, now: datetime) -> VerifiedToken | None:
        try:
            async with self._questions, asyncio.timeout(TIMEOUT_S):
                answer = await self._post(token)
        except (httpx.HTTPError, ValueError, TimeoutError) as error:
            log.warning("introspection failed", error=type(error).__name__)
            raise IntrospectionUnavailable from error  # not remembered: the next one asks again
        found = self._read(answer, now)
        believed_s = GOOD_TTL_S if found else BAD_TTL_S
        self._remembered[name] = (self._monotonic() + believed_s, found)
        self._remembered.move_to_end(name)
        while len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)
        return found

    async def _post(self, token: str) -> Mapping[str, Any]:
        request = self._client.stream(
            "POST",
            self._url,
            data={"token": token, "token_type_hint": "access_token"},
            auth=(self._service.client_id, self._service.client_secret),
            headers={"Accept": "application/json"},
            timeout=TIMEOUT_S,
            follow_redirects=False,
        )
        async with request as response:
            if response.status_code != httpx.codes.OK:
                raise ValueError("not an answer")
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > BODY_BYTES_MAX:
                    raise ValueError("too long for an answer")
        answer = json.loads(bytes(body))
        if not isinstance(answer, dict) or not isinstance(answer.get("active"), bool):
            raise ValueError("not an answer")  # noqa: TRY004  (of their answer, not of our call)
        return answer

    def _read(self, answer: Mapping[str, Any], now: datetime) -> VerifiedToken | None:
        """Read an answer; None unless it is active, now, ours, and says whose it is."""
        service, subject = self._service, answer.get("sub")
        if answer["active"] is not True or not isinstance(subject, str) or not 0 < len(subject) <= CLAIM_LENGTH_MAX:
            return None
        if answer.get("iss", service.issuer) != service.issuer or not self._is_meant_for_us(answer):
            return None
        if str(answer.get("token_type", "Bearer")).lower() not in {"bearer", "access_token"}:
            return None
        try:
            organization_id, role = organization_of(answer, service.organization_claim, service.role_claim)
            expires_at = _expiry(answer, now)
        except (ValueError, OverflowError, OSError):
            return None
        azp = answer.get("azp", answer.get("client_id"))
        return VerifiedToken(
            service.issuer,
            subject,
            organization_id,
            role,
            azp if isinstance(azp, str) else None,
            expires_at,
            answer,
            verified_at=verified_at(answer, acr_values=service.acr_values),
        )

    def _is_meant_for_us(self, answer: Mapping[str, Any]) -> bool:
        if not self._service.audiences:
            return True
        audience = answer.get("aud")
        named = audience if isinstance(audience, list) else [audience]
        return any(isinstance(each, str) and each in self._service.audiences for each in named)


def _expiry(answer: Mapping[str, Any], now: datetime) -> datetime:
    # It may leave the end out: then the answer is good for as long as it is believed.
    expires, not_before = answer.get("exp", now.timestamp() + GOOD_TTL_S), answer.get("nbf", 0)
    for each in (expires, not_before):
        if isinstance(each, bool) or not isinstance(each, int | float):
            raise ValueError("not an instant")  # noqa: TRY004  (of their answer, not of our call)
    if not_before > now.timestamp():
        raise ValueError("not valid yet")
    return datetime.fromtimestamp(expires, UTC)
