"""How the brokers are reached, and what a topic of the log is called there."""

import logging
import re
import time
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError

from guilder.platform import metrics
from guilder.platform.config import Settings
from guilder.platform.logging import get

CLIENT = "guilder"
NAME_MAX = 249
SOCKET_TIMEOUT_S = 10
SAY_EVERY_S = 60.0
_LEGAL = re.compile(r"[a-zA-Z0-9._-]+")

_log = get(__name__)
# What it calls fatal it would say on stderr, whatever its level: a producer that is given up, too.
_silent = logging.getLogger("guilder.librdkafka")
_silent.disabled = True


@dataclass(frozen=True, slots=True)
class Connection:
    """The brokers, and how to speak to them. `prefix` sets an installation apart on a cluster that it shares."""

    servers: str
    prefix: str = ""
    security: dict[str, str] = field(default_factory=dict, repr=False)

    def client(self, **more: Any) -> dict[str, Any]:
        """Return what librdkafka wants to know. Its own words on stderr are not wanted: errors are counted instead."""
        return {
            "bootstrap.servers": self.servers,
            "client.id": CLIENT,
            "log_level": 0,
            "logger": _silent,
            "error_cb": _noted,
            "socket.timeout.ms": SOCKET_TIMEOUT_S * 1_000,
            "reconnect.backoff.max.ms": 2_000,
            "allow.auto.create.topics": False,
            **self.security,
            **{name.replace("_", "."): value for name, value in more.items()},
        }

    def topic(self, name: str) -> str:
        """Return what a topic of the log is called on the brokers."""
        called = self.prefix + name
        assert _LEGAL.fullmatch(called), called
        assert len(called) <= NAME_MAX, called
        return called

    def group(self, name: str) -> str:
        """Return the consumer group that speaks for one of ours."""
        return f"{self.prefix}{CLIENT}.{name}"


def connection(settings: Settings) -> Connection | None:
    """Return the brokers that the settings name; None without KAFKA_BOOTSTRAP_SERVERS."""
    if not settings.kafka_bootstrap_servers:
        return None
    password = settings.kafka_sasl_password
    said = {
        "security.protocol": settings.kafka_security_protocol,
        "sasl.mechanism": settings.kafka_sasl_mechanism,
        "sasl.username": settings.kafka_sasl_username,
        "sasl.password": password.get_secret_value() if password else None,
        "ssl.ca.location": settings.kafka_ssl_ca_file,
    }
    security = {name: value for name, value in said.items() if value is not None}
    return Connection(settings.kafka_bootstrap_servers, settings.kafka_topic_prefix, security)


def complain(event: str, reason: str) -> None:
    """Say a trouble once a minute, however often it happens."""
    instant = time.monotonic()
    if instant - _said.get(event, -SAY_EVERY_S) >= SAY_EVERY_S:
        _said[event] = instant
        _log.warning(event, reason=reason)


_said: dict[str, float] = {}


def _noted(error: KafkaError) -> None:
    metrics.broker_failed(kind=error.name())
    complain("broker_trouble", error.str())
