"""What every scenario ends with: the invariants, against the database and the provider's own journal."""

import httpx

from guilder.kernel.ids import TenantId
from guilder.platform.clock import WallClock
from guilder.wiring.doctor.run import examine
from tests.support.processes import Installation


async def assert_healthy(installation: Installation, *, tenant_id: TenantId | None = None) -> None:
    journal = httpx.get(f"{installation.provider_url}/sim/journal", trust_env=False).json()
    report = await examine(
        installation.urls.doctor, now=WallClock().now(), tenant_id=tenant_id, journal=journal, settled=True
    )
    assert not report.violations, "\n".join(str(violation) for violation in report.violations)
    assert report.examined, "the doctor examined nothing"
