"""Filling the demo: what is there is left, what is missing is made, and the sandbox's clock is moved up to today."""

from datetime import datetime, timedelta
from typing import Any

import httpx
from rich.console import Console

from guilder.domain.identity.model import Tenant
from guilder.entrypoints import answering
from guilder.entrypoints.demo import company
from guilder.entrypoints.demo.client import Api, DemoStuck, api_client
from guilder.entrypoints.demo.founding import beginning, default_tenant, demo_sandbox, forget_key, read_key
from guilder.entrypoints.demo.story import STORY
from guilder.entrypoints.house import House
from guilder.kernel.errors import Refusal


async def seed(house: House, console: Console) -> None:
    """Make the demo data that is not there yet. What goes wrong is told, and stops nothing: it is only a demo."""
    try:
        tenant = await default_tenant(house)
        if not tenant.is_demo:
            console.print("  [dim]The default tenant is not a demo's; no demo data is made.[/dim]")
            return
        await _tell(house, console, await demo_sandbox(house, tenant))
    except (DemoStuck, Refusal, httpx.HTTPError) as error:
        console.print(f"  [yellow]The demo data is not complete: {error}. `guilder seed` continues.[/yellow]")


async def _tell(house: House, console: Console, sandbox: Tenant) -> None:
    key = read_key(house.settings)
    assert key is not None, "the sandbox was returned with its key kept"
    async with api_client(answering.api(house), house.settings.base_url, key) as client:
        if (await client.get("/api/tenant")).status_code == httpx.codes.UNAUTHORIZED:
            # Revoked, or of another database: the next start makes a new one.
            forget_key(house.settings)
            raise DemoStuck("the API key that was kept is not valid any more, and was thrown away")
        start = beginning(sandbox.created_at)
        api = Api(client, start)
        # Whoever was interrupted may have left it on its way.
        if _instant(await api.standing_clock()) == start:
            await _open_shop(api, console)
        await _live(api, console, start)


async def _open_shop(api: Api, console: Console) -> None:
    _say(console, "The demo company opens its shop")
    await api.put("/api/tenant/issuer", company.ISSUER)
    await api.put("/api/tax-rates/default", company.TAX)
    for meter in company.METERS:
        await api.ensure("/api/meters", meter["code"], meter)
    for plan in company.PLANS:
        await api.ensure("/api/plans", plan["code"], plan)
    for product in company.PRODUCTS:
        await api.ensure("/api/products", product["code"], product)
    for promo in company.PROMO_CODES:
        await api.ensure("/api/promo-codes", promo["code"], promo)
    for customer in company.CUSTOMERS:
        await api.ensure("/api/customers", customer["organization_id"], customer)


async def _live(api: Api, console: Console, start: datetime) -> None:
    """Tell the story from where it was left: a chapter is over when the clock has moved on from its day."""
    for chapter in STORY:
        at = start + timedelta(days=chapter.day)
        if _instant(await api.standing_clock()) > at:
            continue
        _say(console, f"{at:%d %b %Y}: {chapter.says}")
        await api.advance(at.isoformat())
        for deed in chapter.deeds:
            await deed(api)


def _instant(clock: Any) -> datetime:
    return datetime.fromisoformat(clock["now"])


def _say(console: Console, what: str) -> None:
    console.print(f"  [dim]{what}[/dim]")
