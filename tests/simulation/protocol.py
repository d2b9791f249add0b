"""What L1 takes from the product itself, in one place: its pure rules and its performers. A mutant replaces one of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from guilder.domain.dunning.rules import progress
from guilder.domain.dunning.service.trying import is_under_way
from guilder.domain.gateways.performers import Canceling, Charging, Refunding, _outcome, _verdict
from guilder.domain.gateways.rules import asking
from guilder.domain.gateways.service.asking import _is_callable
from guilder.domain.payments.rules import collecting, recording
from guilder.domain.payments.service.recording import _holding
from guilder.platform.outside.phases import change_of

__all__ = ["Canceling", "Protocol", "Refunding"]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """The protocol: the product's decisions, and the promises of its tables and its log as switches of the model."""

    # The product's own code.
    turn: Callable[..., Any] = asking.turn
    next_check: Callable[..., Any] = asking.next_check
    is_callable: Callable[..., bool] = _is_callable
    charging: type[Charging] = Charging
    outcome_of: Callable[..., Any] = _outcome
    verdict_of: Callable[..., Any] = _verdict
    change_of: Callable[..., Any] = change_of
    told: Callable[..., Any] = recording.told
    holding: Callable[..., Any] = _holding
    plan: Callable[..., Any] = collecting.plan
    needs_session: Callable[..., bool] = collecting.needs_session
    stale_check: Callable[..., Any] = collecting.next_check
    case_opened: Callable[..., Any] = progress.opened
    case_moved_on: Callable[..., Any] = progress.moved_on
    is_under_way: Callable[..., bool] = is_under_way
    # What tables, transactions and the log promise.
    items_are_unique: bool = True
    numbers_are_counted: bool = True  # in the transaction of their invoice, under a lock; else drawn outside
    notices_are_unique: bool = True
    looks_again: bool = True
    acks_with_effect: bool = True
    marks_with_publishing: bool = True
    reads_by_position: bool = True
    returns_overpayments: bool = True
