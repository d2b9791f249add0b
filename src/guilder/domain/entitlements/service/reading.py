"""What a customer may use now, and who is shut out."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.customers import service as customers
from guilder.domain.entitlements import store
from guilder.domain.entitlements.model import Account, Blocked, Standing
from guilder.domain.entitlements.rules.standing import standing as standing_of
from guilder.kernel import ids
from guilder.kernel.errors import NotFound
from guilder.kernel.ids import CustomerId, Ref
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.db.tx import Tx


async def standing(
    tx: Tx, *, text: str, now: datetime, only: CustomerId | None = None, code: str | None = None
) -> Standing:
    """Return what a customer, by id or organization id, may use now; `code` looks at grants of that code alone.

    `only` is the one customer that whoever asks may see.

    :raises NotFound: no such customer
    """
    customer_id = ids.from_text("cus", text)
    found = await store.standing(tx, customer_id=customer_id, organization_id=text) if code is None else None
    if found is None:
        found = await store.account(tx, customer_id=customer_id, organization_id=text, code=code, now=now)
    if found is None:
        # Taken on a moment ago, and not heard of yet.
        customer = await customers.find(tx, text=text, only=only)
        found = Account(tenant_id=customer.tenant_id, customer_id=customer.id, organization_id=customer.organization_id)
    if only is not None and found.customer_id != only:
        raise NotFound("there is no such customer")
    return standing_of(found, now=now)


async def standings_of(tx: Tx, *, texts: Sequence[str], now: datetime) -> dict[str, Standing]:
    """Return what customers, by id or organization id, may use now; who is not known yet is not in it (`standing`)."""
    by_text = {text: ids.from_text("cus", text) for text in dict.fromkeys(texts)}
    wanted = [each for each in by_text.values() if each is not None]
    by_id, by_name = await store.standings_by_name(tx, customer_ids=wanted, organization_ids=list(by_text))
    found = {}
    for text, customer_id in by_text.items():
        # An id goes before a name.
        account = (by_id.get(customer_id) if customer_id is not None else None) or by_name.get(text)
        if account is not None:
            found[text] = standing_of(account, now=now)
    return found


async def blocked(tx: Tx, *, query: PageQuery) -> Page[Blocked]:
    """List the tenant's customers who are shut out."""
    return page_of(await store.blocked(tx, query), query, lambda each: each.customer_id)


async def that_blocked(tx: Tx, *, causes: Sequence[Ref]) -> set[Ref]:
    """Return those of these causes that have ever shut anybody out."""
    return await store.that_blocked(tx, causes)
