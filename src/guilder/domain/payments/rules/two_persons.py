"""When it takes two persons, and who may be the second. docs/design/two-persons.md has the tables."""

from collections.abc import Collection, Mapping
from datetime import timedelta

from guilder.domain.payments.model import Limits
from guilder.kernel.errors import Forbidden
from guilder.kernel.money import Money

DAY = timedelta(days=1)
LASTS = timedelta(days=14)
# Who acts for a business. The rule is for these: what the house does by itself was decided before, and for all alike.
_PEOPLES = ("staff:", "api_key:", "user:")


class NotAPerson(Forbidden):
    """This takes a second person of the staff: an API key may ask for it, and cannot grant it."""

    code = "second_person_is_no_person"


class SamePerson(Forbidden):
    """This takes a second person: whoever asked for it, or made the key that did, cannot grant it too."""

    code = "second_person_is_the_first"


class KeyOfNobody(Forbidden):
    """Looser limits are asked for by a person, or by a key that a person made: behind this key could be the second one."""

    code = "key_of_nobody"


def is_bound(actor: str) -> bool:
    """Say whether this is somebody who has to keep to the limits."""
    return actor.startswith(_PEOPLES)


def check_first(names: Collection[str]) -> None:
    """Refuse whoever asks for looser limits by a key of which no person is known to have made it.

    :raises KeyOfNobody: among all the names that they go by is no person's
    """
    if not any(name.startswith("staff:") for name in names):
        raise KeyOfNobody


def takes_two(limits: Mapping[str, int], amount: Money, *, given_alone: int) -> bool:
    """Say whether this amount, with what single persons gave within a day, is more than one may give alone."""
    limit = limits.get(amount.currency)
    return limit is not None and given_alone + amount.minor > limit


def loosens(before: Limits, after: Limits) -> bool:
    """Say whether one person could give more alone afterwards, of anything."""
    return _loosens(before.refunds, after.refunds) or _loosens(before.credits, after.credits)


def check_second(actor: str, *, first: Collection[str]) -> None:
    """Refuse a second person who is none, or who is the first: `first` are all the names that the first goes by.

    :raises NotAPerson, SamePerson: as they say
    """
    if not actor.startswith("staff:"):
        raise NotAPerson
    if actor in first:
        raise SamePerson


def _loosens(before: Mapping[str, int], after: Mapping[str, int]) -> bool:
    return any(code not in after or after[code] > limit for code, limit in before.items())
