"""What the topics brought, until it is used: where rows lie that can be read. Forgotten at any time without harm."""

from collections.abc import Sequence
from itertools import islice

from guilder.platform.bus.kafka.record import Hint
from guilder.platform.bus.store import Cursor, Ref
from guilder.platform.bus.together import Run

HINTS_MAX = 50_000


class Hints:
    """The newest hints of a process, for all its groups: a row lies in one place, whoever reads it."""

    def __init__(self, hints_max: int = HINTS_MAX) -> None:
        self._refs: dict[tuple[int, int, str, int], Ref] = {}
        self._hints_max = hints_max

    def __len__(self) -> int:
        return len(self._refs)

    def add(self, hints: Sequence[Hint]) -> None:
        """Keep these; the oldest go where there are too many. The same twice is the same."""
        for epoch, partition, ref in hints:
            self._refs[epoch, partition, ref.topic, ref.position] = ref
        for oldest in list(islice(self._refs, max(0, len(self._refs) - self._hints_max))):
            del self._refs[oldest]

    def after(self, partition: int, cursors: Sequence[Cursor], *, rows_max: int) -> list[Ref]:
        """Return what follows the cursors: of each topic the very next ones, as far as none is missing between."""
        found: list[Ref] = []
        for cursor in cursors:
            found += self._next(partition, cursor, rows_max - len(found))
        return found

    def _next(self, partition: int, cursor: Cursor, count: int) -> list[Ref]:
        found: list[Ref] = []
        while len(found) < count:
            ref = self._refs.get((cursor.log_epoch, partition, cursor.topic, cursor.position + len(found) + 1))
            if ref is None:
                break
            found.append(ref)
        return found


def runs_of(refs: Sequence[Ref]) -> list[Run]:
    """Put rows of one partition together, of each topic the very next ones."""
    of_topic: dict[str, list[Ref]] = {}
    for ref in refs:
        of_topic.setdefault(ref.topic, []).append(ref)
    return [
        Run(
            topic,
            min(ref.position for ref in lying),
            max(ref.position for ref in lying),
            tuple(sorted({ref.day for ref in lying})),
            tuple(sorted({ref.tenant_id for ref in lying})),
        )
        for topic, lying in of_topic.items()
    ]
