"""What every scenario ends with: the invariants, against the database and the provider's own journal."""

import asyncio

import httpx

from guilder.kernel.ids import TenantId
from guilder.platform.clock import WallClock
from guilder.wiring.doctor.report import Report
from guilder.wiring.doctor.run import examine
from tests.support.processes import Installation

QUIESCE_S = 90.0
PAUSE_S = 0.1


async def assert_healthy(installation: Installation, *, tenant_id: TenantId | None = None) -> None:
    """Look until what is under way has come to rest; what is broken then is broken."""
    ends = asyncio.get_running_loop().time() + QUIESCE_S
    while not (report := await _look(installation, tenant_id)).is_healthy:
        if asyncio.get_running_loop().time() > ends:
            raise AssertionError("\n".join(str(violation) for violation in report.violations))
        await asyncio.sleep(PAUSE_S)
    assert report.examined, "the doctor examined nothing"


async def _look(installation: Installation, tenant_id: TenantId | None) -> Report:
    journal = httpx.get(f"{installation.provider_url}/sim/journal", trust_env=False, timeout=60).json()
    return await examine(
        installation.urls.doctor, now=WallClock().now(), tenant_id=tenant_id, journal=journal, settled=True
    )
