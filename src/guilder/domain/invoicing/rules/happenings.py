"""What due instants bring of one subscription, put together by instant: it is billed on one invoice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from guilder.domain.invoicing.rules import commitment
from guilder.domain.subscriptions.model import Rolled, Segment, SegmentKind, Subscription, Turn
from guilder.kernel.ids import Ref

# What is worked out from what was billed before it, in the same run too.
_FROM_BILLED = frozenset({Turn.CHANGED, Turn.ENDED, Turn.PAUSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """What came for one subscription at one instant: steps that it took, and segments that fell due."""

    at: datetime
    subscription: Subscription  # as it is after the last of these steps
    turns: tuple[Rolled, ...] = ()
    segments: tuple[Segment, ...] = ()

    @property
    def ref(self) -> Ref:
        return self.subscription.ref

    @property
    def looks_back(self) -> bool:
        """Say whether what is billed now depends on what was billed before."""
        if any(turn.turn in _FROM_BILLED for turn in self.turns):
            return True
        return any(
            each.kind is SegmentKind.USAGE and not commitment.committed(each.terms).is_zero for each in self.segments
        )


def put_together(
    rolled: Sequence[Rolled], segments: Sequence[Segment], subscriptions: Mapping[Ref, Subscription]
) -> list[Happening]:
    """Return what happened in the order of the instants, whatever order it was found in.

    `subscriptions` holds those of the segments, as they are now.
    """
    turns: dict[tuple[datetime, Ref], list[Rolled]] = {}
    closed: dict[tuple[datetime, Ref], list[Segment]] = {}
    for turn in rolled:
        turns.setdefault((turn.at, turn.subscription.ref), []).append(turn)
    for each in segments:
        closed.setdefault((each.due_at, Ref(each.tenant_id, each.subscription_id)), []).append(each)
    return [
        Happening(
            at=at,
            subscription=turns[at, ref][-1].subscription if (at, ref) in turns else subscriptions[ref],
            turns=tuple(turns.get((at, ref), ())),
            segments=tuple(
                sorted(closed.get((at, ref), ()), key=lambda each: (each.period.starts_at, each.kind, each.id))
            ),
        )
        for at, ref in sorted({*turns, *closed})
    ]


def waves(happened: Sequence[Happening]) -> list[list[Happening]]:
    """Cut a run where something has to be billed before what comes after it can be worked out.

    A run on time has one wave. Numbers follow the dates through all of them.
    """
    found: list[list[Happening]] = [[]]
    begun: set[Ref] = set()
    for each in happened:
        if each.ref in begun and each.looks_back:
            found.append([])
            begun = set()
        found[-1].append(each)
        begun.add(each.ref)
    return [wave for wave in found if wave]
