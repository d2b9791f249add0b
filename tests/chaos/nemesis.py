"""Whoever breaks things: does what the schedule says when it says so, makes it good again, and writes down what it did."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.chaos import plan
from tests.chaos.plan import Fault, Schedule
from tests.chaos.stages import Stage
from tests.support.worst_day import Counter

READY_S = 300.0
LOOK_S = 0.25
RESTART_S = 1.0
# What a process of ours says when it ends because it finds no database: its supervisor starts it again.
WITHOUT_DATABASE = "PostgreSQL cannot be reached"
LAST_WORDS = 400


@dataclass(slots=True)
class Blow:
    """What really happened: seconds since the storm began. `ready` is when the part answered again."""

    fault: Fault
    began: float
    ended: float | None = None
    ready: float | None = None
    hits: int = 0  # how often it is known to have met something

    @property
    def part(self) -> str:
        return self.fault.part

    def to_wire(self) -> dict[str, Any]:
        said = asdict(self)
        return {**said.pop("fault"), **said}


@dataclass
class Nemesis:
    stage: Stage
    counters: list[Counter]
    say: Callable[[str], None]
    began: float = field(default_factory=time.monotonic)
    blows: list[Blow] = field(default_factory=list)
    _watches: "list[asyncio.Task[None]]" = field(default_factory=list)

    @property
    def now(self) -> float:
        return time.monotonic() - self.began

    async def supervise(self) -> None:
        """Start again what has ended, as whoever runs it would. A process that finds no database says so and ends; any
        other end is a fall."""
        while True:
            for name in self.stage.names:
                if not self.stage.is_running(name) and not self._is_struck(name):
                    await self._see_to(name)
            await asyncio.sleep(LOOK_S)

    async def _see_to(self, name: str) -> None:
        said = self.stage.said(name)
        kind = plan.GAVE_UP if WITHOUT_DATABASE in said[-LAST_WORDS:] else plan.FELL
        blow = Blow(Fault(self.now, kind, name, 0), self.now)
        self.blows.append(blow)
        self.say(f"{name} {'found no database' if kind == plan.GAVE_UP else 'has fallen'} and is started again")
        await asyncio.sleep(RESTART_S)
        await self._start(name)
        blow.ended = self.now
        self._watches.append(asyncio.create_task(self._watch(blow)))

    async def follow(self, schedule: Schedule) -> None:
        """Do every fault in its time, and end it; return when the storm is over. One that takes long delays no other."""
        async with asyncio.TaskGroup() as group:
            for fault in schedule.faults:
                group.create_task(self._do(fault))
        await asyncio.sleep(max(0.0, schedule.seconds - self.now))

    async def _do(self, fault: Fault) -> None:
        await asyncio.sleep(max(0.0, fault.at - self.now))
        # Delayed, it may find its part struck already: the one before has to be over.
        while self._is_struck(fault.part):
            await asyncio.sleep(LOOK_S)
        blow = await self._begin(fault)
        await asyncio.sleep(max(0.0, fault.until - self.now))
        await self._end(blow)

    async def heal(self) -> None:
        """Set everything right, whatever state it is in, and wait until all of it answers."""
        await asyncio.gather(*self._watches)
        for counter in self.counters:
            await counter.well_again()
            await counter.webhooks("ok")
            await counter.release()
        for name in self.stage.names:
            if not await self.stage.is_ready(name):
                self.say(f"{name} is waited for")
            await self._until_ready(name)

    async def _begin(self, fault: Fault) -> Blow:
        blow = Blow(fault, self.now)
        self.blows.append(blow)
        self.say(f"{fault.says} for {fault.seconds:.0f} s")
        match fault.kind:
            case plan.KILL:
                blow.hits = int(self.stage.is_running(fault.part))
                await asyncio.to_thread(self.stage.kill, fault.part)
            case plan.STOP:
                blow.hits = int(self.stage.is_running(fault.part))
                await asyncio.to_thread(self.stage.stop, fault.part)
            case plan.FREEZE:
                self.stage.freeze(fault.part)
                blow.hits = 1
            case plan.FLUSH:
                self.stage.flush(fault.part)
                blow.hits = 1
            case plan.RELOAD:
                self.stage.reload(fault.part)
                blow.hits = 1
            case plan.PROVIDER:
                await self._at_the_provider(self._counter(fault).fault(**fault.detail))
            case plan.WEBHOOKS:
                blow.hits = -await self._events(fault)
                await self._at_the_provider(self._deliver(fault))
        return blow

    async def _end(self, blow: Blow) -> None:
        fault = blow.fault
        match fault.kind:
            case plan.KILL | plan.STOP:
                await self._start(fault.part)
            case plan.FREEZE:
                self.stage.thaw(fault.part)
            case plan.PROVIDER:
                blow.hits = await self._met(fault)
                await self._at_the_provider(self._counter(fault).well_again())
            case plan.WEBHOOKS:
                await self._at_the_provider(self._counter(fault).webhooks("ok"))
                blow.hits += await self._events(fault)
            case _:
                pass
        blow.ended = self.now
        self._watches.append(asyncio.create_task(self._watch(blow)))

    async def _start(self, name: str) -> None:
        """Start it, and once more if it fell; that it takes long on a busy machine says nothing of the product."""
        for tries_left in (2, 1, 0):
            try:
                # A server of PostgreSQL dies with the thread that started it.
                if name in plan.DATABASES:
                    self.stage.start(name)
                else:
                    await asyncio.to_thread(self.stage.start, name)
                return
            except AssertionError:
                if self.stage.is_running(name):
                    return  # whoever waits until it is ready waits longer
                if not tries_left:
                    raise
                self.say(f"{name} does not start, and is started once more")

    async def _watch(self, blow: Blow) -> None:
        if blow.fault.kind in plan.STRIKES:
            await self._until_ready(blow.part, fallen_is_ready=True)
        blow.ready = self.now

    async def _until_ready(self, name: str, *, fallen_is_ready: bool = False) -> None:
        ends = time.monotonic() + READY_S
        while not await self.stage.is_ready(name):
            # Killed again before it stood: the blow that did it watches on.
            if fallen_is_ready and self._is_struck(name):
                return
            assert time.monotonic() < ends, f"{name} does not answer again"
            await asyncio.sleep(LOOK_S)

    def _is_struck(self, name: str) -> bool:
        return any(blow.part == name and blow.ended is None for blow in self.blows)

    def _counter(self, fault: Fault) -> Counter:
        return self.counters[int(fault.part.lstrip("abcdefghijklmnopqrstuvwxyz")) - 1]

    async def _deliver(self, fault: Fault) -> None:
        counter = self._counter(fault)
        answer = await counter.http.post(f"/sim/accounts/{counter.account}/webhooks", json=fault.detail)
        assert answer.status_code == 200, answer.text

    async def _met(self, fault: Fault) -> int:
        """Return how many calls met a fault at the provider, where that is limited; else whether anything was asked."""
        counter, times = self._counter(fault), fault.detail.get("times")
        try:
            shown = (await counter.http.get(f"/sim/accounts/{counter.account}")).json()
        except httpx.HTTPError:
            return 0
        left = next((each["times"] for each in shown["faults"] if each["mode"] == fault.detail["mode"]), 0)
        return 1 if times is None else times - (left or 0)

    async def _events(self, fault: Fault) -> int:
        try:
            return len(await self._counter(fault).events())
        except (httpx.HTTPError, AssertionError):
            return 0

    @staticmethod
    async def _at_the_provider(asking: Any) -> None:
        """The provider may itself be away just now: then this fault has not happened, or has ended with it."""
        try:
            await asking
        except httpx.HTTPError:
            return


def write(blows: list[Blow], path: Path) -> None:
    path.write_text(json.dumps([blow.to_wire() for blow in blows], indent=1) + "\n")
