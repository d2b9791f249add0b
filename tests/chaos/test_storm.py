"""Storms: a short one of few processes in every run, long ones with everything spread out in the full run."""

import pytest

from tests.chaos import report
from tests.chaos.storm import Wish, weather


async def assert_weathers(wish, folder, cluster=None):
    outcome = await weather(wish, folder, say=print, cluster=cluster)
    # Nobody could say afterwards what had happened.
    assert all(
        (folder / name).stat().st_size for name in ("schedule.json", "ops.jsonl", "faults.json", "journals.json")
    )
    said = report.text(outcome.evidence, outcome.findings, folder)
    assert outcome.is_well, f"kept in {folder}\n{said}"


@pytest.mark.timeout(900)
async def test_a_short_storm_leaves_everything_as_it_must_be(tmp_path):
    await assert_weathers(Wish(form="embedded", seed=6, seconds=45, clients=9), tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("seed", [11, 12])
async def test_three_minutes_of_it_do_too(tmp_path, seed):
    await assert_weathers(Wish(form="embedded", seed=seed, seconds=180), tmp_path)


@pytest.mark.slow
@pytest.mark.needs_kafka
@pytest.mark.needs_nginx
@pytest.mark.needs_redis
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [21, 22])
async def test_everything_spread_out_weathers_it(tmp_path, cluster, seed):
    await assert_weathers(Wish(form="spread", seed=seed, seconds=180), tmp_path, cluster)
