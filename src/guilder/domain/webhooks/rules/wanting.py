"""Which endpoint wants which event.

A pattern is a name (`invoicing.invoice.paid`), a beginning of names up to a dot (`invoicing.*`, `invoicing.invoice.*`),
or `*` for everything.
"""

from collections.abc import Collection, Iterable, Sequence

EVERYTHING = "*"
PING = "webhooks.ping"
_OWN = "webhooks."


def is_wanted(patterns: Iterable[str], name: str) -> bool:
    """Say whether one of the patterns is this name's. What this room announces is nobody's: it would never end."""
    return not name.startswith(_OWN) and any(matches(pattern, name) for pattern in patterns)


def matches(pattern: str, name: str) -> bool:
    if pattern == EVERYTHING:
        return True
    if pattern.endswith(".*"):
        return name.startswith(pattern[:-1])
    return pattern == name


def unknown(patterns: Iterable[str], names: Collection[str]) -> list[str]:
    """Return the patterns that no event has, in the order given."""
    return [pattern for pattern in patterns if not any(is_wanted([pattern], name) for name in names)]


def split(patterns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return patterns as whole names and as beginnings of names; none at all are everything."""
    if not patterns or EVERYTHING in patterns:
        return [], [""]
    names = [pattern for pattern in patterns if not pattern.endswith(".*")]
    return names, [pattern[:-1] for pattern in patterns if pattern.endswith(".*")]
