"""Mail: one message to one reader, and the port that sends it; SMTP is the adapter.

The caller gives the Message-ID and the date, so a mail that is sent again, because nobody knows whether the first one
arrived, is the same message to whoever receives it. No header can be broken out of: addresses are parsed, names and
subjects lose their line breaks.
"""

import re
import ssl
from dataclasses import dataclass, field
from datetime import datetime
from email.errors import HeaderParseError
from email.headerregistry import Address, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib

from guilder.platform.db.tls import is_local
from guilder.platform.words import printable

ATTACHMENTS_BYTES_MAX = 10_000_000
TIMEOUT_S = 20.0

_MESSAGE_ID = re.compile(r"<[A-Za-z0-9._+-]{1,120}@[A-Za-z0-9.-]{1,120}>")
_NO_SUCH_MAILBOX = ("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1")  # RFC 3463: the address, or its mailbox
_STARTTLS = {"required": True, "auto": None, "never": False}
_DEFAULT_PORTS = {"smtp": 587, "smtps": 465}


class _OneLine(UnstructuredHeader):
    """A header that is an address: folded or encoded, as long words are, nobody could follow it."""

    def fold(self, *, policy: EmailPolicy) -> str:
        return f"{self.name}: {self}{policy.linesep}"  # type: ignore[attr-defined]


_HEADERS = HeaderRegistry()
# The registry mixes what it is given with BaseHeader, which its stubs do not know.
_HEADERS.map_to_type("List-Unsubscribe", _OneLine)  # type: ignore[arg-type]
_POLICY = SMTP.clone(header_factory=_HEADERS)


class MailRefused(Exception):
    """This mail will never be taken: the address is wrong, or the message is. To send it again is no use."""


class AddressRefused(MailRefused):
    """The address takes no mail at all, for good: there is no such mailbox, or it is closed."""


class MailUnavailable(Exception):
    """This mail was not taken now, or nobody knows; send it again later, with the same Message-ID."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address ("ada@example.com") and the name shown beside it."""

    address: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes along; `content_type` such as "application/pdf"."""

    filename: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """A message; `message_id` with its brackets: "<018f…@billing.example.com>"."""

    message_id: str
    dated: datetime
    sender: Mailbox
    to: Mailbox
    subject: str
    text: str
    html: str = ""
    reply_to: Mailbox | None = None
    attachments: tuple[Attachment, ...] = ()
    unsubscribe_url: str = ""  # where one POST, without a login, ends mails of this sort (RFC 8058)


class Mailer(Protocol):
    """Whatever sends mail."""

    async def send(self, mail: Mail) -> None:
        """Hand the mail over.

        :raises MailRefused: never to be sent again (AddressRefused: nor anything else to this address)
        :raises MailUnavailable: to be sent again later
        """
        ...


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where to hand mail in. `start_tls` None means: if the server offers it."""

    host: str
    port: int
    username: str | None
    password: str | None = field(repr=False)
    is_tls: bool
    start_tls: bool | None


class SmtpMailer:
    """Sends over SMTP, one connection a mail, within a time limit."""

    def __init__(self, server: SmtpServer, *, timeout_s: float = TIMEOUT_S, tls: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._timeout_s = timeout_s
        self._tls = tls

    async def send(self, mail: Mail) -> None:
        message = to_message(mail)
        try:
            await aiosmtplib.send(
                message,
                hostname=self._server.host,
                port=self._server.port,
                username=self._server.username,
                password=self._server.password,
                use_tls=self._server.is_tls,
                start_tls=None if self._server.is_tls else self._server.start_tls,
                tls_context=self._tls,
                timeout=self._timeout_s,
            )
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _outcome(error) from error


def server_from(url: str) -> SmtpServer:
    """Read `smtp://user:password@host:port?starttls=required|auto|never` or `smtps://…`.

    STARTTLS is required, with the server's certificate checked, unless the address says otherwise or is of this machine:
    neither a password nor anybody's mail travels in the clear.

    :raises ValueError: it is no such address
    """
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError("a mail server is written smtp://user:password@host:port or smtps://…")
    chosen = parse_qs(parts.query).get(
        "starttls", ["required" if parts.username or not is_local(parts.hostname) else "auto"]
    )[0]
    if chosen not in _STARTTLS:
        raise ValueError(f"starttls is one of {', '.join(_STARTTLS)}")
    return SmtpServer(
        host=parts.hostname,
        port=parts.port or _DEFAULT_PORTS[parts.scheme],
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        is_tls=parts.scheme == "smtps",
        start_tls=_STARTTLS[chosen],
    )


def to_message(mail: Mail) -> EmailMessage:
    """Write a mail as MIME: text, HTML beside it, files after it.

    :raises MailRefused: an address is none, or the files are too large
    """
    if not _MESSAGE_ID.fullmatch(mail.message_id):
        raise MailRefused("the Message-ID is not of the form <id@domain>")
    if sum(len(each.content) for each in mail.attachments) > ATTACHMENTS_BYTES_MAX:
        raise MailRefused(f"attachments of more than {ATTACHMENTS_BYTES_MAX} bytes")
    message = EmailMessage(policy=_POLICY)
    message["Message-ID"] = mail.message_id
    message["Date"] = mail.dated
    message["From"] = _address(mail.sender)
    message["To"] = _address(mail.to)
    if mail.reply_to is not None:
        message["Reply-To"] = _address(mail.reply_to)
    message["Subject"] = printable(mail.subject, breaks=" ")
    if mail.unsubscribe_url:
        message["List-Unsubscribe"] = f"<{printable(mail.unsubscribe_url, breaks='')}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message["Auto-Submitted"] = "auto-generated"  # so that nobody's holiday notice answers a machine
    message.set_content(printable(mail.text))
    if mail.html:
        message.add_alternative(printable(mail.html), subtype="html")
    for each in mail.attachments:
        maintype, _, subtype = each.content_type.partition("/")
        name = printable(each.filename, breaks=" ")
        message.add_attachment(each.content, maintype=maintype, subtype=subtype, filename=name)
    return message


def _address(mailbox: Mailbox) -> Address:
    local, _, domain = mailbox.address.rpartition("@")
    try:
        # A domain has an ASCII form, which every server takes; a local part in other letters has none, and is refused.
        spec = f"{local}@{domain.encode('idna').decode()}" if not domain.isascii() else mailbox.address
        return Address(display_name=printable(mailbox.name, breaks=" "), addr_spec=spec)
    except (ValueError, HeaderParseError, IndexError) as error:
        raise MailRefused("this is not one mail address") from error


def _outcome(error: Exception) -> MailRefused | MailUnavailable:
    """Sort what went wrong: only the server's permanent "no" to this very message is final."""
    kind = type(error).__name__
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        worst = max(error.recipients, key=lambda each: each.code, default=None)
        code, said = (worst.code, worst.message) if worst is not None else (450, "")
        # 5.7: this server will not carry it (policy, a blocked sender): of the address itself that says nothing.
        is_of_address = 500 <= code < 600 and not said.startswith("5.7.")
        return AddressRefused(f"{kind} {code}") if is_of_address else _by_code(code, kind)
    if isinstance(error, aiosmtplib.SMTPDataError) and error.message.startswith(_NO_SUCH_MAILBOX):
        return AddressRefused(f"{kind} {error.code}")
    if isinstance(error, aiosmtplib.SMTPSenderRefused | aiosmtplib.SMTPDataError):
        return _by_code(error.code, kind)
    # Wrong credentials, a greeting refused, no answer: the operator's to mend; every mail waits for it and none is lost.
    return MailUnavailable(kind)


def _by_code(code: int, kind: str) -> MailRefused | MailUnavailable:
    said = f"{kind} {code}"
    return MailRefused(said) if 500 <= code < 600 else MailUnavailable(said)
