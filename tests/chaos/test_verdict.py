"""The verdict can be guilty: each lie in the books, in the op log or in a log file is named, and the truth is not."""

from uuid import UUID

import pytest

from guilder.kernel import ids
from guilder.kernel.noun import replace
from tests.chaos import report, verdict
from tests.chaos.asking import Call
from tests.chaos.evidence import Books, Evidence
from tests.chaos.nemesis import Blow
from tests.chaos.plan import Fault, Schedule

TENANT = "01900000-0000-7000-8000-000000000001"
FIRST, SECOND = UUID(int=11), UUID(int=12)
BACK = UUID(int=21)


def a_charge(invoice=FIRST, *, attempt=1, amount=3000, ref="pi_1", status="succeeded"):
    key = f"{TENANT}:{invoice}:{attempt}"
    return {"business_key": key, "ref": ref, "amount": amount, "currency": "EUR", "status": status}


def a_refund(refund=BACK, *, of="pi_1", amount=500):
    key = f"{TENANT}:refund:{refund}"
    return {"business_key": key, "charge_ref": of, "amount": amount, "currency": "EUR", "status": "succeeded"}


def an_invoice(invoice=FIRST, number="INV-2026-00001", *, total=3000, line="2026-01-31"):
    recurring = {"kind": "recurring", "subscription_id": "sub_1", "period_start": line}
    said = {"id": ids.to_text("inv", invoice), "number": number, "total": total, "status": "paid"}
    return {**said, "kind": "invoice", "lines": [recurring]}


def a_payment(invoice=FIRST, *, attempt=1, amount=3000, status="succeeded"):
    return {
        "invoice_id": ids.to_text("inv", invoice),
        "attempt": attempt,
        "amount": amount,
        "currency": "EUR",
        "status": status,
    }


def good_books(**over):
    lists = {
        "invoices": [an_invoice(), an_invoice(SECOND, "INV-2026-00002", line="2026-02-28")],
        "payments": [a_payment(), a_payment(SECOND), a_payment(SECOND, attempt=2, status="declined")],
        "refunds": [{"id": ids.to_text("ref", BACK), "amount": 500, "status": "succeeded"}],
    }
    journal = {
        "charges": [a_charge(), a_charge(SECOND, ref="pi_2"), a_charge(SECOND, attempt=2, ref="pi_3", status="failed")],
        "refunds": [a_refund()],
    }
    return Books("sandbox1", TENANT, over.pop("journal", journal), {**lists, **over}, [])


def a_call(at=50.0, **over):
    said = {"took": 0.1, "client": "client1", "sandbox": "sandbox1", "does": "order", "attempt": 1, "method": "POST"}
    return Call(at=at, **{**said, "path": "/pay", "key": "k1", "status": 201, "id": "ord_1", **over})


def good_evidence(**over):
    schedule = Schedule(seed=7, form="embedded", seconds=60, clients=2, faults=())
    blows = [Blow(Fault(10, "kill", "api", 2), began=10, ended=12, ready=14, hits=1)]
    calls = [a_call(), a_call(51.0, is_replayed=True, is_twin=True), a_call(11.0, key="k2", status=0, id="")]
    return Evidence(schedule, **{"books": [good_books()], "calls": calls, "blows": blows, **over})


def found(seen):
    return {each.check: each.says for each in verdict.findings(seen)}


def test_what_is_well_is_found_well():
    assert found(good_evidence()) == {}


def with_journal(*, charges=(), refunds=()):
    good = good_books().journal
    return good_books(journal={"charges": good["charges"] + [*charges], "refunds": good["refunds"] + [*refunds]})


LIES = {
    "a charge twice": (
        with_journal(charges=[a_charge(ref="pi_9")]),
        {"nothing_is_charged_twice", "every_charge_is_one_payment", "no_invoice_keeps_more_than_its_total"},
    ),
    "a charge that nobody here knows": (
        with_journal(charges=[a_charge(SECOND, attempt=3, amount=1, ref="pi_9")]),
        {"every_charge_is_one_payment", "no_invoice_keeps_more_than_its_total"},
    ),
    "a charge of another amount": (
        good_books(payments=[a_payment(amount=2999), a_payment(SECOND)]),
        {"every_charge_is_one_payment"},
    ),
    "a payment that nobody charged": (
        good_books(payments=[a_payment(), a_payment(SECOND), a_payment(SECOND, attempt=3)]),
        {"every_charge_is_one_payment"},
    ),
    "a refund that went back and is not known": (
        with_journal(refunds=[a_refund(UUID(int=22))]),
        {"every_refund_is_known"},
    ),
    "a refund that never went back": (
        good_books(journal={**good_books().journal, "refunds": []}),
        {"every_refund_is_known"},
    ),
    "a gap in the numbers": (
        good_books(invoices=[an_invoice(), an_invoice(SECOND, "INV-2026-00003")]),
        {"numbers_have_no_gap"},
    ),
    "a gap over the turn of the year": (
        good_books(invoices=[an_invoice(), an_invoice(SECOND, "INV-2027-00003")]),
        {"numbers_have_no_gap"},
    ),
    "a number twice": (good_books(invoices=[an_invoice(), an_invoice(SECOND)]), {"numbers_have_no_gap"}),
    "a first number that is missing": (
        good_books(invoices=[an_invoice(number="INV-2026-00002"), an_invoice(SECOND, "INV-2026-00003")]),
        {"numbers_have_no_gap"},
    ),
    "an acknowledged order that is not there": (
        replace(good_books(), missing=["/api/orders/ord_1 was acknowledged and answers 404"]),
        {"every_acknowledged_thing_is_there"},
    ),
}


def test_a_series_goes_on_over_the_turn_of_the_year():
    books = good_books(invoices=[an_invoice(), an_invoice(SECOND, "INV-2027-00002")])
    assert list(verdict.numbers_have_no_gap(books)) == []


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_in_the_books_is_named(lie):
    books, checks = LIES[lie]
    assert set(found(good_evidence(books=[books]))) == checks


def with_calls(*calls):
    return good_evidence(calls=[*good_evidence().calls, *calls])


OTHERS = {
    "one key, two orders": (with_calls(a_call(52.0, id="ord_2")), "a_key_is_one_answer"),
    "what was done is refused when asked again": (
        with_calls(a_call(52.0, id="", status=409, code="already_subscribed", is_twin=True)),
        "what_was_done_once_is_not_refused_later",
    ),
    "an error while nothing was struck": (with_calls(a_call(30.0, key="k3", status=500, id="")), "the_api_stays_up"),
    "an error while only a worker was down": (
        good_evidence(
            calls=[a_call(11.0, status=500, id="")],
            blows=[Blow(Fault(10, "kill", "worker1", 2), began=10, ended=12, ready=14, hits=1)],
        ),
        "the_api_stays_up",
    ),
    "a secret in a log": (
        good_evidence(logs={"api.log": 'said "4242"'}, secrets={"a card": "4242"}),
        "no_log_tells_a_secret",
    ),
    "what the doctor finds": (good_evidence(doctor=["I04: twice"]), "the_doctor_finds_nothing"),
    "what was broken in the midst of it": (good_evidence(sampled=["I01: off"]), "nothing_was_broken_in_the_midst"),
    "what never comes to rest": (good_evidence(unrest=["pay_1 is unknown"]), "all_came_to_rest"),
    "a part that fell by itself": (
        good_evidence(blows=[Blow(Fault(20, "fell", "worker1", 0), began=20)]),
        "nothing_fell_by_itself",
    ),
}


@pytest.mark.parametrize("what", OTHERS)
def test_whatever_else_is_wrong_is_named(what):
    seen, check = OTHERS[what]
    assert set(found(seen)) == {check}


def test_an_error_is_excused_while_the_api_is_down_and_a_moment_after():
    assert found(with_calls(*(a_call(at, key=f"{at}", status=502, id="") for at in (9.9, 12.0, 15.0)))) == {}


def test_a_calm_that_shows_nothing_is_no_good_storm():
    said = {each.says.partition(", and")[0] for each in verdict.too_calm(good_evidence())}
    assert {"2 charges", "1 renewals", "0 tried again", "1 faults that hit"} <= said


def test_the_report_names_what_was_found_and_how_to_see_it_again(tmp_path):
    seen = good_evidence(books=[LIES["a charge twice"][0]])
    report.write(seen, verdict.findings(seen), tmp_path)
    said = (tmp_path / "report.md").read_text()
    assert "nothing_is_charged_twice: sandbox1:" in said
    assert f"--replay {tmp_path / 'schedule.json'}" in said
    picture = (tmp_path / report.PICTURE).read_text()
    assert picture.startswith("<svg")
    assert "kill api, 10.0 s to 12.0 s" in picture
