"""Clerk: its keys, what it tells us by webhook, and the second look before something sensitive is done.

A token says what was so when it was made. Before a sensitive step Clerk itself is asked whether it still is: the session,
the membership and its role. Without a key of the trust nobody is asked; with one, no answer is a no.
"""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import UUID

import httpx

from guilder.domain.identity.events import ClerkKeysSet
from guilder.domain.identity.model import Role, TokenTrust, TrustKind
from guilder.domain.identity.rules import revoking as rules
from guilder.domain.identity.rules.revoking import Unreadable
from guilder.domain.identity.rules.signatures import Unsigned, key_of, message_id
from guilder.domain.identity.service.revocations import revoke
from guilder.domain.identity.store import access
from guilder.domain.identity.store import revocations as rows
from guilder.domain.identity.store.revocations import ClerkKeys
from guilder.kernel import ids
from guilder.kernel.errors import Invalid, NotFound, Unavailable
from guilder.kernel.ids import Ref
from guilder.platform import logging
from guilder.platform.bus import outbox
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx

TIMEOUT_S = 3
REMEMBERED_S = 30
REMEMBERED_MAX = 10_000
RETRY_AFTER_S = 5
RETRY_AFTER_MAX_S = 60
ANSWER_MAX = 1_000_000
PAGE = 500
PAGES_MAX = 10
HINT_LENGTH = 4
ACTOR = "second look"

_log = logging.get(__name__)


class NotAClerkTrust(NotFound):
    """There is no such trust of the kind clerk."""

    code = "no_such_clerk_trust"


class BadClerkKey(Invalid):
    """This is no key of Clerk's."""

    code = "bad_clerk_key"


class ClerkUnavailable(Unavailable):
    """Clerk cannot be asked right now whether this is still allowed; try again."""

    code = "clerk_unavailable"


class Standing(NamedTuple):
    """What Clerk says of a person. `role` is of the organization that was asked about."""

    is_there: bool
    role: Role | None = None


class Who(NamedTuple):
    """Whom Clerk is asked about; what is empty is not."""

    user: str
    organization: str = ""
    session: str = ""


async def set_clerk_keys(
    tx: Tx, *, trust_id: UUID, secret_key: str | None, webhook_secret: str | None, now: datetime
) -> ClerkKeys:
    """Keep what Clerk is asked with and what its webhooks are verified by; None leaves as it is, "" takes away.

    :raises NotAClerkTrust: no such trust, or of another kind
    :raises BadClerkKey: one of them cannot be
    """
    await _clerk_trust(tx, trust_id)
    before = await rows.clerk_keys(tx, Ref(tx.tenant_id, trust_id)) or ClerkKeys("", "")
    after = ClerkKeys(
        before.secret_key if secret_key is None else secret_key,
        before.webhook_secret if webhook_secret is None else webhook_secret,
        now,
    )
    if after.secret_key and not (after.secret_key.startswith("sk_") and after.secret_key.isascii()):
        raise BadClerkKey("a secret key begins with sk_", field="secret_key")
    try:
        _ = key_of(after.webhook_secret) if after.webhook_secret else b""
    except ValueError as error:
        raise BadClerkKey(str(error), field="webhook_secret") from error
    if (after.secret_key, after.webhook_secret) != (before.secret_key, before.webhook_secret):
        await rows.save_clerk_keys(tx, trust_id, after, hint=after.secret_key[-HINT_LENGTH:], now=now)
        outbox.announce(tx, [ClerkKeysSet(tenant_id=tx.tenant_id, token_trust_id=trust_id)], now=now)
    return after


async def clerk_keys(tx: Tx, *, trust_id: UUID) -> ClerkKeys:
    """Return the keys of a trust; empty ones where none were set.

    :raises NotAClerkTrust: no such trust, or of another kind
    """
    await _clerk_trust(tx, trust_id)
    return await rows.clerk_keys(tx, Ref(tx.tenant_id, trust_id)) or ClerkKeys("", "")


async def find_notified(tx: Tx, *, trust_id: UUID) -> Ref | None:
    """Find whose trust a webhook's address names, before any tenant is known."""
    return await rows.find_notified(tx, trust_id)


async def find_clerk_trust(tx: Tx) -> Ref | None:
    """Find the transaction's tenant's first trust of the kind clerk: the bare address of webhooks is its."""
    found = next((each for each in await access.trusts(tx) if each.kind is TrustKind.CLERK), None)
    return Ref(found.tenant_id, found.id) if found else None


async def open_webhook_secret(tx: Tx, *, trust: Ref) -> str:
    """Return what webhooks to this trust are verified by; empty where nothing can be."""
    keys = await rows.clerk_keys(tx, trust)
    return keys.webhook_secret if keys else ""


def verified_message(headers: Mapping[str, str], body: bytes, *, secret: str, now: datetime) -> str:
    """Return the id of a webhook that Clerk sent, verified over the very bytes.

    :raises Unsigned: forged, stale, of the future, or there is no secret to verify it by
    """
    if not secret:
        raise Unsigned("no secret")
    return message_id(headers, body, secret=secret, now=now)


async def receive_from_clerk(tx: Tx, *, trust: Ref, notice_id: str, body: bytes, wall: datetime, now: datetime) -> None:
    """Keep a verified webhook as it came, and heed what it says; a second time nothing happens.

    :raises Unreadable: it is no event, or does not say whom it is about
    """
    try:
        event = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable("it is no JSON") from error
    if not isinstance(event, dict):
        raise Unreadable("it is no object")
    issuer = (await _clerk_trust(tx, trust.id)).issuer
    revocation = rules.of_clerk(event, issuer=issuer, now=wall)
    kind = str(event.get("type"))
    is_news = await rows.insert_notice(
        tx,
        id_=ids.new(wall),
        trust_id=trust.id,
        notice_id=notice_id,
        kind=kind,
        ignored_because="" if revocation else "unknown_type",
        body=body.decode(errors="replace"),
        now=wall,
    )
    if is_news and revocation is not None:
        await revoke(tx, revocation=revocation, told_by=kind, wall=wall, now=now)


class SecondLook:
    """Asks Clerk how somebody stands, and remembers the answer for 30 seconds. Many who ask at once ask once.

    `client` decides whom one may connect to; `api_url` is Clerk's own, the same for everybody.
    """

    def __init__(
        self, database: Database, *, client: httpx.AsyncClient, monotonic: Callable[[], float], api_url: str
    ) -> None:
        self._database = database
        self._client = client
        self._monotonic = monotonic
        self._api_url = api_url.rstrip("/")
        self._known: OrderedDict[tuple[Ref, Who], tuple[float, Standing]] = OrderedDict()
        self._asking: dict[tuple[Ref, Who], asyncio.Future[Standing | None]] = {}

    async def look(self, trust: Ref, who: Who) -> Standing | None:
        """Return how somebody stands at Clerk; None where the trust has no key to ask with. Never in a transaction.

        :raises ClerkUnavailable: there was no answer, and so it is a no for now
        """
        until, known = self._known.get((trust, who), (0.0, None))
        if known is not None and self._monotonic() < until:
            return known
        name = (trust, who)
        if name not in self._asking:
            task = asyncio.ensure_future(self._ask(trust, who))
            self._asking[name] = task
            task.add_done_callback(lambda _: self._asking.pop(name, None))
        # Whoever gives up waiting takes the answer from nobody else.
        return await asyncio.shield(self._asking[name])

    async def _ask(self, trust: Ref, who: Who) -> Standing | None:
        async with self._database.transaction([trust.tenant_id], actor=ACTOR) as tx:
            keys = await rows.clerk_keys(tx, trust)
        if keys is None or not keys.secret_key:
            return None
        try:
            async with asyncio.timeout(TIMEOUT_S):
                standing = await self._standing(keys.secret_key, who)
        except (httpx.HTTPError, OSError, TimeoutError, ValueError, RecursionError) as error:
            _log.warning("clerk not reached", error=type(error).__name__)
            raise ClerkUnavailable(retry_after_s=RETRY_AFTER_S) from error
        self._known[trust, who] = (self._monotonic() + REMEMBERED_S, standing)
        self._known.move_to_end((trust, who))
        while len(self._known) > REMEMBERED_MAX:
            self._known.popitem(last=False)
        return standing

    async def _standing(self, key: str, who: Who) -> Standing:
        user = quote(who.user, safe="")
        if who.session:
            session = await self._get(key, f"/v1/sessions/{quote(who.session, safe='')}")
            if session is None or session.get("status") != "active" or session.get("user_id") != who.user:
                return Standing(is_there=False)
        if not who.organization:
            found = await self._get(key, f"/v1/users/{user}")
            is_there = found is not None and found.get("banned") is not True and found.get("locked") is not True
            return Standing(is_there=is_there)
        for page in range(PAGES_MAX):
            path = f"/v1/users/{user}/organization_memberships?limit={PAGE}&offset={page * PAGE}"
            found = await self._get(key, path)
            memberships = found.get("data") if found is not None else []
            if not isinstance(memberships, list):
                raise ValueError("not a list of memberships")  # noqa: TRY004  (what they sent, not what we passed)
            for each in memberships:
                if _organization_of(each) == who.organization:
                    return Standing(is_there=True, role=rules.role_of(each.get("role")))
            if len(memberships) < PAGE:
                break
        return Standing(is_there=False)

    async def _get(self, key: str, path: str) -> Mapping[str, Any] | None:
        """Return what there is; None where Clerk says that there is none.

        :raises ValueError: an answer that is none
        :raises ClerkUnavailable: Clerk does not want to be asked now, or not with this key
        """
        headers = {"Authorization": f"Bearer {key}", "Accept": "application/json"}
        async with self._client.stream(
            "GET", self._api_url + path, headers=headers, timeout=TIMEOUT_S, follow_redirects=False
        ) as response:
            if response.status_code == httpx.codes.NOT_FOUND:
                return None
            if response.status_code != httpx.codes.OK:
                _log.warning("clerk refused us", status=response.status_code)
                raise ClerkUnavailable(retry_after_s=_retry_after_s(response.headers))
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > ANSWER_MAX:
                    raise ValueError("too much")
        answer = json.loads(bytes(body))
        if not isinstance(answer, dict):
            raise ValueError("not an object")  # noqa: TRY004  (what they sent, not what we passed)
        return answer


async def _clerk_trust(tx: Tx, trust_id: UUID) -> TokenTrust:
    for each in await access.trusts(tx):
        if each.id == trust_id and each.kind is TrustKind.CLERK:
            return each
    raise NotAClerkTrust


def _organization_of(membership: object) -> str | None:
    organization = membership.get("organization") if isinstance(membership, dict) else None
    found = organization.get("id") if isinstance(organization, dict) else None
    return found if isinstance(found, str) else None


def _retry_after_s(headers: Mapping[str, str]) -> int:
    said = headers.get("retry-after", "")
    asked = int(said) if said.isascii() and said.isdigit() and len(said) < 6 else RETRY_AFTER_S
    return max(1, min(asked, RETRY_AFTER_MAX_S))
