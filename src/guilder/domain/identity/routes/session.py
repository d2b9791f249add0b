"""The session of whoever asks, over HTTP: begun by a password, read, proven anew, ended."""

from collections.abc import Coroutine
from typing import Any
from urllib.parse import urlencode

from fastapi import Response

from guilder.domain.identity import service as identity
from guilder.domain.identity.routes.door import AtTheDoor, Threshold
from guilder.domain.identity.rules.signing_in import own_path
from guilder.domain.identity.schemas.staff import (
    PasswordIn,
    SignedOutOut,
    SignInIn,
    StaffSessionOut,
    StepUpIn,
    StepUpOut,
    WhoOut,
)
from guilder.kernel import ids
from guilder.kernel.errors import Conflict, Invalid, TooMany, Unauthenticated
from guilder.platform.auth.principal import Kind
from guilder.platform.http.envelope import Envelope, ok
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session, Visiting

router = Router(tags=["identity"])


class NoSession(Conflict):
    """This is for who is signed in with a session; you came with a key or a token."""

    code = "no_session"


class PasswordNeeded(Invalid):
    """This session began with a password; it is proven anew with it."""

    code = "password_needed"


@router.post("/api/session", status_code=201)
async def sign_in(door: AtTheDoor, response: Response, body: SignInIn) -> Envelope[StaffSessionOut]:
    """Sign in with an e-mail address and a password. The session is a cookie; the answer does not show it."""
    door.refuse_insecure()
    door.refuse_elsewhere(is_form=False)
    signed_in = await by_password(door, body.tenant or "", body.email, body.password)
    door.keep(response, signed_in.token)
    return ok(StaffSessionOut.to_wire(signed_in.session))


@router.get("/api/session")
async def who_am_i(session: Session) -> Envelope[WhoOut]:
    """Say who asks, in which tenant and as what."""
    tenant = await identity.tenant(session.tx)
    is_staff = session.principal.kind is Kind.STAFF
    sandboxes = await identity.sandboxes_beside(session.tx) if is_staff else []
    return ok(WhoOut.to_wire(session.principal, tenant, sandboxes))


@router.delete("/api/session", transaction=False)
async def sign_out(visit: Visiting, door: AtTheDoor, response: Response) -> Envelope[SignedOutOut]:
    """End the session that this request came with."""
    await door.sign_ins.sign_out(_own_token(visit, door))
    door.forget(response)
    return ok(SignedOutOut())


@router.post("/api/session/step-up", transaction=False)
async def step_up(visit: Visiting, door: AtTheDoor, response: Response, body: StepUpIn) -> Envelope[StepUpOut]:
    """Prove anew who you are, for what asks for that: by the password, or at the issuer where you signed in.

    The session ends and another begins. Without a password the answer names the address to go to with the browser.
    """
    token = _own_token(visit, door)
    if body.password is not None:
        signed_in = await slowly(
            door, door.sign_ins.step_up_by_password(token=token, password=body.password, browser=door.browser)
        )
        door.keep(response, signed_in.token)
        return ok(StepUpOut(session=StaffSessionOut.to_wire(signed_in.session)))
    session = await door.sign_ins.session_of(token)
    if session.trust_id is None:
        raise PasswordNeeded(field="password")
    query = urlencode({"step_up": "1", "return_to": own_path(body.return_to or None)})
    return ok(StepUpOut(redirect_to=f"/sign-in/{ids.to_text('trust', session.trust_id)}?{query}"))


@router.put("/api/session/password", transaction=False)
async def change_password(
    visit: Visiting, door: AtTheDoor, response: Response, body: PasswordIn
) -> Envelope[StaffSessionOut]:
    """Take another password. Every session of yours ends, and this one goes on as a new one."""
    change = door.sign_ins.change_password(
        token=_own_token(visit, door), password=body.password, new=body.new_password, browser=door.browser
    )
    signed_in = await slowly(door, change)
    door.keep(response, signed_in.token)
    return ok(StaffSessionOut.to_wire(signed_in.session))


async def by_password(door: Threshold, slug: str, email: str, password: str) -> identity.SignedIn:
    """Let somebody in by a password, slowly where that was wrong before."""
    return await slowly(
        door,
        door.sign_ins.by_password(slug=slug, email=email, password=password, browser=door.browser, replaced=door.token),
    )


async def slowly(door: Threshold, proving: Coroutine[Any, Any, identity.SignedIn]) -> identity.SignedIn:
    """Have somebody prove who they are, unless their address did too much wrong lately; a wrong proof is counted."""
    try:
        await door.slow_down(cost=0)
    except TooMany:
        proving.close()
        raise
    try:
        return await proving
    except Unauthenticated:
        await door.slow_down(cost=1)
        raise


def _own_token(visit: Visiting, door: Threshold) -> str:
    if visit.principal is None or visit.principal.session_id is None or door.token is None:
        raise NoSession
    return door.token
