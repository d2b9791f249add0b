"""Shared invoices: what a draft said for all of its lines is still said of each of them."""

from datetime import UTC, datetime
from uuid import UUID

from guilder.domain.identity.model import Address, Issuer
from guilder.domain.invoicing.model import Draft, LineKind, NewLine
from guilder.domain.invoicing.rules.consolidating import consolidated
from guilder.kernel.ids import CustomerId, Ref, TenantId
from guilder.kernel.money import Money
from guilder.kernel.noun import replace

TENANT, CUSTOMER = TenantId(UUID(int=1)), CustomerId(UUID(int=2))
ISSUER = Issuer(tenant_id=TENANT, id=UUID(int=3), legal_name="Acme", address=Address(country="DE"), consolidates=True)
GOLD, BASIC = UUID(int=10), UUID(int=11)


def a_draft(n: int, *, plan_id: UUID | None, of_line: UUID | None = None) -> Draft:
    line = NewLine(
        kind=LineKind.RECURRING,
        description="Fee",
        amount=Money(100, "EUR"),
        subscription_id=UUID(int=100 + n),
        plan_id=of_line,
        billed_item=f"sub:{n}",
    )
    return Draft(
        tenant_id=TENANT,
        customer_id=CUSTOMER,
        currency="EUR",
        lines=(line,),
        issued_at=datetime(2026, 3, 1, tzinfo=UTC),
        subscription_id=UUID(int=100 + n),
        plan_id=plan_id,
    )


def together(*drafts: Draft) -> Draft:
    [shared] = consolidated(
        drafts,
        issuers={ISSUER.ref: ISSUER},
        default_issuers={TENANT: ISSUER},
        time_zones={Ref(TENANT, CUSTOMER): "Europe/Berlin"},
    )
    return shared


def plans_of(shared: Draft) -> list[UUID | None]:
    """Return what promo codes look at, line by line: the line's own plan, or else its draft's."""
    return [line.plan_id or shared.plan_id for line in shared.lines]


def test_lines_of_one_plan_are_taken_as_they_are():
    first, second = a_draft(1, plan_id=GOLD), a_draft(2, plan_id=GOLD)
    shared = together(first, second)
    assert plans_of(shared) == [GOLD, GOLD]
    assert shared.lines == first.lines + second.lines


def test_lines_of_different_plans_say_their_own():
    assert plans_of(together(a_draft(1, plan_id=GOLD), a_draft(2, plan_id=BASIC))) == [GOLD, BASIC]
    assert plans_of(together(a_draft(1, plan_id=GOLD), a_draft(2, plan_id=None))) == [GOLD, None]


def test_a_line_that_says_its_plan_keeps_it_whatever_its_draft_says():
    shared = together(a_draft(1, plan_id=GOLD, of_line=BASIC), a_draft(2, plan_id=GOLD))
    assert plans_of(shared) == [BASIC, GOLD]


def test_a_line_without_a_subscription_says_its_drafts():
    first = a_draft(1, plan_id=GOLD)
    bare = replace(first, lines=(replace(first.lines[0], subscription_id=None),))
    assert [line.subscription_id for line in together(bare, a_draft(2, plan_id=GOLD)).lines] == [
        UUID(int=101),
        UUID(int=102),
    ]
