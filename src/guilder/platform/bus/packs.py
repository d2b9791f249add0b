"""Packs: which partitions of a group are taken together, in one transaction.

Most of what a small batch costs is the batch's and not the messages'. So where a group is behind in many partitions with
little in each, one transaction takes them all; where one partition fills a batch, it goes alone, so that other consumers
find partitions that nobody holds. How many go together is found by trying, and is a group's own.
"""

from collections.abc import Collection, Sequence

from guilder.platform.bus.store import Share

Pack = tuple[str, list[int]]  # group, partitions

PARTITIONS_MAX = 16


class Packs:
    """Halves how many go together where a batch is full, or fails; doubles it where there was room for as much again."""

    def __init__(self, partitions_max: int = PARTITIONS_MAX) -> None:
        self._partitions_max = partitions_max
        self._together: dict[str, int] = {}

    def of(self, shares: Sequence[Share], *, alone: Collection[Share]) -> list[Pack]:
        """Put shares together, in their order; those of `alone` are a pack each."""
        packs: list[Pack] = []
        filling: dict[str, list[int]] = {}
        for group, partition in shares:
            if Share(group, partition) in alone:
                packs.append((group, [partition]))
                continue
            pack = filling.get(group)
            if pack is None or len(pack) >= self._size(group):
                pack = filling[group] = []
                packs.append((group, pack))
            pack.append(partition)
        return packs

    def passed(self, group: str, count: int, *, rows_max: int) -> None:
        """Say how many messages a pack came to, of so many at most."""
        if count >= rows_max:
            self._together[group] = max(1, self._size(group) // 2)
        elif count * 2 <= rows_max:
            self._together[group] = min(self._partitions_max, self._size(group) * 2)

    def failed(self, group: str, partitions: int) -> None:
        """Say that a pack of so many partitions failed, and was taken apart."""
        self._together[group] = max(1, partitions // 2)

    def _size(self, group: str) -> int:
        return self._together.get(group, self._partitions_max)
