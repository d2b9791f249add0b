"""The application without a server, as a test may call it."""

from pathlib import Path

import httpx
import pytest

from simulated_provider.app import create_app
from simulated_provider.cards import CARDS
from simulated_provider.faults import ACTS
from simulated_provider.wire import ConnectionDropped


async def test_it_is_called_without_a_socket_and_a_drop_is_an_exception(tmp_path):
    app = create_app(tmp_path)
    headers = {"Authorization": "Bearer sk_sim_acme"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://provider.test", headers=headers) as client:
        body = {"amount": 100, "currency": "EUR", "payment_method": "pm_card_charged_no_answer"}
        intent = (await client.post("/v1/payment_intents", json=body)).json()["id"]
        with pytest.raises(ConnectionDropped):
            await client.post(f"/v1/payment_intents/{intent}/confirm", json={})
        assert (await client.get(f"/v1/payment_intents/{intent}")).json()["status"] == "succeeded"
    app.state.desk.store.close()


async def test_what_is_not_served_and_what_is_too_much_is_refused_as_json(tmp_path):
    app = create_app(tmp_path)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://provider.test") as client:
        client.headers["Authorization"] = "Bearer sk_sim_acme"
        assert (await client.get("/v2")).json()["error"]["code"] == "route_unknown"
        assert (await client.delete("/v1/refunds")).status_code == 405
        answer = await client.post("/v1/payment_intents", content=b" " * 70_000)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    app.state.desk.store.close()


def test_the_manual_names_every_card_and_every_fault():
    manual = (Path(__file__).parents[2] / "docs/design/simulated-provider.md").read_text()
    for card in CARDS:
        assert f"| {card.spaced} | `{card.token}` | {card.title}: {card.says} |" in manual
    assert [mode for mode in ACTS if f"`{mode}`" not in manual] == []
