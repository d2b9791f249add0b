"""What every texter promises, against a tiny server that speaks Twilio's shape."""

import asyncio
import base64
import json
from urllib.parse import parse_qs

import httpx
import pytest

from guilder.platform.outside.sms import (
    NumberRefused,
    Sms,
    SmsRefused,
    SmsUnavailable,
    TwilioAccount,
    TwilioTexter,
    segments,
)


class FakeTwilio:
    """Keeps each request; answers with what it was told."""

    def __init__(self) -> None:
        self.requests = []
        self.answer = (201, {"sid": "SM1", "status": "queued"})

    async def serve(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.split("\r\n")
        headers = dict(
            line.lower().split(": ", 1) if "authorization" not in line.lower() else line.split(": ", 1)
            for line in lines
            if line
        )
        length = int(headers["content-length"])
        self.requests.append((first, headers, parse_qs((await reader.readexactly(length)).decode())))
        status, said = self.answer
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()


@pytest.fixture
async def twilio():
    fake = FakeTwilio()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield fake


@pytest.fixture
async def texter(twilio):
    async with httpx.AsyncClient() as client:
        yield TwilioTexter(TwilioAccount("AC1", "token", twilio.url), client)


A_TEXT = Sms(to="+4915112345678", sender="Northwind", body="Danke für 5 € & mehr")


async def test_a_text_is_handed_over_and_its_id_returned(texter, twilio):
    assert await texter.send(A_TEXT) == "SM1"
    [(first, headers, form)] = twilio.requests
    assert first == "POST /2010-04-01/Accounts/AC1/Messages.json HTTP/1.1"
    assert form == {"To": ["+4915112345678"], "From": ["Northwind"], "Body": ["Danke für 5 € & mehr"]}
    credentials = next(value for name, value in headers.items() if name.lower() == "authorization")
    assert base64.b64decode(credentials.removeprefix("Basic ")) == b"AC1:token"


async def test_a_service_of_twilio_may_send(texter, twilio):
    service = "MG" + "0a" * 16
    await texter.send(Sms(to=A_TEXT.to, sender=service, body="x"))
    assert twilio.requests[0][2]["MessagingServiceSid"] == [service]


@pytest.mark.parametrize(
    ("status", "said", "outcome"),
    [
        (400, {"code": 21211, "message": "not a number"}, SmsRefused),
        (400, {"code": 21610, "message": "unsubscribed"}, SmsRefused),
        (401, {"code": 20003}, SmsUnavailable),
        (429, {"code": 20429}, SmsUnavailable),
        (500, b"<html>", SmsUnavailable),
        (201, b"not json", SmsUnavailable),
        (201, [], SmsUnavailable),
        (302, {"sid": "SM1"}, SmsUnavailable),
    ],
)
async def test_only_a_no_to_this_text_is_final(texter, twilio, status, said, outcome):
    twilio.answer = (status, said)
    with pytest.raises(outcome) as refused:
        await texter.send(A_TEXT)
    assert "token" not in str(refused.value)


@pytest.mark.parametrize(("code", "is_of_number"), [(21211, True), (21610, True), (21614, True), (21602, False)])
async def test_a_no_to_the_number_is_told_from_a_no_to_the_text(texter, twilio, code, is_of_number):
    twilio.answer = (400, {"code": code})
    with pytest.raises(SmsRefused) as refused:
        await texter.send(A_TEXT)
    assert isinstance(refused.value, NumberRefused) == is_of_number


async def test_it_is_said_where_to_report_to(texter, twilio):
    await texter.send(Sms(to=A_TEXT.to, sender="Northwind", body="x", report_url="https://billing.example.com/x"))
    assert twilio.requests[0][2]["StatusCallback"] == ["https://billing.example.com/x"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),  # each takes two
        ("€" * 81, 2),
        ("я" * 70, 1),
        ("я" * 71, 2),
        ("a" * 100 + "я", 2),
        ("😀" * 35, 1),  # each takes two of the other alphabet's
        ("😀" * 36, 2),
    ],
)
def test_a_text_is_charged_by_segments(text, count):
    assert segments(text) == count


@pytest.mark.parametrize(
    "number", ["015112345678", "+0123456789", "+49", "+49 151 1234567", "", "+4915112345678\r\nTo: x"]
)
async def test_what_is_no_number_is_refused_before_anything_is_sent(texter, twilio, number):
    with pytest.raises(SmsRefused):
        await texter.send(Sms(to=number, sender="Northwind", body="x"))
    assert twilio.requests == []


async def test_a_provider_that_is_not_there_is_unavailable():
    async with httpx.AsyncClient() as client:
        texter = TwilioTexter(TwilioAccount("AC1", "token", "http://127.0.0.1:1"), client)
        with pytest.raises(SmsUnavailable):
            await texter.send(A_TEXT)


@pytest.mark.shows("I29")
def test_the_token_is_not_shown():
    assert "token-1" not in repr(TwilioAccount("AC1", "token-1"))
