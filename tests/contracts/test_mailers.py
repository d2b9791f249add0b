"""What every mailer promises, against a real SMTP server in this process."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from guilder.platform.outside.mail import (
    ATTACHMENTS_BYTES_MAX,
    AddressRefused,
    Attachment,
    Mail,
    Mailbox,
    MailRefused,
    MailUnavailable,
    SmtpMailer,
    server_from,
    to_message,
)
from tests.support.ports import free_port


class Inbox:
    """Keeps what it is handed, and answers as it is told to."""

    def __init__(self) -> None:
        self.mails = []
        self.on_recipient = self.on_data = None

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802  (aiosmtpd calls it so)
        if self.on_recipient:
            return self.on_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802  (as above)
        if self.on_data:
            return self.on_data
        self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=default)))
        return "250 OK"


@pytest.fixture
def inbox():
    return Inbox()


@pytest.fixture
def smtp(inbox):
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield controller
    controller.stop()


@pytest.fixture
def mailer(smtp):
    return SmtpMailer(server_from(f"smtp://127.0.0.1:{smtp.port}?starttls=never"), timeout_s=3)


def a_mail(**changes):
    values = {
        "message_id": "<018f.1@billing.example>",
        "dated": datetime(2026, 11, 21, 12, tzinfo=UTC),
        "sender": Mailbox("billing@northwind.example", "Northwind Größe"),
        "to": Mailbox("ada@example.com", "Ada, Countess"),
        "subject": "Ihre Zahlung über 5 €",
        "text": "Danke!\n.\nEnde",
        "html": "<p>Danke!</p>",
    }
    return Mail(**values | changes)


async def test_a_mail_arrives_whole(mailer, inbox):
    pdf = Attachment("Rechnung 1.pdf", "application/pdf", b"%PDF\x00\xff")
    await mailer.send(a_mail(attachments=(pdf,), reply_to=Mailbox("help@northwind.example")))
    [(recipients, message)] = inbox.mails
    assert recipients == ["ada@example.com"]
    assert message["Message-ID"] == "<018f.1@billing.example>"
    assert message["Subject"] == "Ihre Zahlung über 5 €"
    assert message["From"].addresses[0].display_name == "Northwind Größe"
    assert message["To"].addresses[0].display_name == "Ada, Countess"
    assert message["Reply-To"] == "help@northwind.example"
    assert message["Date"].datetime == datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert message.get_body(("plain",)).get_content().splitlines() == ["Danke!", ".", "Ende"]
    assert message.get_body(("html",)).get_content().strip() == "<p>Danke!</p>"
    [attached] = message.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == ("Rechnung 1.pdf", b"%PDF\x00\xff")


async def test_a_mail_sent_again_is_the_same_message(mailer, inbox):
    for _ in range(2):
        await mailer.send(a_mail())
    assert len({message["Message-ID"] for _, message in inbox.mails}) == 1
    assert len({message["Date"] for _, message in inbox.mails}) == 1


@pytest.mark.shows("ASVS 1.3.3", "fault F7")
@pytest.mark.parametrize("text", ["Hi\r\nBcc: eve@example.com", "Hi\nX: y\n\nbody", "Hi\u2028Bcc: e", "a\x00b\x1b"])
async def test_no_header_can_be_broken_out_of(mailer, inbox, text):
    pdf = Attachment(text, "application/pdf", b"x")
    sender = Mailbox("billing@northwind.example", text)
    await mailer.send(a_mail(subject=text, sender=sender, to=Mailbox("ada@example.com", text), attachments=(pdf,)))
    [(recipients, message)] = inbox.mails
    assert recipients == ["ada@example.com"]
    assert message["Bcc"] is None
    assert message["X"] is None
    assert message["Subject"].startswith(("Hi", "ab"))


@pytest.mark.shows("ASVS 1.3.3")
@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "a@b.example, c@d.example",
        "a@b.example\r\nBcc: c@d.example",
        "Ada <a@b.example>",
        "a b@c.example",
        "<>",
        "żółw@x.example",
    ],
)
async def test_what_is_not_one_address_is_refused_before_anything_is_sent(mailer, inbox, address):
    with pytest.raises(MailRefused):
        await mailer.send(a_mail(to=Mailbox(address)))
    assert inbox.mails == []


async def test_a_domain_in_other_letters_is_sent_to_by_its_ascii_form(mailer, inbox):
    await mailer.send(a_mail(to=Mailbox("ada@bücher.example"), text="broken \ud800 half of a letter"))
    [(recipients, message)] = inbox.mails
    assert recipients == ["ada@xn--bcher-kva.example"]
    assert "half of a letter" in message.get_body(("plain",)).get_content()


@pytest.mark.parametrize("message_id", ["018f@x", "<a b@x>", "<a@x>\r\nBcc: c@d.example", ""])
def test_a_message_id_that_is_none_is_refused(message_id):
    with pytest.raises(MailRefused):
        to_message(a_mail(message_id=message_id))


def test_attachments_have_a_limit():
    large = Attachment("a", "application/pdf", b"x" * (ATTACHMENTS_BYTES_MAX + 1))
    with pytest.raises(MailRefused):
        to_message(a_mail(attachments=(large,)))


@pytest.mark.parametrize(
    ("recipient", "data", "outcome"),
    [
        ("550 no such user", None, MailRefused),
        ("451 greylisted", None, MailUnavailable),
        (None, "554 this is spam", MailRefused),
        (None, "452 disk full", MailUnavailable),
        (None, "421 going down", MailUnavailable),
    ],
)
async def test_only_a_permanent_no_is_final(mailer, inbox, recipient, data, outcome):
    inbox.on_recipient, inbox.on_data = recipient, data
    with pytest.raises(outcome):
        await mailer.send(a_mail())


@pytest.mark.parametrize(
    ("recipient", "data", "is_of_address"),
    [
        ("550 5.1.1 no such user", None, True),
        ("550 no such user", None, True),
        ("553 5.1.3 that is no address", None, True),
        ("550 5.7.1 your server is blocked", None, False),
        (None, "550 5.1.1 no such user", True),
        (None, "550 5.2.1 mailbox disabled", True),
        (None, "554 5.7.1 this is spam", False),
        (None, "554 no", False),
    ],
)
async def test_a_no_to_the_address_is_told_from_a_no_to_the_mail(mailer, inbox, recipient, data, is_of_address):
    inbox.on_recipient, inbox.on_data = recipient, data
    with pytest.raises(MailRefused) as refused:
        await mailer.send(a_mail())
    assert isinstance(refused.value, AddressRefused) == is_of_address


def test_the_link_that_ends_mails_of_a_sort_is_written_as_it_is():
    url = f"https://billing.example.com/unsubscribe/{'A' * 80}"
    lines = to_message(a_mail(unsubscribe_url=url)).as_bytes().decode().split("\r\n")
    assert f"List-Unsubscribe: <{url}>" in lines, "neither folded nor encoded"
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines
    assert "List-Unsubscribe" not in to_message(a_mail())
    assert "Bcc" not in to_message(a_mail(unsubscribe_url="https://x.example/\r\nBcc: eve@example.com"))


@pytest.mark.shows("ASVS 16.5.2")
async def test_a_server_that_is_not_there_is_unavailable():
    with pytest.raises(MailUnavailable):
        await SmtpMailer(server_from("smtp://127.0.0.1:1?starttls=never"), timeout_s=2).send(a_mail())


@pytest.mark.shows("ASVS 12.3.1", "ASVS 12.1.1", "I29")
async def test_a_password_does_not_travel_in_the_clear(inbox, smtp):
    mailer = SmtpMailer(server_from(f"smtp://u:secret@127.0.0.1:{smtp.port}"), timeout_s=3)
    with pytest.raises(MailUnavailable):
        await mailer.send(a_mail())
    assert inbox.mails == []


async def test_wrong_credentials_lose_no_mail(inbox):
    def refuse(server, session, envelope, mechanism, data):
        return AuthResult(success=False, handled=False)

    controller = Controller(inbox, hostname="127.0.0.1", port=free_port(), authenticator=refuse, auth_require_tls=False)
    controller.start()
    try:
        server = server_from(f"smtp://u:secret@127.0.0.1:{controller.port}?starttls=never")
        with pytest.raises(MailUnavailable):
            await SmtpMailer(server, timeout_s=3).send(a_mail())
    finally:
        controller.stop()


@pytest.mark.shows("I29")
def test_the_address_of_a_server_is_read_and_its_password_not_shown():
    server = server_from("smtps://me%40x.example:p%2Fw@mail.example")
    assert (server.username, server.password, server.port, server.is_tls) == ("me@x.example", "p/w", 465, True)
    assert "p/w" not in repr(server)
    assert server_from("smtp://u:p@mail.example").start_tls is True
    assert server_from("smtp://mail.example").start_tls is True
    assert server_from("smtp://localhost").start_tls is None
    for wrong in ("http://x", "smtp://", "smtp://x?starttls=maybe"):
        with pytest.raises(ValueError):
            server_from(wrong)
