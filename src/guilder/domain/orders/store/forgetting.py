"""What of orders is given to their customer, and what is forgotten with it."""

from collections.abc import AsyncIterator

from guilder.kernel.ids import CustomerId, Ref
from guilder.platform.db.portable import Portable, portable
from guilder.platform.db.tx import Tx


async def forget(tx: Tx, customer: Ref, *, alias: str, name: str) -> None:
    await tx.execute(
        "update orders.orders set metadata = '{}' where tenant_id = $1 and customer_id = $2 and metadata <> '{}'",
        *customer,
    )
    # A request that was refused knows no customer but by the name that it gave. One that waits is not ours to rename:
    # the name may be another customer's by now.
    await tx.execute(
        """update orders.charges set customer = $3, description = '', metadata = '{}'
            where tenant_id = $1 and customer <> $3
              and (customer_id = $2 or (customer = $4 and $4 <> '' and customer_id is null and status = 'refused'))""",
        *customer,
        alias,
        name,
    )


def records(tx: Tx, customer_id: CustomerId) -> AsyncIterator[Portable]:
    return portable(
        tx,
        "orders",
        """select id, kind, status, amount_due_minor, currency, subscription_id, invoice_id, product_id, product_code,
                  access_days, metadata::text as metadata_json, created_at, completed_at
             from orders.orders where tenant_id = $1 and customer_id = $2 order by id""",
        tx.tenant_id,
        customer_id,
    )


def charges(tx: Tx, customer_id: CustomerId) -> AsyncIterator[Portable]:
    return portable(
        tx,
        "charge_requests",
        """select id, source, source_id, status, product, amount_minor, currency, description, order_id, invoice_id,
                  reason, metadata::text as metadata_json, received_at, decided_at
             from orders.charges where tenant_id = $1 and customer_id = $2 order by id""",
        tx.tenant_id,
        customer_id,
    )
