"""Settings that say where something is, or who sends: a wrong one is refused at the start, not at its first use."""

from email.utils import parseaddr
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr

PORT_MAX = 65_535
POSTGRES = frozenset({"postgresql", "postgres"})


def _web(value: str) -> str:
    try:
        parts = urlsplit(value)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        is_good = False
    if not is_good:
        raise ValueError("should be a URL such as https://example.com")
    return value


def _postgres(value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    # Several hosts stand by comma, which urlsplit's own port does not know; brackets hold an IPv6 address.
    ends = [each.rpartition("]")[2] for each in parts.netloc.rpartition("@")[2].split(",")]
    ports = [end.partition(":")[2] for end in ends]
    if parts.scheme not in POSTGRES or not all(_is_port(port) for port in ports if port):
        raise ValueError("should be written postgresql://user:password@host:5432/name")
    return value


def _is_port(said: str) -> bool:
    return said.isascii() and said.isdigit() and 0 < int(said) <= PORT_MAX


def _brokers(value: str) -> str:
    for each in value.split(","):
        _, colon, port = each.strip().rpartition("]")[2].partition(":")
        if not each.strip() or (colon and not _is_port(port)):
            raise ValueError("should be brokers by comma, such as kafka-1:9092,kafka-2:9092")
    return value


def _sender(value: str) -> str:
    name, _, domain = parseaddr(value)[1].partition("@")
    if not name or not domain or " " in domain:
        raise ValueError("should be a sender such as Example <billing@example.com>")
    return value


def _twilio(value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    if parts.scheme != "twilio" or not (parts.username and parts.password and parts.hostname):
        raise ValueError("should be written twilio://sid:token@+15550100")
    return value


def _stripe_key(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(("sk_", "rk_")):
        raise ValueError("should be a secret key, which begins with sk_ or rk_")
    return value


def _signing_secret(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith("whsec_"):
        raise ValueError("should be a signing secret, which begins with whsec_")
    return value


WebUrl = Annotated[str, AfterValidator(_web)]
PostgresUrl = Annotated[SecretStr, AfterValidator(_postgres)]
Brokers = Annotated[str, AfterValidator(_brokers)]
Sender = Annotated[str, AfterValidator(_sender)]
TwilioUrl = Annotated[SecretStr, AfterValidator(_twilio)]
StripeKey = Annotated[SecretStr, AfterValidator(_stripe_key)]
SigningSecret = Annotated[SecretStr, AfterValidator(_signing_secret)]
