"""The API of a house, as it is served. Only who answers requests loads it: its routes are a quarter of what there is to load."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from fastapi import FastAPI

from guilder.domain.identity import service as identity
from guilder.entrypoints import mailbox
from guilder.entrypoints.house import House, http_settings
from guilder.platform import metrics
from guilder.platform.bus import groups
from guilder.platform.config import Settings
from guilder.platform.db.database import Database
from guilder.platform.http import app as http
from guilder.platform.http.access import AccessTable
from guilder.platform.http.at_hand import AtHand
from guilder.platform.http.limits import InProcess, RateLimiter
from guilder.platform.http.router import Router
from guilder.wiring import access, published
from guilder.wiring.ports import authentication
from guilder.wiring.routers import ROUTERS

LAG_MAX = 100_000


def api(house: House) -> FastAPI:
    """Return the API of this house."""
    settings, sharing = house.settings, house.sharing
    known = authentication(settings, house.database, house.clock, sharing.key_sets, sharing.near)
    limiter = sharing.limiter or InProcess(house.clock.monotonic)
    app = http.build(
        routers=_routers(settings),
        access=_access(settings),
        authenticate=known,
        clocks=house.clocks,
        database=house.database,
        keys=house.ports.keys,
        settings=http_settings(settings),
        ready_checks=_ready_checks(house),
        metrics=metrics.render,
        observe=metrics.request_answered,
        clock=house.clock,
        replica=house.replica,
        limiter=limiter,
        answers=sharing.answers,
        at_hand=_at_hand(house, known, limiter),
        troubles=house.troubles,
    )
    app.state.files = house.ports.files
    app.state.gateways = house.ports.gateways
    app.state.keys = house.ports.keys
    app.state.clock = house.clock
    app.state.allows_loopback = not settings.is_production
    return app


def _routers(settings: Settings) -> tuple[Router, ...]:
    published_here = published.router(base_url=settings.base_url)
    return (*ROUTERS, published_here, mailbox.router(is_production=settings.is_production))


def _access(settings: Settings) -> AccessTable:
    # The mailbox, which shows what would have been sent, is nowhere in production.
    return access.table().without("/mailbox") if settings.is_production else access.table()


def _at_hand(house: House, known: identity.Authentication, limiter: RateLimiter) -> AtHand | None:
    near, size_max = house.sharing.near, house.settings.answers_near_max
    if near is None:
        return None
    return AtHand(near, known, limiter, house.clock, size_max=size_max, observe=metrics.request_answered)


def _ready_checks(house: House) -> Mapping[str, Callable[[], Awaitable[str | None]]]:
    return {"migrations": house.migrations_missing, "queue": partial(_queue_lags, house.database)}


async def _queue_lags(database: Database) -> str | None:
    async with database.transaction(actor="ready", aside=True) as tx:
        lags = await groups.lag(tx)
    # The relay is not among them: without Kafka, or with it away, everything goes on.
    worst = max((lag for lag in lags if lag.group != groups.RELAY), key=lambda lag: lag.behind, default=None)
    return f"{worst.group} is {worst.behind} messages behind" if worst and worst.behind > LAG_MAX else None
