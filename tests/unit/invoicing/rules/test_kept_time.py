"""Time that was paid for and kept in a pause: known by where it ends, whatever the billing day is by then."""

import pytest

from guilder.domain.catalog.model import Alignment
from guilder.domain.invoicing.rules import kept
from guilder.kernel.noun import replace
from guilder.kernel.period import Period
from tests.unit.invoicing.rules.test_proration import a_subscription, at, terms


@pytest.mark.parametrize(
    ("alignment", "day", "anchor", "is_kept"),
    [
        (Alignment.ANNIVERSARY, None, "2026-07-21 00:00", True),
        (Alignment.ANNIVERSARY, None, "2026-07-01 00:00", False),
        (Alignment.BILLING_DAY, 15, "2026-07-15 00:00", True),  # moved since: no period of that grid begins on the 21st
        (Alignment.BILLING_DAY, 21, "2026-06-21 00:00", False),  # a stub up to its grid
        (Alignment.CALENDAR, None, "2026-08-01 00:00", True),
    ],
)
def test_kept_time_is_known_by_where_it_ends(alignment, day, anchor, is_kept):
    left, full = (Period(at(f"{start} 00:00"), at("2026-07-21 00:00")) for start in ("2026-07-01", "2026-06-21"))
    subscription = replace(a_subscription(terms(3_000), period=left, full=full), anchor_at=at(anchor))
    billing = replace(subscription.terms.billing, alignment=alignment, billing_day=day)
    assert kept.is_kept(replace(subscription, terms=replace(subscription.terms, billing=billing))) is is_kept
    assert not kept.is_kept(replace(subscription, full_period=None))
