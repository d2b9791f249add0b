"""Whether settings are fit for production: what others could read, believe or reach that they should not.

The worst stop a start where APP_ENV is production; `guilder doctor --config` lists everything. No value is ever said,
only names: many of them are secrets.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from guilder.platform.cache.address import BadAddress, parse
from guilder.platform.config import FOLDER_PREFIX, KMS_PREFIX, BadSettings, Settings
from guilder.platform.crypto import FILE_NAME
from guilder.platform.db.masters.sources import OTHERS
from guilder.platform.db.tls import is_checked, is_local
from guilder.platform.outside.mail import SmtpServer
from guilder.wiring.ports import mail_server

# A network of more addresses than this is not of proxies that somebody runs.
PROXIES_PREFIX_MIN = {4: 8, 6: 32}
METRICS_TOKEN_MIN = 20


class Weight(StrEnum):
    STOPS = "stops"  # production does not start
    UNSAFE = "unsafe"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    weight: Weight
    setting: str
    what: str


def refuse_unsafe(settings: Settings) -> None:
    """Let nothing be served in production that anybody could walk into.

    :raises BadSettings: names the worst
    """
    if not settings.is_production:
        return
    worst = [each for each in findings(settings) if each.weight is Weight.STOPS]
    if worst:
        said = "; ".join(f"{each.setting} {each.what}" for each in worst)
        raise BadSettings(f"production does not start so: {said}")


def findings(settings: Settings) -> list[Finding]:
    """Return what is unsafe if these were a production's settings, the worst first."""
    found = [*_database(settings), *_mail(settings), *_web(settings), *_keys(settings), *_peers(settings)]
    return sorted(found, key=lambda each: list(Weight).index(each.weight))


def _database(settings: Settings) -> Iterator[Finding]:
    for name in (
        "database_url",
        "database_direct_url",
        "database_replica_url",
        "database_owner_url",
        "database_doctor_url",
    ):
        url = _text(getattr(settings, name))
        if url is None or is_checked(url):
            continue
        mode = parse_qs(urlsplit(url).query)["sslmode"][-1]
        weight = Weight.UNSAFE if mode == "require" else Weight.STOPS
        yield Finding(weight, name.upper(), f"says sslmode={mode}, to another machine: leave it out, or verify-full")
    if settings.database_url is None:
        yield Finding(Weight.NOTE, "DATABASE_URL", "is unset: the embedded server is one machine's, without a standby")


def _mail(settings: Settings) -> Iterator[Finding]:
    try:
        server = mail_server(settings)
    except BadSettings:
        yield Finding(
            Weight.STOPS, "SMTP_URL", "cannot be read: it is written smtp://user:password@host:port, or smtps://…"
        )
        return
    if server is None:
        yield Finding(Weight.NOTE, "SMTP_URL", "is unset: no mail is sent")
        return
    if is_local(server.host) or server.is_tls or server.start_tls:
        return
    yield _plain_mail(server)


def _plain_mail(server: SmtpServer) -> Finding:
    if server.password:
        return Finding(Weight.STOPS, "SMTP_URL", "sends a password in the clear: leave starttls out, or use smtps://")
    return Finding(Weight.UNSAFE, "SMTP_URL", "hands mail over in the clear: leave starttls out, or use smtps://")


def _web(settings: Settings) -> Iterator[Finding]:
    public = urlsplit(settings.public_url or "")
    if settings.public_url is None:
        yield Finding(Weight.UNSAFE, "PUBLIC_URL", "is unset: payment links lead to localhost")
    elif public.scheme != "https":
        weight = Weight.NOTE if is_local(public.hostname or "") else Weight.STOPS
        yield Finding(weight, "PUBLIC_URL", "is not https: sessions and payment links can be read on the way")
    for each in settings.trusted_proxies:
        network = ip_network(each, strict=False)
        if network.prefixlen < PROXIES_PREFIX_MIN[network.version]:
            yield Finding(Weight.STOPS, "TRUSTED_PROXIES", f"believes {each}: anybody may say who they are")
    for origin in settings.cors_origin:
        host = urlsplit(origin).hostname or ""
        if origin == "*" or (not origin.startswith("https://") and not is_local(host)):
            yield Finding(Weight.UNSAFE, "CORS_ORIGIN", f"lets {origin} read answers")
    if settings.metrics_token and len(settings.metrics_token.get_secret_value()) < METRICS_TOKEN_MIN:
        yield Finding(Weight.UNSAFE, "METRICS_TOKEN", f"is shorter than {METRICS_TOKEN_MIN} letters")


def _keys(settings: Settings) -> Iterator[Finding]:
    if settings.guilder_master_key is None:
        yield Finding(Weight.UNSAFE, "GUILDER_MASTER_KEY", "is unset: the key lies beside the data it seals")
    elif (path := _key_file(settings)) is not None and _is_open(path):
        yield Finding(Weight.STOPS, "GUILDER_MASTER_KEY", f"names a file that others may read: chmod 600 {path}")
    elif not settings.guilder_master_key.get_secret_value().startswith((FOLDER_PREFIX, KMS_PREFIX)):
        yield Finding(Weight.NOTE, "GUILDER_MASTER_KEY", "is in the environment: rotating it takes restarts")
    if _is_open(Path(".env")):
        yield Finding(Weight.UNSAFE, ".env", "may be read by others: chmod 600 .env")
    stripe = _text(settings.stripe_secret_key)
    if stripe and "_test_" in stripe:
        yield Finding(Weight.UNSAFE, "STRIPE_SECRET_KEY", "is a test key: nobody is charged")
    if settings.paypal_client_id and settings.paypal_environment == "sandbox":
        yield Finding(Weight.UNSAFE, "PAYPAL_ENVIRONMENT", "is sandbox: nobody is charged")
    if settings.clerk_issuer and not settings.clerk_authorized_parties:
        yield Finding(Weight.UNSAFE, "CLERK_AUTHORIZED_PARTIES", "is unset: no Clerk token is told from another app's")


def _peers(settings: Settings) -> Iterator[Finding]:
    plain = "is spoken to in the clear: "
    yield from _redis(settings, plain)
    brokers = [each.partition(":")[0] for each in (settings.kafka_bootstrap_servers or "").split(",") if each]
    if not all(is_local(each) for each in brokers) and not settings.kafka_security_protocol.endswith("SSL"):
        yield Finding(Weight.UNSAFE, "KAFKA_SECURITY_PROTOCOL", plain + "use SSL or SASL_SSL")
    for name in (
        "otel_exporter_otlp_endpoint",
        "auth_introspection_url",
        "stripe_api_url",
        "paypal_api_url",
        "oidc_issuer",
        "aws_endpoint_url_s3",
    ):
        url = urlsplit(getattr(settings, name) or "https://")
        if url.scheme != "https" and not is_local(url.hostname or ""):
            yield Finding(Weight.UNSAFE, name.upper(), plain + "use https://")


def _redis(settings: Settings, plain: str) -> Iterator[Finding]:
    url = _text(settings.redis_url)
    if url is None:
        return
    try:
        address = parse(url)
    except BadAddress as error:
        yield Finding(Weight.STOPS, "REDIS_URL", str(error))
        return
    if not address.is_private:
        yield Finding(Weight.UNSAFE, "REDIS_URL", plain + "use rediss://")


def _key_file(settings: Settings) -> Path | None:
    named = _text(settings.guilder_master_key) or ""
    return Path(named.removeprefix(FOLDER_PREFIX)) / FILE_NAME if named.startswith(FOLDER_PREFIX) else None


def _is_open(path: Path) -> bool:
    return path.is_file() and bool(path.stat().st_mode & OTHERS)


def _text(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
