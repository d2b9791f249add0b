from datetime import timedelta
from io import BytesIO
from urllib.parse import urlsplit

import pytest
from pypdf import PdfReader

from guilder.domain.identity.model import Role
from guilder.domain.invoicing.performers import InvoiceDocuments
from guilder.kernel import ids
from guilder.platform.outside.intents import Done, Intent
from guilder.platform.outside.typeset import Typesetter
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW, new_tenant
from tests.support.builders.invoicing import a_line, an_invoice, is_paid_for

TYPESETTER = Typesetter()


@pytest.fixture
async def invoice(open_tx, customer):
    line = a_line(1_000, explanation={"rule": "flat", "sentence": "Ten euros, once."})
    async with open_tx() as tx:
        return await an_invoice(tx, customer, lines=(line,), metadata={"po": "7"})


@pytest.fixture
def store_pdf(house, open_tx):
    """Do what the worker does: typeset and store."""

    async def store(invoice):
        performer = InvoiceDocuments(TYPESETTER, house.app.state.files)
        intent = Intent(
            tenant_id=invoice.tenant_id,
            id=ids.new(NOW),
            kind=performer.kind,
            destination="files",
            subject_id=invoice.id,
            step="",
            attempts=1,
            fence=1,
        )
        async with open_tx() as tx:
            [request] = await performer.load(tx, [intent], now=NOW)
        outcome = await performer.call(intent, request, now=NOW)
        async with open_tx() as tx:
            await performer.record(tx, [Done(intent=intent, request=request, outcome=outcome)], now=NOW)

    return store


def path_of(invoice, *more):
    return "/".join(["/api/invoices", ids.to_text("inv", invoice.id), *more])


async def test_an_invoice_is_got_by_its_id_and_by_its_number(ask, invoice, customer):
    answer = await ask("GET", path_of(invoice))
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert {name: data[name] for name in ("number", "status", "currency", "subtotal", "tax", "total")} == {
        "number": "INV-2026-00001",
        "status": "open",
        "currency": "EUR",
        "subtotal": 1_000,
        "tax": 0,
        "total": 1_000,
    }
    assert (data["amount_due"], data["amount_paid"], data["has_pdf"]) == (1_000, 0, False)
    assert data["customer_id"] == ids.to_text("cus", customer.id)
    assert data["issued_at"] == "2026-03-01T12:00:00Z"
    assert (data["issued_on"], data["metadata"]) == ("2026-03-01", {"po": "7"})
    assert (data["seller"]["name"], data["buyer"]["name"]) == ("Acme", "Ada Lovelace")
    assert [(line["amount"], line["quantity"], line["unit_amount"]) for line in data["lines"]] == [(1_000, 1, 1_000)]
    assert (await ask("GET", "/api/invoices/INV-2026-00001")).json()["data"] == data


@pytest.mark.parametrize("name", ["INV-2026-00002", "inv_00000000000000000000000000", "nonsense", "cus_1"])
async def test_what_is_not_there_is_not_found(ask, name):
    for path in ("", "/explain", "/pdf"):
        answer = await ask("GET", f"/api/invoices/{name}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await ask("POST", f"/api/invoices/{name}/void")).status_code == 404


async def test_the_list_pages_and_filters(ask, open_tx, customer):
    async with open_tx() as tx:
        other = await a_customer(tx)
        made = [await an_invoice(tx, each, amount) for each, amount in ((customer, 1), (customer, 0), (other, 2))]
    numbers = [invoice.number for invoice in made]

    async def listed(query):
        answer = await ask("GET", f"/api/invoices?{query}")
        assert answer.status_code == 200, answer.text
        return [each["number"] for each in answer.json()["data"]], answer.json()["page"]["next_cursor"]

    first, cursor = await listed("limit=2")
    assert first == numbers[:0:-1]
    assert (await listed(f"limit=2&cursor={cursor}")) == (numbers[:1], None)
    assert (await listed(f"customer_id={ids.to_text('cus', other.id)}"))[0] == numbers[2:]
    assert (await listed("status=paid"))[0] == [numbers[1]]
    assert (await listed(f"subscription_id={ids.to_text('sub', customer.id)}"))[0] == []
    assert (await ask("GET", "/api/invoices?status=overdue")).status_code == 422
    assert (await listed(f"customer_id={other.organization_id}"))[0] == numbers[2:]
    assert (await ask("GET", "/api/invoices?customer_id=nobody")).status_code == 404


async def test_what_was_issued_in_a_time_is_listed(ask, open_tx, customer):
    days = [NOW + timedelta(days=n) for n in range(3)]
    async with open_tx() as tx:
        made = [await an_invoice(tx, customer, 100, now=day, issued_at=day) for day in days]
    first, second, third = [each.number for each in made]

    async def listed(**between):
        query = "&".join(f"{name}={at.isoformat().replace('+00:00', 'Z')}" for name, at in between.items())
        return [each["number"] for each in (await ask("GET", f"/api/invoices?{query}")).json()["data"]]

    assert await listed(**{"from": days[1]}) == [third, second]
    assert await listed(to=days[1]) == [first], "up to, but not including"
    assert await listed(**{"from": days[1], "to": days[2]}) == [second]
    assert (await ask("GET", "/api/invoices?from=yesterday")).status_code == 422


async def test_it_is_explained_line_by_line(ask, invoice):
    data = (await ask("GET", path_of(invoice, "explain"))).json()["data"]
    [line] = data["lines"]
    assert line["sentence"] == "Ten euros, once."
    assert line["explanation"] == {"rule": "flat", "tax": {"percent": "0", "amount": 0}}
    assert (line["amount"], data["total"]) == (1_000, 1_000)


async def test_a_void_one_owes_nothing_and_voiding_again_changes_nothing(ask, invoice):
    for _ in range(2):
        answer = await ask("POST", path_of(invoice, "void"))
        assert answer.status_code == 200, answer.text
        data = answer.json()["data"]
        assert (data["status"], data["amount_due"], data["number"]) == ("void", 0, invoice.number)
        assert data["voided_at"] is not None


@pytest.mark.shows("fault F10", "ASVS 2.3.1")
async def test_what_money_came_in_for_is_not_voided(ask, open_tx, invoice):
    async with open_tx() as tx:
        await is_paid_for(tx, invoice)
    answer = await ask("POST", path_of(invoice, "void"))
    assert (answer.status_code, answer.json()["code"]) == (409, "invoice_is_paid")


async def test_only_staff_that_bills_may_void(house, tenant, invoice):
    await house.trusts(tenant)
    member = await house.key_of(tenant, role=Role.MEMBER)
    assert (await member("POST", path_of(invoice, "void"))).json()["code"] == "role_too_low"
    theirs = await house.user_of("org_1")("POST", path_of(invoice, "void"))
    assert theirs.json()["code"] == "not_for_customers"
    billing = await house.key_of(tenant, role=Role.BILLING)
    assert (await billing("POST", path_of(invoice, "void"))).status_code == 200


@pytest.mark.shows("API1", "ASVS 8.2.2")
async def test_a_customers_user_sees_its_own_only(house, tenant, open_tx, ask, invoice):
    await house.trusts(tenant)
    async with open_tx() as tx:
        other = await a_customer(tx, organization_id="org_2")
        theirs = await an_invoice(tx, other)
    mine = house.user_of("org_1", role="member")
    for query in ("", "?customer_id=org_1"):
        seen = (await mine("GET", f"/api/invoices{query}")).json()["data"]
        assert [each["number"] for each in seen] == [invoice.number]
    assert (await mine("GET", f"/api/invoices?customer_id={ids.to_text('cus', other.id)}")).status_code == 404
    assert (await mine("GET", path_of(invoice))).status_code == 200
    for more in ([], ["explain"], ["pdf"]):
        for path in (path_of(theirs, *more), "/".join(["/api/invoices", theirs.number, *more])):
            assert (await mine("GET", path)).status_code == 404


@pytest.mark.shows("API1", "fault G3", "I28")
async def test_another_tenants_invoice_is_as_unknown_as_none(house, invoice):
    other = await house.key_of(await new_tenant(house.database))
    for path in (
        path_of(invoice),
        path_of(invoice, "explain"),
        path_of(invoice, "pdf"),
        "/api/invoices/INV-2026-00001",
    ):
        assert (await other("GET", path)).status_code == 404
    assert (await other("POST", path_of(invoice, "void"))).status_code == 404
    assert (await other("GET", "/api/invoices")).json()["data"] == []


@pytest.mark.shows("fault H5", "ASVS 5.4.1", "ASVS 5.4.2", "ASVS 3.2.1")
async def test_the_pdf_is_led_to_as_soon_as_it_is_stored(ask, house, invoice, store_pdf):
    early = await ask("GET", path_of(invoice, "pdf"))
    assert (early.status_code, early.json()["code"]) == (409, "document_not_ready")
    assert int(early.headers["retry-after"]) >= 1
    await store_pdf(invoice)
    answer = await ask("GET", path_of(invoice, "pdf"))
    assert answer.status_code == 302, answer.text
    link = urlsplit(answer.headers["location"])
    assert (link.scheme, link.netloc) == ("https", "billing.example.com")
    # Whoever holds the link may read it: it is opened by a browser without any key.
    file = await house.nobody()("GET", link.path)
    assert file.status_code == 200, file.text
    assert file.headers["content-type"] == "application/pdf"
    assert file.headers["content-disposition"] == 'attachment; filename="INV-2026-00001.pdf"'
    assert file.headers["x-content-type-options"] == "nosniff"
    assert "no-store" in file.headers["cache-control"]
    assert "INV-2026-00001" in PdfReader(BytesIO(file.content)).pages[0].extract_text()
    assert (await ask("GET", path_of(invoice))).json()["data"]["has_pdf"] is True


@pytest.mark.shows("fault H5", "ASVS 5.3.2")
async def test_a_link_is_good_for_a_quarter_of_an_hour_and_for_one_file(ask, house, invoice, store_pdf):
    await store_pdf(invoice)
    path = urlsplit((await ask("GET", path_of(invoice, "pdf"))).headers["location"]).path
    head, seal = path.rsplit(".", 1)
    nobody = house.nobody()
    for broken in (
        f"{head}.{'B' if seal[0] == 'A' else 'A'}{seal[1:]}",
        f"{head[:-4]}AAAA.{seal}",
        "/files/x",
        "/files/x.y",
        "/files/..%2f..%2fetc",
    ):
        refused = await nobody("GET", broken)
        assert (refused.status_code, refused.content[:4]) != (200, b"%PDF")
        assert refused.status_code in {403, 404}
    house.clock.move_to(NOW + timedelta(minutes=14, seconds=59))
    assert (await nobody("GET", path)).status_code == 200
    house.clock.move_to(NOW + timedelta(minutes=15))
    expired = await nobody("GET", path)
    assert (expired.status_code, expired.json()["code"]) == (403, "link_invalid")
