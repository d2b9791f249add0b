"""Staff: the tenant's own people, and the passwords that some of them have here."""

from datetime import datetime
from uuid import UUID

from guilder.domain.identity import store
from guilder.domain.identity.events import MemberChanged, MemberInvited, MemberRemoved, PasswordSet
from guilder.domain.identity.model import Member, Role
from guilder.domain.identity.service.sessions import end_sessions_of
from guilder.kernel import ids
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.ids import Ref
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


async def member(tx: Tx, *, member_id: UUID) -> Member:
    """Return one of the staff.

    :raises NotFound: no such member
    """
    return await _found(tx, member_id)


async def member_by_email(tx: Tx, *, email: str) -> Member | None:
    return await store.member_by_email(tx, email)


async def change_role(tx: Tx, *, member_id: UUID, role: Role, now: datetime) -> Member:
    """Give a member another role; it counts from the next request on. The same one changes nothing.

    :raises NotFound: no such member
    """
    before = await _found(tx, member_id, lock=True)
    if before.role is role:
        return before
    await store.save_role(tx, member_id, role)
    outbox.announce(tx, [MemberChanged(tenant_id=tx.tenant_id, member_id=member_id, role=role.value)], now=now)
    return await _found(tx, member_id)


async def remove_member(tx: Tx, *, member_id: UUID, now: datetime) -> None:
    """Take a member off the staff: sessions end, tokens count no more, and the address is forgotten.

    :raises NotFound: no such member
    """
    await _found(tx, member_id, lock=True)
    await end_sessions_of(tx, member_id=member_id, reason="member_removed", now=now)
    await store.delete_member(tx, member_id)
    # The address lies sealed in backups as well; nothing opens it any more.
    await tx.vault.destroy(tx, [Ref(tx.tenant_id, member_id)], now=now)
    outbox.announce(tx, [MemberRemoved(tenant_id=tx.tenant_id, member_id=member_id)], now=now)


async def set_password(tx: Tx, *, member_id: UUID, password_hash: str, email: str, now: datetime) -> None:
    """Keep a new password, already hashed (platform.auth.passwords); every session of the member ends.

    Whoever was slowed down by wrong guesses at the address may try again at once.

    :raises NotFound: no such member
    """
    await _found(tx, member_id, lock=True)
    await store.save_password(tx, member_id, password_hash, now=now)
    await store.forget_tries(tx, store.email_blinds(tx, email))
    await end_sessions_of(tx, member_id=member_id, reason="password_changed", now=now)
    outbox.announce(tx, [PasswordSet(tenant_id=tx.tenant_id, member_id=member_id)], now=now)


async def _found(tx: Tx, member_id: UUID, *, lock: bool = False) -> Member:
    found = await store.member(tx, member_id, lock=lock)
    if found is None:
        raise NotFound("there is no such member")
    return found


async def hash_emails_again(tx: Tx, _after: UUID | None, _limit: int) -> UUID | None:
    """Hash the staff's e-mail addresses by the current master key; all at once, for they are few."""
    await store.hash_emails_again(tx)
    return None
