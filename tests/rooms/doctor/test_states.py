"""What I18 says of states is what the rooms' tables say: a move that is new there is new here."""

import pytest

from guilder.domain.invoicing.rules import lifecycle as invoices
from guilder.domain.payments.rules import lifecycle as payments
from guilder.domain.subscriptions.rules import lifecycle as subscriptions
from guilder.wiring.doctor.checks import QUERIES


@pytest.mark.shows("fault F10")
def test_invoices_move_as_their_table_has_it():
    # A zero invoice goes through `open` within one statement.
    moves = {(was, then) for was, steps in invoices.MOVES.items() for then in steps.values()} | {("draft", "paid")}
    said = "(s.from_status, s.to_status) not in (" + QUERIES["I18"].split("not in (")[1].split("))")[0]
    assert {move for move in moves if f"('{move[0]}', '{move[1]}'" not in said} == set()
    assert said.count("', '") == len(moves)


@pytest.mark.shows("fault F10", "ASVS 2.3.1")
def test_nothing_leaves_a_final_state():
    assert {status for status, steps in payments.MOVES.items() if not steps} == {"succeeded", "canceled"}
    assert set(payments.MOVES[payments.Status.DECLINED].values()) == {"succeeded"}
    assert {"canceled", "expired"} == subscriptions.FINAL
    for states in ("('succeeded', 'canceled')", "('canceled', 'expired')"):
        assert f"from_status in {states}" in QUERIES["I18"]
