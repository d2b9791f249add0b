"""The timetable: what the clock asks, in the order in which work due at one instant is done."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from guilder.domain.audit import jobs as audit
from guilder.domain.dunning import jobs as dunning
from guilder.domain.gateways import jobs as gateways
from guilder.domain.identity import service as identity
from guilder.domain.invoicing import jobs as invoicing
from guilder.domain.notifications import jobs as notifications
from guilder.domain.orders import jobs as orders
from guilder.domain.payments import jobs as payments
from guilder.domain.privacy import jobs as privacy
from guilder.domain.subscriptions import jobs as subscriptions
from guilder.domain.webhooks import jobs as webhooks
from guilder.platform.bus.retention import Retention
from guilder.platform.clock import Clock
from guilder.platform.config import Settings
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from guilder.platform.http import idempotency
from guilder.platform.jobs import runs
from guilder.platform.jobs.timetable import Chore, Job, Timetable
from guilder.platform.outside import store as outside
from guilder.platform.outside.files import Files

HOUR_S = 3_600.0
PURGE_MAX = 10_000
# A day of a million renewals leaves some million finished calls: one portion an hour would never catch up with them.
PORTIONS_MAX = 1_000
ANSWERS_KEPT = timedelta(hours=96)
# What issuers told of people: longer than anybody asks why somebody was shut out.
NOTICES_KEPT = timedelta(days=365)
SESSIONS_KEPT = timedelta(days=90)
TRIES_KEPT = timedelta(days=2)
# What runs did: a day is told of, and another is there to be looked at.
RUNS_KEPT = timedelta(days=2)
# Longer than their events, so that the doctor misses no delivery of an event that is still there.
DELIVERIES_KEPT_LONGER = timedelta(days=7)

# Between whom a batch is shared, where the job says so.
TENANTS = "identity.wall_clock_tenants"

JOBS = (
    Job(name="invoicing.bill_due", find="subscriptions.due", is_shared=True, run=invoicing.bill_due, at_once=2),
    Job(
        name="invoicing.bill_segments_due",
        find="subscriptions.segments_due",
        is_shared=True,
        run=invoicing.bill_segments_due,
    ),
    Job(
        name="invoicing.expire_prepaid_due",
        find="invoicing.prepaid_due",
        run=invoicing.expire_prepaid_due,
        every_s=30,
    ),
    Job(name="invoicing.tell_overdue", find="invoicing.overdue_due", run=invoicing.tell_overdue, every_s=30),
    Job(name="invoicing.tell_due_soon", find="invoicing.due_soon_due", run=invoicing.tell_due_soon, every_s=30),
    Job(name="dunning.resume", find="dunning.resumes_due", run=dunning.resume, every_s=5),
    Job(name="dunning.retry", find="dunning.retries_due", is_shared=True, run=dunning.retry),
    Job(name="dunning.remind", find="dunning.reminders_due", is_shared=True, run=dunning.remind, every_s=5),
    Job(name="dunning.block", find="dunning.blocks_due", is_shared=True, run=dunning.block, every_s=5),
    Job(name="gateways.look_again", find="gateways.requests_due", is_shared=True, run=gateways.look_again, every_s=5),
    Job(name="gateways.read_books", find="gateways.books_due", run=gateways.read_books, every_s=60),
    Job(name="payments.look_after", find="payments.stale_due", run=payments.look_after, every_s=30),
    Job(name="payments.warn_expiring", find="payments.expiring_due", run=payments.warn_expiring, every_s=60),
    Job(
        name="payments.look_for_disputed",
        find="payments.dispute_news_due",
        run=payments.look_for_disputed,
        every_s=30,
    ),
    Job(
        name="payments.give_up_waiting",
        find="payments.second_persons_due",
        run=payments.give_up_waiting,
        every_s=60,
    ),
    Job(
        name="invoicing.expire_credit_requests",
        find="invoicing.credit_requests_due",
        run=invoicing.expire_credit_requests,
        every_s=60,
    ),
    Job(name="orders.abandon", find="orders.abandon_due", run=orders.abandon, every_s=30),
    Job(name="invoicing.recognize_due", find="invoicing.recognition_due", run=invoicing.recognize_due, every_s=30),
    Job(
        name="subscriptions.remind_of_trials",
        find="subscriptions.trial_reminders_due",
        is_shared=True,
        run=subscriptions.remind_of_trials,
        every_s=10,
    ),
    Job(
        name="subscriptions.remind_of_renewals",
        find="subscriptions.renewal_reminders_due",
        is_shared=True,
        run=subscriptions.remind_of_renewals,
        every_s=10,
    ),
    Job(name="notifications.send_held", find="notifications.held_due", run=notifications.send_held, every_s=30),
    Job(name="webhooks.retry", find="webhooks.retries_due", is_shared=True, run=webhooks.retry),
    # One at a time: each may be much, and none is to hold up another.
    Job(name="privacy.carry_out", find="privacy.requests_due", run=privacy.carry_out, batch_max=1, every_s=5),
    Job(name="privacy.go_round", find="privacy.rounds_due", run=privacy.go_round, batch_max=1, every_s=60),
)


async def forget(database: Database, portion: Callable[[Tx], Awaitable[int]]) -> None:
    """Forget a portion a transaction until there is nothing old any more; what a very long pause left waits for the next."""
    for _ in range(PORTIONS_MAX):
        async with database.transaction(actor="chores") as tx:
            forgotten = await portion(tx)
        if not forgotten:
            return


def timetable(settings: Settings, clock: Clock, files: Files) -> Timetable:
    """Return the jobs of the rooms, and the chores that keep the house."""

    async def keep_the_log(database: Database) -> None:
        await Retention(database, clock, days_kept=settings.log_retention_days).step()

    async def forget_answers(database: Database) -> None:
        await forget(database, lambda tx: idempotency.purge(tx, before=clock.now() - ANSWERS_KEPT))

    async def forget_intents(database: Database) -> None:
        days = settings.log_retention_days
        await forget(database, lambda tx: outside.purge(tx, older_than_days=days, limit=PURGE_MAX))

    async def forget_deliveries(database: Database) -> None:
        kept = timedelta(days=settings.log_retention_days) + DELIVERIES_KEPT_LONGER
        await forget(database, lambda tx: webhooks.purge(tx, before=clock.now() - kept))

    async def forget_runs(database: Database) -> None:
        async with database.transaction(actor="chores") as tx:
            while await runs.forget(tx, before=clock.now() - RUNS_KEPT, limit=PURGE_MAX) == PURGE_MAX:
                pass

    async def forget_sign_ins(database: Database) -> None:
        now = clock.now()
        sessions, tries = now - SESSIONS_KEPT, now - TRIES_KEPT
        await forget(database, lambda tx: identity.purge_sign_ins(tx, sessions_before=sessions, tries_before=tries))
        await forget(database, lambda tx: identity.purge_notices(tx, before=now - NOTICES_KEPT))

    async def keep_the_audit(database: Database) -> None:
        kept, sandbox_kept = settings.audit_days, settings.audit_sandbox_days
        await audit.keep(database, days=kept, sandbox_days=sandbox_kept, now=clock.now())

    async def anchor_the_audit(database: Database) -> None:
        await audit.anchor(database, files, now=clock.now())

    return Timetable(
        JOBS,
        [
            Chore(name="log.retention", every_s=HOUR_S, run=keep_the_log),
            Chore(name="http.forget_answers", every_s=HOUR_S, run=forget_answers),
            Chore(name="outside.forget_intents", every_s=HOUR_S, run=forget_intents),
            Chore(name="webhooks.forget_deliveries", every_s=HOUR_S, run=forget_deliveries),
            Chore(name="identity.forget_sign_ins", every_s=HOUR_S, run=forget_sign_ins),
            Chore(name="jobs.forget_runs", every_s=HOUR_S, run=forget_runs),
            Chore(name="audit.keep", every_s=HOUR_S, run=keep_the_audit),
            Chore(name="audit.anchor", every_s=HOUR_S, run=anchor_the_audit),
        ],
    )
