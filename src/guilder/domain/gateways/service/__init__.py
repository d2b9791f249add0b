"""The verbs of gateways: connect, ask, record what was answered, take notices in."""

from guilder.domain.gateways.service.asking import (
    card_tokens,
    intend,
    load_calls,
    look_again,
    record_calls,
    request,
)
from guilder.domain.gateways.service.connecting import (
    CONNECT,
    DefaultIsNeeded,
    UnknownGateway,
    accounts,
    connect,
    default_account,
    furnish_sandboxes,
    load_connections,
    make_default,
    one,
    open_accounts,
    record_connections,
    renew_secret,
    retire,
    takers,
)
from guilder.domain.gateways.service.health import health
from guilder.domain.gateways.service.noticing import (
    find_endpoint,
    open_endpoint,
    receive_notice,
)

__all__ = [
    "CONNECT",
    "DefaultIsNeeded",
    "UnknownGateway",
    "accounts",
    "card_tokens",
    "connect",
    "default_account",
    "find_endpoint",
    "furnish_sandboxes",
    "health",
    "intend",
    "load_calls",
    "load_connections",
    "look_again",
    "make_default",
    "one",
    "open_accounts",
    "open_endpoint",
    "receive_notice",
    "record_calls",
    "record_connections",
    "renew_secret",
    "request",
    "retire",
    "takers",
]
