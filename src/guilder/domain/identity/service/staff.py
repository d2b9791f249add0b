"""Staff: the tenant's own people."""

from datetime import datetime

from guilder.domain.identity import store
from guilder.domain.identity.events import MemberInvited
from guilder.domain.identity.model import Member, Role
from guilder.kernel import ids
from guilder.kernel.errors import Conflict
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


class MemberExists(Conflict):
    """Somebody with this e-mail address is of the staff already."""

    code = "member_exists"


async def invite(tx: Tx, *, email: str, role: Role, now: datetime) -> Member:
    """Let a person in: whoever comes with a trusted token that proves this e-mail address is staff from then on.

    :raises MemberExists: the address is one of the staff's
    """
    member = Member(tenant_id=tx.tenant_id, id=ids.new(now), email=email, role=role)
    if not await store.insert_member(tx, member, now=now):
        raise MemberExists(field="email")
    event = MemberInvited(tenant_id=member.tenant_id, member_id=member.id, role=role.value)
    outbox.announce(tx, [event], now=now)
    return member


async def members(tx: Tx) -> list[Member]:
    return await store.members(tx)
