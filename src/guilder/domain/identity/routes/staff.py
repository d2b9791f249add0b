"""Staff and their sessions, over HTTP."""

from typing import Annotated

from fastapi import Path

from guilder.domain.identity import service as identity
from guilder.domain.identity.routes.door import AtTheDoor
from guilder.domain.identity.schemas.staff import (
    MemberIn,
    MemberOut,
    MemberRef,
    MemberRemovedOut,
    RoleIn,
    SessionEndedOut,
    SessionRef,
    StaffSessionOut,
)
from guilder.kernel.page import Page
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

router = Router(tags=["identity"])

MemberPath = Annotated[MemberRef, Path(alias="id")]
SessionPath = Annotated[SessionRef, Path(alias="id")]


@router.get("/api/members")
async def list_members(session: Session) -> ListEnvelope[MemberOut]:
    return listed(Page(await identity.members(session.tx)), MemberOut.to_wire)


@router.post("/api/members", status_code=201)
async def invite(session: Session, body: MemberIn) -> Envelope[MemberOut]:
    member = await identity.invite(session.tx, email=body.email, role=body.role, now=session.now)
    return ok(MemberOut.to_wire(member))


@router.patch("/api/members/{id}")
async def change_role(session: Session, member_id: MemberPath, body: RoleIn) -> Envelope[MemberOut]:
    """Give a member another role; it counts from their next request on."""
    changed = await identity.change_role(session.tx, member_id=member_id, role=body.role, now=session.now)
    return ok(MemberOut.to_wire(changed))


@router.delete("/api/members/{id}")
async def remove_member(session: Session, member_id: MemberPath) -> Envelope[MemberRemovedOut]:
    """Take a member off the staff: their sessions end and their tokens count no more, at once."""
    await identity.remove_member(session.tx, member_id=member_id, now=session.now)
    return ok(MemberRemovedOut(id=member_id))


@router.get("/api/sessions")
async def list_sessions(session: Session, door: AtTheDoor) -> ListEnvelope[StaffSessionOut]:
    """List who of the staff is signed in, and since when."""
    return listed(Page(await identity.sessions(session.tx, wall=door.wall)), StaffSessionOut.to_wire)


@router.delete("/api/sessions/{id}")
async def end_session(session: Session, session_id: SessionPath) -> Envelope[SessionEndedOut]:
    """End a session: the next request with it is refused."""
    await identity.end_session(session.tx, session_id=session_id, reason="revoked", now=session.now)
    return ok(SessionEndedOut(id=session_id))
