"""The timetable: what the clock asks, in the order in which work due at one instant is done."""

from guilder.domain.dunning import jobs as dunning
from guilder.domain.invoicing import jobs as invoicing
from guilder.domain.orders import jobs as orders
from guilder.domain.subscriptions import jobs as subscriptions
from guilder.platform.bus.retention import Retention
from guilder.platform.clock import Clock
from guilder.platform.config import Settings
from guilder.platform.db.database import Database
from guilder.platform.jobs.timetable import Chore, Job, Timetable

HOUR_S = 3_600.0

JOBS = (
    Job(name="invoicing.bill_due", find="subscriptions.due", run=invoicing.bill_due),
    Job(name="dunning.retry", find="dunning.retries_due", run=dunning.retry),
    Job(name="dunning.remind", find="dunning.reminders_due", run=dunning.remind, every_s=5),
    Job(name="dunning.block", find="dunning.blocks_due", run=dunning.block, every_s=5),
    Job(name="orders.abandon", find="orders.abandon_due", run=orders.abandon, every_s=30),
    Job(name="invoicing.recognize_due", find="invoicing.recognition_due", run=invoicing.recognize_due, every_s=30),
    Job(
        name="subscriptions.remind_of_trials",
        find="subscriptions.trial_reminders_due",
        run=subscriptions.remind_of_trials,
        every_s=10,
    ),
)


def timetable(settings: Settings, clock: Clock) -> Timetable:
    """Return the jobs of the rooms, and the chores that keep the house."""

    async def keep_the_log(database: Database) -> None:
        await Retention(database, clock, days_kept=settings.log_retention_days).step()

    return Timetable(JOBS, [Chore(name="log.retention", every_s=HOUR_S, run=keep_the_log)])
