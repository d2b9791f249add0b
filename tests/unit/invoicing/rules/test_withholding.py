"""What is given back of time that was withheld: docs/design/disputes.md."""

from fractions import Fraction
from types import SimpleNamespace
from uuid import UUID

from guilder.domain.invoicing.rules import withholding
from guilder.domain.invoicing.rules.correcting import Left
from guilder.domain.invoicing.rules.withholding import Withheld
from guilder.kernel.ids import Ref, TenantId
from guilder.kernel.money import Money

LINE, CREDIT = UUID(int=1), UUID(int=2)


def given(withheld, *, left=3000, tax=0, gone=Fraction(0), at_most=10_000):
    line = SimpleNamespace(id=LINE, amount=Money(3000, "EUR"))
    back = withholding.back(
        [Left(line, left, tax)],
        [Withheld(CREDIT, LINE, withheld)],
        {Ref(TenantId(UUID(int=9)), LINE): gone} if gone else {},
        at_most=at_most,
    )
    return [(each.net, each.tax) for each, _ in back]


def test_what_was_withheld_is_given_as_far_as_it_is_left():
    assert given(1500) == [(1500, 0)]
    assert given(1500, gone=Fraction(2, 3)) == [(1000, 0)]
    assert given(1500, gone=Fraction(1)) == []
    assert given(1500, left=700, tax=133) == [(700, 133)]


def test_with_its_tax_it_is_no_more_than_the_invoice_can_give():
    assert given(1500, tax=570, at_most=1785) == [(1500, 285)]
    assert given(1500, tax=570, at_most=1190) == [(1000, 190)]
    assert given(1500, tax=570, at_most=0) == []
    assert given(1500, at_most=0) == []
    assert given(1500, tax=570, at_most=1) == []
