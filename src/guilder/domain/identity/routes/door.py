"""What the routes of signing in share: the door itself, the browser that stands before it, and the cookies it keeps."""

from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.responses import Response

from guilder.domain.identity import service as identity
from guilder.kernel.errors import Forbidden
from guilder.platform.http.edge import Edge
from guilder.platform.http.limits import Want, enough, sender_of
from guilder.platform.http.origins import CrossSiteRequest, is_same_origin, origin_of
from guilder.platform.http.shield import exchange_of

SESSION_MAX_AGE_S = 7 * 24 * 3600
PENDING_MAX_AGE_S = 600
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


class SignInNeedsHttps(Forbidden):
    """Nobody signs in over http, but on this machine: whoever listens would have the session. Set PUBLIC_URL to https."""

    code = "sign_in_needs_https"


class Threshold:
    """One browser at the door."""

    def __init__(self, request: Request) -> None:
        edge = request.app.state.edge
        assert isinstance(edge, Edge)
        assert isinstance(edge.authenticate, identity.Authentication), "staff sign in at identity's own authentication"
        self._edge = edge
        self._request = request
        self._url = edge.settings.public_url
        self._is_secure = self._url.startswith("https://")
        self._name = identity.session_cookie(self._url)
        self.authentication = edge.authenticate
        self.sign_ins = edge.authenticate.sign_ins
        self.address = exchange_of(request.scope).client_ip
        self.browser = identity.Browser(agent=request.headers.get("user-agent", ""), address=self.address)

    @property
    def wall(self) -> datetime:
        return self._edge.clock.now()

    @property
    def token(self) -> str | None:
        """Return what the browser keeps of a session; whether it counts is another question."""
        return self._request.cookies.get(self._name)

    @property
    def pending(self) -> str | None:
        return self._request.cookies.get(f"{self._name}-pending")

    @property
    def is_led_here(self) -> bool:
        """Tell whether a page elsewhere sent the browser; one that does not say is believed."""
        return self._request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}

    def refuse_insecure(self) -> None:
        """:raises SignInNeedsHttps: what is sent can be read on the way"""
        if not self._is_secure and urlsplit(self._url).hostname not in _LOCAL:
            raise SignInNeedsHttps

    def refuse_elsewhere(self, *, is_form: bool) -> None:
        """Let in who stands before our own page: elsewhere somebody could be signed in as another.

        A form can be sent by any page, so it has to show where it is from; JSON cannot, so a program may stay silent.

        :raises CrossSiteRequest: it is from a page elsewhere
        """
        headers = self._request.headers
        is_silent = "sec-fetch-site" not in headers and "origin" not in headers
        if (is_form or not is_silent) and not is_same_origin(headers, origin_of(self._url)):
            raise CrossSiteRequest

    async def slow_down(self, *, cost: int) -> None:
        """Take from what an address may do wrong; with cost 0, only look.

        :raises TooMany: it did too much wrong lately
        """
        allowance = self._edge.settings.per_failed_login
        enough(await self._edge.limiter.take(sender_of(self.address), [Want("failed-login", allowance, cost)]))

    def keep(self, answer: Response, token: str) -> None:
        """Give the browser its session.

        Lax and not Strict: who comes back from an identity provider comes from another site, and has to arrive with it.
        """
        self._set(answer, self._name, token, SESSION_MAX_AGE_S)

    def forget(self, answer: Response) -> None:
        self._set(answer, self._name, "", 0)

    def keep_pending(self, answer: Response, sealed: str) -> None:
        self._set(answer, f"{self._name}-pending", sealed, PENDING_MAX_AGE_S)

    def forget_pending(self, answer: Response) -> None:
        self._set(answer, f"{self._name}-pending", "", 0)

    def _set(self, answer: Response, name: str, value: str, max_age_s: int) -> None:
        answer.set_cookie(
            name, value, max_age=max_age_s, path="/", secure=self._is_secure, httponly=True, samesite="lax"
        )


async def _threshold(request: Request) -> Threshold:
    return Threshold(request)


AtTheDoor = Annotated[Threshold, Depends(_threshold)]
