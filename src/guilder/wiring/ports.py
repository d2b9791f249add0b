"""Ports: which adapter a setting plugs in."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from guilder.domain.customers import service as customers
from guilder.domain.gateways.adapters.manual.client import Manual
from guilder.domain.gateways.adapters.paypal.calls import BASE_URLS as PAYPAL_URLS
from guilder.domain.gateways.adapters.paypal.client import PayPal
from guilder.domain.gateways.adapters.simulated.client import Simulated
from guilder.domain.gateways.adapters.stripe.client import Stripe
from guilder.domain.gateways.port import Gateway
from guilder.domain.identity import service as identity
from guilder.platform.auth.jwks import SharedKeySets
from guilder.platform.cache.near import Near
from guilder.platform.clock import Clock
from guilder.platform.config import FOLDER_PREFIX, KMS_PREFIX, BadSettings, Settings
from guilder.platform.crypto import KeyRing
from guilder.platform.db import masters
from guilder.platform.db.database import Database
from guilder.platform.db.masters.aws import AwsKms
from guilder.platform.outside.files import Files, S3Access, open_files
from guilder.platform.outside.http import OutboundPolicy, guarded_client
from guilder.platform.outside.mail import Mailer, SmtpMailer, SmtpServer, server_from
from guilder.platform.outside.sms import Texter, TwilioAccount, TwilioTexter
from guilder.platform.outside.typeset import Typesetter

DEFAULT_TENANT = "default"


@dataclass(frozen=True, slots=True)
class Ports:
    """Every way out of the house, as the settings have it."""

    keys: KeyRing
    files: Files
    typesetter: Typesetter
    mailer: Mailer | None
    texter: Texter | None
    gateways: dict[str, Gateway]
    base_url: str


def open_ports(settings: Settings, keys: KeyRing) -> Ports:
    """Plug everything in.

    :raises BadSettings: SMTP_URL cannot be read
    """
    return Ports(
        keys=keys,
        files=files_of(settings),
        typesetter=Typesetter(),
        mailer=SmtpMailer(server) if (server := mail_server(settings)) else None,
        texter=_texter(settings),
        gateways=_gateways(settings),
        base_url=settings.base_url,
    )


def mail_server(settings: Settings) -> SmtpServer | None:
    """Return the server that SMTP_URL names; None where it is unset.

    :raises BadSettings: it is no such address
    """
    if settings.smtp_url is None:
        return None
    try:
        return server_from(settings.smtp_url.get_secret_value())
    except ValueError as error:
        raise BadSettings(f"SMTP_URL: {error}.") from None


def files_of(settings: Settings) -> Files:
    """Return the store of documents that FILES_URL names."""
    return open_files(
        settings.files_url or str((settings.guilder_data / "files").resolve()), access=s3_access(settings)
    )


def s3_access(settings: Settings) -> S3Access:
    """Return how S3 is reached, by whatever is kept there: documents, backups."""
    secret = settings.aws_secret_access_key
    return S3Access(
        endpoint_url=settings.aws_endpoint_url_s3,
        region=settings.aws_region,
        access_key_id=settings.aws_access_key_id,
        secret_access_key=secret.get_secret_value() if secret else None,
    )


def key_source(settings: Settings) -> masters.Source:
    """Return the place of the master keys that GUILDER_MASTER_KEY names.

    :raises KeysUnreadable: it names a KMS that this installation cannot ask
    """
    if settings.guilder_master_key is None:
        return masters.Folder(settings.guilder_data, makes_first=True)
    named = settings.guilder_master_key.get_secret_value()
    if named.startswith(FOLDER_PREFIX):
        return masters.Folder(Path(named.removeprefix(FOLDER_PREFIX)))
    if named.startswith(KMS_PREFIX):
        assert settings.database_url is not None, "found, or started, before the keys are asked for"
        return masters.Wrapped(
            AwsKms(named.removeprefix(KMS_PREFIX)), database_url=settings.database_url.get_secret_value()
        )
    return masters.Environment(named)


async def open_keys(settings: Settings) -> KeyRing:
    """Return the ring of master keys.

    :raises KeysUnreadable: with the reason
    """
    return await masters.opened(key_source(settings))


def authentication(
    settings: Settings,
    database: Database,
    clock: Clock,
    key_sets: SharedKeySets | None = None,
    near: Near | None = None,
) -> identity.Authentication:
    """Say who asks: API keys, and the tokens that tenants trust or that the environment names."""
    client = guarded_client(OutboundPolicy(allows_loopback=not settings.is_production))
    return identity.Authentication(
        database,
        identity.Verifiers(client=client, monotonic=clock.monotonic, shared=key_sets),
        clock,
        customer_of=customers.customer_of,
        default_slug=DEFAULT_TENANT,
        refuses_demo=settings.is_production,
        public_url=settings.base_url,
        near=near,
        second_look=identity.SecondLook(
            database, client=client, monotonic=clock.monotonic, api_url=settings.clerk_api_url
        ),
    )


def _texter(settings: Settings) -> Texter | None:
    if settings.sms_url is None:
        return None
    parts = urlsplit(settings.sms_url.get_secret_value())
    account = TwilioAccount(unquote(parts.username or ""), unquote(parts.password or ""))
    return TwilioTexter(account, guarded_client(OutboundPolicy(allows_loopback=not settings.is_production)))


def text_sender(settings: Settings) -> str:
    """Return who texts come from: the host of `twilio://sid:token@+15550100`, letters as they are written."""
    if settings.sms_url is None:
        return ""
    return unquote(
        urlsplit(settings.sms_url.get_secret_value()).netloc.rpartition("@")[2]
    )  # .hostname is in small letters


def _gateways(settings: Settings) -> dict[str, Gateway]:
    """Return every provider that can be connected. The simulated one moves no money: a live tenant is refused it."""
    urls = dict(PAYPAL_URLS)
    if settings.paypal_api_url:
        urls[settings.paypal_environment] = settings.paypal_api_url
    found: list[Gateway] = [
        Stripe(base_url=settings.stripe_api_url),
        PayPal(base_urls=urls, policy=OutboundPolicy(allows_loopback=not settings.is_production)),
        Manual(),
        Simulated(base_url=settings.simulated_url),
    ]
    return {gateway.name: gateway for gateway in found}
