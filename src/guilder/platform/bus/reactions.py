"""Reactions: which handler of which group hears which event. A table, built once, that everyone reads."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from guilder.kernel.event import Event

# async (tx: Tx, messages: Sequence[Message[E]], *, now: datetime) -> None
# One that hears rows: async (tx: Tx, rows: Sequence[Row], *, now: datetime) -> None
Handler = Callable[..., Awaitable[None]]


class AfterDeath(StrEnum):
    """What becomes of a key's later messages once one of them has been given up."""

    GO_ON = "go_on"
    STAY_PARKED = "stay_parked"

    @property
    def holds_key(self) -> bool:
        return self is AfterDeath.STAY_PARKED


class Start(StrEnum):
    """Where a group that is new to a topic begins to hear it."""

    BEGINNING = "beginning"
    END = "end"


@dataclass(frozen=True, slots=True)
class Reaction:
    """`group` hears `event` by `handler`, which is given a batch. `event=Event` hears everything, from every topic.

    With `hears_rows` it is given the log's rows just as they are written there, and those of private topics, too.
    """

    group: str
    event: type[Event]
    handler: Handler
    after_death: AfterDeath = AfterDeath.GO_ON
    hears_rows: bool = False

    @property
    def hears_all(self) -> bool:
        return self.event is Event


class Reactions:
    """All reactions, found by group and event name. Several of one group to one event run in the order of the list."""

    def __init__(self, reactions: Sequence[Reaction], *, starts: Mapping[str, Start] | None = None) -> None:
        self._by_group: dict[str, list[Reaction]] = {}
        for reaction in reactions:
            self._by_group.setdefault(reaction.group, []).append(reaction)
        for group, members in self._by_group.items():
            # Everything is heard in one list and in order; single events in waves: one group cannot be both.
            assert len({member.hears_all for member in members}) == 1, f"group {group} hears all and also single events"
            assert len({member.hears_rows for member in members}) == 1, f"group {group} hears rows and also events"
            assert members[0].hears_all or not members[0].hears_rows, f"group {group} hears rows, and so all of them"
        # Asked for every message: by name here, and once for all names where a group hears everything.
        self._by_name: dict[tuple[str, str], list[Reaction]] = {}
        self._of_all = {group: members for group, members in self._by_group.items() if members[0].hears_all}
        for reaction in reactions:
            if not reaction.hears_all:
                self._by_name.setdefault((reaction.group, reaction.event.name), []).append(reaction)
        self._starts = dict(starts or {})
        assert set(self._starts) <= set(self._by_group), "a start is declared for a group that hears nothing"

    @property
    def groups(self) -> list[str]:
        return sorted(self._by_group)

    def of(self, group: str, name: str) -> list[Reaction]:
        """Return what a group does about events of this name: nothing, where it does not know the name."""
        return self._of_all.get(group) or self._by_name.get((group, name), [])

    def types(self, group: str) -> dict[str, type[Event]]:
        """Return the event types that a group names, by their names."""
        return {each.event.name: each.event for each in self._by_group.get(group, []) if not each.hears_all}

    def hears_all(self, group: str) -> bool:
        return all(each.hears_all for each in self._by_group[group])

    def hears_rows(self, group: str) -> bool:
        return all(each.hears_rows for each in self._by_group[group])

    def patterns(self, group: str) -> list[str]:
        """Return the topics of a group as LIKE patterns: "gateway.{gateway}.requests" is "gateway.%.requests"."""
        return sorted({"%" if each.hears_all else pattern(each.event.topic) for each in self._by_group[group]})

    def start(self, group: str) -> Start:
        return self._starts.get(group, Start.BEGINNING)

    def after_death(self, group: str, name: str) -> AfterDeath:
        """Return what a group declares for this event; the stricter, where its reactions disagree."""
        declared = {each.after_death for each in self.of(group, name)}
        return AfterDeath.STAY_PARKED if AfterDeath.STAY_PARKED in declared else AfterDeath.GO_ON


def pattern(topic: str) -> str:
    escaped = re.sub(r"([\\%_])", r"\\\1", topic)
    return re.sub(r"\{[^}]*\}", "%", escaped)
