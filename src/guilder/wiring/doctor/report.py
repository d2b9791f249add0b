"""What the doctor looks for, and what it says."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from guilder.kernel.ids import TenantId


class When(StrEnum):
    ALWAYS = "always"  # holds in every committed state
    SETTLED = "settled"  # holds once its grace has passed: others hear of it, or the clock brings it


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant of docs/operations/doctor.md. `grace` is how long what it looks for may take."""

    id: str
    title: str
    when: When
    grace: timedelta = timedelta(0)
    needs_journal: bool = False


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong: which check found it, whose it is, what it is, and a sentence."""

    check: str
    tenant_id: TenantId | None
    object: str
    says: str

    def __str__(self) -> str:
        where = f" of {self.tenant_id}" if self.tenant_id else ""
        return f"{self.check}: {self.object}{where}: {self.says}"


@dataclass(frozen=True, slots=True)
class Report:
    """`violations` shows some of each check; `counts` says how many there are of those that found any."""

    violations: list[Violation]
    examined: list[str]
    not_examined: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    tenants: int = 0

    @property
    def is_healthy(self) -> bool:
        return not self.counts


class CannotExamine(Exception):
    """The doctor could not look: says why, and what to do."""


def as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
