"""What goes out: one shape for every no, the same headers on everything, limits that say so, a document that is true."""

import asyncio
import io
import json
import re
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest

from guilder.kernel.errors import Refusal, Unavailable
from guilder.platform import logging
from guilder.platform.clock import HandClock
from guilder.platform.http import errors, openapi
from guilder.platform.http.settings import Allowance
from tests.support.database import DatabaseUrls, new_database
from tests.support.edge import ORIGIN, Toy, a_key, serve_toy

NOW = datetime(2026, 2, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
async def urls(cluster: DatabaseUrls, worker_id: str) -> AsyncIterator[DatabaseUrls]:
    async with new_database(cluster, f"edge_answers_{worker_id}") as urls:
        yield urls


@pytest.fixture(scope="module")
async def toy(urls: DatabaseUrls) -> AsyncIterator[Toy]:
    async with serve_toy(urls, metrics=lambda: b"toys_total 1\n") as toy:
        yield toy


EVERYWHERE = {
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


@pytest.mark.shows(
    "HDR Strict-Transport-Security",
    "HDR Content-Security-Policy",
    "HDR X-Content-Type-Options",
    "HDR Referrer-Policy",
    "HDR Cross-Origin-Opener-Policy",
    "HDR Cross-Origin-Resource-Policy",
    "HDR Cache-Control",
    "HDR Server",
    "ASVS 3.4.1",
    "ASVS 3.4.3",
    "ASVS 3.4.4",
    "ASVS 3.4.5",
    "ASVS 3.4.6",
    "ASVS 3.4.8",
    "ASVS 3.5.8",
    "ASVS 14.3.2",
    "fault G7",
    "API8",
)
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/toys", 200),
        ("GET", "/api/nothing", 404),
        ("GET", "/nothing", 404),
        ("GET", "/api/toys/", 404),
        ("GET", "//evil.example/api/toys", 404),
        ("PATCH", "/api/toys", 405),
        ("TRACE", "/api/toys", 405),
        ("PROPFIND", "/api/toys", 405),
        ("OPTIONS", "/api/toys", 405),
        ("HEAD", "/api/toys", 405),
        ("GET", "/api/toys/none", 404),
        ("GET", "/api/crash", 500),
        ("POST", "/api/toys", 422),
        ("GET", "/health", 200),
        ("GET", "/ready", 200),
        ("GET", "/metrics", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/docs", 200),
        ("GET", "/", 307),
        ("GET", "/api/page/t", 200),
    ],
)
async def test_every_answer_is_guarded(toy: Toy, method: str, path: str, status: int):
    answer = await toy.client.request(method, f"http://127.0.0.1:{toy.port}{path}", headers=a_key())
    assert answer.status_code == status
    expected = EVERYWHERE | ({"cache-control": "public, max-age=300"} if path == "/openapi.json" else {})
    assert {name: answer.headers.get(name) for name in EVERYWHERE} == expected
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert answer.headers["x-request-id"]
    assert "server" not in answer.headers
    if status >= 400 and method != "HEAD":
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem.keys() >= {"type", "title", "status", "detail", "code", "request_id"}
        assert (problem["status"], problem["request_id"]) == (status, answer.headers["x-request-id"])


@pytest.mark.shows("ASVS 4.1.4", "ASVS 13.4.4", "API8")
async def test_a_wrong_verb_is_told_the_right_ones(toy: Toy):
    answer = await toy.client.patch("/api/toys", headers=a_key())
    assert answer.json()["code"] == "method_not_allowed"
    assert set(answer.headers["allow"].split(", ")) <= {"GET", "POST", "PUT"}


@pytest.mark.shows("ASVS 16.5.1", "ASVS 16.3.4", "ASVS 16.5.4", "ASVS 13.4.2", "fault J6", "API8")
async def test_a_fault_of_ours_says_nothing_but_its_id(toy: Toy, capfd: pytest.CaptureFixture[str]):
    answer = await toy.client.get("/api/crash", headers={**a_key(), "X-Request-Id": "find-me-again"})
    assert "sk_live" not in answer.text
    assert "RuntimeError" not in answer.text
    assert answer.json()["request_id"] == "find-me-again"
    assert "find-me-again" in "".join(capfd.readouterr())


@pytest.mark.shows("ASVS 16.2.1", "ASVS 16.2.5", "ASVS 14.2.1")
async def test_the_log_holds_the_template_and_never_the_address(toy: Toy):
    written = io.StringIO()
    logging.configure(level="INFO", stream=written)
    try:
        await toy.client.get("/api/page/secret-token?who=someone", headers=a_key())
    finally:
        logging.configure(level="WARNING", stream=sys.__stderr__)
    said = written.getvalue()
    assert "/api/page/{token}" in said
    assert "secret-token" not in said
    assert "someone" not in said


@pytest.mark.shows("ASVS 16.4.1")
@pytest.mark.parametrize("given", ["short", "x" * 65, "with space here", "forged\\nline", "<script>alert"])
async def test_a_request_id_that_is_not_sane_is_replaced(toy: Toy, given: str):
    answer = await toy.client.get("/health", headers={"X-Request-Id": given})
    assert answer.headers["x-request-id"].startswith("req_")


async def test_several_faults_are_told_at_once(toy: Toy):
    body = {"name": 1, "lines": [{"amount": 1}, {"amount": "2"}], "extra": True}
    problem = (await toy.client.post("/api/toys", json=body, headers=a_key())).json()
    assert {fault["field"]: fault["code"] for fault in problem["errors"]} == {
        "name": "string_type", "lines[1].amount": "int_type", "extra": "unknown_field",
    }  # fmt: skip


def test_every_kind_of_refusal_has_its_status():
    assert {kind.__name__: errors.status_of(kind()) for kind in Refusal.__subclasses__()} == {
        "Malformed": 400, "Unauthenticated": 401, "Forbidden": 403, "NotFound": 404, "Conflict": 409, "TooLarge": 413,
        "Invalid": 422, "TooMany": 429, "Unavailable": 503,
    }  # fmt: skip


def test_when_to_come_back_is_said_in_the_header():
    answer = errors.from_refusal(Unavailable("later", retry_after_s=7), "req_x")
    assert answer.headers["retry-after"] == "7"


# Browsers.


@pytest.mark.shows("ASVS 3.4.2")
async def test_a_listed_origin_may_call(toy: Toy):
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    preflight = await toy.client.options("/api/toys", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert "Idempotency-Key" in preflight.headers["access-control-allow-headers"]
    answer = await toy.client.get("/api/toys", headers={**a_key(), "Origin": ORIGIN})
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    refused = await toy.client.get("/api/toys", headers={"Origin": ORIGIN})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, ORIGIN)


@pytest.mark.shows("ASVS 3.4.2", "fault G7")
@pytest.mark.parametrize("origin", ["https://evil.example", "null", ORIGIN + ".evil.example", ORIGIN.upper(), "*"])
async def test_no_other_origin_is_reflected(toy: Toy, origin: str):
    preflight = await toy.client.options(
        "/api/toys", headers={"Origin": origin, "Access-Control-Request-Method": "POST"}
    )
    answer = await toy.client.get("/api/toys", headers={**a_key(), "Origin": origin})
    for each in (preflight, answer):
        assert not [name for name in each.headers if name.startswith("access-control")]
        assert "Origin" in each.headers["vary"]
    assert preflight.status_code == 405


@pytest.mark.shows("ASVS 3.5.2", "fault G7")
async def test_a_page_elsewhere_cannot_post_without_being_asked(toy: Toy):
    headers = {**a_key(), "Origin": "https://evil.example", "Content-Type": "text/plain"}
    answer = await toy.client.post("/api/toys", content=b'{"name":"csrf"}', headers=headers)
    assert (answer.status_code, await toy.count("csrf")) == (415, 0)


@pytest.mark.shows("ASVS 3.4.3", "HDR Content-Security-Policy")
async def test_a_page_has_a_policy_of_its_own(toy: Toy):
    policy = (await toy.client.get("/api/page/t")).headers["content-security-policy"]
    assert "script-src 'nonce-n0nce';" in policy
    assert "frame-src https://js.example.com;" in policy
    assert "object-src 'none'" in policy


# How often.


@pytest.mark.shows("ASVS 2.4.1", "API4")
async def test_a_caller_is_told_when_it_asks_too_often(urls: DatabaseUrls):
    clock = HandClock(NOW)
    async with serve_toy(urls, clock=clock, per_principal=Allowance(60, burst=3)) as toy:
        answers = [await toy.client.get("/api/toys", headers=a_key()) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0"]
        assert answers[3].headers["retry-after"] == "1"
        assert answers[3].json()["code"] == "rate_limited"
        assert (await toy.client.get("/api/toys", headers=a_key("second"))).status_code == 200
        clock.move_by(timedelta(seconds=1))
        assert (await toy.client.get("/api/toys", headers=a_key())).status_code == 200


@pytest.mark.shows("ASVS 6.3.1", "fault G6", "API2")
async def test_whoever_guesses_is_slowed_down_and_nobody_else(urls: DatabaseUrls):
    async with serve_toy(urls, clock=HandClock(NOW), per_failed_login=Allowance(60, burst=2)) as toy:
        assert (await toy.client.get("/api/toys", headers=a_key())).status_code == 200
        statuses = [(await toy.client.get("/api/toys", headers=a_key("guess"))).status_code for _ in range(3)]
        assert statuses == [401, 401, 429]
        public = await toy.client.get("/api/page/t")
        assert public.status_code == 200


async def test_health_is_never_too_often(urls: DatabaseUrls):
    async with serve_toy(urls, clock=HandClock(NOW), per_address=Allowance(60, burst=2)) as toy:
        assert [(await toy.client.get("/health")).status_code for _ in range(5)] == [200] * 5
        assert [(await toy.client.get("/api/page/t")).status_code for _ in range(3)] == [200, 200, 429]
        assert (await toy.client.get("/health")).status_code == 200


@pytest.mark.shows("ASVS 4.1.3", "API8")
@pytest.mark.parametrize(
    ("trusted", "forwarded", "seen"),
    [
        ((), "1.2.3.4", "127.0.0.1"),
        (("127.0.0.0/8",), "1.2.3.4", "1.2.3.4"),
        (("127.0.0.0/8",), "9.9.9.9, 1.2.3.4", "1.2.3.4"),
        (("127.0.0.0/8", "10.0.0.0/8"), "9.9.9.9, 1.2.3.4, 10.0.0.7", "1.2.3.4"),
        (("10.0.0.0/8",), "1.2.3.4", "127.0.0.1"),
        (("127.0.0.0/8",), "not an address", "127.0.0.1"),
    ],
)
async def test_only_a_trusted_proxy_is_believed(
    urls: DatabaseUrls, trusted: tuple[str, ...], forwarded: str, seen: str
):
    networks = tuple(ip_network(each) for each in trusted)
    async with serve_toy(urls, trusted_proxies=networks) as toy:
        answer = await toy.client.post("/api/hooks", headers={"X-Forwarded-For": forwarded})
    assert answer.json() == {"ip": seen}


# How it is.


async def test_ready_says_what_is_missing(urls: DatabaseUrls):
    async def lag() -> str | None:
        return "the log is 900 s behind"

    async def hangs() -> str | None:
        await asyncio.sleep(60)
        return None

    async def breaks() -> str | None:
        raise RuntimeError("postgres://user:password@host")

    checks = {"log": lag, "kafka": hangs, "migrations": breaks}
    async with serve_toy(urls, ready_checks=checks, check_timeout_s=0.1) as toy:
        answer = await toy.client.get("/ready")
        assert answer.status_code == 503
        assert {fault["field"]: fault["detail"] for fault in answer.json()["errors"]} == {
            "log": "the log is 900 s behind",
            "kafka": "does not answer",
            "migrations": "cannot be reached (RuntimeError)",
        }
        assert (await toy.client.get("/health")).status_code == 200


async def test_a_process_that_shuts_down_finishes_what_it_began(urls: DatabaseUrls):
    async with serve_toy(urls) as toy:
        toy.doings.hold, toy.doings.entered = asyncio.Event(), asyncio.Event()
        under_way = asyncio.create_task(toy.client.post("/api/toys", json={"name": "draining"}, headers=a_key()))
        await toy.doings.entered.wait()
        toy.app.state.draining.begin()
        assert (await toy.client.get("/ready")).status_code == 503
        assert not await toy.app.state.draining.wait_idle(0.05)
        toy.doings.hold.set()
        assert (await under_way).status_code == 201
        assert await toy.app.state.draining.wait_idle(60)


async def test_whoever_prefers_to_wait_longer_than_a_process_lives_is_told_what_there_is(urls: DatabaseUrls):
    async with serve_toy(urls) as toy:
        toy.doings.looks = 0
        headers = {**a_key(), "Prefer": "wait=30"}
        waiting = asyncio.create_task(toy.client.post("/api/toys/slow", json={"name": "in vain"}, headers=headers))
        while not toy.doings.looks:
            await asyncio.sleep(0.01)
        toy.app.state.draining.begin()
        async with asyncio.timeout(20):
            assert (await waiting).status_code == 202


@pytest.mark.shows("ASVS 13.4.5", "ASVS 13.4.2", "API8")
async def test_production_keeps_its_docs_and_figures_to_itself(urls: DatabaseUrls):
    async with serve_toy(urls, metrics=lambda: b"x 1\n", is_production=True, metrics_token="m3trics") as toy:
        assert (await toy.client.get("/docs")).status_code == 404
        assert (await toy.client.get("/")).status_code == 404
        assert (await toy.client.get("/metrics")).status_code == 404
        assert (await toy.client.get("/metrics", headers={"Authorization": "Bearer wrong"})).status_code == 404
        assert (await toy.client.get("/metrics", headers={"Authorization": "Bearer m3trics"})).text == "x 1\n"
    async with serve_toy(urls, metrics=lambda: b"x 1\n", is_production=True) as toy:
        assert (await toy.client.get("/metrics", headers={"Authorization": "Bearer None"})).status_code == 404


# The document.


@pytest.mark.shows("API9", "ASVS 13.4.3")
async def test_what_is_served_is_what_is_documented(toy: Toy):
    assert openapi.served(toy.app) - openapi.undocumented(toy.app) == openapi.documented(toy.app)
    assert openapi.undocumented(toy.app) == {
        ("GET", "/"),
        ("GET", "/docs"),
        ("GET", "/favicon.ico"),
        ("GET", "/openapi.json"),
    }


async def test_the_document_says_what_the_edge_does(toy: Toy):
    document = (await toy.client.get("/openapi.json")).json()
    make = document["paths"]["/api/toys"]["post"]
    assert document["openapi"].startswith("3.1")
    slow = document["paths"]["/api/toys/slow"]["post"]
    for operation, is_awaited in ((make, False), (slow, True)):
        names = {each["name"] for each in operation["parameters"]}
        assert names >= {"Idempotency-Key", "Guilder-Version"}
        assert ("Prefer" in names) is is_awaited
    assert make["x-guilder-permission"] == {
        "scope": "toys:write", "tenant": "billing", "customer": "billing", "steps_up": False, "is_audited": False,
    }  # fmt: skip
    assert make["responses"]["422"]["content"].keys() == {"application/problem+json"}
    assert document["paths"]["/health"]["get"]["security"] == []
    assert set(document["components"]["securitySchemes"]) == {"api_key", "user_token"}
    assert "HTTPValidationError" not in json.dumps(document)


async def test_the_document_is_readable_without_a_script(toy: Toy):
    page = await toy.client.get("/docs")
    assert "/api/toys/{toy_id}" in page.text
    assert "<script" not in page.text
    # What is sent is a link to a model that is on the page, with its fields.
    assert 'body: <a href="#schema-ToyIn"><code>ToyIn</code></a>' in page.text
    assert '<div id="schema-ToyIn">' in page.text
    assert "<td><code>currency</code></td><td>text" in page.text
    linked = set(re.findall(r'href="#([^"]+)"', page.text))
    assert linked <= set(re.findall(r'id="([^"]+)"', page.text)), "a link leads nowhere"
    assert "<code>page.next_cursor</code> of the page before" in page.text
    assert "`" not in page.text


@pytest.mark.shows("fault J6")
async def test_figures_are_by_template(urls: DatabaseUrls):
    seen: list[tuple[str, str, int]] = []

    def observe(*, method: str, route: str, status: int, seconds: float) -> None:
        seen.append((method, route, status))

    async with serve_toy(urls, observe=observe) as toy:
        await toy.client.get("/api/toys/x", headers=a_key())
        await toy.client.request("PROPFIND", "/nowhere")
    assert seen == [("GET", "/api/toys/{toy_id}", 404), ("OTHER", "(none)", 404)]


async def test_what_is_the_same_for_everybody_may_be_kept_and_is_not_sent_twice(toy: Toy):
    first = await toy.client.get("/openapi.json")
    assert first.headers["cache-control"] == "public, max-age=300"
    again = await toy.client.get("/openapi.json", headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert (await toy.client.get("/openapi.json", headers={"If-None-Match": '"other"'})).status_code == 200


@pytest.mark.parametrize("path", ["/api/toys/none", "/api/page/t", "/api/nothing", "/health", "/metrics", "/docs"])
@pytest.mark.shows("ASVS 14.3.2")
async def test_nothing_else_may_be_kept(toy: Toy, path: str):
    assert (await toy.client.get(path, headers=a_key())).headers["cache-control"] == "no-store"
