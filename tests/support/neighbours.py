"""One of everything that a tenant can have: what nobody else may see, name or touch."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from guilder.kernel import ids
from tests.support.database import connected
from tests.support.identity_provider import PARTY, SigningKey
from tests.support.outcomes import a_subscriber, open_hosted_page, pay_on, rest
from tests.support.processes import until
from tests.support.world import World
from tests.support.worst_day import counter_of

# Signs for the users of every furnished tenant: each trusts it under an issuer of its own.
USERS_KEY = SigningKey("k1")


@dataclass(frozen=True, slots=True)
class Belongings:
    """The ids of one of everything that a tenant has, by what they are ids of."""

    of: dict[str, str]

    def __getitem__(self, kind: str) -> str:
        return self.of[kind]


# As long as the other's, so that answers which repeat it are of one length.
THEIR_CODE, NOBODYS_CODE = "film-of-umbrella", "film-of-nobodies"
TYPED = (
    "cus", "plan", "prod", "sub", "inv", "pay", "pm", "ref", "dsp", "ord", "case", "msg", "gwa", "key", "trust",
    "iss", "mtr", "txr", "alr", "disc", "ppc", "chg", "dif", "fnd", "mem", "ses", "creq", "prq", "exp",
)  # fmt: skip
NOBODYS = Belongings(
    {"org": "nobody", "code": NOBODYS_CODE, "event": "reading-of-nobody"}
    | {
        "whe": ids.to_text("whe", uuid4()),
        "dlv": ids.to_text("msg", uuid4()),
        "evt": str(uuid4()),
        "aud": ids.to_text("evt", uuid4()),
    }
    | {prefix: ids.to_text(prefix, uuid4()) for prefix in TYPED}
)


def issuer_of(organization_id: str) -> str:
    return f"https://{organization_id}.example.test"


async def furnished_to_bill(world: World, organization_id: str, subscription_id: str) -> dict[str, str]:
    """Give a tenant what its bills depend on: a meter, a reading, an alert, a tax rate, a code, credit, an issuer."""
    code = f"film-of-{organization_id}"
    mine = {"organization_id": organization_id, "meter": "calls"}
    meter = await world.post("/api/meters", {"code": "calls", "name": "Calls", "aggregation": "sum"})
    await world.post("/api/usage", {"event_id": f"reading-of-{organization_id}", "value": "3", **mine})
    alert = await world.post("/api/usage/alerts", {"threshold": "99", **mine})
    rate = await world.post("/api/tax-rates", {"name": "VAT", "percent": "21", "country": "NL"})
    await world.post("/api/promo-codes", {"code": code, "name": "Ten", "percent": "10", "duration": "forever"})
    discount = await world.post(f"/api/subscriptions/{subscription_id}/discounts", {"code": code})
    grant = await world.post(f"/api/customers/{organization_id}/prepaid-credits", {"amount": 9, "currency": "EUR"})
    looks = {"number_format": "B-{year}-{number:05}", "credit_note_format": "BC-{year}-{number:05}"}
    issuer = await world.post("/api/issuers", {"legal_name": organization_id, **looks})
    return {
        "event": f"reading-of-{organization_id}",
        "mtr": meter["id"],
        "alr": alert["id"],
        "txr": rate["id"],
        "disc": discount["id"],
        "ppc": grant["id"],
        "iss": issuer["id"],
    }


async def an_inquiry(world: World, payment: dict[str, Any]) -> Any:
    """Have a bank ask about a payment, which moves nothing."""
    async with counter_of(world) as counter:
        charges = [each["ref"] for each in await counter.charges() if each["amount"] == payment["amount"]]
        await counter.dispute(charges[0], inquiry=True)
    found = await until(lambda: world.get("/api/disputes"), what="a dispute")
    return found[0]


async def furnished_to_tell(world: World) -> dict[str, str]:
    """Give a tenant what it is told by: an endpoint where nobody listens, a delivery that failed there, an event."""
    endpoint = await world.post(
        "/api/webhook-endpoints",
        {"url": "http://127.0.0.1:9/hook", "events": ["identity.member.invited"], "allows_loopback": True},
    )
    ping = await world.post(f"/api/webhook-endpoints/{endpoint['id']}/test")
    return {"whe": endpoint["id"], "dlv": ping["id"], "evt": (await world.get("/api/events", limit=1))[0]["id"]}


async def furnished_to_settle(world: World, account_id: str) -> dict[str, str]:
    """Give a tenant what reconciling leaves behind, as a restore would: a found charge, and a difference."""
    row, account = {"dif": uuid4(), "fnd": uuid4()}, ids.from_text("gwa", account_id)
    async with connected(world.installation.urls.admin) as admin:
        await admin.execute(
            """insert into payments.found (tenant_id, id, account_id, provider_ref, charge_ref, business_key, claim,
                   amount_minor, currency, captured_at, found_at)
               values ($1, $2, $3, 'pi_lost', '', '', '', 100, 'EUR', now(), now())""",
            world.tenant_id,
            row["fnd"],
            account,
        )
        await admin.execute(
            """insert into payments.differences (tenant_id, id, account_id, what, provider_ref, ours_minor, currency,
                   happened_at, found_at) values ($1, $2, $3, 'only_here', 'pi_gone', 100, 'EUR', now(), now())""",
            world.tenant_id,
            row["dif"],
            account,
        )
    return {kind: ids.to_text(kind, each) for kind, each in row.items()}


async def a_charge(world: World, organization_id: str) -> dict[str, str]:
    """Have a product ask to charge a customer."""
    data = {"customer": organization_id, "amount": 700, "currency": "EUR"}
    event = {"specversion": "1.0", "id": "job-1", "source": "studio", "type": "orders.charge.requested", "data": data}
    return {"chg": (await world.post("/api/charges", event))["id"]}


async def furnished_to_be_trusted(world: World, organization_id: str) -> dict[str, str]:
    """Give a tenant a colleague who is signed in, credit that waits for a second person, and somebody's right asked for."""
    member = await world.post("/api/members", {"email": f"owner@{organization_id}.example", "role": "admin"})
    member_id, session = ids.from_text("mem", member["id"]), uuid4()
    async with connected(world.installation.urls.admin) as admin:
        await admin.execute(
            """insert into identity.sessions (tenant_id, id, member_id, hash, created_at, last_seen_at, expires_at,
                   agent, address)
               values ($1, $2, $3, sha256($4), now(), now(), now() + interval '1 day', '', '')""",
            world.tenant_id,
            session,
            member_id,
            session.bytes,
        )
    await world.put("/api/two-person-limits", {"credits": {"USD": 1}})
    credit = {"customer_id": organization_id, "amount": 9, "currency": "USD", "reason": "For the wait"}
    asked = await world.post("/api/credit-requests", {"grant": credit})
    wish = {"customer": organization_id, "kind": "objection", "reason": "No more letters"}
    request = await world.post("/api/privacy/requests", wish)
    export = await world.post("/api/audit/exports", {})
    await rest(world)
    record = (await world.get("/api/audit", limit=1))[0]
    return {
        "mem": member["id"],
        "ses": ids.to_text("ses", session),
        "creq": asked["id"],
        "prq": request["id"],
        "exp": export["id"],
        "aud": record["id"],
    }


async def furnished(world: World, organization_id: str) -> Belongings:
    """Give a tenant one of everything: a paid subscription, a refund asked for, a case, a key, a trusted issuer."""
    plan = await world.plan(f"plan-of-{organization_id}")
    card = await a_subscriber(world, organization_id=organization_id)
    subscription = await world.subscribe(organization_id, plan["code"], payment_method_id=card["id"])
    poor = await a_subscriber(world, "pm_card_insufficient_funds", f"poor-{organization_id}")
    await world.subscribe(f"poor-{organization_id}", plan["code"], payment_method_id=poor["id"])
    product = await world.post(
        "/api/products",
        {"code": f"film-of-{organization_id}", "name": "A Film", "prices": [{"amount": 499, "currency": "EUR"}]},
    )
    order = await world.post("/pay", {"customer": organization_id, "product": product["code"]})
    await pay_on(await open_hosted_page(world, order["payment_link"]))

    async def settled() -> list[Any]:
        return [each for each in await world.get("/api/payments") if each["status"] == "succeeded"][1:]

    await until(settled, what="both payments")
    await rest(world)
    payment = next(each for each in await world.get("/api/payments") if each["status"] == "succeeded")
    refund = await world.post(f"/api/payments/{payment['id']}/refund-requests", {"reason": "It was not for me"})
    dispute = await an_inquiry(world, payment)
    key = await world.post("/api/api-keys", {"name": "another", "role": "member"})
    trust = await world.post(
        "/api/token-trusts",
        {
            "kind": "clerk",
            "issuer": issuer_of(organization_id),
            "public_key_pem": USERS_KEY.pem().decode(),
            "authorized_parties": [PARTY],
        },
    )
    billing = await furnished_to_bill(world, organization_id, subscription["id"])
    telling = await furnished_to_tell(world)
    account = (await world.get("/api/gateways"))[0]
    settling = await furnished_to_settle(world, account["id"]) | await a_charge(world, organization_id)
    trusting = await furnished_to_be_trusted(world, organization_id)
    return Belongings(
        billing
        | telling
        | trusting
        | settling
        | {
            "org": organization_id,
            "code": product["code"],
            "cus": subscription["customer_id"],
            "plan": plan["id"],
            "prod": product["id"],
            "sub": subscription["id"],
            "inv": subscription["invoice_id"],
            "pay": payment["id"],
            "pm": card["id"],
            "ref": refund["id"],
            "dsp": dispute["id"],
            "ord": order["id"],
            "case": (await world.get("/api/dunning/cases"))[0]["id"],
            "msg": (await world.get("/api/notifications"))[0]["id"],
            "gwa": account["id"],
            "key": key["id"],
            "trust": trust["id"],
        }
    )
