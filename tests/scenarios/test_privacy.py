"""What is known of somebody is handed over, and forgotten: everywhere, and not one legal document with it."""

import hashlib
import io
import json
import zipfile

import pytest

from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.rules import numbering
from guilder.platform.crypto import KeyRing
from guilder.platform.db.database import Database
from guilder.platform.db.vault import Vault
from tests.support.database import connected
from tests.support.outcomes import rest
from tests.support.processes import until
from tests.support.receiver import receiving

HER = "org-zq-7741"
HERS = {
    "name": "Zephyrine Quillfeather",
    "email": "zephyrine@quillfeather.example",
    "phone": "+15550142",
    "address": {"line1": "17 Nettlecombe Lane", "city": "Wrenhaven", "postal_code": "ZQ7 4QF", "country": "DE"},
    "vat_id": "DE136695976",
    "metadata": {"nickname": "Quilly-of-Wren"},
}
CANARIES = [
    HER,
    "Quillfeather",
    "zephyrine@",
    "5550142",
    "Nettlecombe",
    "Wrenhaven",
    "ZQ7 4QF",
    "DE136695976",
    "Quilly-of-Wren",
]
OTHER = "org-bystander"


async def the_request(world, asked, state):
    async def stands():
        found = await world.get(f"/api/privacy/requests/{asked['id']}")
        return found if found["state"] == state else None

    return await until(stands, timeout_s=60, what=f"a request that is {state}")


async def ask(world, kind, **over):
    return await world.post("/api/privacy/requests", {"customer": HER, "kind": kind, "reason": "she asked", **over})


async def rows_with(world, texts):
    """Search every row of every table as the superuser, as text and byte by byte; return where a text was found.

    Of tables with tenants, the rows of this one: other stories' worlds stand beside it, and tell of the same person.
    """
    found = set()
    async with connected(world.installation.urls.admin) as admin:
        tables = await admin.fetch(
            """select c.oid::regclass::text as name,
                      array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0
                             and not a.attisdropped and a.atttypid = 'bytea'::regtype) as sealed,
                      exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id'
                               and not a.attisdropped) as has_tenant
                 from pg_class c join pg_namespace n on n.oid = c.relnamespace
                where c.relkind = 'r' and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'"""
        )
        for table in tables:
            bytes_of = [f"encode({column}, 'escape')" for column in table["sealed"]]
            whole = " || ' ' || ".join(["t::text", *(f"coalesce({each}, '')" for each in bytes_of)])
            mine = "t.tenant_id = $2" if table["has_tenant"] else "$2::uuid is not null"
            rows = await admin.fetch(
                f"""select w.text from {table["name"]} t cross join unnest($1::text[]) as w (text)
                     where strpos({whole}, w.text) > 0 and {mine}
                     group by 1""",
                texts,
                world.tenant_id,
            )
            found |= {(table["name"], row["text"]) for row in rows}
    return found


def files_with(world, texts):
    files = world.installation.folder / "files"
    return {
        (str(path), text)
        for path in files.rglob("*")
        if path.is_file() and str(world.tenant_id) in str(path)
        for text in texts
        if text.encode() in path.read_bytes()
    }


async def a_life(world):
    """She and somebody else do everything that leaves a trace, alike."""
    await world.plan()
    await world.meter("calls")
    for organization, about in ((HER, HERS), (OTHER, {})):
        await world.customer(organization, **about)
        card = await world.card(organization, "pm_card_ok")
        await world.subscribe(organization, payment_method_id=card["id"], metadata={"who": about.get("name", "else")})
        await world.use(f"use-{organization[-4:]}", by=organization, properties={"user": about.get("email", "else")})
        await world.post(
            "/pay",
            {
                "customer": organization,
                "amount": 4200,
                "currency": "EUR",
                "description": f"Portrait of {about.get('name', 'nobody')}",
                "payment_method_id": card["id"],
            },
            **{"Idempotency-Key": f"pay-{organization}"},
        )
        await world.post(
            "/api/privacy/consents",
            {
                "customer": organization,
                "purpose": "newsletter",
                "version": "2026-01",
                "is_given": True,
                "proof": "form",
            },
        )
    await rest(world)


async def seals(world, customer_id):
    """Read a customer's documents as the product does, and seal them anew: number -> (seal, kept seal, words, file)."""
    folder = world.installation.folder
    database = await Database.connect(world.installation.urls.app, size_max=1, vault=Vault(KeyRing.in_folder(folder)))
    try:
        async with database.transaction([world.tenant_id], actor="test") as tx:
            rows = await tx.fetch(
                """select id, content_sha256, document_path, retention_until from invoicing.invoices
                    where customer_id = $1 and number is not null""",
                customer_id,
            )
            found = {}
            for row in rows:
                invoice = await invoicing.one(tx, invoice=row["id"])
                pdf = (folder / "files" / row["document_path"]).read_bytes() if row["document_path"] else b""
                words = [line.description for line in invoice.lines]
                assert row["retention_until"] is not None
                found[invoice.number] = (
                    numbering.seal(invoice, invoice.number),
                    row["content_sha256"],
                    words,
                    invoice.buyer.name,
                    hashlib.sha256(pdf).hexdigest() if pdf else "",
                )
    finally:
        await database.close()
    return found


@pytest.fixture
async def life(world):
    async with receiving() as receiver:
        await world.post(
            "/api/webhook-endpoints", {"url": receiver.url("/hook"), "events": ["*"], "allows_loopback": True}
        )
        await a_life(world)
        customer = await world.get(f"/api/customers/{HER}")
        yield customer


def read(archive):
    """Return every file of an export: lists, records on lines, texts and documents."""
    with zipfile.ZipFile(io.BytesIO(archive)) as whole:
        assert whole.testzip() is None
        found = {}
        for name in whole.namelist():
            content = whole.read(name)
            if name.endswith(".json"):
                found[name] = json.loads(content)
            elif name.endswith(".jsonl"):
                found[name] = [json.loads(line) for line in content.splitlines()]
            else:
                found[name] = content
        return found


@pytest.mark.shows("fault J5", "I31", "LAW access")
async def test_she_gets_everything_of_hers_and_nothing_of_anybody_else(world, life):
    asked = await ask(world, "export")
    assert asked["state"] == "running"
    done = await the_request(world, asked, "done")
    answer = await world.http.get(f"/api/privacy/requests/{asked['id']}/file")
    assert answer.status_code == 302
    archive = (await world.http.get(answer.headers["location"])).content
    assert done["file_bytes"] == len(archive)
    found = read(archive)
    assert found["customer.json"][0]["email"] == HERS["email"]
    assert [each["status"] for each in found["subscriptions.json"]] == ["active"]
    assert {each["total_minor"] for each in found["invoices.json"]} == {3000, 4200}
    assert [each["last4"] for each in found["payment_methods.json"]] == ["4242"]
    assert [(each["properties"], each["value"]) for each in found["usage_events.jsonl"]] == [
        ({"user": HERS["email"]}, "1")
    ]
    assert any(HERS["name"] in each["content"]["text"] for each in found["messages.json"] if each["content"])
    assert [each["is_given"] for each in found["consents.json"]] == [True]
    documents = {name for name in found if name.startswith("documents/")}
    assert len(documents) == 2
    assert all(found[name].startswith(b"%PDF") for name in documents)
    assert all(f"{name}.json" in found["README.txt"].decode() for name in ("customer", "invoices", "payments"))
    other = await world.get(f"/api/customers/{OTHER}")
    said = json.dumps([each for each in found.values() if not isinstance(each, bytes)])
    assert OTHER not in said
    assert "Bystander" not in said
    assert other["id"] not in said
    for table in ("payments.payments", "invoicing.invoices", "subscriptions.subscriptions", "payments.methods"):
        async with connected(world.installation.urls.admin) as admin:
            theirs = await admin.fetch(
                f"select t.id from {table} t join customers.customers c on c.tenant_id = t.tenant_id and c.id = "
                "t.customer_id where c.tenant_id = $1 and c.organization_id = $2",
                world.tenant_id,
                OTHER,
            )
        assert theirs
        assert [row["id"] for row in theirs if str(row["id"]) in said] == []
    await world.advance(days=8)
    gone = await world.http.get(f"/api/privacy/requests/{asked['id']}/file")
    assert (gone.status_code, gone.json()["code"]) == (409, "export_not_ready")

    async def removed():
        return not list((world.installation.folder / "files" / f"tenants/{world.tenant_id}/exports").rglob("*.zip"))

    await until(removed, what="the file's removal")


@pytest.mark.shows("fault J5", "I31", "LAW erasure")
async def test_she_is_forgotten_everywhere_and_her_invoices_stay_as_they_were(world, life):
    before = await seals(world, await uuid_of(world, life))
    assert {each[0] == each[1] for each in before.values()} == {True}
    assert await rows_with(world, CANARIES), "there is something to forget"
    export = await the_request(world, await ask(world, "export"), "done")
    assert export["has_file"]
    asked = await ask(world, "erasure")
    waiting = await the_request(world, asked, "waiting")
    await until_waits_for(world, waiting, {"subscription_active"})
    subscription = await world.get(f"/api/subscriptions/{HER}")
    await world.delete(f"/api/subscriptions/{subscription['id']}", when="now")
    done = await the_request(world, asked, "done")
    assert done["waits_for"] == []
    kept = {each["what"]: each for each in done["kept"]}
    assert kept["legal_documents"]["count"] >= len(before)
    assert kept["legal_documents"]["until"] > "2030"
    assert "17(3)(b)" in kept["legal_documents"]["ground"]
    # The sweep, a month later, looks for what was on its way.
    await world.advance(days=32)
    await rest(world)
    assert await rows_with(world, CANARIES) == set(), await lines_of(world)
    assert files_with(world, CANARIES) == set()
    exports = world.installation.folder / "files" / f"tenants/{world.tenant_id}/exports"
    assert list(exports.rglob("*.zip")) == []
    after = await seals(world, await uuid_of(world, life))
    assert {number: after[number] for number in before} == before
    assert any("Portrait of Zephyrine" in word for each in after.values() for word in each[2])
    assert (await world.get(f"/api/customers/{life['id']}"))["is_erased"]
    assert (await world.get(f"/api/customers/{OTHER}"))["email"] == "billing@org-bystander.example"


async def uuid_of(world, customer):
    async with connected(world.installation.urls.admin) as admin:
        return await admin.fetchval(
            "select id from customers.customers where tenant_id = $1 order by created_at, id limit 1", world.tenant_id
        )


async def until_waits_for(world, asked, whats):
    async def stands():
        found = await world.get(f"/api/privacy/requests/{asked['id']}")
        return found if {each["what"] for each in found["waits_for"]} == whats else None

    return await until(stands, timeout_s=60, what=f"waiting for {whats}")


async def lines_of(world):
    async with connected(world.installation.urls.admin) as admin:
        return [
            row[0]
            for row in await admin.fetch(
                "select t::text from invoicing.lines t where tenant_id = $1 and t::text like '%Quill%'", world.tenant_id
            )
        ]
