"""Time zones: IANA names only, since rules of local days are looked up by them."""

from functools import cache
from zoneinfo import available_timezones

from guilder.kernel.errors import Invalid


class UnknownTimeZone(Invalid):
    """There is no such time zone; it should be an IANA name such as Europe/Amsterdam."""

    code = "unknown_time_zone"


@cache
def _known() -> frozenset[str]:
    # Read from disk once.
    return frozenset(available_timezones())


def checked_zone(name: str) -> str:
    if name not in _known():
        raise UnknownTimeZone(field="time_zone")
    return name
