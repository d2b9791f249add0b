"""Whoever breaks things: does it in its time and makes it good, and starts again what ended without having been struck."""

import asyncio

import pytest

from tests.chaos import nemesis, verdict
from tests.chaos.nemesis import Nemesis
from tests.chaos.plan import FELL, FREEZE, GAVE_UP, KILL, Fault, Schedule
from tests.support.processes import until


class Parts:
    """Parts that only remember what was done to them."""

    def __init__(self, *names, last_words=""):
        self.names = list(names)
        self.down, self.done, self.last_words = set(), [], last_words

    def kill(self, name):
        self.down.add(name)
        self.done.append(("kill", name))

    def start(self, name):
        assert name in self.down, f"{name} runs"
        self.down.remove(name)
        self.done.append(("start", name))

    def freeze(self, name):
        self.done.append(("freeze", name))

    def thaw(self, name):
        self.done.append(("thaw", name))

    def is_running(self, name):
        return name not in self.down

    async def is_ready(self, name):
        return name not in self.down

    def said(self, name):
        return self.last_words


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(nemesis, "RESTART_S", 0)
    monkeypatch.setattr(nemesis, "LOOK_S", 0.01)


def a_nemesis(parts):
    return Nemesis(parts, [], say=lambda text: None)


async def test_each_fault_is_ended_and_what_is_struck_is_left_to_whoever_struck_it():
    parts = Parts("api", "worker1")
    breaking = a_nemesis(parts)
    faults = (Fault(0, KILL, "api", 0.2), Fault(0, FREEZE, "worker1", 0.1))
    supervisor = asyncio.create_task(breaking.supervise())
    await breaking.follow(Schedule(1, "embedded", 0.3, 1, faults))
    await breaking.heal()
    supervisor.cancel()
    assert sorted(parts.done) == [("freeze", "worker1"), ("kill", "api"), ("start", "api"), ("thaw", "worker1")]
    assert [blow.hits for blow in breaking.blows] == [1, 1]
    assert all(blow.ended is not None and blow.ready is not None for blow in breaking.blows)


@pytest.mark.parametrize(
    ("last_words", "kind"),
    [("guilder: PostgreSQL cannot be reached: refused.\n", GAVE_UP), ("Traceback: ValueError\n", FELL)],
)
async def test_what_ends_by_itself_is_started_again_and_only_a_fall_is_held_against_it(last_words, kind):
    parts = Parts("worker1", last_words=last_words)
    breaking = a_nemesis(parts)
    parts.down.add("worker1")
    supervisor = asyncio.create_task(breaking.supervise())

    async def stands():
        return parts.is_running("worker1")

    await until(stands, what="a new start")
    await breaking.heal()
    supervisor.cancel()
    assert [blow.fault.kind for blow in breaking.blows] == [kind]
    assert verdict.windows(breaking.blows) == [], "a worker is no excuse"
