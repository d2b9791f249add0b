"""What the time machine asks of whoever owns the sandboxes, and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from guilder.kernel.ids import TenantId
from guilder.platform.db.tx import Tx


class Hands(NamedTuple):
    """A sandbox's clock: what it says, and where it is to go (None: it stands)."""

    now: datetime
    target: datetime | None


class SandboxClocks(Protocol):
    async def sandboxes(self, tx: Tx) -> list[tuple[TenantId, bool]]:
        """List every sandbox that is not suspended, and whether it has a target. The transaction sees no tenant yet."""
        ...

    async def times(self, tx: Tx, tenants: Sequence[TenantId]) -> Mapping[TenantId, datetime]:
        """Say what these sandboxes' clocks say; the transaction sees them."""
        ...

    async def lock(self, tx: Tx, tenant_id: TenantId) -> Hands | None:
        """Lock the sandbox's row (for no key update skip locked); None where another node has it, or it is gone."""
        ...

    async def move(self, tx: Tx, tenant_id: TenantId, *, now: datetime, arrived: bool) -> None:
        """Set the locked clock; `arrived` clears the target."""
        ...

    async def halt(self, tx: Tx, tenant_id: TenantId, *, reason: str) -> None:
        """Give the advance up where it stands: clear the target and keep the reason for whoever asked."""
        ...


@dataclass(frozen=True, slots=True)
class RestCheck:
    """Counts what of a sandbox is still under way: log rows, intents.

    `function` names a stable SQL function of the tenant, `schema.function(uuid) returns bigint`. All of them are asked in
    one statement, and so see one instant: what left one of them while the other was counted would be seen by neither.
    """

    name: str
    function: str

    def __post_init__(self) -> None:
        # It goes into SQL as it is: a name, never anything from outside.
        assert self.function.replace(".", "", 1).replace("_", "").isalnum(), self.function
        assert self.function.isascii(), self.function


class Pace(StrEnum):
    BUSY = "busy"  # another node has it
    DRAINING = "draining"  # something is under way: wait for it
    WORKING = "working"  # jobs were run for what was due
    MOVED = "moved"  # the clock went to the next due instant
    ARRIVED = "arrived"  # the clock is at its target, and nothing is due
    STANDING = "standing"  # it has no target, and nothing is due
    HALTED = "halted"  # given up; the reason is kept


@dataclass(frozen=True, slots=True)
class Progress:
    """One step of a sandbox through time. `pending` says what it waits for, by rest check."""

    pace: Pace
    now: datetime | None = None
    target: datetime | None = None
    pending: Mapping[str, int] = field(default_factory=dict)
    done: int = 0
    reason: str = ""
