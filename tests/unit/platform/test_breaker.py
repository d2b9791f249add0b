"""A breaker …"""

import pytest

from guilder.platform.outside.breaker import Breaker, BreakerLimits, State

LIMITS = BreakerLimits(window_s=30, calls_min=4, failure_share=0.5, open_first_s=10, open_max_s=25)


class Hand:
    def __init__(self):
        self.at = 0.0
        self.breaker = Breaker(LIMITS, monotonic=lambda: self.at)

    def calls(self, outcomes: str) -> State:
        for each in outcomes:
            self.breaker.began()
            self.breaker.ended(ok=each == "+")
        return self.breaker.state


def test_stays_closed_while_less_than_half_fails():
    assert Hand().calls("+-++-+-++") is State.CLOSED


def test_does_not_judge_by_too_few_calls():
    hand = Hand()
    assert hand.calls("---") is State.CLOSED
    assert hand.calls("-") is State.OPEN


def test_forgets_what_was_long_ago():
    hand = Hand()
    hand.calls("---")
    hand.at = 31
    assert hand.calls("-++") is State.CLOSED


@pytest.mark.shows("ASVS 16.5.2")
def test_lets_nothing_through_while_open_and_one_probe_after():
    hand = Hand()
    hand.calls("----")
    assert (hand.breaker.room(8), 10 <= hand.breaker.opens_in_s() <= 15) == (0, True)
    hand.at = 15
    assert (hand.breaker.state, hand.breaker.room(8)) == (State.HALF_OPEN, 1)
    hand.breaker.began()
    assert hand.breaker.room(8) == 0
    hand.breaker.ended(ok=True)
    assert (hand.breaker.state, hand.breaker.room(8)) == (State.CLOSED, 8)


def test_is_not_blocked_for_ever_by_a_step_that_went_out_while_it_was_open():
    hand = Hand()
    for _ in range(5):
        hand.breaker.began()
    hand.calls("---")
    hand.breaker.ended(ok=False)
    # One of those that were under way was answered, and goes on with its next step at once.
    hand.breaker.ended(ok=True)
    hand.breaker.began()
    hand.breaker.ended(ok=True)
    assert hand.breaker.state is State.OPEN
    hand.at = 16
    assert (hand.breaker.state, hand.breaker.room(8)) == (State.HALF_OPEN, 1)


@pytest.mark.shows("ASVS 16.5.2")
def test_opens_for_twice_as_long_after_each_failed_probe_up_to_a_limit():
    hand = Hand()
    hand.calls("----")
    waits = []
    for _ in range(4):
        waits.append(hand.breaker.opens_in_s())
        hand.at += waits[-1]
        hand.calls("-")
    for wait, least in zip(waits, (10, 20, 25, 25), strict=True):
        assert least <= wait <= 1.5 * least


def test_is_not_held_by_a_probe_that_never_went_out():
    hand = Hand()
    hand.calls("----")
    hand.at = 15
    hand.breaker.began()
    hand.breaker.abandoned()
    assert hand.breaker.room(8) == 1


def test_learns_nothing_from_calls_that_went_out_before_it_opened():
    hand = Hand()
    hand.calls("----")
    hand.breaker.ended(ok=True)
    assert hand.breaker.state is State.OPEN
