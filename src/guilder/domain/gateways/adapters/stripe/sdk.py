"""Calls by Stripe's SDK: over our guarded HTTP client, without retries, and with its errors in our words."""

import asyncio
import json
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import httpx
import stripe

from guilder.domain.gateways.adapters.stripe import mapping
from guilder.domain.gateways.adapters.stripe.mapping import Document
from guilder.domain.gateways.model import Outcome
from guilder.domain.gateways.port import CredentialsRefused
from guilder.platform.outside.documents import document
from guilder.platform.outside.http import OutboundPolicy, guarded_client

BASE_URL = "https://api.stripe.com"
# The version that the SDK's types describe. Events come in it, too, for it is written into the webhook endpoint.
API_VERSION = "2026-10-28.endive"
# Longer than Stripe takes for a card; the performers' limit is longer still.
TIMEOUT_S = 10.0
# A page of a hundred charges with all that is expanded in them.
ANSWER_MAX = 4 * 1024 * 1024
RETRY_AFTER_MAX_S = 3600
# "Too many requests" without a word of how long: the account is left alone for so long, and called more slowly then.
TOO_MANY_S = 1
_KEY_CODES = frozenset({"api_key_expired", "platform_api_key_expired", "secret_key_required", "account_invalid"})

# It would send how long calls took, and keep a mark of this machine in a file.
stripe.enable_telemetry = False


class RightMissing(CredentialsRefused):
    """The key is good, and may not do this."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: a document, a definite refusal, or why it is not known."""

    body: Document | None = None
    error: Document | None = None
    doubt: Outcome | None = None
    # Stripe repeats what it answered to the first call under this key: also that it broke down, for a day.
    is_replay: bool = False

    @property
    def is_stuck(self) -> bool:
        return self.is_replay and self.doubt is not None

    @property
    def is_missing(self) -> bool:
        """Say whether what was to be read does not exist."""
        return (self.error or {}).get("code") == "resource_missing"


class GuardedHttp(stripe.HTTPClient):
    """What the SDK sends with: connects by the rule, follows no redirect, reads no more than it should."""

    name = "guilder"

    def __init__(self, policy: OutboundPolicy, *, timeout_s: float) -> None:
        super().__init__()
        self._client = guarded_client(policy)
        self._client.timeout = httpx.Timeout(timeout_s)
        self._timeout_s = timeout_s

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        sent = {**headers, "accept-encoding": "identity"}
        body = bytearray()
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream(method, url, headers=sent, content=post_data) as response,
            ):
                async for piece in response.aiter_raw():
                    body += piece
                    if len(body) > ANSWER_MAX:
                        _lost("an answer that does not end")
        except (httpx.HTTPError, TimeoutError) as error:
            _lost(f"no answer: {type(error).__name__}", error)
        found = document(bytes(body))
        if 200 <= response.status_code < 300 and found is None:
            _lost("an answer that is not JSON")
        # As it can be kept: the SDK reads it anew.
        sent_back = bytes(body) if found is None else json.dumps(found).encode()
        return sent_back, response.status_code, {name.lower(): text for name, text in response.headers.items()}

    async def close_async(self) -> None:
        await self._client.aclose()


class Sdk:
    """The SDK for any account. `base_url` is Stripe's, but for tests."""

    def __init__(self, *, base_url: str = BASE_URL, timeout_s: float = TIMEOUT_S) -> None:
        is_test = httpx.URL(base_url).host in {"127.0.0.1", "localhost"}
        self._http = GuardedHttp(OutboundPolicy(allows_loopback=is_test), timeout_s=timeout_s)
        self._base_url = base_url

    async def close(self) -> None:
        await self._http.close_async()

    def of(self, secret_key: str) -> stripe.StripeClient:
        return stripe.StripeClient(
            secret_key,
            stripe_version=API_VERSION,
            base_addresses={"api": self._base_url},
            max_network_retries=0,
            http_client=self._http,
        )


async def ask(call: Awaitable[Any]) -> Reply:
    """Await a call of the SDK's and say what came of it.

    :raises CredentialsRefused: the key is not taken, or (RightMissing) may not do this
    """
    try:
        answer = await call
    except stripe.AuthenticationError as error:
        raise CredentialsRefused from error
    except stripe.PermissionError as error:
        return _forbidden(error)
    except stripe.StripeError as error:
        return _read(error)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        # The SDK builds objects of what it reads, and stumbles over what is not in its description.
        return Reply(doubt=mapping.unknown("an answer that cannot be read", is_outage=False))
    body = answer.last_response.data if answer.last_response else None
    if not isinstance(body, dict):
        return Reply(doubt=mapping.unknown("an answer that cannot be read", is_outage=False))
    return Reply(body=body)


def _read(error: stripe.StripeError) -> Reply:
    match error:
        case stripe.RateLimitError():
            return Reply(doubt=mapping.unknown("answered 429", retry_after_s=_retry_after(error) or TOO_MANY_S))
        case stripe.IdempotencyError():
            # The key stands for another request: what became of that one is to be looked up.
            return Reply(doubt=mapping.unknown("the key was used for something else", is_outage=False))
        case stripe.CardError() | stripe.InvalidRequestError():
            return Reply(error=_error_of(error))
        case stripe.APIConnectionError():
            return Reply(doubt=mapping.unknown(str(error.user_message or "no answer")[:200]))
        case _:
            # 409: another call under this key has not ended yet. Nobody is ill, and nothing is known.
            said = mapping.unknown(
                f"answered {error.http_status}",
                is_outage=error.http_status != 409,
                retry_after_s=_retry_after(error),
            )
            return Reply(doubt=said, is_replay=_is_replay(error))


def _forbidden(error: stripe.PermissionError) -> Reply:
    """A key without the right to do this is as good as none: an owner must give it the right. Else nothing is known."""
    said = _error_of(error)
    if said.get("code") in _KEY_CODES or "key" in str(said.get("message", "")).lower():
        raise RightMissing("Stripe refuses this key the right to do this") from error
    return Reply(doubt=mapping.unknown("answered 403", is_outage=False))


def _error_of(error: stripe.StripeError) -> Document:
    body = error.json_body
    said = body.get("error") if isinstance(body, dict) else None
    return said if isinstance(said, dict) else {}


def _is_replay(error: stripe.StripeError) -> bool:
    return (error.headers or {}).get("idempotent-replayed", "") == "true"


def _retry_after(error: stripe.StripeError) -> int | None:
    said = (error.headers or {}).get("retry-after", "")
    return min(int(said), RETRY_AFTER_MAX_S) if said.isascii() and said.isdigit() and len(said) < 10 else None


def _lost(reason: str, error: Exception | None = None) -> NoReturn:
    raise stripe.APIConnectionError(reason) from error  # type: ignore[no-untyped-call]
