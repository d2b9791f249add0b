"""Changes that are dated back: paid for by link, and put in force as of when they were asked for."""

import pytest

from guilder.domain.subscriptions.model import SegmentKind
from guilder.domain.subscriptions.rules import changes, rolling
from guilder.kernel.period import Interval, Unit
from tests.unit.subscriptions.rules.test_rolling import active, closed, on, spans, terms


@pytest.mark.parametrize("unit", [Unit.QUARTER, Unit.YEAR, Unit.DAY])
def test_what_is_closed_is_not_opened_again_by_a_change_that_is_dated_before_it(unit):
    monthly = {"has_charges": True, "usage_interval": Interval(Unit.MONTH)}
    metered, turns = rolling.roll(active(terms(Unit.QUARTER, **monthly), at=on("2026-06-01")), now=on("2026-07-02"))
    assert spans(closed(turns)) == [("usage", "06-01", "07-01", "07-01")]
    effect = changes.apply(metered, terms(unit, version=2, **monthly), at=on("2026-06-27"))
    _, later = rolling.roll(effect.subscription, now=on("2026-07-02") if unit is Unit.DAY else on("2026-08-01"))
    again = [each for each in [*effect.segments, *closed(later)] if each.kind is SegmentKind.USAGE]
    assert again
    assert again[0].period.starts_at == on("2026-07-01")
