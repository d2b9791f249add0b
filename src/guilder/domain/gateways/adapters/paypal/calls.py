"""Single calls to PayPal: who asks, under which key, and what came back. No answer is never a no."""

import asyncio
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from guilder.domain.gateways.adapters.paypal.declines import unknown
from guilder.domain.gateways.adapters.paypal.tokens import Account, Token, Tokens
from guilder.domain.gateways.model import Outcome
from guilder.domain.gateways.port import Credentials, CredentialsRefused
from guilder.platform.outside.documents import document
from guilder.platform.outside.http import OutboundPolicy, guarded_client

BASE_URLS = {"sandbox": "https://api-m.sandbox.paypal.com", "live": "https://api-m.paypal.com"}
TIMEOUT_S = 10.0
ANSWER_MAX = 2 * 1024 * 1024
RETRY_AFTER_MAX_S = 3600
# "Too many requests" without a word of how long: the account is left alone for so long, and called more slowly then.
TOO_MANY_S = 1
REQUEST_ID_MAX = 108
TOKEN_LIFE_MAX_S = 24 * 3600
# They say nothing about whether it was done: in doubt, look it up.
_NO_ANSWER = frozenset({408, 409, 425, 429})
_WANTED = "PayPal needs the account's client id, its secret and its environment: sandbox or live"


class NoAnswer(Exception):
    """Nothing is known of what became of a call."""

    def __init__(self, doubt: Outcome) -> None:
        super().__init__(doubt.message)
        self.doubt = doubt


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: a document and its status, or why there is none."""

    status: int = 0
    body: Mapping[str, Any] | None = None
    doubt: Outcome | None = None

    @property
    def is_ok(self) -> bool:
        return self.doubt is None and 200 <= self.status < 300

    @property
    def document(self) -> Mapping[str, Any]:
        return self.body or {}


def environment(settings: Mapping[str, str]) -> str:
    """Return whose PayPal it is: sandbox or live.

    :raises ValueError: the settings do not say, or name no client
    """
    said = settings.get("environment", "")
    if not settings.get("client_id") or said not in BASE_URLS:
        raise ValueError(_WANTED)
    return said


def request_id(key: str) -> str:
    """Return a key as PayPal takes it: as it is, or its digest where it is too long."""
    return key if len(key) <= REQUEST_ID_MAX else hashlib.sha256(key.encode()).hexdigest()


class Calls:
    def __init__(
        self,
        *,
        base_urls: Mapping[str, str],
        policy: OutboundPolicy,
        timeout_s: float,
        client: httpx.AsyncClient | None,
    ) -> None:
        self._base_urls = dict(base_urls)
        self._timeout_s = timeout_s
        self._client = client or guarded_client(policy)
        self._tokens = Tokens(self._fetch_token)

    async def close(self) -> None:
        await self._client.aclose()

    async def send(
        self,
        credentials: Credentials,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Mapping[str, str] | None = None,
        key: str = "",
    ) -> Reply:
        """Ask once; a token that has run out is fetched anew, once.

        :raises CredentialsRefused: PayPal does not take the client's secret
        """
        account = self._account(credentials)
        headers = {"prefer": "return=representation", "accept-encoding": "identity"}
        if key:
            headers["paypal-request-id"] = request_id(key)
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._authorized(account, method, account.base_url + path, headers, body, query)
        except NoAnswer as error:
            return Reply(doubt=error.doubt)
        except (httpx.HTTPError, TimeoutError) as error:
            return Reply(doubt=unknown(f"no answer: {type(error).__name__}"))
        return read(answer)

    async def scopes(self, credentials: Credentials) -> frozenset[str]:
        """Return what the account's app may do, by a token that is fetched now.

        :raises CredentialsRefused: PayPal does not take the client's secret
        :raises NoAnswer: it did not say
        """
        account = self._account(credentials)
        try:
            async with asyncio.timeout(self._timeout_s):
                known = await self._tokens.get(account)
                return (await self._tokens.get(account, stale=known.value)).scopes
        except (httpx.HTTPError, TimeoutError) as error:
            raise NoAnswer(unknown(f"no answer: {type(error).__name__}")) from error

    def _account(self, credentials: Credentials) -> Account:
        try:
            said = environment(credentials.settings)
        except ValueError as error:
            raise CredentialsRefused(str(error)) from error
        return Account(self._base_urls[said].rstrip("/"), credentials.settings["client_id"], credentials.secret_key)

    async def _authorized(
        self,
        account: Account,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: object,
        query: Mapping[str, str] | None,
    ) -> httpx.Response:
        token = await self._tokens.get(account)
        for stale in (token.value, ""):
            bearer = {**headers, "authorization": f"Bearer {token.value}"}
            answer = await self._client.request(method, url, headers=bearer, json=body, params=query)
            if answer.status_code != 401:
                return answer
            if stale:
                token = await self._tokens.get(account, stale=stale)
        raise CredentialsRefused

    async def _fetch_token(self, account: Account) -> Token:
        asked_at_s = time.monotonic()
        answer = await self._client.post(
            f"{account.base_url}/v1/oauth2/token",
            auth=(account.client_id, account.secret),
            data={"grant_type": "client_credentials"},
            headers={"accept-encoding": "identity"},
        )
        if answer.status_code in {400, 401, 403}:
            raise CredentialsRefused
        reply = read(answer)
        if reply.doubt is not None:
            raise NoAnswer(reply.doubt)
        value, life, scope = (reply.document.get(name) for name in ("access_token", "expires_in", "scope"))
        if answer.status_code != 200 or not isinstance(value, str) or not value or type(life) is not int:
            raise NoAnswer(unknown("a token that cannot be read", is_outage=False))
        ends_at_s = asked_at_s + min(max(life, 0), TOKEN_LIFE_MAX_S)
        return Token(value, frozenset(scope.split()) if isinstance(scope, str) else frozenset(), ends_at_s)


def read(answer: httpx.Response) -> Reply:
    status = answer.status_code
    if status in _NO_ANSWER or status >= 500 or 300 <= status < 400:
        wait_s = _retry_after(answer) or (TOO_MANY_S if status == 429 else None)
        return Reply(status, doubt=unknown(f"answered {status}", retry_after_s=wait_s))
    if len(answer.content) > ANSWER_MAX:
        return Reply(status, doubt=unknown("an answer that does not end", is_outage=False))
    if status == 204:
        return Reply(status, {})
    body = document(answer.content)
    if body is None:
        return Reply(status, doubt=unknown("an answer that is not JSON"))
    return Reply(status, body)


def _retry_after(answer: httpx.Response) -> int | None:
    said = answer.headers.get("retry-after", "")
    return min(int(said), RETRY_AFTER_MAX_S) if said.isascii() and said.isdigit() and len(said) < 10 else None
