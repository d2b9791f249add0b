"""Staff: members with a password, and those who sign in elsewhere."""

from argon2 import PasswordHasher

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Member, Role, Tenant
from guilder.platform.db.database import Database
from tests.support.builders.identity import NOW

PASSWORD = "correct horse battery staple"
EMAIL = "ana@acme.example"
RIGHT = {"email": EMAIL, "password": PASSWORD}
COOKIE = "__Host-guilder"
# As cheap as argon2id can be: what it costs is not what these tests are about.
CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


async def a_member(
    database: Database,
    tenant: Tenant,
    *,
    email: str = EMAIL,
    role: Role = Role.ADMIN,
    password: str | None = PASSWORD,
) -> Member:
    async with database.transaction([tenant.tenant_id], actor="test") as tx:
        member = await identity.invite(tx, email=email, role=role, now=NOW)
        if password is not None:
            await identity.set_password(
                tx, member_id=member.id, password_hash=CHEAP.hash(password), email=email, now=NOW
            )
    return member
