"""Waves: a batch in few calls, each of events of one name, that keep the order of every key."""

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

T = TypeVar("T")


def waves(items: Sequence[T], *, key: Callable[[T], Hashable], name: Callable[[T], str]) -> list[tuple[str, list[T]]]:
    """Sort items into lists of one name each; of one key, an earlier item is in the same list or in an earlier one.

    The level of an item is that of the item before it of its key, and one more where the name differs; all items of one
    level and name go together. A thousand customers who each subscribed and then paid are two lists, not two thousand.
    """
    names = [name(item) for item in items]
    if len(set(names)) == 1:
        return [(names[0], list(items))]
    last: dict[Hashable, tuple[int, str]] = {}
    found: dict[tuple[int, str], list[T]] = {}
    for item, called in zip(items, names, strict=True):
        of = key(item)
        level, before = last.get(of, (0, called))
        here = (level if before == called else level + 1, called)
        last[of] = here
        found.setdefault(here, []).append(item)
    return [(called, found[level, called]) for level, called in sorted(found, key=lambda each: each[0])]
