"""A request that is still under way when the process has to end is told so, in the one shape; and may be asked again."""

import asyncio
import json

from tests.support.database import DatabaseUrls, new_database
from tests.support.edge import a_key, serve_toy


async def test_what_is_cut_off_at_the_end_is_told_to_ask_again_with_its_key(cluster: DatabaseUrls, worker_id: str):
    async with new_database(cluster, f"edge_cut_off_{worker_id}") as urls, serve_toy(urls) as toy:
        headers, said = a_key(), []
        request = toy.client.build_request("POST", "/api/toys", json={"name": "cut off"}, headers=headers)
        body = [{"type": "http.request", "body": request.content, "more_body": False}]

        async def receive():
            return body.pop() if body else await asyncio.Event().wait()

        async def send(message):
            said.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/api/toys",
            "raw_path": b"/api/toys",
            "query_string": b"",
            "root_path": "",
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "state": {},
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
        }
        toy.doings.hold, toy.doings.entered = asyncio.Event(), asyncio.Event()
        under_way = asyncio.create_task(toy.app(scope, receive, send))
        await toy.doings.entered.wait()
        toy.app.state.draining.begin()
        under_way.cancel()
        await under_way
        start, *rest = said
        answer = json.loads(b"".join(each.get("body", b"") for each in rest))
        assert (start["status"], answer["code"]) == (503, "shutting_down")
        told = {name.decode(): value.decode() for name, value in start["headers"]}
        assert (told["retry-after"], told["x-content-type-options"]) == ("1", "nosniff")
        toy.doings.hold.set()
        assert (await toy.client.post("/api/toys", json={"name": "cut off"}, headers=headers)).status_code == 201
