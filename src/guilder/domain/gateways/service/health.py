"""Health: how calls to accounts end, and which accounts are down."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from guilder.domain.gateways.events import GatewayDown, GatewayUp
from guilder.domain.gateways.model import GatewayAccount, Health, Outcome, OutcomeKind, Tally
from guilder.domain.gateways.rules import outages
from guilder.domain.gateways.store import health as rows
from guilder.kernel.ids import Ref
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


async def health(tx: Tx, *, since: datetime) -> dict[UUID, Health]:
    """Return, by account, what its calls since this hour came to."""
    return await rows.since(tx, since)


async def record(tx: Tx, *, results: Sequence[tuple[GatewayAccount, Outcome]], now: datetime) -> None:
    """Count what calls came to, and tell of accounts that go down or come up."""
    if not results:
        return
    accounts = {Ref(account.tenant_id, account.id): account for account, _ in results}
    of = {ref: [o for account, o in results if Ref(account.tenant_id, account.id) == ref] for ref in accounts}
    await rows.count(tx, [_tally(account, of[ref], now=now) for ref, account in sorted(accounts.items())])
    # Most have nothing to tell: their rows are not even locked.
    concerned = [ref for ref, account in accounts.items() if account.is_ailing or any(o.is_outage for o in of[ref])]
    if not concerned:
        return
    before = await rows.lock_outages(tx, sorted(concerned))
    after = {
        ref: outages.after(
            *standing,
            answers=sum(not o.is_outage for o in of[ref]),
            silences=sum(o.is_outage for o in of[ref]),
            now=now,
        )
        for ref, standing in before.items()
    }
    await rows.save_outages(tx, [(ref, *after[ref]) for ref in before if after[ref] != before[ref]])
    for ref, (_, was_down) in before.items():
        is_down = after[ref][1]
        if (was_down is None) != (is_down is None):
            kind = GatewayUp if is_down is None else GatewayDown
            event = kind(tenant_id=ref.tenant_id, account_id=ref.id, gateway=accounts[ref].gateway)
            outbox.announce(tx, [event], now=now)


def _tally(account: GatewayAccount, outcomes: Sequence[Outcome], *, now: datetime) -> Tally:
    counted = Counter(outcome.kind for outcome in outcomes)
    return Tally(
        account=account,
        hour=now - timedelta(minutes=now.minute, seconds=now.second, microseconds=now.microsecond),
        succeeded=counted[OutcomeKind.SUCCEEDED],
        declined=counted[OutcomeKind.DECLINED],
        unknown=counted[OutcomeKind.UNKNOWN],
        outages=sum(outcome.is_outage for outcome in outcomes),
    )
