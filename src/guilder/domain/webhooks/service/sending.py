"""Sending: what goes out, what came of it, and what follows from that."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.webhooks.model import Attempt, Endpoint, Message, Parcel, Reason, Report, Status
from guilder.domain.webhooks.rules import schedule
from guilder.domain.webhooks.service.managing import disable
from guilder.domain.webhooks.store import endpoints as store
from guilder.domain.webhooks.store import messages
from guilder.domain.webhooks.store.messages import Line
from guilder.kernel import ids
from guilder.kernel.ids import Ref
from guilder.kernel.noun import replace
from guilder.platform.db.tx import Tx
from guilder.platform.outside import intents as outside
from guilder.platform.outside.intents import NewIntent

SEND = "webhook.send"


async def call_up(tx: Tx, *, lines: Sequence[Line], now: datetime) -> None:
    """Have the first message of each line sent, if nothing of it is under way. The endpoints are locked."""
    await intend(tx, refs=await messages.call_up(tx, lines), now=now)


async def retry_due(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Try again what is due for it."""
    due = await messages.lock_due(tx, refs, now=now)
    await send_again(tx, refs=[each.ref for each in due], now=now)
    return len(due)


async def send_again(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> None:
    """Have locked messages sent now."""
    if refs:
        await messages.send_again(tx, refs)
        await intend(tx, refs=refs, now=now)


async def parcels(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> dict[Ref, Parcel]:
    """Return those of these messages that are still to be sent, with the secrets that sign them."""
    out = [each for each in (await messages.get(tx, refs)).values() if each.is_out]
    places = sorted({each.endpoint_ref for each in out})
    endpoints = {ref: each for ref, each in (await store.get(tx, places)).items() if each.is_active}
    secrets = await store.secrets(tx, list(endpoints), now=now)
    return {
        each.ref: Parcel(
            message=each,
            url=endpoints[each.endpoint_ref].wish.url,
            allows_loopback=endpoints[each.endpoint_ref].wish.allows_loopback,
            secrets=secrets[each.endpoint_ref],
        )
        for each in out
        if each.endpoint_ref in endpoints and each.endpoint_ref in secrets
    }


async def record(tx: Tx, *, reports: Sequence[Report], now: datetime) -> None:
    """Note what attempts came to: of the message, of its endpoint's health, and of whoever waits behind it."""
    found = await messages.get(tx, [each.ref for each in reports])
    # The endpoint first, as whoever hears does: messages of it are then in one hand.
    endpoints = await store.lock(tx, sorted({each.endpoint_ref for each in found.values()}))
    before = await messages.lock(tx, list(found))
    told = [each for each in reports if each.ref in before]
    if not told:
        return
    after = [_after(before[each.ref], each, now) for each in told]
    await messages.add_attempts(tx, [_attempt(each, now) for each in told], now=now)
    await messages.save(tx, after)
    await _note_health(tx, endpoints, [(before[each.ref], each) for each in told], now=now)
    begun = [Line(each.tenant_id, each.endpoint_id, each.line) for each in after if not before[each.ref].has_begun]
    await call_up(tx, lines=begun, now=now)


def _after(message: Message, report: Report, now: datetime) -> Message:
    """What was delivered stays delivered; what was given up meanwhile stays so, unless it arrived all the same."""
    tries = message.tries + 1
    ended = replace(
        message,
        first_ended_at=message.first_ended_at or now,
        is_out=False,
        due_at=None,
        tries=tries,
        attempts=message.attempts + 1,
    )
    if report.is_success:
        arrived_at = message.ended_at if message.status is Status.DELIVERED else now
        return replace(ended, status=Status.DELIVERED, ended_at=arrived_at, reason="")
    if not message.is_out:
        return ended
    due_at = schedule.next_attempt(message.id, tries=tries, failed_at=now, retry_after=report.retry_after)
    if due_at is None and message.status is Status.PENDING:
        return replace(ended, status=Status.DEAD, ended_at=now, reason=report.error)
    return replace(ended, due_at=due_at)


async def _note_health(
    tx: Tx, endpoints: dict[Ref, Endpoint], told: Sequence[tuple[Message, Report]], *, now: datetime
) -> None:
    changed = dict(endpoints)
    for message, report in told:
        changed[message.endpoint_ref] = _health(changed[message.endpoint_ref], report, now)
    await store.note_health(tx, list(changed.values()))
    lost = [each for ref, each in changed.items() if endpoints[ref].is_active and not each.is_active]
    await disable(tx, endpoints=lost, now=now)


def _health(endpoint: Endpoint, report: Report, now: datetime) -> Endpoint:
    if report.is_success:
        return replace(endpoint, last_success_at=now, failing_since=None, failures=0)
    failing = replace(
        endpoint,
        last_failure_at=now,
        failing_since=endpoint.failing_since or now,
        failures=endpoint.failures + 1,
    )
    if not endpoint.is_active:
        return failing
    if report.is_gone:
        return replace(failing, disabled_at=now, disabled_reason=Reason.GONE)
    if schedule.is_given_up(failing.failing_since, now=now):
        return replace(failing, disabled_at=now, disabled_reason=Reason.FAILING)
    return failing


def _attempt(report: Report, now: datetime) -> Attempt:
    return Attempt(
        tenant_id=report.ref.tenant_id,
        id=ids.new(now),
        message_id=report.ref.id,
        attempted_at=now,
        status=report.status,
        duration_ms=report.duration_ms,
        answer=report.answer,
        error=report.error,
    )


async def intend(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> None:
    """Write the intents of messages, each to its endpoint's own lane: a dead one keeps nobody else waiting."""
    found = await messages.get(tx, refs) if refs else {}
    intents = [
        NewIntent(tenant_id=each.tenant_id, kind=SEND, destination=f"webhook:{each.endpoint_id}", subject_id=each.id)
        for each in found.values()
    ]
    await outside.intend(tx, intents=intents, now=now, revive=True)
