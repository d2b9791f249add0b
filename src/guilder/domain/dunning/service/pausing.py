"""Cases that stand still because somebody said so, and that go on by hand or on a date."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from guilder.domain.dunning import store
from guilder.domain.dunning.model import Case, ChangeKind, Status
from guilder.domain.dunning.rules import history, progress
from guilder.domain.dunning.rules.schedule import ANYWHERE
from guilder.domain.dunning.service.exhausting import exhaust
from guilder.domain.dunning.service.telling import policies_of, record, rhythms_of
from guilder.domain.dunning.service.trying import is_under_way
from guilder.domain.payments import service as payments
from guilder.kernel.ids import Ref
from guilder.kernel.noun import replace
from guilder.platform.db.tx import Tx


async def pause(tx: Tx, cases: Sequence[Case], *, until: datetime | None, reason: str, now: datetime) -> list[Case]:
    """Let these held cases stand still. A payment that comes in recovers them all the same."""
    still = [progress.paused(case, until=until) for case in cases]
    await store.save(tx, still)
    told = [
        (after, history.line(ChangeKind.PAUSED, after, was=case.status, reason=reason))
        for case, after in zip(cases, still, strict=True)
    ]
    await record(tx, told, now=now)
    return still


async def resume(
    tx: Tx, at: Mapping[Ref, datetime], cases: Sequence[Case], *, reason: str, now: datetime
) -> list[Case]:
    """Let these held cases go on, each as of its instant (by ref). One that has no try left is exhausted with it."""
    policies = await policies_of(tx, (case.policy_key for case in cases))
    rhythms = await rhythms_of(tx, {case.customer_ref: policies[case.policy_key] for case in cases})
    current = await payments.current(tx, invoices=[case.invoice_ref for case in cases])
    going = [
        progress.resumed(
            case,
            policies[case.policy_key],
            rhythm=rhythms.get(case.customer_ref, ANYWHERE),
            is_under_way=is_under_way(current.get(case.invoice_ref)),
            at=at[case.ref],
        )
        for case in cases
    ]
    await store.save(tx, going)
    # One that is exhausted with it went back to its tries first: that there are none left is a line of its own.
    told = [
        (
            after,
            history.line(ChangeKind.RESUMED, replace(after, status=case.paused_from), was=case.status, reason=reason),
        )
        for case, after in zip(cases, going, strict=True)
        if case.paused_from is not None
    ]
    await record(tx, told, now=now)
    spent = [
        after
        for case, after in zip(cases, going, strict=True)
        if case.paused_from is Status.OPEN and after.status is Status.EXHAUSTED
    ]
    await exhaust(tx, spent, now=now)
    return going
