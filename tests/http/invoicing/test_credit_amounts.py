"""How much credit is given at once: no customer's credit adds up to more than can be counted."""

import pytest

from guilder.kernel import ids


@pytest.mark.parametrize(("amount", "status"), [(10**14, 201), (10**14 + 1, 422), (2**63 - 1, 422)])
async def test_more_than_that_is_refused_by_its_field(ask, customer, amount, status):
    name = ids.to_text("cus", customer.id)
    said = {"amount": amount, "currency": "EUR"}
    given = await ask("POST", "/api/credits", {"customer_id": name, "reason": "Goodwill", **said})
    assert (given.status_code, given.json().get("field")) == (status, "amount" if status == 422 else None)
    prepaid = await ask("POST", f"/api/customers/{name}/prepaid-credits", said)
    assert (prepaid.status_code, prepaid.json().get("field")) == (status, "amount" if status == 422 else None)
