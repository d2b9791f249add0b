"""The test of the test: protocols that are wrong in one line each. `tests/simulation/test_protocol.py` kills them all."""

from typing import Any

from guilder.domain.gateways.model import Asked, Call, Outcome, OutcomeKind, Turn
from guilder.domain.gateways.performers import Charging
from guilder.domain.gateways.rules import asking
from guilder.domain.payments.model import Answer, Payment, Status
from guilder.domain.payments.rules import collecting, recording
from guilder.domain.payments.rules.collecting import Plan
from guilder.kernel.noun import replace
from tests.simulation.protocol import Protocol

_DECLINED = Outcome(kind=OutcomeKind.DECLINED, decline_code="timed_out")


class _NewKeyPerRetry(Charging):
    tries = 0

    async def ask(self, gateway: Any, credentials: Any, call: Call, *, step: str, looks_first: bool) -> Outcome:
        if call.asked.request.is_on_session:
            return await super().ask(gateway, credentials, call, step=step, looks_first=looks_first)
        self.tries += 1
        done: Outcome = await gateway.charge(call.asked.request, key=f"{call.asked.request.business_key}:{self.tries}")
        return done


class _OneStep(Charging):
    """Create and confirm in one, with the same key however often: good for as long as the provider keeps keys."""

    async def ask(self, gateway: Any, credentials: Any, call: Call, *, step: str, looks_first: bool) -> Outcome:
        if call.asked.request.is_on_session:
            return await super().ask(gateway, credentials, call, step=step, looks_first=looks_first)
        done: Outcome = await gateway.charge(call.asked.request, key=call.asked.request.business_key)
        return done


class _BlindRecharge(Charging):
    """What has no answer is begun anew, without a look at what was begun before."""

    begun = 0

    async def ask(self, gateway: Any, credentials: Any, call: Call, *, step: str, looks_first: bool) -> Outcome:
        request = call.asked.request
        if request.is_on_session or step == asking.CLOSE or not looks_first:
            return await super().ask(gateway, credentials, call, step=step, looks_first=False)
        self.begun += 1
        key = f"again:{request.business_key}:{self.begun}"
        made = await gateway.prepare(credentials, replace(request, provider_ref=""), key=key)
        return await gateway.confirm(
            credentials, replace(request, provider_ref=made.provider_ref), key=f"{key}:confirm"
        )


class _NotFoundIsFailed(Charging):
    async def ask(self, gateway: Any, credentials: Any, call: Call, *, step: str, looks_first: bool) -> Outcome:
        is_lookup = looks_first and step != asking.CLOSE and not call.asked.request.is_on_session
        if is_lookup and await gateway.lookup(credentials, call.asked.request) is None:
            return replace(_DECLINED, decline_code="not_found")
        return await super().ask(gateway, credentials, call, step=step, looks_first=looks_first)


def _timeout_is_failure(asked: Asked, *, step: str, outcome: Outcome, now: Any) -> Turn:
    if outcome.kind is OutcomeKind.UNKNOWN and not asked.request.is_on_session:
        failed = replace(asked, outcome=OutcomeKind.DECLINED, is_settled=True, check_due_at=None)
        return Turn(asked=failed, tells=_DECLINED)
    return asking.turn(asked, step=step, outcome=outcome, now=now)


def _not_found_settles(asked: Asked, *, step: str, outcome: Outcome, now: Any) -> Turn:
    """Take it for failed at once: were it closed first, as every decline is, the closing would bring the truth."""
    if outcome.decline_code == "not_found":
        return Turn(asked=replace(asked, outcome=outcome.kind, is_settled=True, check_due_at=None), tells=outcome)
    return asking.turn(asked, step=step, outcome=outcome, now=now)


def _not_closed(asked: Asked, *, step: str, outcome: Outcome, now: Any) -> Turn:
    """Tell of a decline while the object is open, and leave it so."""
    if outcome.kind is OutcomeKind.DECLINED:
        failed = replace(asked, outcome=outcome.kind, is_settled=True, check_due_at=None)
        return Turn(asked=failed, tells=outcome)
    return asking.turn(asked, step=step, outcome=outcome, now=now)


def _stale_overwrites(payment: Payment, answer: Answer) -> Payment:
    """Believe whatever was heard last."""
    kinds = {
        OutcomeKind.SUCCEEDED: Status.SUCCEEDED,
        OutcomeKind.DECLINED: Status.DECLINED,
        OutcomeKind.CANCELED: Status.CANCELED,
    }
    status = kinds.get(answer.outcome.kind)
    if status is None or status is payment.status:
        return recording.told(payment, answer)
    holds = payment.holds_invoice and status is Status.SUCCEEDED
    return replace(payment, status=status, settled_at=answer.at, holds_invoice=holds, check_due_at=None)


def _two_paths(holder: Payment | None, via: Any, *, has_method: bool) -> Plan:
    """Charge the saved card beside the page that the customer has open."""
    plan = collecting.plan(holder, via, has_method=has_method)
    return Plan.REPLACE_HERE if plan is Plan.REPLACE_THERE else plan


def _blind_overpayment(payment: Payment, before: Any, changed: Any) -> tuple[Payment, None]:
    return replace(payment, holds_invoice=payment.holds_invoice), None


# The table of GUARANTEES.md 5.4, row by row; below the line are this protocol's own.
MUTANTS: dict[str, Protocol] = {
    "check_then_insert": Protocol(items_are_unique=False),
    "number_outside": Protocol(numbers_are_counted=False),
    "no_dedupe": Protocol(notices_are_unique=False),
    "stale_overwrites": Protocol(told=_stale_overwrites),
    "new_key_per_retry": Protocol(charging=_NewKeyPerRetry),
    "no_reconciler": Protocol(looks_again=False),
    "timeout_is_failure": Protocol(turn=_timeout_is_failure),
    "blind_recharge": Protocol(charging=_BlindRecharge),
    "one_step": Protocol(charging=_OneStep),
    "acks_before_effect": Protocol(acks_with_effect=False),
    "marks_before_publish": Protocol(marks_with_publishing=False),
    "not_found_is_failed": Protocol(charging=_NotFoundIsFailed, turn=_not_found_settles),
    "cursor_by_id": Protocol(reads_by_position=False),
    # ---
    "decline_left_open": Protocol(turn=_not_closed),
    "two_paths": Protocol(plan=_two_paths),
    "keeps_overpayments": Protocol(returns_overpayments=False),
    "blind_holding": Protocol(holding=_blind_overpayment),
}
