"""The last gate before a message goes out: whether it is wanted, can arrive, and may be spent on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from guilder.domain.notifications import store
from guilder.domain.notifications.events import NotificationLimitReached
from guilder.domain.notifications.model import TO_STAFF, Channel, Group, Limits, Notification, Spent
from guilder.domain.notifications.rules import spending, wishes
from guilder.domain.notifications.service.bouncing import is_held_back
from guilder.kernel.ids import Ref, TenantId
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx

Account = tuple[TenantId, Channel]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A message about to be sent, the address it goes to, and how much of a limit it takes: a text its segments."""

    notification: Notification
    address: str
    units: int = 1


async def gate(tx: Tx, *, candidates: Sequence[Candidate], now: datetime) -> dict[Ref, str]:
    """Return which messages may not go out, and why. What may is counted, once a message however often it is tried."""
    stopped = await _unwanted(tx, candidates)
    left = [each for each in candidates if each.notification.ref not in stopped]
    uncounted = [each for each in left if each.notification.counted_on is None]
    return stopped | (await _over_limit(tx, uncounted, now=now) if uncounted else {})


async def limits(tx: Tx) -> Limits:
    return (await store.limits(tx, [tx.tenant_id])).get(tx.tenant_id) or Limits(tenant_id=tx.tenant_id)


async def set_limits(tx: Tx, *, limits: Limits, now: datetime) -> Limits:
    """Limit what the tenant sends from now on; what was sent today and this month counts.

    :raises BadLimits: names the field
    """
    await store.save_limits(tx, spending.checked(limits), now=now)
    return limits


async def spent(tx: Tx, *, now: datetime) -> dict[Channel, Spent]:
    accounts = [(tx.tenant_id, channel) for channel in Channel]
    found = await store.spent(tx, accounts, day=now.date())
    return {channel: each for (_, channel), each in found.items()}


async def _unwanted(tx: Tx, candidates: Sequence[Candidate]) -> dict[Ref, str]:
    # Staff's own mail is no customer's to refuse.
    theirs = [each for each in candidates if each.notification.kind not in TO_STAFF]
    readers = sorted({_reader(each.notification) for each in theirs})
    wished = await store.preferences(tx, readers) if readers else {}
    bounces = await store.bounces(tx, readers) if readers else {}
    stopped: dict[Ref, str] = {}
    for each in theirs:
        message = each.notification
        bounce = bounces.get((_reader(message), message.channel))
        why = wishes.why_unwanted(message.kind, message.channel, wished.get(_reader(message)))
        if not why and bounce is not None and is_held_back(tx, bounce, each.address):
            why = f"held back: the address takes nothing since {bounce.bounced_at:%Y-%m-%d} ({bounce.kind.value})"
        if why:
            stopped[message.ref] = why
    return stopped


async def _over_limit(tx: Tx, candidates: Sequence[Candidate], *, now: datetime) -> dict[Ref, str]:
    day = now.date()
    by_account: dict[Account, list[Candidate]] = {}
    for each in candidates:
        by_account.setdefault((each.notification.tenant_id, each.notification.channel), []).append(each)
    set_by = await store.limits(tx, sorted({tenant_id for tenant_id, _ in by_account}))
    before = await store.lock_spent(tx, list(by_account), day=day)
    refused: dict[Ref, spending.Refused] = {}
    met: dict[Account, spending.Refused] = {}
    units: dict[Account, int] = {}
    for account, asked in by_account.items():
        tenant_id, channel = account
        ceiling = spending.ceiling(set_by.get(tenant_id) or Limits(tenant_id=tenant_id), channel)
        admission = spending.admit([_asked(each) for each in asked], ceiling, before[account])
        units[account] = admission.spent.today - before[account].today
        refused |= admission.refused
        if admission.refused:
            met[account] = next(iter(admission.refused.values()))
    sent = [each.notification for each in candidates if each.notification.ref not in refused]
    untold = await store.count(tx, units, sent, list(met), day=day)
    outbox.announce(tx, [_reached(account, met[account]) for account in sorted(untold)], now=now)
    return {ref: each.why for ref, each in refused.items()}


def _asked(each: Candidate) -> spending.Asked:
    is_required = wishes.group_of(each.notification.kind) is Group.REQUIRED
    return spending.Asked(each.notification.ref, is_required=is_required, units=each.units)


def _reader(message: Notification) -> Ref:
    return Ref(message.tenant_id, message.customer_id)


def _reached(account: Account, met: spending.Refused) -> NotificationLimitReached:
    tenant_id, channel = account
    return NotificationLimitReached(tenant_id=tenant_id, channel=channel.value, window=met.window, limit=met.limit)
