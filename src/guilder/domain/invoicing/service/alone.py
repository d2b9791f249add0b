"""What one person may give alone: looked at before credit is given, and written down so that it is counted together."""

from datetime import datetime
from uuid import UUID

from guilder.domain.customers import service as customers
from guilder.domain.invoicing.rules.two_persons import CreditKind, CreditRequest, RequestStatus
from guilder.domain.invoicing.store import two_persons as rows
from guilder.domain.payments import service as payments
from guilder.domain.payments.rules import two_persons as rules
from guilder.kernel import ids
from guilder.kernel.errors import Conflict
from guilder.kernel.ids import CustomerId, Ref
from guilder.kernel.money import Money
from guilder.platform.db.tx import Tx


class SecondPersonNeeded(Conflict):
    """This is more than one person may give alone: ask for it with `POST /api/credit-requests`, and another grants it."""

    code = "second_person_needed"


async def give_alone(
    tx: Tx,
    *,
    kind: CreditKind,
    customer_id: CustomerId,
    amount: Money,
    reason: str,
    invoice_id: UUID | None = None,
    now: datetime,
) -> None:
    """Let whoever acts give this alone, and count it; the customer is locked from here on.

    :raises SecondPersonNeeded: with what single persons gave this customer within a day, it is more than one may
    """
    if not rules.is_bound(tx.actor) or amount.minor <= 0:
        return
    limits = (await payments.two_person_limits(tx)).limits.credits
    if amount.currency not in limits:
        return
    customer = Ref(tx.tenant_id, customer_id)
    await customers.lock(tx, refs=[customer])
    alone = await rows.given_alone(tx, customer=customer, currency=amount.currency, since=now - rules.DAY)
    if rules.takes_two(limits, amount, given_alone=alone):
        raise SecondPersonNeeded
    given = CreditRequest(
        tenant_id=tx.tenant_id,
        id=ids.new(now),
        kind=kind,
        status=RequestStatus.GRANTED,
        customer_id=customer_id,
        amount=amount,
        reason=reason,
        asked_by=tx.actor,
        asked_at=now,
        invoice_id=invoice_id,
        is_alone=True,
        decided_by=tx.actor,
        decided_at=now,
    )
    await rows.insert(tx, given, now=now)
