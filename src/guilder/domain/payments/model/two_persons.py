"""How much one person may give away alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """By currency, in minor units. A currency that is not named has no limit; nothing named: nobody asks for two."""

    refunds: Mapping[str, int] = field(default_factory=dict)
    credits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoPersonLimits:
    """What holds; and the looser limits that one person has asked for, until another one agrees."""

    limits: Limits = field(default_factory=Limits)
    changed_by: str = ""
    changed_at: datetime | None = None
    wanted: Limits | None = None
    wanted_by: str = ""
    wanted_at: datetime | None = None
