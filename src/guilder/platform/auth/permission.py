"""What a route asks of whoever calls it: a scope, and the least role of the tenant's own and of a customer's users."""

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Permission:
    """`tenant`: the least role of the tenant's keys and staff. `customer`: of a customer's users. None means never."""

    scope: str
    tenant: Role | None = Role.MEMBER
    customer: Role | None = None
    is_public: bool = False


# For a route that knows its caller otherwise, or not at all: a checkout page's token, a webhook's signature, health.
PUBLIC = Permission(scope="", tenant=None, customer=None, is_public=True)


def allow(permission: Permission, principal: Principal) -> None:
    """Let pass, or refuse.

    :raises Forbidden: the kind of principal, its role or its scopes do not reach this permission
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
