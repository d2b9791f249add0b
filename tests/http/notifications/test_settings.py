"""What is wished for, limited and worded, over HTTP; and who may."""

import hashlib
import hmac
import json
import re

import pytest

from guilder.domain.identity.model import Role
from guilder.domain.notifications.model import About, Kind
from guilder.domain.notifications.rules import signatures
from guilder.kernel import ids
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import new_tenant
from tests.support.builders.notifications import a_message

ALL = {"reminders": True, "renewal_notices": True, "usage_alerts": True, "sms": True}
EXPIRING = About(brand="visa", last4="4242", expires="2026-03")


@pytest.fixture
async def tenant(house):
    return await new_tenant(house.database, name="Northwind")


@pytest.fixture
async def customer(house, tenant):
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        return await a_customer(tx, organization_id="org_1")


@pytest.fixture
async def ask(house, tenant):
    return await house.key_of(tenant)


def preferences_of(customer):
    return f"/api/customers/{ids.to_text('cus', customer.id)}/notification-preferences"


async def test_preferences_are_set_and_what_is_required_stays(ask, customer):
    before = (await ask("GET", preferences_of(customer))).json()["data"]
    assert {name: before[name] for name in ALL} == ALL
    assert (before["required"], before["bounces"]) == (True, [])
    after = await ask("PUT", preferences_of(customer), {"reminders": False, "sms": False})
    assert {name: after.json()["data"][name] for name in ALL} == {**ALL, "reminders": False, "sms": False}
    assert (await ask("PUT", preferences_of(customer), {"required": False})).status_code == 422


async def test_a_customers_users_set_their_own_and_members_only_look(house, tenant, customer):
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        await a_customer(tx, organization_id="org_2")
    await house.trusts(tenant)
    path = preferences_of(customer)
    answers = [
        (await house.user_of(organization, role)(method, path, {} if method == "PUT" else None)).status_code
        for organization, role, method in (
            ("org_1", "admin", "PUT"),
            ("org_1", "member", "GET"),
            ("org_1", "member", "PUT"),
            ("org_2", "admin", "GET"),
            ("org_2", "admin", "PUT"),
        )
    ]
    assert answers == [200, 200, 403, 404, 404]


@pytest.mark.shows("ASVS 3.5.3", "fault G7")
async def test_a_link_asks_first_and_one_post_ends_it(house, ask, tell, customer):
    [made] = await tell(a_message(customer, Kind.CARD_EXPIRING, about=EXPIRING))
    html = (await ask("GET", f"/api/notifications/{made.id}")).json()["data"]["html"]
    [path] = set(re.findall(r"https://billing\.example\.com(/unsubscribe/[\w-]+)", html))
    nobody = house.nobody()
    page = await nobody("GET", path)
    assert (page.status_code, "Do you want no more reminders?" in page.text) == (200, True)
    assert (await ask("GET", preferences_of(customer))).json()["data"]["reminders"] is True
    for _ in range(2):
        posted = await house.client.post(
            path,
            content="List-Unsubscribe=One-Click",
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
        assert (posted.status_code, "You will get no more reminders." in posted.text) == (200, True)
    after = (await ask("GET", preferences_of(customer))).json()["data"]
    assert {name: after[name] for name in ALL} == {**ALL, "reminders": False}
    touched = path[:-1] + ("A" if path[-1] != "A" else "B")
    assert [(await nobody(method, touched)).status_code for method in ("GET", "POST")] == [404, 404]


LIMITS = {"emails_per_day": 100, "sms_cost_per_month": 500, "segment_price": "0.0075", "currency": "USD"}


@pytest.mark.shows("API4", "API5")
async def test_limits_are_an_admins_to_set(house, tenant, ask, tell, customer):
    await tell(a_message(customer))
    answer = await ask("PUT", "/api/notification-limits", LIMITS)
    assert answer.status_code == 200, answer.text
    got = (await ask("GET", "/api/notification-limits")).json()["data"]
    assert {name: got[name] for name in LIMITS} == LIMITS
    assert got["emails_per_month"] is None
    assert got["emails_sent"] == {"today": 1, "this_month": 1}
    assert got["sms_segments_sent"] == {"today": 0, "this_month": 0}
    billing = await house.key_of(tenant, Role.BILLING)
    assert (await billing("PUT", "/api/notification-limits", LIMITS)).status_code == 403
    for wrong in ({"sms_cost_per_day": 5}, {"currency": "USD"}, {"emails_per_day": -1}):
        assert (await ask("PUT", "/api/notification-limits", wrong)).status_code == 422, wrong


async def endpoint(ask, **body):
    made = (await ask("POST", "/api/notification-endpoints", body)).json()["data"]
    return made["url"].removeprefix("https://billing.example.com"), made["secret"]


async def test_a_signed_report_holds_the_address_back_until_staff_clears_it(house, ask, tell, customer):
    path, secret = await endpoint(ask, kind="mail")
    assert path.startswith("/api/webhooks/mail/")
    [made] = await tell(a_message(customer))
    said = {
        "type": "bounce",
        "recipient": customer.email,
        "message_id": f"<{made.id}@guilder.example>",
        "reason": "gone",
    }
    body = json.dumps({**said, "provider": "else"})
    signed = "sha256=" + hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()

    async def report(at, signature, content=body):
        headers = {"guilder-signature": signature, "content-type": "application/json"}
        return (await house.client.post(at, content=content, headers=headers)).status_code

    assert await report(path, signed[:-1] + ("0" if signed[-1] != "0" else "1")) == 401
    assert await report(path, "") == 401
    assert await report(path, signed, body + " ") == 401
    assert await report("/api/webhooks/mail/x", signed) == 401
    assert await report(f"/api/webhooks/mail/{ids.new(made.created_at)}", signed) == 401
    assert await report(path.replace("/mail/", "/twilio/"), signed) == 401
    assert (await ask("GET", preferences_of(customer))).json()["data"]["bounces"] == []
    assert await report(path, signed) == 200
    [bounce] = (await ask("GET", preferences_of(customer))).json()["data"]["bounces"]
    assert (bounce["channel"], bounce["kind"], bounce["reason"]) == ("email", "bounce", "gone")
    [listed] = (await ask("GET", "/api/notifications")).json()["data"]
    assert (listed["bounced_at"] is not None, listed["detail"]) == (True, "gone")
    cleared = "/api/customers/org_1/notification-bounces"
    assert [(await ask("DELETE", cleared)).status_code for _ in range(2)] == [204, 404]
    assert (await ask("GET", preferences_of(customer))).json()["data"]["bounces"] == []


async def test_a_report_that_cannot_be_read_is_refused(house, ask):
    path, secret = await endpoint(ask, kind="mail")
    for body in (b"{", b'{"type": "party"}', b"\xff"):
        signed = signatures.of_mail(body, secret)
        answer = await house.client.post(path, content=body, headers={"guilder-signature": signed})
        assert answer.status_code == 400, body


@pytest.mark.shows("API10", "ASVS 4.1.5")
async def test_twilio_is_believed_by_its_signature(house, ask):
    path, secret = await endpoint(ask, kind="twilio", auth_token="12345")
    assert secret is None, "it is Twilio's, who has it"
    form = {"MessageSid": "SM1", "MessageStatus": "undelivered", "ErrorCode": "30005"}
    signed = signatures.of_twilio(f"https://billing.example.com{path}", form, "12345")
    for signature, status in ((signed, 200), ("x", 401), ("", 401)):
        answer = await house.client.post(path, data=form, headers={"x-twilio-signature": signature})
        assert answer.status_code == status


OWN = {"subject": "{{ amount }} back", "body": "Dear {{ customer_name }},\n\nhere it is."}
TEMPLATE = "/api/notification-templates/refund_succeeded/en"


async def test_own_words_are_shown_kept_and_dropped(ask):
    shown = (await ask("POST", f"{TEMPLATE}/preview", OWN)).json()["data"]
    assert shown["subject"] == "€49.00 back"
    assert "Dear Ada Lovelace," in shown["text"]
    assert (await ask("GET", TEMPLATE)).status_code == 404, "a preview keeps nothing"
    assert (await ask("PUT", TEMPLATE, OWN)).status_code == 200
    assert (await ask("GET", TEMPLATE)).json()["data"] == {"kind": "refund_succeeded", "language": "en", **OWN}
    assert len((await ask("GET", "/api/notification-templates")).json()["data"]) == 1
    assert [(await ask("DELETE", TEMPLATE)).status_code for _ in range(2)] == [204, 404]


@pytest.mark.shows("ASVS 1.3.5", "ASVS 1.3.7", "fault F7")
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            "a\n{{ customer_name.__class__ }}",
            "line 2: only {{ data }} and {% if data %} are understood here, no getattr",
        ),
        ("{{ customer_name['x'] }}", "no getitem"),
        ("{{ amount() }}", "no call"),
        ("{{ amount | upper }}", "no filter"),
        ("{{ 7 * 7 }}", "no mul"),
        ("{% for x in amount %}{% endfor %}", "no for"),
        ("{% set x = 1 %}", "no assign"),
        ("{% include 'mail.html' %}", "no include"),
        ("{% if amount == 'x' %}{% endif %}", "no compare"),
        ("\n\n{{ retry_on }}", "line 3: there is no retry_on"),
        ("{{ amount", "line 1: "),
        (" \n", "line 1: it is empty"),
        ("{% if amount %}" * 150 + "x" + "{% endif %}" * 150, "line 1: choices within choices, more than 30 deep"),
        (f"{{{{ {'(' * 1_600}amount{')' * 1_600} }}}}", "line 1: choices within choices, more than 30 deep"),
        (f"{{% if {'not ' * 1_000}amount %}}x{{% endif %}}", "line 1: choices within choices, more than 30 deep"),
    ],
)
async def test_words_that_do_more_than_name_data_are_refused_with_the_line(ask, body, says):
    for method, path in (("PUT", TEMPLATE), ("POST", f"{TEMPLATE}/preview")):
        answer = await ask(method, path, {"subject": "x", "body": body})
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_template"), answer.text
        assert says in answer.text
