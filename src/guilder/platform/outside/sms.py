"""SMS: one short text to one number, and the port that sends it; Twilio is the adapter."""

import re
from dataclasses import dataclass, field
from typing import Protocol

import httpx

from guilder.platform.words import printable

BODY_LENGTH_MAX = 1_600  # what Twilio takes
TIMEOUT_S = 10.0
TWILIO_URL = "https://api.twilio.com"

_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_SENDER = re.compile(r"\+[1-9][0-9]{6,14}|[A-Za-z0-9 ]{1,11}|MG[0-9a-f]{32}")
_SERVICE = "MG"
_OF_THE_NUMBER = frozenset({21211, 21610, 21614})
# GSM 03.38's letters take seven bits; those of its second table take two of them. One other letter, and all take sixteen.
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_TWICE = frozenset("\f^{}\\[~]|€")


class SmsRefused(Exception):
    """This text will never be taken: no such number, or its owner wants none. To send it again is no use."""


class NumberRefused(SmsRefused):
    """The number takes no texts at all: it is none, it is no mobile's, or its owner has said STOP."""


class SmsUnavailable(Exception):
    """This text was not taken now, or nobody knows; send it again later."""


@dataclass(frozen=True, slots=True)
class Sms:
    """A text to a number in E.164 ("+4915112345678"); the sender is a number, up to 11 letters, or a Twilio service."""

    to: str
    sender: str
    body: str
    report_url: str = ""  # where the provider is to say what became of it


class Texter(Protocol):
    """Whatever sends texts."""

    async def send(self, sms: Sms) -> str:
        """Hand the text over and return the provider's id of it.

        :raises SmsRefused: never to be sent again (NumberRefused: nor anything else to this number)
        :raises SmsUnavailable: to be sent again later
        """
        ...


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    account_sid: str
    auth_token: str = field(repr=False)
    base_url: str = TWILIO_URL


class TwilioTexter:
    """Sends through Twilio. It takes no idempotency key: a text whose answer was lost may arrive twice, a mail may not."""

    def __init__(self, account: TwilioAccount, client: httpx.AsyncClient) -> None:
        self._account = account
        self._client = client

    async def send(self, sms: Sms) -> str:
        if not _NUMBER.fullmatch(sms.to) or not _SENDER.fullmatch(sms.sender):
            raise SmsRefused("this is not a number in international form")
        account = self._account
        try:
            answer = await self._client.post(
                f"{account.base_url}/2010-04-01/Accounts/{account.account_sid}/Messages.json",
                data=_to_twilio(sms),
                auth=(account.account_sid, account.auth_token),
                timeout=TIMEOUT_S,
                follow_redirects=False,
            )
        except httpx.HTTPError as error:
            raise SmsUnavailable(type(error).__name__) from error
        return _from_twilio(answer)


def _to_twilio(sms: Sms) -> dict[str, str]:
    sender = "MessagingServiceSid" if sms.sender.startswith(_SERVICE) and len(sms.sender) == 34 else "From"
    form = {"To": sms.to, sender: sms.sender, "Body": printable(sms.body)[:BODY_LENGTH_MAX]}
    return form | ({"StatusCallback": sms.report_url} if sms.report_url else {})


def _from_twilio(answer: httpx.Response) -> str:
    try:
        said = answer.json()
    except ValueError:
        said = {}
    said = said if isinstance(said, dict) else {}
    if answer.status_code == httpx.codes.CREATED and isinstance(said.get("sid"), str):
        return str(said["sid"])
    reason = f"Twilio answered {answer.status_code}, code {said.get('code')}"
    # 400 is about this text; 401 and 403 are about our account, and 404 about its address: the operator mends these.
    if answer.status_code == httpx.codes.BAD_REQUEST:
        raise NumberRefused(reason) if said.get("code") in _OF_THE_NUMBER else SmsRefused(reason)
    raise SmsUnavailable(reason)


def segments(text: str) -> int:
    """Return as how many messages a text is charged: 160 letters or 70, and a little less in each of several."""
    if all(letter in _GSM or letter in _GSM_TWICE for letter in text):
        length = sum(2 if letter in _GSM_TWICE else 1 for letter in text)
        alone, each = 160, 153
    else:
        length, alone, each = len(text.encode("utf-16-le")) // 2, 70, 67
    return 1 if length <= alone else -(-length // each)
