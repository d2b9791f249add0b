"""What tests of requests that are served together look at: their groups, and how to hold one back."""

import asyncio
from dataclasses import dataclass, field

import pytest

from guilder.platform.db.gathering import Gathering
from guilder.platform.http.gathering import Gatherings


@dataclass
class Held:
    """No group is written until it is let go."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    in_hand: list[int] = field(default_factory=list)

    def set(self) -> None:
        self.go.set()

    def waiting_in(self, gatherings: Gatherings) -> int:
        """Return how many requests came and are not written yet."""
        return sum(len(each._waiting) for each in gatherings._of.values()) + sum(self.in_hand)


@pytest.fixture
def groups(monkeypatch) -> list[int]:
    """How many requests each transaction served."""
    found: list[int] = []
    write = Gathering._write_group

    async def counted(self, group):
        found.append(len(group))
        await write(self, group)

    monkeypatch.setattr(Gathering, "_write_group", counted)
    return found


@pytest.fixture
def held(monkeypatch) -> Held:
    held, write = Held(), Gathering._write_group

    async def waiting(self, group):
        held.in_hand.append(len(group))
        await held.go.wait()
        await write(self, group)

    monkeypatch.setattr(Gathering, "_write_group", waiting)
    return held
