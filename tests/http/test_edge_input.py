"""What comes in is strict: read as bytes on the wire, refused with the path of the field, and never a 500."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest

from tests.support.database import DatabaseUrls, new_database
from tests.support.edge import Toy, a_key, serve_toy

CARD = "4242 4242 4242 4242"


@pytest.fixture(scope="module")
async def toy(cluster: DatabaseUrls, worker_id: str) -> AsyncIterator[Toy]:
    async with (
        new_database(cluster, f"edge_input_{worker_id}") as urls,
        serve_toy(urls, body_timeout_s=0.5) as toy,
    ):
        yield toy


@pytest.mark.shows("fault F4", "ASVS 1.4.2", "ASVS 2.2.1", "ASVS 15.3.5")
@pytest.mark.parametrize(
    "amount",
    [
        b"NaN", b"Infinity", b"-Infinity", b"1e400", b"9223372036854775808", b"-9223372036854775808", b"true",
        b'"1_000"', b'"1"', b"0.1", b"1.0", b"-0.0", b"1e3", b"9" * 4301, b"null", b"[1]", b'{"minor":1}',
        b"9" * 900_000, b"1e999999999",
    ],
)  # fmt: skip
async def test_an_amount_that_is_none_is_refused_by_path(toy: Toy, amount: bytes):
    answer = await toy.post_bytes(b'{"name":"bad","lines":[{"amount":1},{"amount":' + amount + b"}]}")
    problem = answer.json()
    assert answer.status_code == 422, answer.text
    assert problem["field"] == "lines[1].amount"
    assert await toy.count("bad") == 0


@pytest.mark.shows("fault F4", "ASVS 1.4.2")
@pytest.mark.parametrize("amount", [b"0", b"-0", b"-1", b"2147483648", b"9223372036854775807", b"-9223372036854775807"])
async def test_an_amount_of_64_bits_is_kept_exactly(toy: Toy, amount: bytes):
    answer = await toy.post_bytes(b'{"name":"good ' + amount + b'","amount":' + amount + b"}")
    assert answer.json()["data"]["amount"] == int(amount)


@pytest.mark.shows("ASVS 1.1.1", "ASVS 1.5.3", "ASVS 2.2.1", "fault F6")
@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        (b"{", 400, "malformed_json", None),
        (b"", 422, "required", None),
        (b"{'name': 'x'}", 400, "malformed_json", None),
        (b'{"name":"x"} {}', 400, "malformed_json", None),
        (b'{"name":"x",}', 400, "malformed_json", None),
        (b'\xef\xbb\xbf{"name":"x"}', 400, "malformed_json", None),
        (b'{"name":"\xff"}', 400, "malformed_json", None),
        (b'{"name":"a\nb"}', 400, "malformed_json", None),
        ('{"name":"x"}'.encode("utf-16"), 400, "malformed_json", None),
        (b"[" * 100_000, 400, "json_too_deep", None),
        (b'{"a":' * 40 + b"1" + b"}" * 40, 400, "json_too_deep", None),
        (b"[" * 33 + b"]" * 33, 400, "json_too_deep", None),
        (b'{"name":"x","name":"y"}', 422, "duplicate_key", "name"),
        (b'{"name":"x","metadata":{"a":"1","a":"2"}}', 422, "duplicate_key", "metadata.a"),
        (b'{"name":"x","lines":[{"amount":1,"amount":2}]}', 422, "duplicate_key", "lines[0].amount"),
        (b'{"name":"x\\u0000y"}', 422, "bad_character", "name"),
        (b'{"name":"x\\ud800y"}', 422, "bad_character", "name"),
        (b'{"name":"x","metadata":{"\\u0000":"v"}}', 422, "bad_character", "metadata"),
        (b'{"name":"x","status":"paid"}', 422, "unknown_field", "status"),
        (b'{"name":"x","tenant_id":"y"}', 422, "unknown_field", "tenant_id"),
        (b'{"name":"x","id":"toy_01h455vb4pex5vsknk084sn02q"}', 422, "unknown_field", "id"),
        (b'{"name":"x","lines":[{"amount":1,"paid_minor":1}]}', 422, "unknown_field", "lines[0].paid_minor"),
        (b"[]", 422, "object_expected", None),
        (b"null", 422, "object_expected", None),
        (b'"x"', 422, "object_expected", None),
        (b"{}", 422, "required", "name"),
        (b'{"name":5}', 422, "string_type", "name"),
        (b'{"name":""}', 422, "string_too_short", "name"),
        (b'{"name":"x","currency":"eur"}', 422, "unknown_currency", "currency"),
        (b'{"name":"x","currency":"XXX"}', 422, "unknown_currency", "currency"),
        (b'{"name":"x","at":"2026-01-01T00:00:00"}', 422, "bad_instant", "at"),
        (b'{"name":"x","at":1700000000}', 422, "bad_instant", "at"),
        (b'{"name":"x","metadata":{"k":1}}', 422, "string_type", "metadata.k"),
        (b'{"name":"' + b"x" * 900_000 + b'"}', 422, "string_too_long", "name"),
        (b'{"name":"x","lines":[' + b"1," * 99_999 + b"1]}", 422, "too_many_items", None),
    ],
)
async def test_what_cannot_be_is_refused(toy: Toy, body: bytes, status: int, code: str, field: str | None):
    answer = await toy.post_bytes(body)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem.get("field")) == (status, code, field), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["request_id"] == answer.headers["x-request-id"]


async def test_what_is_wrong_with_a_body_as_a_whole_is_said_of_the_body(toy: Toy):
    said = [(await toy.post_bytes(body)).json()["detail"] for body in (b"", b"[]", b"{}")]
    assert said == ["the body is required", "the body should be an object", "name: is required"]


@pytest.mark.shows("API4", "ASVS 2.2.1")
async def test_metadata_is_bounded(toy: Toy):
    for metadata in ({str(n): "v" for n in range(51)}, {"k" * 41: "v"}, {"k": "v" * 501}):
        answer = await toy.client.post("/api/toys", json={"name": "m", "metadata": metadata}, headers=a_key())
        assert answer.status_code == 422
        assert answer.json()["field"].startswith("metadata")


@pytest.mark.shows("fault F7", "ASVS 1.1.1")
@pytest.mark.parametrize(
    "text", ["مرحبا", "👩‍👩‍👧", "'; drop table x; --", "{{7*7}}", "<img src=x>", "=cmd()", "a\r\nb", "%_\\"]
)
async def test_any_other_text_is_kept_as_it_came(toy: Toy, text: str):
    answer = await toy.client.post("/api/toys", json={"name": text}, headers=a_key())
    assert answer.json()["data"]["name"] == text


@pytest.mark.shows("PCI eligibility", "I29")
@pytest.mark.parametrize(
    "body",
    [
        {"name": CARD},
        {"name": "card 4242424242424242 please"},
        {"name": "378282246310005"},
        {"name": "6011-1111-1111-1117"},
        {"name": "x", "metadata": {"note": "5555555555554444"}},
        {"name": "x", "metadata": {"5555555555554444": "key"}},
        {"name": "x", "unknown": {"deep": ["4000056655665556"]}},
    ],
)
async def test_a_card_number_never_enters(toy: Toy, body: dict[str, object], capfd: pytest.CaptureFixture[str]):
    answer = await toy.client.post("/api/toys", json=body, headers=a_key())
    assert (answer.status_code, answer.json()["code"]) == (422, "card_number_refused")
    said = answer.text + "".join(capfd.readouterr())
    assert not any(
        digits in said for digits in ("4242 4242", "42424242", "55555555", "3782822", "6011-1111", "4000056655")
    )


@pytest.mark.shows("PCI eligibility", "I29")
async def test_a_card_number_is_refused_in_the_query_too(toy: Toy):
    answer = await toy.client.get("/api/toys", params={"names": "4242424242424242"}, headers=a_key())
    assert (answer.status_code, answer.json()["code"]) == (422, "card_number_refused")


@pytest.mark.parametrize("name", ["4242424242424241", "ch_4242424242424242", "1700000000000000", "+31 6 1234 5678 90"])
async def test_other_long_numbers_are_let_in(toy: Toy, name: str):
    assert (await toy.client.post("/api/toys", json={"name": name}, headers=a_key())).status_code == 201


@pytest.mark.shows("ASVS 1.5.3", "ASVS 3.5.2", "fault G7")
@pytest.mark.parametrize(
    "kind",
    [
        "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml",
        "application/json; charset=latin-1", "application/json, text/plain", "application/vnd.api+json", "",
    ],
)  # fmt: skip
async def test_only_json_is_json(toy: Toy, kind: str):
    answer = await toy.client.post("/api/toys", content=b'{"name":"typed"}', headers={**a_key(), "Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.shows("fault F6", "API4")
async def test_a_compressed_body_is_not_unpacked(toy: Toy):
    answer = await toy.post_bytes(gzip.compress(b" " * 500_000), **{"Content-Encoding": "gzip"})
    assert answer.status_code == 415


@pytest.mark.shows("fault F6", "API4", "ASVS 15.2.2")
async def test_a_body_said_to_be_too_large_is_refused_before_it_is_sent(toy: Toy):
    answer = await toy.raw(
        b"POST /api/toys HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100000000\r\nConnection: close\r\n\r\n"
    )
    assert b" 413 " in answer
    assert b"body_too_large" in answer


@pytest.mark.shows("fault F6", "API4", "ASVS 15.2.2")
async def test_a_body_in_chunks_is_refused_as_soon_as_it_is_too_large(toy: Toy):
    async def endless():
        for _ in range(100):
            yield b" " * 100_000

    answer = await toy.client.post(
        "/api/toys", content=endless(), headers={**a_key(), "Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_a_route_may_take_less(toy: Toy):
    assert (await toy.client.post("/api/hooks", content=b"x" * 100)).status_code == 200
    assert (await toy.client.post("/api/hooks", content=b"x" * 101)).status_code == 413


@pytest.mark.shows("fault F6", "fault D10")
async def test_a_body_that_trickles_is_not_waited_for(toy: Toy):
    answer = await toy.raw(
        b"POST /api/toys HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\nConnection: close\r\n\r\n{",
    )
    assert b" 408 " in answer


@pytest.mark.shows("ASVS 2.3.3")
async def test_whoever_hangs_up_leaves_nothing_behind(toy: Toy):
    reader, writer = await asyncio.open_connection("127.0.0.1", toy.port)
    writer.write(b"POST /api/toys HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    writer.close()
    async with asyncio.timeout(60):
        while toy.app.state.draining.in_flight:
            await asyncio.sleep(0.01)
    del reader


async def test_a_route_without_a_body_takes_none(toy: Toy):
    made = (await toy.client.post("/api/toys", json={"name": "wound"}, headers=a_key())).json()["data"]["id"]
    for body, status in ((None, 200), ({}, 200), ({"status": "paid"}, 422)):
        answer = await toy.client.post(f"/api/toys/{made}/wind", json=body, headers=a_key())
        assert answer.status_code == status


@pytest.mark.shows("ASVS 15.3.7", "fault F8")
@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("limit=0", "greater_than_equal", "limit"),
        ("limit=1000000000", "less_than_equal", "limit"),
        ("limit=-1", "greater_than_equal", "limit"),
        ("limit=201", "less_than_equal", "limit"),
        ("limit=1_0", "whole_number_expected", "limit"),
        ("limit=%201", "whole_number_expected", "limit"),
        ("limit=1&limit=2", "repeated_parameter", "limit"),
        ("limitt=1", "unknown_parameter", "limitt"),
        ("tenant_id=x", "unknown_parameter", "tenant_id"),
        ("names=%00", "bad_character", "names"),
        ("cursor=" + "x" * 65, "string_too_long", "cursor"),
    ],
)
async def test_a_query_is_strict_as_well(toy: Toy, query: str, code: str, field: str):
    answer = await toy.client.get(f"/api/toys?{query}", headers=a_key())
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, code, field)


async def test_a_list_in_the_query_may_repeat(toy: Toy):
    assert (await toy.client.get("/api/toys?names=a&names=b", headers=a_key())).status_code == 200


@pytest.mark.shows("fault F6", "API4")
async def test_a_query_has_an_end(toy: Toy):
    answer = await toy.client.get("/api/toys?names=" + "x" * 9_000, headers=a_key())
    assert (answer.status_code, answer.json()["code"]) == (400, "query_too_long")
