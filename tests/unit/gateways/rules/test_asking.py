"""The payment protocol, step by step: what follows from each outcome."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from guilder.domain.gateways.model import Asked, GatewayRequest, Next, Outcome, OutcomeKind, RequestKind
from guilder.domain.gateways.rules import asking
from guilder.domain.gateways.rules.asking import CLOSE, CONFIRM, ONCE, PREPARE
from guilder.kernel.ids import TenantId
from guilder.kernel.money import Money
from guilder.kernel.noun import replace

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ID = UUID(int=1)


def asked(kind: RequestKind = RequestKind.CHARGE, *, is_on_session=False, ref="pi_1", **over) -> Asked:
    request = GatewayRequest(
        tenant_id=TenantId(ID),
        id=ID,
        account_id=ID,
        gateway="simulated",
        kind=kind,
        business_key="k",
        subject_id=ID,
        customer_id=ID,
        amount=Money(1, "EUR"),
        provider_ref=ref,
        is_on_session=is_on_session,
    )
    said = {
        "outcome": None,
        "decline_code": "",
        "is_hard_decline": False,
        "is_withdrawn": False,
        "is_settled": False,
        "tries": 0,
        "sessions": 0,
        "requested_at": NOW,
        "check_due_at": None,
    }
    return Asked(request=request, **{**said, **over})


def turn(step, kind, *, on=None, **outcome):
    return asking.turn(on or asked(), step=step, outcome=Outcome(kind=kind, **outcome), now=NOW)


def test_what_is_prepared_is_confirmed_and_told_of_only_then():
    prepared = turn(PREPARE, OutcomeKind.REQUIRES_ACTION, provider_ref="pi_9", on=asked(ref=""))
    assert (prepared.next, prepared.step, prepared.tells) == (Next.STEP, CONFIRM, None)
    assert prepared.asked.request.provider_ref == "pi_9"


def test_on_session_it_stops_with_the_page():
    page = turn(PREPARE, OutcomeKind.REQUIRES_ACTION, action_url="https://x", on=asked(is_on_session=True))
    assert (page.next, page.tells.action_url, page.asked.is_settled) == (Next.DONE, "https://x", False)


@pytest.mark.parametrize("kind", [OutcomeKind.DECLINED, OutcomeKind.REQUIRES_ACTION])
def test_a_decline_is_closed_before_it_is_told(kind):
    declined = turn(CONFIRM, kind, decline_code="" if kind is OutcomeKind.REQUIRES_ACTION else "no")
    assert (declined.next, declined.step, declined.tells) == (Next.STEP, CLOSE, None)
    closed = turn(CLOSE, OutcomeKind.CANCELED, on=declined.asked)
    assert closed.tells.kind is OutcomeKind.DECLINED
    assert closed.tells.decline_code == declined.asked.decline_code != ""
    assert closed.asked.is_settled


def test_money_that_came_in_while_it_was_closed_counts():
    closed = turn(CLOSE, OutcomeKind.SUCCEEDED, on=asked(decline_code="no"))
    assert closed.tells.kind is OutcomeKind.SUCCEEDED


def test_doubt_is_told_once_and_looked_up_with_growing_patience():
    state, waits, told = asked(), [], 0
    for _ in range(asking.TRIES_MAX):
        doubted = turn(CONFIRM, OutcomeKind.UNKNOWN, is_outage=True, on=state)
        state, told = doubted.asked, told + (doubted.tells is not None)
        waits.append(doubted.after_s if doubted.next is Next.AGAIN else None)
    assert told == 1
    assert waits == [1.0, 2.0, 4.0, 8.0, None]
    assert state.check_due_at == NOW + asking.CHECK_FIRST
    assert not state.is_settled


def test_the_provider_says_how_long_to_wait():
    assert turn(CONFIRM, OutcomeKind.UNKNOWN, is_outage=True, retry_after_s=7.0).after_s == 7.0


@pytest.mark.parametrize("why", [{"is_pending": True}, {"alert": "amount_mismatch"}])
def test_what_will_not_change_soon_is_left_to_the_clock(why):
    doubted = turn(CONFIRM, OutcomeKind.UNKNOWN, **why)
    assert (doubted.next, doubted.tells is not None) == (Next.DONE, True)


def test_what_was_taken_back_while_it_was_prepared_is_closed():
    late = turn(
        PREPARE, OutcomeKind.REQUIRES_ACTION, provider_ref="pi_9", on=asked(is_withdrawn=True, is_on_session=True)
    )
    assert (late.next, late.step, late.tells) == (Next.STEP, CLOSE, None)


@pytest.mark.parametrize("kind", [OutcomeKind.SUCCEEDED, OutcomeKind.DECLINED, OutcomeKind.CANCELED])
def test_what_is_final_is_not_checked_again(kind):
    done = turn(ONCE, kind, on=asked(RequestKind.REFUND))
    assert (done.next, done.asked.is_settled, done.asked.check_due_at) == (Next.DONE, True, None)


def test_checks_grow_rare_and_a_page_is_forgotten_after_its_life():
    state = replace(asked(), outcome=OutcomeKind.UNKNOWN)
    gaps = [asking.next_check(state, now=NOW + timedelta(hours=h)) - (NOW + timedelta(hours=h)) for h in (0, 2, 100)]
    assert gaps == [timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1)]
    page = replace(asked(), outcome=OutcomeKind.REQUIRES_ACTION)
    assert asking.next_check(page, now=NOW + timedelta(hours=27)) is None
    card = replace(page, request=replace(page.request, kind=RequestKind.SETUP))
    assert asking.next_check(card, now=NOW + timedelta(hours=27)) is not None, "it is given up by that look"
    assert asking.next_check(replace(page, is_withdrawn=True), now=NOW) is None


def test_a_declined_attempt_whose_closing_got_no_answer_is_told_as_declined_when_it_is_found_closed():
    # Nobody answered when it was closed; hours later it is looked at again, from the first step on.
    left = asked(decline_code="insufficient_funds", outcome=OutcomeKind.UNKNOWN, tries=asking.TRIES_MAX)
    found = turn(PREPARE, OutcomeKind.CANCELED, on=left)
    assert (found.tells.kind, found.tells.decline_code) == (OutcomeKind.DECLINED, "insufficient_funds")
    assert found.asked.is_settled


@pytest.mark.parametrize(
    ("kind", "age", "is_approved", "told"),
    [
        (RequestKind.SETUP, timedelta(hours=25), False, OutcomeKind.REQUIRES_ACTION),
        (RequestKind.SETUP, timedelta(hours=27), False, OutcomeKind.CANCELED),
        # What the customer has approved waits for us, not for the customer.
        (RequestKind.SETUP, timedelta(hours=27), True, OutcomeKind.REQUIRES_ACTION),
        (RequestKind.CHARGE, timedelta(hours=27), False, OutcomeKind.REQUIRES_ACTION),
    ],
)
def test_a_card_that_nobody_typed_is_waited_for_as_long_as_its_page_is_open(kind, age, is_approved, told):
    waiting = asked(kind, is_on_session=True, requested_at=NOW - age)
    outcome = Outcome(kind=OutcomeKind.REQUIRES_ACTION, provider_ref="x_1", is_approved=is_approved)
    turn = asking.turn(waiting, step=asking.FIRST_STEPS[kind], outcome=outcome, now=NOW)
    assert turn.tells is None or turn.tells.kind is told
    assert turn.asked.is_settled == (told is OutcomeKind.CANCELED)
