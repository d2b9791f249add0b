"""Performers: what is done outside, by whom, and how much of it at once."""

from email.utils import parseaddr

from guilder.domain.audit.performers import AuditExports
from guilder.domain.gateways.performers import Canceling, Charging, Connecting, ReadingBooks, Refunding, SettingUp
from guilder.domain.invoicing.performers import DocumentRemoval, InvoiceDocuments
from guilder.domain.notifications.performers import MailSending, SmsSending
from guilder.domain.privacy.performers import Exporting, ExportRemoval
from guilder.domain.webhooks.performers import WebhookSending
from guilder.platform.clock import Clock
from guilder.platform.config import Settings
from guilder.platform.outside.http import Outbound, OutboundPolicy
from guilder.platform.outside.mail import Mailbox
from guilder.platform.outside.phases import AnyPerformer
from guilder.wiring.ports import Ports, text_sender

# Calls at once, by family of destination: one that is slow takes no more than its own window.
WINDOWS = {"gateway": 32, "files": 4, "smtp": 8, "sms": 4, "webhook": 8}
# So many windows' worth is taken at once while calls are quick, and waits for its turn: a transaction serves more of them.
AHEAD = {"gateway": 8, "smtp": 4}
# All of a family together: however many receivers hang, providers are called.
CEILINGS = {"webhook": 128, "files": 16}


def performers(ports: Ports, settings: Settings, clock: Clock) -> list[AnyPerformer]:
    name, address = parseaddr(settings.mail_from)
    local = None if settings.is_production else Outbound(OutboundPolicy(allows_loopback=True))
    return [
        Charging(ports.gateways),
        Canceling(ports.gateways),
        Refunding(ports.gateways),
        SettingUp(ports.gateways),
        Connecting(ports.gateways, public_url=ports.base_url),
        ReadingBooks(ports.gateways),
        InvoiceDocuments(ports.typesetter, ports.files),
        AuditExports(ports.files),
        DocumentRemoval(ports.files),
        Exporting(ports.files),
        ExportRemoval(ports.files),
        MailSending(mailer=ports.mailer, sender=Mailbox(address, name), public_url=ports.base_url, files=ports.files),
        SmsSending(texter=ports.texter, sender=text_sender(settings), public_url=ports.base_url),
        WebhookSending(public=Outbound(OutboundPolicy()), local=local, clock=clock),
    ]
