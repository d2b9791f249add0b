"""How cases end: the invoice is paid, or nothing is owed on it any more."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from guilder.domain.dunning import store
from guilder.domain.dunning.events import CaseClosed, CaseRecovered
from guilder.domain.dunning.model import Case, ChangeKind
from guilder.domain.dunning.rules import history, progress
from guilder.domain.dunning.rules.lifecycle import LIVE, Step
from guilder.domain.dunning.service.telling import event, record, subscription_refs
from guilder.domain.invoicing import service as invoicing
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel.ids import Ref
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


async def paid(tx: Tx, *, invoices: Mapping[Ref, datetime], now: datetime) -> None:
    """Recover the cases of these invoices, each at the instant when it was paid, and the subscriptions behind them."""
    recovered = await _end(tx, invoices, Step.RECOVER, ChangeKind.RECOVERED, now=now)
    outbox.announce(tx, [event(CaseRecovered, case) for case in recovered], now=now)
    await recover(tx, recovered, now=now)


async def voided(tx: Tx, *, invoices: Mapping[Ref, datetime], now: datetime) -> None:
    """Close the cases of these invoices: nothing is owed on them any more, so nobody is behind with them."""
    closed = await _end(tx, invoices, Step.CLOSE, ChangeKind.CLOSED, now=now)
    outbox.announce(tx, [event(CaseClosed, case) for case in closed], now=now)
    await recover(tx, closed, now=now)


async def _end(tx: Tx, invoices: Mapping[Ref, datetime], step: Step, kind: ChangeKind, *, now: datetime) -> list[Case]:
    live = [case for case in await store.lock_by_invoice(tx, sorted(invoices)) if case.status in LIVE]
    ended = [progress.ended(case, step, at=invoices[case.invoice_ref]) for case in live]
    await store.save(tx, ended)
    told = [(after, history.line(kind, after, was=case.status)) for case, after in zip(live, ended, strict=True)]
    await record(tx, told, now=now)
    return ended


async def recover(tx: Tx, ended: Sequence[Case], *, now: datetime) -> None:
    """Recover subscriptions that nothing is owed on any more, and bill those that begin a new period with it, and the
    add-ons of those that end or pause with it.

    One with another invoice still unpaid stays behind until that is settled too.
    """
    behind = await store.subscriptions_behind(tx, subscription_refs(ended))
    for at in sorted({case.closed_at for case in ended if case.closed_at}):
        # Dated by the payment: however late this is heard, the new period begins when it was paid for.
        concerned = subscription_refs([case for case in ended if case.closed_at == at])
        refs = [ref for ref in concerned if ref not in behind]
        recovered = await subscriptions.recover(tx, refs=refs, now=at)
        await invoicing.settle_up(tx, stopped=recovered.cut_off, at=at, now=now)
        await invoicing.bill_periods(tx, begun=recovered.begun, issued_at=at, now=now)
