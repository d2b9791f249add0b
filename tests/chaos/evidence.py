"""What can be seen when the storm is over: answers over HTTP, the provider's own journal, the log files."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.chaos.asking import Call
from tests.chaos.nemesis import Blow
from tests.chaos.plan import Schedule
from tests.chaos.town import Sandbox

PAGE = 200
AT_ONCE = 6
LISTS = ("payments", "invoices", "refunds", "charges", "orders", "subscriptions")
# How what was acknowledged is asked for by its id.
BY_ID = {
    "subscribe": "/api/subscriptions/{id}",
    "change": "/api/subscriptions/{id}",
    "cancel": "/api/subscriptions/{id}",
    "order": "/api/orders/{id}",
    "charge": "/api/charges/{id}",
    "refund": "/api/refunds/{id}",
}


@dataclass
class Books:
    """One sandbox: what our API lists of it, what the provider's journal has, and which acknowledged things are there."""

    name: str
    tenant: str
    journal: dict[str, list[dict[str, Any]]]
    lists: dict[str, list[dict[str, Any]]]
    missing: list[str] = field(default_factory=list)  # acknowledged, and not there when it was asked for


@dataclass
class Evidence:
    schedule: Schedule
    books: list[Books]
    calls: list[Call]
    blows: list[Blow]
    logs: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)  # what no log may say, by what it is
    unrest: list[str] = field(default_factory=list)  # what was still pending when patience ended
    doctor: list[str] = field(default_factory=list)
    sampled: list[str] = field(default_factory=list)  # broken in the midst of the storm
    samples: int = 0
    advances: int = 0


async def books_of(sandbox: Sandbox, calls: list[Call]) -> Books:
    answer = await sandbox.counter.http.get("/sim/journal", params={"account": sandbox.counter.account})
    lists = {name: await listed(sandbox.world.http, f"/api/{name}") for name in LISTS}
    mine = [call for call in calls if call.sandbox == sandbox.name]
    missing = await missing_of(sandbox, mine)
    return Books(sandbox.name, str(sandbox.world.tenant_id), answer.json(), lists, missing)


async def listed(http: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    """Read a list to its end, page by page."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await http.get(path, params={"limit": PAGE, **cursor})
        assert answer.status_code == 200, (path, answer.text)
        said = answer.json()
        found += said["data"]
        after = said.get("page", {}).get("next_cursor")
        if after is None:
            return found
        cursor = {"cursor": after}


async def missing_of(sandbox: Sandbox, calls: list[Call]) -> list[str]:
    """Ask for everything that was acknowledged, by the id that was answered."""
    wanted = {BY_ID[call.does].format(id=call.id): call for call in calls if call.is_ack and call.does in BY_ID}
    slots = asyncio.Semaphore(AT_ONCE)

    async def look(path: str) -> str | None:
        async with slots:
            answer = await sandbox.world.http.get(path)
        return None if answer.status_code == 200 else f"{path} was acknowledged and answers {answer.status_code}"

    found = await asyncio.gather(*(look(path) for path in wanted))
    # A card that is saved twice is one, and which of its ids stays is not said: its customer has one, at least.
    cards = {call.path for call in calls if call.is_ack and call.does == "card"}
    lost = [f"a card was acknowledged, and {path} lists none" for path in cards if not await sandbox.world.get(path)]
    return [each for each in found if each is not None] + lost


def logs_in(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(errors="replace") for path in sorted(folder.glob("*.log"))}
