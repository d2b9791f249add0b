"""How long what is kept, where a tenant says nothing, and the least that it may say."""

from datetime import date, datetime, timedelta
from uuid import UUID

from guilder.domain.privacy.model import Forgotten, Rule
from guilder.kernel.errors import Invalid

DAYS_MAX = 36_500
# Of documents the law says how long (invoicing.rules.keeping); a tenant may only keep them longer.
DEFAULTS: dict[Forgotten, Rule] = {
    Forgotten.DOCUMENTS: Rule(kind=Forgotten.DOCUMENTS, days=None, days_min=1),
    Forgotten.MESSAGES: Rule(kind=Forgotten.MESSAGES, days=730, days_min=30),
    # A payment is disputed within 120 days, and decided on within some more.
    Forgotten.PROVIDER_NOTICES: Rule(kind=Forgotten.PROVIDER_NOTICES, days=365, days_min=180),
    # As long as late use may come, and be billed by its properties: 400 days.
    Forgotten.USAGE_PROPERTIES: Rule(kind=Forgotten.USAGE_PROPERTIES, days=730, days_min=400),
}
assert set(DEFAULTS) == set(Forgotten)


class KeptTooShort(Invalid):
    """It has to be kept for longer."""

    code = "kept_too_short"


def check(kind: Forgotten, days: int | None) -> None:
    """Refuse what would be too short; None is the rule's own.

    :raises KeptTooShort: less than the least
    """
    least = DEFAULTS[kind].days_min
    if days is not None and days < least:
        raise KeptTooShort(f"{kind.value} are kept for at least {least} days", field=f"{kind.value}_days")


def before(rule: Rule, *, now: datetime) -> datetime | None:
    """Return the instant before which what is of this kind is forgotten; None: the rule has none of its own."""
    return now - timedelta(days=rule.days) if rule.days is not None else None


def issued_before(rule: Rule, *, now: datetime) -> date | None:
    cut = before(rule, now=now)
    return cut.date() if cut else None


def id_at(at: datetime) -> UUID:
    """Return the smallest id of a row made at this instant: ids are ordered by time."""
    return UUID(int=(int(at.timestamp() * 1000) << 80) | (0x7 << 76) | (0b10 << 62))
