"""Every action on a case in every state: what is done, and what is refused with which code."""

import pytest

from guilder.domain.dunning import service as dunning
from guilder.domain.gateways.model import Outcome, OutcomeKind
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.service import Correction
from guilder.domain.orders import service as orders
from guilder.kernel import ids
from guilder.platform.auth.principal import Role
from tests.support.builders.dunning import a_customer_behind
from tests.support.builders.orders import a_shop, days, says_yes

BODIES = {"pause": {"reason": "on leave"}, "forgive": {"reason": "our fault"}}
ACTIONS = ("retry", "pause", "resume", "forgive", "give-up")
ENDED = ["case_ended"] * 5
# What each action comes to, in the order of ACTIONS: the state after it, or the code with which it is refused.
MATRIX = {
    "open": ["open", "paused", "case_not_paused", "closed", "closed"],
    "under_way": ["payment_under_way", "paused", "case_not_paused", "payment_under_way", "closed"],
    "exhausted": ["exhausted", "paused", "case_not_paused", "closed", "closed"],
    "paused": ["case_paused", "case_paused", "open", "closed", "closed"],
    "paused_exhausted": ["case_paused", "case_paused", "exhausted", "closed", "closed"],
    "recovered": ENDED,
    "closed": ENDED,
}


async def in_state(shop, state):
    """Bring a case into a state."""
    behind = await a_customer_behind(shop)
    case = await behind.case()
    if "exhausted" in state:
        await shop.advance(behind.failed_at + days(8))
    if state.startswith("paused"):
        await behind.pauses()
    if state in ("under_way", "recovered"):
        shop.bank = says_yes
        await shop.act(lambda tx: dunning.retry_now(tx, case_id=case.id, now=shop.now))
    if state == "recovered":
        await shop.drain()
    if state == "closed":
        await shop.act(lambda tx: invoicing.void(tx, refs=[case.invoice_ref], now=shop.now))
        await shop.drain()
    return behind, ids.to_text("case", case.id)


@pytest.mark.parametrize(
    ("state", "action", "expected"),
    [(state, action, row[n]) for state, row in MATRIX.items() for n, action in enumerate(ACTIONS)],
)
async def test_each_action_in_each_state(door, shop, state, action, expected):
    _, case = await in_state(shop, state)
    ask = await door.key_of(shop.tenant)
    before = (await ask("GET", f"/api/dunning/cases/{case}")).json()["data"]
    answer = await ask("POST", f"/api/dunning/cases/{case}/{action}", BODIES.get(action))
    if answer.status_code == 409:
        assert answer.json()["code"] == expected
        assert (await ask("GET", f"/api/dunning/cases/{case}")).json()["data"] == before
    else:
        assert answer.status_code in (200, 202), answer.text
        assert answer.json()["data"]["status"] == expected
        assert (await ask("GET", f"/api/dunning/cases/{case}")).json()["data"]["status"] == expected


async def test_the_history_says_what_was_done_why_and_by_whom(door, shop):
    behind, case = await in_state(shop, "open")
    ask = await door.key_of(shop.tenant)
    until = (shop.now + days(3)).isoformat().replace("+00:00", "Z")
    paused = await ask("POST", f"/api/dunning/cases/{case}/pause", {"reason": "on leave", "until": until})
    assert (paused.json()["data"]["status"], paused.json()["data"]["paused_until"]) == ("paused", until)
    await ask("POST", f"/api/dunning/cases/{case}/resume", {"reason": "back"})
    await ask("POST", f"/api/dunning/cases/{case}/give-up", {"reason": "moved away"})
    told = (await ask("GET", f"/api/dunning/cases/{case}/history")).json()["data"]
    assert [(each["n"], each["change"], each["reason"]) for each in told] == [
        (1, "opened", "insufficient_funds"),
        (2, "paused", "on leave"),
        (3, "resumed", "back"),
        (4, "given_up", "moved away"),
    ]
    assert [(each["from_status"], each["to_status"]) for each in told] == [
        (None, "open"),
        ("open", "paused"),
        ("paused", "open"),
        ("open", "closed"),
    ]
    assert told[0]["payment_id"].startswith("pay_")
    assert told[0]["next_retry_at"] == (behind.failed_at + days(1)).isoformat().replace("+00:00", "Z")
    assert len({each["actor"] for each in told[1:]}) == 1
    assert told[0]["actor"] != told[1]["actor"]


async def test_what_is_forgiven_is_void_and_its_subscription_goes_on(door, shop):
    behind, case = await in_state(shop, "exhausted")
    assert (await behind.subscription()).status == "suspended"
    ask = await door.key_of(shop.tenant)
    await ask("POST", f"/api/dunning/cases/{case}/forgive", {"reason": "our fault"})
    assert (await behind.invoice()).status == "void"
    assert (await behind.subscription()).status == "active"
    told = (await ask("GET", f"/api/dunning/cases/{case}/history")).json()["data"]
    assert (told[-1]["change"], told[-1]["reason"]) == ("forgiven", "our fault")


async def test_of_what_was_given_back_in_part_the_rest_is_credited(door, shop):
    behind, case = await in_state(shop, "open")
    invoice = await behind.invoice()
    part = Correction(reason="a bad day", amount_minor=1000)
    await shop.act(lambda tx: invoicing.credit_note(tx, invoice_id=invoice.id, correction=part, now=shop.now))
    await shop.drain()
    ask = await door.key_of(shop.tenant)
    forgiven = await ask("POST", f"/api/dunning/cases/{case}/forgive", {"reason": "our fault"})
    assert forgiven.json()["data"]["status"] == "closed", forgiven.text
    await shop.drain()
    after = await behind.invoice()
    assert (after.status, after.due.minor, after.credited.minor) == ("paid", 0, invoice.due.minor)
    assert (await behind.subscription()).status == "active"


async def test_what_may_be_coming_in_by_link_is_not_forgiven(door, shop):
    behind, case = await in_state(shop, "open")
    invoice = await behind.invoice()
    opened = await shop.act(
        lambda tx: orders.open_checkout(tx, invoice_id=invoice.id, return_url="https://shop.example", now=shop.now)
    )
    await shop.drain()
    await shop.record(opened, Outcome(kind=OutcomeKind.UNKNOWN))
    ask = await door.key_of(shop.tenant)
    refused = await ask("POST", f"/api/dunning/cases/{case}/forgive", {"reason": "our fault"})
    assert (refused.status_code, refused.json()["code"]) == (409, "payment_under_way")
    assert (await behind.invoice()).status == "open"


@pytest.mark.parametrize(
    ("action", "body", "field"),
    [
        ("pause", {}, "reason"),
        ("pause", {"reason": ""}, "reason"),
        ("pause", {"reason": "x", "until": "tomorrow"}, "until"),
        ("pause", {"reason": "x", "until": "2020-01-01T00:00:00Z"}, "until"),
        ("forgive", {}, "reason"),
        ("give-up", {"reason": "x" * 501}, "reason"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_its_field(door, shop, action, body, field):
    _, case = await in_state(shop, "open")
    ask = await door.key_of(shop.tenant)
    answer = await ask("POST", f"/api/dunning/cases/{case}/{action}", body)
    assert answer.status_code == 422
    assert field in answer.text


async def test_another_tenant_can_do_nothing_to_it(door, shop, database):
    _, case = await in_state(shop, "open")
    other = await door.key_of((await a_shop(database)).tenant)
    for action in ACTIONS:
        assert (await other("POST", f"/api/dunning/cases/{case}/{action}", BODIES.get(action))).status_code == 404
    assert (await other("GET", f"/api/dunning/cases/{case}/history")).status_code == 404


async def test_members_may_look_and_not_touch(door, shop):
    _, case = await in_state(shop, "open")
    ask = await door.key_of(shop.tenant, Role.MEMBER)
    assert (await ask("GET", f"/api/dunning/cases/{case}/history")).status_code == 200
    for action in ACTIONS:
        assert (await ask("POST", f"/api/dunning/cases/{case}/{action}", BODIES.get(action))).status_code == 403


async def test_a_policy_shows_what_it_comes_to(door, shop):
    ask = await door.key_of(shop.tenant)
    now = "2026-03-01T12:00:00Z"
    said = (await ask("GET", "/api/dunning/policy")).json()["data"]
    assert said["plan_id"] is None
    assert said["example"]["failed_at"] == now
    assert [each[:10] for each in said["example"]["retries"]] == ["2026-03-02", "2026-03-04", "2026-03-08"]
    assert said["example"]["blocks_at"] == said["example"]["ends_at"] == said["example"]["retries"][-1]


async def test_a_plan_has_its_own_policy_until_it_is_removed(door, shop):
    plan = await shop.plan(code="gold")
    ask = await door.key_of(shop.tenant)
    path = "/api/dunning/plans/gold/policy"
    assert (await ask("GET", path)).json()["data"]["plan_id"] is None
    rules = {"retry_days": [2], "final_action": "leave_past_due", "pay_day_aware": True, "retry_hour": 9}
    said = (await ask("PUT", path, rules)).json()["data"]
    assert {name: said[name] for name in rules} == rules
    assert said["plan_id"] == ids.to_text("plan", plan.id)
    assert (await ask("GET", "/api/dunning/policy")).json()["data"]["retry_days"] == [1, 3, 7]
    assert (await ask("DELETE", path)).json()["data"]["retry_days"] == [1, 3, 7]
    assert (await ask("DELETE", path)).status_code == 404
    assert (await ask("GET", "/api/dunning/plans/nobodys/policy")).status_code == 404
