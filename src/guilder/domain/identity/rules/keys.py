"""What a new API key may be allowed: known words only, and never more than whoever makes it."""

import re

from guilder.kernel.errors import Forbidden, Invalid

SCOPES_MAX = 50
_SCOPE = re.compile(r"\*|[a-z][a-z_]{0,39}:(?:read|write|\*)")


class BadScope(Invalid):
    """A scope is `*`, or a subject with read, write or *: `invoices:read`."""

    code = "bad_scope"


class ScopeNotHeld(Forbidden):
    """A key cannot be given a scope that whoever makes it does not have."""

    code = "scope_not_held"


def checked_scopes(wanted: frozenset[str], *, held: frozenset[str]) -> frozenset[str]:
    """Return the scopes of a new key.

    :raises BadScope: one is no scope, or there are none or too many
    :raises ScopeNotHeld: one reaches further than those of whoever makes the key
    """
    if not 1 <= len(wanted) <= SCOPES_MAX or not all(_SCOPE.fullmatch(scope) for scope in wanted):
        raise BadScope(field="scopes")
    if beyond := sorted(scope for scope in wanted if not _is_held(scope, held)):
        raise ScopeNotHeld(f"you do not hold the scope {beyond[0]}", field="scopes")
    return wanted


def _is_held(scope: str, held: frozenset[str]) -> bool:
    subject, _, verb = scope.partition(":")
    reaching = {"*", scope, f"{subject}:*"} | ({f"{subject}:write"} if verb == "read" else set())
    return not reaching.isdisjoint(held)
