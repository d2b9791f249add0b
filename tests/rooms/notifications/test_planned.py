"""What is planned is told as it will be, and again when it becomes something else."""

from datetime import timedelta

from guilder.domain.notifications import handlers
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.events import TrialEnding
from tests.support.builders.catalog import a_plan
from tests.support.builders.entitlements import about
from tests.support.builders.identity import NOW
from tests.support.builders.subscriptions import a_subscription

DAY = timedelta(days=1)


async def test_a_trial_that_is_put_off_is_announced_again(ground):
    async with ground.tx() as tx:
        trial = await a_subscription(tx, ground.customer, await a_plan(tx), trial_days=14)
    await ground.hear(handlers.on_trial_ending, about(TrialEnding, trial, days_left=3, ends_at=trial.trial_ends_at))
    until = trial.trial_ends_at + 7 * DAY
    async with ground.tx() as tx:
        longer = await subscriptions.extend_trial(tx, ref=trial.ref, until=until, now=NOW + 12 * DAY)
    again = about(TrialEnding, longer, days_left=3, ends_at=until)
    await ground.hear(handlers.on_trial_ending, again, again)
    assert [mail["Subject"].partition(" ends ")[2] for mail in ground.inbox.mails] == [
        "on Mar 15, 2026",
        "on Mar 22, 2026",
    ]
