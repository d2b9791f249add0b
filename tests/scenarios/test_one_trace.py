"""One trace from the request that asks for money to the provider, and back with its webhook; told to a real collector."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from guilder.entrypoints import answering, serving
from guilder.entrypoints.house import open_house
from guilder.entrypoints.provider import running_provider
from guilder.platform import tracing
from guilder.platform.cards import looks_like_card
from tests.support.collector import Collector, Told, collecting
from tests.support.database import DatabaseUrls, connected, new_database
from tests.support.processes import Installation, until
from tests.support.siege import settings_of
from tests.support.world import World, a_world

TRACE = "0af7651916cd43dd8448eb211c80319c"
ASKED = f"00-{TRACE}-b7ad6b7169203331-01"


@dataclass
class Journey:
    world: World
    collector: Collector

    async def told(self) -> list[Told]:
        await asyncio.to_thread(tracing._tracing.provider.force_flush)
        return self.collector.spans

    async def spans(self, *names: str) -> dict[str, Told]:
        """Return the trace once these spans of it were told."""

        async def told() -> dict[str, Told] | None:
            await self.told()
            found = self.collector.of(TRACE)
            return found if set(names) <= set(found) else None

        found: dict[str, Told] = await until(told, timeout_s=60, what=f"the spans {names}")
        return found


@pytest.fixture
async def journey(cluster: DatabaseUrls, worker_id: str, tmp_path: Path) -> AsyncIterator[Journey]:
    """API, worker and scheduler in this process, which tells of itself; the provider in its own, which does not."""
    stop = asyncio.Event()
    async with new_database(cluster, f"guilder_{worker_id}_traced") as urls:
        installation = Installation(urls, tmp_path)
        settings = settings_of(installation)
        with collecting() as collector:
            tracing.configure(collector.endpoint)
            async with running_provider(settings), open_house(settings) as house:
                worker = house.worker()
                await worker.consumer.register()
                api = serving.serve(answering.api(house), settings, stop)
                roles = [asyncio.create_task(each) for each in (api, worker.run(stop), house.scheduler().run(stop))]
                try:
                    await _until_it_answers(installation)
                    async with a_world(installation) as world:
                        yield Journey(world, collector)
                finally:
                    stop.set()
                    await asyncio.gather(*roles)
                    tracing.shut_down()


async def test_one_trace_leads_from_a_request_to_the_provider_and_back_with_its_webhook(journey):
    await journey.world.plan()
    await journey.world.customer()
    card = await journey.world.card("acme", "pm_card_ok")
    order = {"organization_id": "acme", "plan_id": "pro", "billing_cycle": "monthly", "payment_method_id": card["id"]}
    await journey.world.post("/api/subscriptions", order, traceparent=ASKED)

    asked = "POST /api/subscriptions"
    spans = await journey.spans(
        asked, "hear payments", "hear gateways", "call gateway.charge", "http POST", "hear invoicing"
    )
    assert spans[asked].parent_id == ASKED[36:52], "the caller's own span is its parent"
    assert spans["call gateway.charge"].attributes["outcome"] == "ok"

    async def webhook_that_links() -> list[Told]:
        return [each for each in await journey.told() if "/api/webhooks/" in each.name and TRACE in each.links]

    # The provider hands no trace on: its webhook begins one of its own, which says to which it belongs.
    assert await until(webhook_that_links, what="the webhook's span", timeout_s=60)
    await _is_carried_by_the_log_and_the_calls(journey.world)

    async def hangs_together() -> bool:
        in_trace = {each.span_id: each for each in await journey.told() if each.trace_id == TRACE}
        return {each.name for each in in_trace.values() if each.parent_id not in in_trace} == {asked}

    await until(hangs_together, what="a parent for every span but the first", timeout_s=60)
    told = [text for each in journey.collector.spans for text in (each.name, *each.attributes.values())]
    assert not [text for text in told if looks_like_card(text) or "acme" in text.lower() or "@" in text]


async def _is_carried_by_the_log_and_the_calls(world: World) -> None:
    """What follows from the webhook, too, goes on in the trace of the request that it answers in the end."""
    followed = {"payments.payment.requested", "gateways.request.made", "gateways.notice.received"}
    followed |= {"payments.payment.succeeded", "invoicing.invoice.paid", "subscriptions.subscription.activated"}
    async with connected(world.installation.urls.admin) as admin:

        async def carried() -> bool:
            rows = await admin.fetch("select name from platform.log where traceparent like $1", f"%{TRACE}%")
            return followed <= {row[0] for row in rows}

        await until(carried, what="the journey in the log", timeout_s=60)
        calls = await admin.fetch("select kind from platform.intents where traceparent like $1", f"%{TRACE}%")
    assert "gateway.charge" in {row[0] for row in calls}


async def _until_it_answers(installation: Installation) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:

        async def answers() -> bool:
            try:
                return (await client.get(f"{installation.base_url}/health")).is_success
            except httpx.HTTPError:
                return False

        await until(answers, what="the API", timeout_s=60)
