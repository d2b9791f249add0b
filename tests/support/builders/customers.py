"""Customers."""

import secrets
from typing import Any

from guilder.domain.customers import service as customers
from guilder.domain.customers.model import Customer, NewCustomer
from guilder.domain.identity.model import Address
from guilder.platform.db.tx import Tx
from tests.support.builders.identity import NOW


def a_new_customer(**over: Any) -> NewCustomer:
    """Say what it takes to make a customer; `tenant_id` is needed."""
    said = {
        "organization_id": f"org_{secrets.token_hex(6)}",
        "name": "Ada Lovelace",
        "email": "ada@lovelace.example",
        "phone": "+44 20 7946 0000",
        "address": Address(line1="12 Square", city="London", postal_code="W1", country="GB"),
        "vat_id": "GB980780684",
    }
    return NewCustomer(**{**said, **over})


async def a_customer(tx: Tx, **over: Any) -> Customer:
    now = over.pop("now", NOW)
    tenant_id = over.pop("tenant_id", None) or tx.tenant_id
    [made] = await customers.create(tx, customers=[a_new_customer(tenant_id=tenant_id, **over)], now=now)
    return made
