"""A log line says what happened and never a secret."""

import io
import json
import logging as stdlib_logging
import time

import pytest
import structlog

from guilder.platform import logging
from guilder.platform.auth.api_keys import KeyMode, mint
from guilder.platform.logging import MASK, mask, mask_text
from tests.support.identity_provider import SigningKey, claims

GOOD_CARD = "4242424242424242"
API_KEY = mint(KeyMode.SANDBOX).text
JWT = SigningKey("k").sign(claims())


@pytest.fixture
def written():
    """Lines in JSON, with everything put back afterwards."""
    root = stdlib_logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    logging.configure(level="DEBUG", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    stdlib_logging.captureWarnings(capture=False)
    root.handlers, root.level = handlers, level


@pytest.fixture
def console():
    root = stdlib_logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    logging.configure(style="console", stream=stream)
    yield stream.getvalue
    stdlib_logging.captureWarnings(capture=False)
    root.handlers, root.level = handlers, level


SECRETS = {
    "our key": (f"key {API_KEY} used", API_KEY.rpartition("_")[2]),
    "Stripe's key": ("No such key: sk_live_51HcanaryAbCdEf", "51Hcanary"),
    "Stripe's restricted key": ("rk_test_51HcanaryAbCdEf", "51Hcanary"),
    "webhook secret": ("whsec_canaryMIGfMA0GCSq/+==", "canary"),
    "JWT": (f"token={JWT} refused", JWT.split(".")[1]),
    "JWT in prose": (f"got {JWT}.", JWT.split(".")[2]),
    "bearer": ("Authorization: Bearer canary-opaque.token", "canary"),
    "basic": ("authorization: basic Y2FuYXJ5OmNhbmFyeQ==", "Y2Fu"),
    "authorization of another kind": ("Authorization: canary123", "canary"),
    "password in a URL": ("postgresql://app:canary@db:5432/guilder", "canary"),
    "password with an @ in a URL": ("redis://:can@ary@cache/0", "ary"),
    "password in a query": ("/x?password=canary&y=1", "canary"),
    "token in a dict's text": ("{'client_secret': 'canary value'}", "canary"),
    "token in JSON's text": ('{"api_key": "canary"}', "canary"),
    "private key": ("-----BEGIN RSA PRIVATE KEY-----\ncanary\n-----END RSA PRIVATE KEY-----", "canary"),
    "card": (f"paid with {GOOD_CARD}.", GOOD_CARD),
    "card in groups": ("4242 4242 4242 4242", "4242 4242"),
    "card with dashes": ("5555-5555-5555-4444", "5555-5555"),
    "amex": ("3782 822463 10005", "822463"),
    "card after a colon": (f"pan:{GOOD_CARD}", GOOD_CARD),
}


@pytest.mark.shows("ASVS 16.2.5", "I29")
@pytest.mark.parametrize(("text", "canary"), SECRETS.values(), ids=SECRETS.keys())
def test_is_masked_wherever_it_stands(written, text, canary):
    log = logging.get("test")
    log.info(text)
    log.info("event", note=text, deep=[{"a": (text,)}], **{f"k {text}": 1})
    stdlib_logging.getLogger("somebody.else").warning("said %s", text)
    stdlib_logging.getLogger("somebody.else").warning("extra", extra={"note": text})
    try:
        raise RuntimeError(text)
    except RuntimeError:
        log.exception("failed")
        stdlib_logging.getLogger("somebody.else").exception("failed too")
    assert len(written()) == 6
    assert canary not in json.dumps(written(), ensure_ascii=False)
    assert MASK in written()[0]["event"]


@pytest.mark.shows("ASVS 16.2.5", "I29")
@pytest.mark.parametrize(
    "name",
    [
        "password",
        "client_secret",
        "STRIPE_SECRET_KEY",
        "apiKey",
        "api_key",
        "x-api-key",
        "Authorization",
        "Set-Cookie",
        "access_token",
        "card_number",
        "cvc",
        "Stripe-Signature",
        "private_key",
        "jwt_key",
        "master_key",
    ],
)
def test_a_value_with_a_secret_name_is_masked_whole(name):
    assert mask({name: "plain", "nested": {name: ["plain"]}}) == {name: MASK, "nested": {name: MASK}}


@pytest.mark.parametrize(
    "value",
    [
        {"idempotency_key": "abc", "key_id": "k1", "page": 3, "token_count": 5, "tokens_left": 2},
        "sub_01h455vb4pex5vsknk084sn02q",
        "019aa456-2345-7123-8123-123456789012",
        "at 2026-11-21 04:27:46.123456+00:00",
        1_795_235_266_123_456,
        "4242424242424241",  # Luhn says no
        "0.4242424242424242",
        "invoice paid: 12345 minor units",
        "error code: invoice_not_draft",
        "https://example.test/a:b@c",
        None,
        True,
        1.5,
    ],
)
def test_what_is_no_secret_stays_readable(value):
    assert mask(value) == value


def test_a_card_number_as_a_number_is_masked():
    assert mask({"x": int(GOOD_CARD)}) == {"x": MASK}


def test_of_a_text_only_the_card_numbers_are_masked():
    said = f"{GOOD_CARD} and 4000-0566-5566-5556 for order 1234567890123456, +31 6 1234 5678"
    assert mask_text(said) == f"{MASK} and {MASK} for order 1234567890123456, +31 6 1234 5678"


@pytest.mark.parametrize(
    "text",
    [
        "a" * 100_000,
        "eyJ" + "." * 100_000,
        "1 " * 50_000,
        "://" * 30_000,
        "bearer " * 20_000,
        "=" * 100_000,
        "'" * 90_000,
        "secret=" * 10_000,
        "-----BEGIN PRIVATE KEY-----" * 3_000,
    ],
)
def test_masking_takes_no_longer_for_a_text_made_to_be_slow(text):
    began = time.perf_counter()
    mask_text(text)
    assert time.perf_counter() - began < 0.5


@pytest.mark.shows("ASVS 16.2.1", "ASVS 16.2.2", "ASVS 16.2.4")
def test_a_line_carries_its_request_its_instant_in_utc_and_its_level(written):
    with logging.bound(request_id="req_1", tenant_id="t"):
        logging.get("room").warning("done", count=2)
    logging.get("room").info("after")
    first, second = written()
    assert {name: first[name] for name in ("event", "level", "logger", "request_id", "tenant_id", "count")} == {
        "event": "done",
        "level": "warning",
        "logger": "room",
        "request_id": "req_1",
        "tenant_id": "t",
        "count": 2,
    }
    assert first["at"].endswith("Z")
    assert "request_id" not in second


@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.parametrize(("level", "lines"), [("INFO", 2), ("WARNING", 0)])
def test_what_every_request_says_is_said_at_info_and_not_above(written, style, level, lines):
    stream = io.StringIO()
    logging.configure(level=level, style=style, stream=stream)
    logging.Line("room", "request", method="GET").say(milliseconds=1.5)
    logging.say("room", "request", count=3)
    assert len(stream.getvalue().splitlines()) == lines


def test_who_listens_to_lines_hears_them_whatever_is_written(written):
    logging.configure(level="ERROR", stream=io.StringIO())
    with structlog.testing.capture_logs() as heard:
        logging.Line("room", "request", method="GET").say(milliseconds=1.5)
        logging.say("room", "request", count=3)
    assert [each["event"] for each in heard] == ["request", "request"]


def test_what_cannot_be_written_as_json_does_not_stop_the_line(written):
    loop = []
    loop.append(loop)
    logging.get("room").info("odd", loop=loop, raw=b"secret bytes", thing=object(), nan=float("nan"))
    assert written()[0]["raw"] == "[12 bytes]"


@pytest.mark.shows("ASVS 16.4.1", "fault F7")
@pytest.mark.parametrize("evil", ["\n", "\r\n", "\u2028", "\u0085", "\x1b[2K", "\x00"])
def test_nothing_from_outside_can_pass_for_a_line(written, evil):
    logging.get("room").info(f"name: x{evil}forged", name=f"x{evil}forged")
    assert len(written()) == 1


@pytest.mark.shows("ASVS 16.4.1", "fault F7")
@pytest.mark.parametrize("evil", ["\n", "\r\n", "\u2028", "\u0085", "\x1b[2K", "\x00", "\u202e"])
def test_nothing_from_outside_can_pass_for_a_line_on_the_console(console, evil):
    logging.get("room").info(f"x{evil}forged", name=f"x{evil}forged")
    try:
        raise RuntimeError(f"x{evil}forged")
    except RuntimeError:
        logging.get("room").exception("failed")
    head, *trace = console().splitlines()
    assert "forged" in head
    assert evil not in head
    assert all(line.startswith("    | ") for line in trace if "forged" in line)


def test_uvicorns_access_lines_are_silent_and_its_errors_take_our_way(written):
    stdlib_logging.getLogger("uvicorn.access").info("GET /?token=canary")
    stdlib_logging.getLogger("uvicorn.error").info("started")
    assert [line["event"] for line in written()] == ["started"]
