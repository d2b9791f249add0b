"""Pages: lists are read by key, newest first, with an opaque cursor at the edge."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

T = TypeVar("T")
U = TypeVar("U")

LIMIT_DEFAULT = 50
LIMIT_MAX = 200


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Asks for up to `limit` rows that come after the row `after` (ids are time-ordered; newest first)."""

    limit: int = LIMIT_DEFAULT
    after: UUID | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: Sequence[T]
    next_after: UUID | None = None

    def map(self, change: Callable[[T], U]) -> "Page[U]":
        return Page([change(item) for item in self.items], self.next_after)


def page_of(rows: Sequence[T], query: PageQuery, key: Callable[[T], UUID]) -> Page[T]:
    """Make a page of the `limit + 1` rows that a store read: the extra one only says that there are more."""
    items = rows[: query.limit]
    more = len(rows) > query.limit
    return Page(items, key(items[-1]) if more else None)
