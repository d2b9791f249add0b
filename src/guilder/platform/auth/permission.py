"""What a route asks of whoever calls it: a scope, and the least role of the tenant's own and of a customer's users."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from guilder.kernel.errors import Forbidden
from guilder.platform.auth.principal import Kind, Principal, Role


class RoleTooLow(Forbidden):
    """Your role does not allow this."""

    code = "role_too_low"


class ScopeMissing(Forbidden):
    """This key was not given the scope that this needs."""

    code = "scope_missing"


class NotForCustomers(Forbidden):
    """A customer's users cannot do this."""

    code = "not_for_customers"


class NotForKeys(Forbidden):
    """Only a customer's users can do this."""

    code = "not_for_keys"


class StepUpRequired(Forbidden):
    """This needs a person who has proven lately who they are: sign in again, and ask again."""

    code = "step_up_required"

    def __init__(self, *, within_s: int) -> None:
        super().__init__()
        self.within_s = within_s


STEP_UP_S = 600
# A provider's clock may be a little ahead of ours; whoever signed in later than that has not signed in yet.
_AHEAD_MAX = timedelta(seconds=60)
_PEOPLE = frozenset({Kind.STAFF, Kind.CUSTOMER_USER})


@dataclass(frozen=True, slots=True)
class Permission:
    """`tenant`: the least role of the tenant's keys and staff. `customer`: of a customer's users. None means never.

    `steps_up`: a person must have proven lately who they are; a key is let through, for its scopes say what it may.
    `is_sensitive`: that it was read is written down, too.
    """

    scope: str
    tenant: Role | None = Role.MEMBER
    customer: Role | None = None
    is_public: bool = False
    steps_up: bool = False
    is_sensitive: bool = False


# For a route that knows its caller otherwise, or not at all: a checkout page's token, a webhook's signature, health.
PUBLIC = Permission(scope="", tenant=None, customer=None, is_public=True)


def allow(permission: Permission, principal: Principal, *, now: datetime, step_up_s: int = STEP_UP_S) -> None:
    """Let pass, or refuse. `now` is the wall's: a sandbox's clock moves nobody's signing in.

    :raises Forbidden: the kind of principal, its role or its scopes do not reach this permission
    :raises StepUpRequired: they do, but this person has not proven for `step_up_s` who they are
    """
    if permission.is_public:
        return
    is_customers = principal.kind is Kind.CUSTOMER_USER
    least = permission.customer if is_customers else permission.tenant
    if least is None:
        raise NotForCustomers if is_customers else NotForKeys
    if not principal.role.reaches(least):
        raise RoleTooLow(f"this needs the role {least.value}; yours is {principal.role.value}")
    if not principal.has_scope(permission.scope):
        raise ScopeMissing(f"this needs the scope {permission.scope}")
    if permission.steps_up and principal.kind in _PEOPLE and not _is_fresh(principal.verified_at, now, step_up_s):
        raise StepUpRequired(within_s=step_up_s)


def _is_fresh(verified_at: datetime | None, now: datetime, step_up_s: int) -> bool:
    return verified_at is not None and -_AHEAD_MAX <= now - verified_at <= timedelta(seconds=step_up_s)
