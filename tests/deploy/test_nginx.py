"""The edge: what nginx lets in, what it says of who asks, what it keeps for itself, and what it never does twice."""

import asyncio
import hashlib
import hmac
import json
import socket
import ssl
import time
import warnings
from pathlib import Path
from typing import Any

import httpx
import pytest
from scripts.write_limits import rules_of, the_application

from guilder.platform.http.settings import HttpSettings
from guilder.platform.http.shield import ALWAYS, UNLESS_SAID
from tests.deploy.conftest import FAILED_LOGINS, WEBHOOK_SECRET, standing_in
from tests.support.nginx import TEMPLATES, Edge, defaults, prepare, running_edge
from tests.support.ports import free_port

pytestmark = pytest.mark.needs_nginx

ID = "0198a6f2-0000-7000-8000-000000000000"


def ask(url: str, path: str, *, method: str = "GET", local: str | None = None, **how) -> httpx.Response:
    transport = httpx.HTTPTransport(local_address=local, verify=how.pop("verify", False))
    with httpx.Client(transport=transport, base_url=url, timeout=60) as client:
        return client.request(method, path, **how)


def lines_about(edge: Edge, request_ids: set[str]) -> list[dict[str, Any]]:
    """Return what the log says of these requests: a line is written after its answer, and others' lines come in between."""
    ends = time.monotonic() + 10
    while True:
        found = [line for line in edge.lines() if line["request_id"] in request_ids]
        if len(found) >= len(request_ids) or time.monotonic() > ends:
            return found
        time.sleep(0.05)


def stripe_signature(body: bytes) -> str:
    at = int(time.time())
    return f"t={at},v1={hmac.digest(WEBHOOK_SECRET.encode(), f'{at}.'.encode() + body, hashlib.sha256).hex()}"


# ---- TLS ------------------------------------------------------------------------------------------------------------


@pytest.mark.shows("ASVS 12.1.1", "ASVS 12.1.2", "PCI 4.2.1")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_that_is_safe_is_spoken(site, version):
    context = site.edge.trust
    context.minimum_version = context.maximum_version = version
    answer = ask(site.edge.tls_url, "/health", verify=context)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.shows("ASVS 12.1.1", "ASVS 12.1.2", "PCI 4.2.1")
@pytest.mark.parametrize(
    ("how", "name"),
    [("tls 1.1", "localhost"), ("a cipher without forward secrecy", "localhost"), ("", "billing.example"), ("", None)],
)
def test_tls_that_is_not_or_for_another_name_is_not_spoken(site, how, name):
    context = ssl.create_default_context(cafile=str(site.edge.folder / "tls" / "ca.crt"))
    context.check_hostname = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        if how == "tls 1.1":
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
            context.set_ciphers("ALL:@SECLEVEL=0")
        elif how:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers("AES128-GCM-SHA256:AES256-SHA")
    port = httpx.URL(site.edge.tls_url).port
    with socket.create_connection(("127.0.0.1", port)) as raw, pytest.raises((ssl.SSLError, ConnectionError)):
        context.wrap_socket(raw, server_hostname=name)


@pytest.mark.shows("ASVS 12.2.1", "ASVS 3.1.1")
def test_plain_http_is_sent_to_our_own_name_whatever_the_caller_calls_us(site):
    answer = ask(site.edge.redirecting_url, "/console?x=1", headers={"Host": "evil.example"})
    assert answer.status_code == 308
    assert answer.headers["location"] == f"{site.edge.tls_url}/console?x=1"


def test_http_spoken_to_the_tls_port_is_a_problem_and_not_a_page(site):
    answer = ask(site.edge.tls_url.replace("https", "http"), "/health")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


# ---- who asks -------------------------------------------------------------------------------------------------------


async def test_what_a_caller_says_about_itself_is_not_handed_on(tmp_path):
    said = {
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Proto": "gopher",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Port": "1",
        "X-Real-IP": "6.6.6.6",
        "Forwarded": "for=6.6.6.6",
        "X-Original-URL": "/admin",
        "X-Rewrite-URL": "/admin",
        "Proxy": "http://evil.example",
        "Authorization": "Bearer of-mine",
        "Idempotency-Key": "once",
        "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01",
    }
    async with standing_in() as api:
        with running_edge(tmp_path, servers=[api.port]) as edge:
            await asyncio.to_thread(
                ask, edge.tls_url, "/api/plans?a=%2F&b", headers=said, verify=edge.trust, local="127.0.0.9"
            )
    found = api.headers()
    assert found["x-forwarded-for"] == found["x-real-ip"] == ["127.0.0.9"]
    assert (found["x-forwarded-proto"], found["x-forwarded-host"]) == (["https"], ["localhost"])
    assert not {"forwarded", "x-original-url", "x-rewrite-url", "proxy"} & set(found)
    assert b"6.6.6.6" not in api.heard[-1]
    assert b"evil" not in api.heard[-1]
    # And what is the API's to judge comes as it was sent.
    assert {name: found[name.lower()] for name in ("Authorization", "Idempotency-Key", "traceparent")} == {
        name: [said[name]] for name in ("Authorization", "Idempotency-Key", "traceparent")
    }
    assert api.heard[-1].startswith(b"GET /api/plans?a=%2F&b HTTP/1.1\r\n")


@pytest.mark.shows("API4", "ASVS 6.3.1")
def test_the_address_that_the_api_counts_by_is_the_clients_and_nobody_gets_another_by_saying_so(site):
    wrong = {"Authorization": "Bearer gk_test_wrong"}
    of_one = [ask(site.edge.url, "/api/plans", local="127.0.0.2", headers=wrong) for _ in range(FAILED_LOGINS + 1)]
    assert [each.status_code for each in of_one] == [401] * FAILED_LOGINS + [429]
    pretending = ask(site.edge.url, "/api/plans", local="127.0.0.2", headers={**wrong, "X-Forwarded-For": "127.0.0.7"})
    of_another = ask(site.edge.url, "/api/plans", local="127.0.0.3", headers=wrong)
    assert (pretending.status_code, of_another.status_code) == (429, 401)


def test_a_request_keeps_its_id_and_gets_one_where_it_has_none(site):
    assert ask(site.edge.url, "/health", headers={"X-Request-Id": "mine-00001"}).headers["x-request-id"] == "mine-00001"
    assert ask(site.edge.url, "/health").headers["x-request-id"].startswith("req_")
    assert '"mine-00001"' in site.edge.log


# ---- bodies ---------------------------------------------------------------------------------------------------------


@pytest.mark.shows("ASVS 4.1.5")
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_webhooks_body_arrives_byte_by_byte_so_that_its_signature_holds(site, is_chunked):
    event = {"id": "evt_1", "object": "event", "type": "plan.created", "data": {"object": {"a": "ü €"}}}
    body = ("  " + json.dumps(event, ensure_ascii=False, indent=3) + "\r\n\t").encode()
    headers = {"Stripe-Signature": stripe_signature(body), "Content-Type": "application/json"}
    content = (body[at : at + 7] for at in range(0, len(body), 7)) if is_chunked else body
    answer = ask(site.edge.url, "/api/webhooks/stripe", method="POST", content=content, headers=headers)
    assert answer.status_code == 200, answer.text
    answer = ask(site.edge.url, "/api/webhooks/stripe", method="POST", content=body + b" ", headers=headers)
    assert answer.status_code in {400, 401}, answer.text


@pytest.mark.shows("API4", "ASVS 15.1.3")
def test_every_route_may_be_sent_as_much_as_it_takes_and_little_more(tmp_path):
    (tmp_path / "written").mkdir()
    written = (prepare(tmp_path / "written", servers=[1]).folder / "site.conf").read_text()
    own = {"/api/usage": 8_000_000, "/api/charges/batch": 2_000_000}
    for path, size in own.items():
        block = written.partition(f"location = {path} {{")[2].partition("}")[0]
        assert f"client_max_body_size {size};" in block
        assert f"client_body_buffer_size {size};" in block, "it would lie on disk"
    rules = {(path, rules.body_max) for _, path, rules in rules_of(the_application())}
    assert len(rules) > 50
    assert {(path, size) for path, size in rules if size > 1_000_000} == set(own.items())


@pytest.mark.parametrize(("path", "size"), [("/api/plans", 1_000_001), ("/api/usage", 8_000_001)])
def test_a_body_that_no_route_takes_is_a_problem_before_it_is_read(site, path, size):
    answer = raw(site.edge.url, f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413"), head
    assert b"\r\nContent-Type: application/problem+json" in head
    assert json.loads(body)["code"] == "body_too_large"
    assert f"\r\nX-Request-Id: {json.loads(body)['request_id']}\r\n".encode() in head


def test_a_large_batch_of_use_reaches_the_api_and_never_the_disk(site):
    body = b'{"events": [' + b" " * 6_000_000 + b"]}"
    headers = {"Authorization": f"Bearer {site.key}", "Content-Type": "application/json"}
    answer = ask(site.edge.url, "/api/usage", method="POST", content=body, headers=headers)
    assert answer.status_code == 422, answer.text
    assert [each for each in (site.edge.folder / "client_body").rglob("*") if each.is_file()] == []


# ---- what is closed, what is said -----------------------------------------------------------------------------------


@pytest.mark.shows("ASVS 13.4.5", "ASVS 16.4.2")
@pytest.mark.parametrize(
    "path", ["/metrics", "/ready", "/metrics/", "//metrics", "/%6Detrics", "/x/../metrics", "/ready/x"]
)
def test_what_the_inside_asks_of_a_process_is_closed_to_the_outside(site, path):
    answer = raw(site.edge.url, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 404"), answer[:100]
    assert ask(site.api.base_url, "/metrics").status_code == 200, "it is there for Prometheus"


def raw(url: str, request: str) -> bytes:
    with socket.create_connection(("127.0.0.1", httpx.URL(url).port), timeout=30) as connection:
        connection.sendall(request.encode())
        answer = b""
        # Only what is announced: nginx waits a while for a body that it refused, before it closes.
        while b"\r\n\r\n" not in answer or len(answer) < answer.index(b"\r\n\r\n") + 4 + length_of(answer):
            answer += connection.recv(65536) or pytest.fail(f"closed after {answer!r}")
        return answer


def length_of(answer: bytes) -> int:
    return int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])


@pytest.mark.shows("ASVS 3.4.1", "ASVS 3.4.4", "ASVS 13.4.6")
@pytest.mark.parametrize("path", ["/health", "/api/plans", "/sign-in", "/metrics"])
def test_security_headers_are_there_once_whoever_answers(site, path):
    answer = ask(site.edge.url, path)
    for name in [*ALWAYS, *UNLESS_SAID, "X-Request-Id", "Content-Type"]:
        assert len(answer.headers.get_list(name)) == 1, (name, answer.headers.get_list(name))
    assert {name: answer.headers[name] for name in ALWAYS} == ALWAYS
    assert answer.headers.get("server", "nginx") == "nginx", "without a version"


@pytest.mark.shows("ASVS 14.2.1", "ASVS 16.2.5", "PCI 10.2.1")
def test_the_log_is_json_and_no_secret_of_an_address_is_in_it(site):
    paths = {path for _, path, _ in rules_of(the_application())}
    secret = "s3cr3t" + ID.replace("-", "")
    asked = sorted({path.replace("{", "\0").partition("\0")[0] + secret for path in paths if "{" in path})
    assert len(asked) > 20
    query, headers = f"token={secret}&email={secret}", {"Referer": f"http://x/{secret}"}
    answers = [ask(site.edge.url, f"{path}/{secret}?{query}", headers=headers) for path in asked]
    said = lines_about(site.edge, {answer.headers["x-request-id"] for answer in answers})
    assert len(said) == len(asked)
    assert secret not in site.edge.log
    assert secret not in (site.edge.folder / "nginx.out").read_text()
    assert {"/checkout", "/files", "/unsubscribe", "/api/webhooks", "/api/invoices"} <= {each["area"] for each in said}
    assert {each["method"] for each in said} == {"GET"}
    for each in said:
        assert each["request_id"].startswith("req_")
        assert each["server"], each


def test_the_tunnel_shows_webhooks_and_nothing_else(site):
    assert ask(site.edge.tunnel_url, "/api/webhooks/stripe", method="POST", content=b"{}").status_code in {400, 401}
    for path in ("/", "/console", "/health", "/api/plans", "/api/webhooks/../plans", "/mailbox"):
        assert ask(site.edge.tunnel_url, path).json()["code"] == "not_found", path


# ---- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.shows("API4", "ASVS 15.1.3")
async def test_an_address_that_asks_too_often_is_told_so_and_webhooks_are_taken_on(tmp_path):
    async with standing_in() as api:
        with running_edge(tmp_path, servers=[api.port], RATE="1r/m", BURST="2") as edge:
            answers = [await asyncio.to_thread(ask, edge.url, "/api/plans") for _ in range(4)]
            other = await asyncio.to_thread(ask, edge.url, "/api/plans", local="127.0.0.4")
            hooks = [await asyncio.to_thread(ask, edge.url, "/api/webhooks/x", method="POST") for _ in range(10)]
    assert [each.status_code for each in answers] == [204, 204, 204, 429]
    assert (answers[-1].headers["content-type"], answers[-1].headers["retry-after"]) == (
        "application/problem+json",
        "1",
    )
    assert answers[-1].json()["code"] == "rate_limited"
    assert other.status_code == 204
    assert {each.status_code for each in hooks} == {204}


@pytest.mark.shows("API4", "ASVS 6.3.1")
@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        ("203.0.113.7", "::ffff:203.0.113.7", "203.0.113.8"),
        ("2001:db8:1:2::5", "2001:db8:1:2:ffff:1:2:3", "2001:db8:1:3::5"),
        ("2001:db8:1::5", "2001:db8:1:0:9::1", "2001:db8:2::5"),
        ("2001:db8::5", "2001:db8::ffff:1:2:3", "2001:db9::5"),
        ("2001:db8::5", "2001:db8:0:0:1::", "2001:db8:0:1::"),
        ("::1", "::2", "1::1"),
    ],
)
async def test_a_caller_of_ipv6_is_its_network_of_64_bits_however_many_addresses_it_uses(tmp_path, one, same, other):
    front = "set_real_ip_from 127.0.0.0/8; real_ip_header X-Forwarded-For;"

    async def asked_by(address):
        headers = {"X-Forwarded-For": address}
        return (await asyncio.to_thread(ask, edge.url, "/api/plans", headers=headers)).status_code

    async with standing_in() as api:
        with running_edge(tmp_path, servers=[api.port], RATE="1r/m", BURST="1", IN_FRONT=front) as edge:
            found = [await asked_by(address) for address in (one, same, one, other)]
    assert found == [204, 204, 429, 204]


def test_nginx_is_more_patient_than_the_api_so_that_the_apis_own_answer_is_seen():
    ours = HttpSettings(public_url="http://x")
    passing = (TEMPLATES / "pass.conf.template").read_text()
    said = dict(line.rstrip(";").split(" ", 1) for line in passing.splitlines() if line.endswith("s;"))
    assert float(said["proxy_read_timeout"].rstrip("s")) > ours.request_timeout_s
    assert float(said["proxy_send_timeout"].rstrip("s")) > ours.body_timeout_s


# ---- another process ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "is_repeated"), [("GET", True), ("POST", False), ("PATCH", False)])
async def test_only_what_may_be_done_twice_is_asked_again_elsewhere(tmp_path, method, is_repeated):
    """The first to be asked takes the request and falls without an answer."""
    heard: list[bytes] = []

    def falls_at_first(request: bytes) -> bytes:
        heard.append(request)
        return b"" if len(heard) == 1 else b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"

    async with standing_in(answer=falls_at_first) as one, standing_in(answer=falls_at_first) as other:
        with running_edge(tmp_path, servers=[one.port, other.port]) as edge:
            answer = await asyncio.to_thread(ask, edge.url, "/api/x", method=method, content=b"x")
    assert (answer.status_code, len(heard)) == ((204, 2) if is_repeated else (502, 1))
    if not is_repeated:
        assert (answer.json()["code"], answer.headers["retry-after"]) == ("unavailable", "2")


async def test_a_process_that_is_away_costs_nobody_an_answer_not_even_a_post(tmp_path):
    async with standing_in() as api:
        with running_edge(tmp_path, servers=[free_port(), api.port, free_port()]) as edge:
            answers = [await asyncio.to_thread(ask, edge.url, "/pay", method="POST", content=b"x") for _ in range(6)]
    assert {each.status_code for each in answers} == {204}
    assert len(api.heard) == 6


# ---- the files ------------------------------------------------------------------------------------------------------


def test_every_variable_of_the_templates_has_a_default_and_a_line_in_the_page():
    page = (Path(__file__).parents[2] / "docs" / "operations" / "nginx.md").read_text()
    assert [name for name in defaults() if f"`{name}`" not in page] == []
    text = "".join(each.read_text() for each in TEMPLATES.glob("*.template"))
    assert [name for name in defaults() if f"${{{name}}}" not in text] == []
