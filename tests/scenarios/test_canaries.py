"""Secrets and card numbers are planted wherever something may come in, a journey is made, and nothing of them is found."""

import asyncio
import base64
import io
import json
import logging as standard
import re
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from pypdf import PdfReader

from guilder.platform import logging
from guilder.platform.cards import looks_like_card
from guilder.platform.outside.mail import Mail, Mailbox, MailUnavailable, SmtpMailer, server_from
from tests.scenarios.test_the_worst_day_webhooks import HEADER, signed
from tests.support.database import connected
from tests.support.inside import a_house
from tests.support.processes import until
from tests.support.receiver import receiving
from tests.support.worst_day import counter_of

CARDS = ["4000056655665556", "5105 1051 0510 5100", "3782-822463-10005", "6011.1111.1111.1117", "4242424242424242"]
DIGITS = re.compile(r"[^0-9]")
# The simulated provider keeps its own books in there: it is not us, and cards are typed on its pages.
NOT_OURS = ("provider",)


@dataclass
class Planted:
    """What must not be found again, by what it is; `shown` are the answers that show a secret, once, to whoever made it."""

    secrets: dict[str, str] = field(default_factory=dict)
    answers: list[httpx.Response] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    def plant(self, what: str, form: str = "{}") -> str:
        self.secrets[what] = form.format(secrets.token_hex(16))
        return self.secrets[what]

    async def keep(self, answer: httpx.Response) -> None:
        await answer.aread()
        self.answers.append(answer)

    def forms(self) -> dict[str, str]:
        """Each in the ways in which it could lie about: as it is, in hexadecimal as a bytea prints, in base64."""
        found = {f"card {card[-4:]}": DIGITS.sub("", card) for card in CARDS} | {f"card {card}": card for card in CARDS}
        for what, text in self.secrets.items():
            raw = text.encode()
            found |= {
                what: text,
                f"{what}, in hex": raw.hex(),
                f"{what}, in base64": base64.b64encode(raw).decode()[:-4],
            }
        return found

    def within(self, text: str) -> list[str]:
        return [what for what, form in self.forms().items() if form in text]


@pytest.fixture
def said():
    """Whatever this process logs, at its most talkative."""
    root, stream = standard.getLogger(), io.StringIO()
    before, level = root.handlers, root.level
    logging.configure(level="DEBUG", style="json", stream=stream)
    yield stream
    root.handlers = before
    root.setLevel(level)


async def plant_secrets(world, planted: Planted, receiver) -> None:
    introspection = {
        "kind": "introspection",
        "issuer": "https://id.example.com",
        "introspection_url": "https://id.example.com/introspect",
        "client_id": "guilder",
        "client_secret": planted.plant("a client's secret"),
    }
    await world.post("/api/token-trusts", introspection)
    await world.post("/api/notification-endpoints", {"kind": "twilio", "auth_token": planted.plant("Twilio's token")})
    hook = {"url": receiver.url(), "events": ["*"], "allows_loopback": True}
    made = await world.post("/api/webhook-endpoints", hook)
    planted.secrets["a webhook's secret"] = made["secret"]
    key = await world.post("/api/api-keys", {"name": "canary", "role": "billing", "scopes": ["*"]})
    planted.secrets["an API key"] = max((str(each) for each in key.values() if str(each).startswith("gk_")), key=len)
    planted.secrets["the world's own API key"] = world.api_key
    planted.shown += [made["secret"], planted.secrets["an API key"]]
    account = {"gateway": "simulated", "name": "Second", "secret_key": planted.plant("a provider's key", "sk_sim_{}")}
    await world.http.post("/api/gateways", json=account)
    jwt = f"eyJhbGciOiJub25lIn0.{planted.plant('a JWT')}.{secrets.token_hex(8)}"
    for path, headers in (
        ("/api/customers", {"Authorization": f"Bearer {jwt}"}),
        ("/api/customers", {"Authorization": f"Basic {planted.plant('a password in a header')}"}),
        ("/api/customers", {"Cookie": f"__Host-guilder={planted.plant('a session')}"}),
        (f"/checkout/{planted.plant('a payment link')}", {}),
        (f"/unsubscribe/{planted.plant('an unsubscribe link')}", {}),
    ):
        await world.http.get(path, headers={"Authorization": "", **headers})
    await world.http.post(
        "/api/session", json={"email": "eve@example.com", "password": planted.plant("somebody's password")},
        headers={"Authorization": "", "Sec-Fetch-Site": "same-origin"},
    )  # fmt: skip
    await world.http.get("/api/customers", params={"email": f"{planted.plant('a secret in a query')}@example.com"})
    await world.http.get(
        "/api/events", headers={"X-Request-Id": "whsec_" + planted.plant("a secret as a request's id")}
    )


async def plant_cards(world) -> None:
    """Say a card number in every way there is. Each is refused, or is nowhere kept."""
    customer = {"organization_id": "cards", "name": "Cards", "email": "a@example.com", "kind": "organization"}
    for number, card in enumerate(CARDS):
        refused = [
            await world.http.post("/api/customers", json=customer | {"name": f"Card {card}"}),
            await world.http.post("/api/customers", json=customer | {"metadata": {"card": card}}),
            await world.http.post("/api/customers", json=customer | {"metadata": {card: "1"}}),
            await world.http.post("/api/customers", json=customer | {"address": {"line1": card}}),
            await world.http.post("/pay", json={"customer": "acme", "amount": int(DIGITS.sub("", card)), "currency": "EUR"}),
            await world.http.get("/api/customers", params={"email": card}),
            await world.http.get(f"/api/customers/{card}"),
            await world.http.post("/api/customers", json=customer, headers={"Idempotency-Key": card}),
            await world.http.post("/api/customers", json=customer, headers={"Guilder-Reason": card.replace(" ", "%20")}),
            await world.http.post("/api/usage", json={"event_id": card, "organization_id": "acme", "meter": "calls", "value": 1}),
            await world.http.post(
                "/api/usage",
                json={"event_id": "1", "organization_id": "acme", "meter": "calls", "value": 1, "properties": {"a": card}},
            ),
            await world.http.post("/api/charges", json=charge_of("acme", f"card {card}")),
            await world.http.post("/api/charges", json=charge_of("acme", "A film") | {"subject": card}),
            await world.http.post("/api/customers/acme/payment-methods", json={"token": card}),
            await world.http.post("/api/credits", json={"customer": "acme", "amount": 1, "currency": "EUR", "reason": card}),
        ]  # fmt: skip
        assert {answer.status_code for answer in refused} <= {404, 405, 422}, [
            (each.request.url.path, each.status_code) for each in refused
        ]
        assert sum(each.json().get("code") == "card_number_refused" for each in refused) >= len(refused) - 1
        await world.http.get(
            "/api/customers", headers={"User-Agent": f"browser {card}", "X-Request-Id": DIGITS.sub("", card)}
        )
        await world.http.post(
            "/api/customers", content=f'{{"name": "{card}", '.encode(), headers={"Content-Type": "application/json"}
        )
        await world.http.post(f"/api/webhooks/simulated?n={number}", content=f'{{"card": "{card}"}}'.encode())


def charge_of(organization_id: str, description: str) -> dict[str, object]:
    """A company product's event, as CloudEvents has it."""
    data = {"customer": organization_id, "amount": 1250, "currency": "EUR", "description": description}
    about = {"specversion": "1.0", "id": secrets.token_hex(4), "source": "studio", "type": "orders.charge.requested"}
    return {**about, "data": data}


async def plant_notices(world, planted: Planted) -> None:
    """Have the provider itself, with its own signature, send what it should not: a card's number and a secret."""
    async with counter_of(world) as counter:
        secret = await counter.endpoint_secret()
        for number, card in enumerate(CARDS):
            notice = {
                "id": f"evt_canary_{number}",
                "type": "charge.updated",
                "created": int(time.time()),
                "data": {"id": "ch_canary", "card": card, "note": planted.plant(f"a secret in notice {number}")},
            }
            body = json.dumps(notice).encode()
            answer = await world.http.post(
                counter.endpoint_url, content=body, headers={HEADER: signed(secret, body), "Authorization": ""}
            )
            assert answer.status_code in {200, 202}, answer.text
        planted.secrets["a webhook's own secret"] = secret


async def plant_a_password_of_mail(planted: Planted) -> None:
    server = server_from(f"smtp://guilder:{planted.plant('the password of SMTP')}@127.0.0.1:9?starttls=never")
    people = {"sender": Mailbox("a@example.com"), "to": Mailbox("b@example.com")}
    mail = Mail(message_id="<1@example.com>", dated=datetime(2026, 1, 1, tzinfo=UTC), subject="-", text="-", **people)
    with pytest.raises(MailUnavailable) as refused:
        await SmtpMailer(server).send(mail)
    logging.get("mail").warning("mail_failed", server=str(server), exc_info=refused.value)


async def journey(world) -> list[str]:
    """Make everything that is kept, sent or shown; return what went to people."""
    await world.plan()
    await world.meter()
    await world.subscriber("acme")
    order = await world.post("/pay", {"customer": "acme", "amount": 700, "currency": "EUR"})
    paid = await world.pay(world.absolute(order["payment_link"]), CARDS[-1])
    assert paid.status_code < 400, paid.text
    await world.advance(days=32)
    payment = next(each for each in await world.get("/api/payments", limit=50) if each["status"] == "succeeded")
    await world.post("/api/refunds", {"payment_id": payment["id"], "amount": 100, "reason": "as agreed with Ms Doe"})
    await world.advance(days=1)
    mails = await world.get("/api/notifications", limit=200)
    return [(await world.http.get(f"/api/notifications/{each['id']}")).text for each in mails]


async def in_tables(urls, planted: Planted) -> dict[str, list[str]]:
    """Search every row of every table, as the superuser, as text: a bytea prints in hexadecimal."""
    pattern = "|".join(re.escape(form) for form in planted.forms().values())
    found: dict[str, list[str]] = {}
    async with connected(urls.admin) as admin:
        tables = [
            row[0]
            for row in await admin.fetch(
                """select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
                    where c.relkind = 'r' and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'"""
            )
        ]
        for table in tables:
            rows = await admin.fetch(f"select t::text as row from {table} t where t::text ~ $1", pattern)
            for row in rows:
                found.setdefault(table, []).extend(planted.within(row["row"]))
    assert len(tables) > 80
    return found


def in_files(folder: Path, planted: Planted) -> tuple[dict[str, list[str]], int]:
    found: dict[str, list[str]] = {}
    pdfs = 0
    for path in folder.rglob("*"):
        if not path.is_file() or path.relative_to(folder).parts[0] in NOT_OURS:
            continue
        raw = path.read_bytes()
        text = raw.decode(errors="replace")
        if raw.startswith(b"%PDF"):
            pdfs += 1
            text += "".join(page.extract_text() for page in PdfReader(io.BytesIO(raw)).pages)
        if hits := planted.within(text):
            found[path.name] = hits
    return found, pdfs


def in_arguments(planted: Planted) -> list[str]:
    lines = [path.read_bytes().decode(errors="replace") for path in _readable(Path("/proc").glob("[0-9]*/cmdline"))]
    assert any("guilder" in line for line in lines)
    return [hit for line in lines for hit in planted.within(line)]


def _readable(paths):
    for path in paths:
        try:
            path.read_bytes()
        except OSError:
            continue  # it ended meanwhile
        yield path


@pytest.mark.shows("I29", "fault J6", "fault G6", "PCI eligibility", "PCI 3.2.1", "ASVS 14.2.1", "ASVS 16.2.5")
@pytest.mark.timeout(400)
async def test_no_secret_and_no_card_number_is_found_wherever_one_looks(world, said):
    planted = Planted()
    real = world.http
    async with receiving() as receiver, a_house(world.installation) as inside:
        transport = httpx.ASGITransport(app=inside.app, raise_app_exceptions=False)
        world.http = httpx.AsyncClient(
            transport=transport, base_url=real.base_url, headers=real.headers, event_hooks={"response": [planted.keep]}
        )
        await plant_secrets(world, planted, receiver)
        await plant_a_password_of_mail(planted)
        people = await journey(world)
        await plant_cards(world)
        await plant_notices(world, planted)

        async def told():
            return len(receiver.got) >= 10

        await until(told, timeout_s=60, what="what the receiver is sent")
        await asyncio.sleep(0)
        await world.http.aclose()
        world.http = real
    urls, folder = world.installation.urls, world.installation.folder
    # The search sees what is there: a name in the clear, and one within a bytea.
    control = Planted(secrets={"an organization": "acme"})
    assert (await in_tables(urls, control))["customers.customers"]
    assert await in_tables(urls, planted) == {}
    files, pdfs = in_files(folder, planted)
    assert (files, pdfs > 0) == ({}, True)
    lines = said.getvalue()
    assert '"request"' in lines or "request_" in lines, "this process logged its requests"
    assert planted.within(lines) == []
    assert not [line for line in lines.splitlines() if looks_like_card(line)]
    sent = [each.body.decode() + str(each.headers) for each in receiver.got]
    assert (planted.within("".join(sent)), planted.within("".join(people))) == ([], [])
    assert people
    assert in_arguments(planted) == []
    for answer in planted.answers:
        text = answer.text + str(answer.headers)
        for once in planted.shown:
            text = text.replace(once, "") if answer.status_code == 201 else text
        hits = [hit for hit in planted.within(text) if hit != "the world's own API key" or world.api_key in text]
        assert hits == [], (answer.request.method, answer.request.url.path, answer.status_code)
