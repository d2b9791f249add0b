"""Words on the worst day (F7, H5): names that are scripts, templates, commands, markup and headers, in all that leaves."""

import io
import json

import httpx
import pypdf
import pytest

from tests.support.outcomes import open_hosted_page, pay_on, rest
from tests.support.processes import until
from tests.support.receiver import receiving

SCRIPT = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"
TEMPLATE = "{{7*7}}{% debug %}${7*7}"
TYPESET = '#read("/etc/passwd") #image("http://169.254.169.254/") $ x^2 $ \\ @here <label>'
SHEET = "=cmd|' /C calc'!A0"
FORGED = '", "level": "critical", "event": "forged"}'
NAMES = {"customer": SCRIPT, "issuer": TEMPLATE, "product": TYPESET, "street": SHEET, "city": FORGED}


async def furnished_with_words(world):
    address = {"line1": NAMES["street"], "city": NAMES["city"], "country": "NL", "postal_code": SHEET[:18]}
    issuer = {"legal_name": NAMES["issuer"], "address": address, "footer": SCRIPT + TYPESET, "registration": TEMPLATE}
    await world.put("/api/tenant/issuer", issuer)
    await world.customer("acme", name=NAMES["customer"], address=address, metadata={"note": SCRIPT})
    product = {"code": "film", "name": NAMES["product"], "prices": [{"amount": 499, "currency": "EUR"}]}
    await world.post("/api/products", product)
    return await world.post("/pay", {"customer": "acme", "product": "film", "metadata": {"note": FORGED}})


def without_breaks(text):
    return "".join(text.split())


async def paid(world, order):
    await pay_on(await open_hosted_page(world, order["payment_link"]))

    async def is_paid():
        return (await world.get(f"/api/orders/{order['id']}"))["status"] == "completed"

    await until(is_paid, what="the payment of the order")
    await rest(world)


async def pdf_of(world, invoice_id):
    async def there():
        answer = await world.http.get(f"/api/invoices/{invoice_id}/pdf", follow_redirects=True)
        return answer if answer.status_code == 200 else None

    return await until(there, what="the invoice's PDF")


@pytest.mark.shows("fault F7", "fault H5", "ASVS 1.2.1", "ASVS 16.4.1", "ASVS 5.4.1", "ASVS 5.4.2")
async def test_f7_words_have_no_power_in_pages_documents_mails_webhooks_and_logs(world):
    async with receiving() as receiver, httpx.AsyncClient(trust_env=False, timeout=30) as anybody:
        hook = {"url": receiver.url(), "events": ["*"], "allows_loopback": True}
        await world.post("/api/webhook-endpoints", hook)
        order = await furnished_with_words(world)

        page = await anybody.get(order["payment_link"])
        assert "&lt;label&gt;" in page.text
        assert without_breaks("{{7*7}}{%debug%}") in without_breaks(page.text), "read as it stands, and not worked out"
        for powerful in (SCRIPT, "<script", "<img src=x", "<label>", "49$", "root:"):
            assert powerful not in page.text, powerful
        await paid(world, order)

        [invoice] = await world.get("/api/invoices")
        [line] = (await world.get(f"/api/invoices/{invoice['id']}"))["lines"]
        assert line["description"] == NAMES["product"]
        assert (await world.get("/api/customers/acme"))["name"] == NAMES["customer"]

        pdf = await pdf_of(world, invoice["id"])
        assert (pdf.headers["content-type"], pdf.headers["x-content-type-options"]) == ("application/pdf", "nosniff")
        assert pdf.headers["content-disposition"].startswith(("attachment", "inline"))
        text = without_breaks("".join(each.extract_text() for each in pypdf.PdfReader(io.BytesIO(pdf.content)).pages))
        for name in NAMES.values():
            assert without_breaks(name) in text, (name, text)
        assert "root:" not in text

        await assert_mails_are_inert(world, anybody)
        for received in receiver.got:
            assert json.loads(received.body)["type"], received.body
            assert "forged" not in received.headers
    assert_logs_are_whole(world.installation)


async def assert_mails_are_inert(world, anybody):
    told = [each for each in await world.get("/api/notifications", limit=200) if each["channel"] == "email"]
    assert told
    for each in told:
        shown = await anybody.get(world.absolute(f"/mailbox/{each['id']}/body"))
        assert shown.status_code == 200, shown.text
        assert "sandbox" in shown.headers["content-security-policy"]
        for powerful in ("<script>alert", "<img src=x", "onerror=alert(1)>", "<label>"):
            assert powerful not in shown.text, (each["kind"], powerful)
        beside = await anybody.get(world.absolute(f"/mailbox/{each['id']}"))
        assert "<script>alert" not in beside.text
        assert "<img src=x" not in beside.text


def assert_logs_are_whole(installation):
    """Each line is one object, and none was made by a name."""
    for log in installation.folder.glob("*.log"):
        for line in log.read_text(errors="replace").splitlines():
            if line.startswith("{"):
                assert json.loads(line).get("event") != "forged", line
            assert '"event": "forged"' not in line, line
