"""The engine under bench/capacity.py: waiting times as the formulas of queueing have them, and nothing lost or made."""

import importlib
import random
import sys
from math import factorial
from pathlib import Path

import pytest

# bench/ is a folder of scripts, whose modules are imported by their plain names.
sys.path.insert(0, str(Path(__file__).parents[3] / "bench"))
events = importlib.import_module("_events")
sys.path.pop(0)

JOBS = 15_000


def waiting_times(*, servers: int, arrivals_per_s: float, served_per_s: float, jobs: int, seed: int):
    """Run a queue with exponential gaps and services; return what was waited, and the resource."""
    chance, simulation, waited = random.Random(seed), events.Simulation(), events.Tally()
    resource = events.Resource(simulation, servers)

    def job(came_at, service_s):
        yield resource.take()
        waited.saw(simulation.now - came_at)
        yield simulation.hold(service_s)
        resource.give()

    def arrivals():
        for _ in range(jobs):
            yield simulation.hold(chance.expovariate(arrivals_per_s))
            simulation.start(job(simulation.now, chance.expovariate(served_per_s)))

    simulation.start(arrivals())
    simulation.run(until=2 * jobs / arrivals_per_s)
    return waited, resource


def erlang_c(servers: int, load: float) -> float:
    """Return the share of jobs that have to wait (Erlang's C formula); `load` is arrivals over one server's rate."""
    last = load**servers / factorial(servers) * servers / (servers - load)
    return last / (sum(load**n / factorial(n) for n in range(servers)) + last)


@pytest.mark.parametrize(
    ("servers", "arrivals_per_s"),
    [(1, 0.5), (2, 1.2), (5, 3.0)],
)
def test_waiting_is_as_long_as_the_formula_says(servers, arrivals_per_s):
    waited, resource = waiting_times(
        servers=servers, arrivals_per_s=arrivals_per_s, served_per_s=1.0, jobs=JOBS, seed=7
    )
    wait_s = erlang_c(servers, arrivals_per_s) / (servers - arrivals_per_s)
    assert waited.mean == pytest.approx(wait_s, rel=0.1)
    share = sum(seconds > 0 for seconds in waited.seconds) / len(waited.seconds)
    assert share == pytest.approx(erlang_c(servers, arrivals_per_s), rel=0.06)
    assert len(waited.seconds) == JOBS, "every job that came was served"
    assert resource.taken == resource.waiting == 0
    assert resource.busy_s() == pytest.approx(JOBS, rel=0.03), "a second of service each"


def test_batches_hold_every_thing_once_and_in_order():
    simulation = events.Simulation()
    queue, taken, sizes = events.Queue(simulation), [], []

    def consumer():
        while True:
            batch = yield queue.get(7)
            taken.extend(batch)
            sizes.append(len(batch))
            yield simulation.hold(0.9)

    def producer():
        for first in range(0, 1_000, 10):
            yield simulation.hold(1.0)
            queue.put(*range(first, first + 10))

    for _ in range(3):
        simulation.start(consumer())
    simulation.start(producer())
    simulation.run(until=1_000)
    assert taken == list(range(1_000))
    assert max(sizes) == 7
    assert len(queue) == 0


def test_the_first_to_wait_is_the_first_to_be_served():
    simulation = events.Simulation()
    resource, order = events.Resource(simulation, 1), []

    def job(name):
        yield resource.take()
        order.append((name, simulation.now))
        yield simulation.hold(2.0)
        resource.give()

    for name in "abc":
        simulation.start(job(name))
    simulation.run(until=10)
    assert order == [("a", 0.0), ("b", 2.0), ("c", 4.0)]
    assert resource.busy_s() == 6.0


def test_a_percentile_is_one_of_what_was_seen():
    tally = events.Tally([float(each) for each in range(1, 101)])
    assert (tally.percentile(50), tally.percentile(95), tally.percentile(100)) == (50.0, 95.0, 100.0)
    assert events.Tally().percentile(95) == 0.0
