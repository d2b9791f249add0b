"""Identity providers at which staff sign in: the authorization code flow with PKCE (RFC 6749, RFC 7636, OpenID Connect).

Where a provider's two addresses are is said by the trust, or by the issuer's own discovery document. All calls go through
the client that refuses private addresses; none within a transaction.
"""

import asyncio
import base64
import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit
from uuid import UUID

import httpx

from guilder.domain.identity.model import TokenTrust
from guilder.kernel.errors import Unavailable
from guilder.platform import logging
from guilder.platform.auth.jwks import checked_url
from guilder.platform.auth.jwt import refuse

DISCOVERY = "/.well-known/openid-configuration"
REMEMBERED_S = 300
REMEMBERED_MAX = 1_000
TIMEOUT_S = 5
BODY_BYTES_MAX = 65_536
SCOPES = "openid email"
# Asked for by its age, an issuer has to say when the person last proved who they are (OpenID Connect Core 3.1.2.1).
AGE_MAX_S = 43_200

log = logging.get(__name__)


class ProviderUnavailable(Unavailable):
    """The identity provider cannot be reached right now."""

    code = "issuer_unavailable"


class Endpoints(NamedTuple):
    authorization: str
    token: str
    userinfo: str = ""


class Tokens(NamedTuple):
    """What a code was good for. The ID token is unverified; the other one is for `userinfo`, and may be missing."""

    id_token: str
    access_token: str


class Asked(NamedTuple):
    """What is asked of a provider, kept by the browser until it comes back."""

    state: str
    nonce: str
    verifier: str
    is_step_up: bool


class Providers:
    """Asks providers. Discovery documents are remembered for five minutes."""

    def __init__(self, *, client: httpx.AsyncClient, monotonic: Callable[[], float]) -> None:
        self._client = client
        self._monotonic = monotonic
        self._known: OrderedDict[UUID, tuple[float, Endpoints]] = OrderedDict()

    async def address(self, trust: TokenTrust, asked: Asked, *, redirect_uri: str) -> str:
        """Return where to send a browser so that its person signs in.

        :raises ProviderUnavailable: the discovery document cannot be had
        """
        endpoint = (await self._endpoints(trust)).authorization
        challenge = base64.urlsafe_b64encode(hashlib.sha256(asked.verifier.encode()).digest()).rstrip(b"=").decode()
        said = {
            "response_type": "code",
            "client_id": trust.client_id,
            "redirect_uri": redirect_uri,
            "scope": SCOPES,
            "state": asked.state,
            "nonce": asked.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "max_age": "0" if asked.is_step_up else str(AGE_MAX_S),
        }
        if asked.is_step_up:
            said["prompt"] = "login"
        if trust.acr_values:
            said["acr_values"] = " ".join(trust.acr_values)
        return endpoint + ("&" if urlsplit(endpoint).query else "?") + urlencode(said)

    async def tokens(self, trust: TokenTrust, *, code: str, asked: Asked, redirect_uri: str) -> Tokens:
        """Give the code back, and return the tokens for it.

        :raises Unauthenticated: the provider does not take the code
        :raises ProviderUnavailable: there was no answer that can be read
        """
        endpoint = (await self._endpoints(trust)).token
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": asked.verifier,
        }
        headers = {"Accept": "application/json"}
        if trust.client_secret:
            # RFC 6749 2.3.1: both are form-encoded before they are joined.
            pair = f"{quote(trust.client_id, safe='')}:{quote(trust.client_secret, safe='')}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            form["client_id"] = trust.client_id
        status, answer = await self._ask("POST", endpoint, data=form, headers=headers)
        if status in {400, 401, 403}:
            refuse("code not taken")
        id_token, access_token = answer.get("id_token"), answer.get("access_token")
        if status != httpx.codes.OK or not isinstance(id_token, str):
            log.warning("code not exchanged", status=status)
            raise ProviderUnavailable
        return Tokens(id_token, access_token if isinstance(access_token, str) else "")

    async def email_of(self, trust: TokenTrust, *, tokens: Tokens, subject: str) -> Mapping[str, Any]:
        """Ask for the e-mail address of whom an ID token is of, where that does not say it; nothing where it is not told.

        What is said of another subject is nothing (OpenID Connect Core 5.3.2).
        """
        endpoint = (await self._endpoints(trust)).userinfo
        if not endpoint or not tokens.access_token.isascii():
            return {}
        try:
            status, told = await self._ask("GET", endpoint, headers={"Authorization": f"Bearer {tokens.access_token}"})
        except ProviderUnavailable:
            return {}
        if status != httpx.codes.OK or told.get("sub") != subject:
            return {}
        return {name: told[name] for name in ("email", "email_verified") if name in told}

    async def _endpoints(self, trust: TokenTrust) -> Endpoints:
        if trust.authorization_url and trust.token_url:
            return Endpoints(trust.authorization_url, trust.token_url)
        until, known = self._known.get(trust.id, (0, None))
        if known is not None and self._monotonic() < until:
            return known
        _, document = await self._ask("GET", trust.issuer.rstrip("/") + DISCOVERY)
        # A document that speaks for another issuer would send our people, and their codes, to whomever it names.
        if document.get("issuer") != trust.issuer:
            log.warning("discovery names another issuer", issuer=trust.issuer)
            raise ProviderUnavailable
        try:
            said = {name: document.get(f"{name}_endpoint") for name in Endpoints._fields}
            found = Endpoints(
                **{name: checked_url(str(url)) for name, url in said.items() if url or name != "userinfo"}
            )
        except ValueError as error:
            raise ProviderUnavailable from error
        self._known[trust.id] = (self._monotonic() + REMEMBERED_S, found)
        while len(self._known) > REMEMBERED_MAX:
            self._known.popitem(last=False)
        return found

    async def _ask(self, method: str, url: str, **sent: Any) -> tuple[int, Mapping[str, Any]]:
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                self._client.stream(method, url, timeout=TIMEOUT_S, follow_redirects=False, **sent) as response,
            ):
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > BODY_BYTES_MAX:
                        raise ProviderUnavailable
                answer = json.loads(bytes(body))
        except (httpx.HTTPError, ValueError, TimeoutError, RecursionError) as error:
            log.warning("identity provider not reached", error=type(error).__name__)
            raise ProviderUnavailable from error
        if not isinstance(answer, dict):
            raise ProviderUnavailable
        return response.status_code, answer
