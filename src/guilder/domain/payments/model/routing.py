"""Which account takes what."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An account that a route leads to; of several, each gets its weight's share."""

    account_id: UUID
    weight: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A tenant's rule on where money is taken. What is empty fits anything; amounts are in minor units of the one
    currency that is named then, from `amount_from` up to but not including `amount_to`.
    """

    id: UUID
    name: str
    targets: tuple[Target, ...]
    is_active: bool = True
    method_kinds: frozenset[str] = frozenset()
    currencies: frozenset[str] = frozenset()
    countries: frozenset[str] = frozenset()
    amount_from: int | None = None
    amount_to: int | None = None
