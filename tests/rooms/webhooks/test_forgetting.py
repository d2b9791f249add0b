"""A delivery is forgotten when it is old, by the wall and by the clock of its sandbox."""

from datetime import timedelta

import pytest

from guilder.domain.identity.model import Mode
from guilder.domain.webhooks import jobs
from guilder.platform.clock import WallClock
from tests.support.builders.identity import NOW
from tests.support.database import connected

KEPT = timedelta(days=37)


@pytest.mark.parametrize(
    ("mode", "later", "is_left"),
    [(Mode.TEST, timedelta(0), False), (Mode.SANDBOX, KEPT / 2, True), (Mode.SANDBOX, KEPT * 2, False)],
)
async def test_after_its_time(make_ground, mode, later, is_left):
    """The clock stands in a month long past."""
    ground = await make_ground(mode=mode)
    endpoint, _ = await ground.an_endpoint()
    await ground.told(ground.an_event())
    async with connected(ground.admin_url) as admin:
        await admin.execute(
            "update identity.sandbox_clocks set now_at = $2 where tenant_id = $1", ground.tenant_id, NOW + later
        )
    async with ground.database.transaction(actor="chores") as tx:
        while await jobs.purge(tx, before=WallClock().now() - KEPT):
            pass
    assert bool(await ground.deliveries(endpoint)) is is_left
