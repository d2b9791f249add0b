"""What the routes of orders have in common: who may do what, and who may say what."""

from guilder.domain.orders import service
from guilder.kernel.errors import Forbidden
from guilder.platform.auth.permission import Permission
from guilder.platform.auth.principal import Role
from guilder.platform.http.session import RequestSession

SUBSCRIBE = Permission("subscriptions:write", tenant=Role.BILLING, customer=Role.BILLING)
# A trial, a price and a discount are for the tenant's own to give.
GRANT = Permission("subscriptions:write", tenant=Role.BILLING)
SEE = Permission("subscriptions:read", tenant=Role.MEMBER, customer=Role.MEMBER)
ORDER = Permission("orders:write", tenant=Role.BILLING, customer=Role.BILLING)
READ = Permission("orders:read", tenant=Role.MEMBER, customer=Role.MEMBER)
REPAY = Permission("payments:write", tenant=Role.BILLING, customer=Role.BILLING)


class NotYoursToSay(Forbidden):
    """A price, a trial or a refund is for the seller to say."""

    code = "not_yours_to_say"


def asked_by(session: RequestSession, metadata: dict[str, str]) -> service.Asked:
    return service.Asked(base_url=session.base_url, only=session.customer_filter, metadata=metadata)


def refuse_customers(session: RequestSession, **said: object) -> None:
    """Refuse a customer's user who says what is not for it to say.

    :raises NotYoursToSay: names the field
    """
    if session.customer_filter is None:
        return
    for field, value in said.items():
        if value is not None and value != []:
            raise NotYoursToSay(field=field)
