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
    UnknownGateway,
    accounts,
    connect,
    default_account,
    furnish_sandboxes,
    load_connections,
    one,
    open_accounts,
    record_connections,
    renew_secret,
)
from guilder.domain.gateways.service.noticing import (
    find_endpoint,
    receive_notice,
)

__all__ = [
    "CONNECT",
    "UnknownGateway",
    "accounts",
    "card_tokens",
    "connect",
    "default_account",
    "find_endpoint",
    "furnish_sandboxes",
    "intend",
    "load_calls",
    "load_connections",
    "look_again",
    "one",
    "open_accounts",
    "receive_notice",
    "record_calls",
    "record_connections",
    "renew_secret",
    "request",
]
