"""What a process without the API tells of itself, and to whom."""

import httpx
import pytest

from guilder.platform import metrics
from guilder.platform.http.settings import HttpSettings
from guilder.platform.http.telltale import telltale

TOKEN = "a-token-of-more-than-twenty-letters"


def asked(*, missing: str | None = None, away: str | None = None, **settings: object) -> httpx.AsyncClient:
    async def tables() -> str | None:
        return missing

    about = HttpSettings(public_url="https://billing.example.com", **settings)
    app = telltale(
        checks={"migrations": tables}, troubles={"kafka": lambda: away}, metrics=metrics.render, settings=about
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://worker")


async def test_it_lives_and_is_ready():
    async with asked() as client:
        assert (await client.get("/health")).json() == {"status": "ok"}
        assert (await client.get("/ready")).status_code == 200


async def test_what_is_missing_is_said():
    async with asked(missing="3 to be applied") as client:
        answer = await client.get("/ready")
    assert (answer.status_code, answer.json()["missing"]) == (503, {"migrations": "3 to be applied"})


async def test_what_is_missed_and_not_needed_is_said_and_it_is_ready():
    async with asked(away="does not answer") as client:
        answer = await client.get("/ready")
    said = {"status": "ready", "degraded": {"kafka": "does not answer"}}
    assert (answer.status_code, answer.json()) == (200, said)


@pytest.mark.parametrize(("said", "status"), [(None, 404), (f"Bearer {TOKEN}x", 404), (f"Bearer {TOKEN}", 200)])
@pytest.mark.shows("ASVS 13.4.5")
async def test_figures_are_for_whoever_has_the_token(said: str | None, status: int):
    async with asked(is_production=True, metrics_token=TOKEN) as client:
        answer = await client.get("/metrics", headers={"authorization": said} if said else {})
    assert answer.status_code == status
    assert ("guilder_" in answer.text) == (status == 200)
    assert answer.headers["cache-control"] == "no-store"
