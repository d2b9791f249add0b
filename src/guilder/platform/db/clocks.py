"""What the machinery must know of tenants' clocks: which tenants share one, and what it says.

Every live and test tenant is on the wall clock; each sandbox is on its own, so a sandbox's batch is its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from guilder.kernel.ids import TenantId
from guilder.platform.db.tx import Tx


@dataclass(frozen=True, slots=True)
class ClockDomain:
    """Tenants that share a clock, and what it says now."""

    tenants: frozenset[TenantId]
    now: datetime


class TenantClocks(Protocol):
    async def domains(self, tx: Tx, tenants: Iterable[TenantId]) -> list[ClockDomain]:
        """Sort tenants by clock. The transaction must see them."""
        ...

    def on_the_wall(self) -> datetime:
        """Return the present of every tenant that is no sandbox."""
        ...


async def now_of(clocks: TenantClocks, tx: Tx, *, may_be_sandbox: bool = True) -> datetime:
    """Return the present of the transaction's one tenant. Only a sandbox has a clock of its own to look up."""
    if not may_be_sandbox:
        return clocks.on_the_wall()
    [domain] = await clocks.domains(tx, [tx.tenant_id])
    return domain.now
