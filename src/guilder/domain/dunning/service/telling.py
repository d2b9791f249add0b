"""What is announced of a case, and the policies that cases are worked out by."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from guilder.domain.dunning import store
from guilder.domain.dunning.events import DunningEvent
from guilder.domain.dunning.model import Case, Policy
from guilder.kernel.ids import Ref, TenantId
from guilder.platform.db.tx import Tx

E = TypeVar("E", bound=DunningEvent)


def event(kind: Callable[..., E], case: Case, **more: Any) -> E:
    return kind(
        tenant_id=case.tenant_id,
        case_id=case.id,
        customer_id=case.customer_id,
        invoice_id=case.invoice_id,
        subscription_id=case.subscription_id,
        subscription_ids=case.subscription_ids,
        **more,
    )


async def policies_of(tx: Tx, tenant_ids: Iterable[TenantId]) -> dict[TenantId, Policy]:
    """Return each tenant's policy: its own, or the usual one."""
    wanted = sorted(set(tenant_ids))
    own = {policy.tenant_id: policy for policy in await store.policies(tx, wanted)}
    return {tenant_id: own.get(tenant_id) or Policy(tenant_id=tenant_id) for tenant_id in wanted}


def subscription_refs(cases: Sequence[Case]) -> list[Ref]:
    return sorted({ref for case in cases for ref in case.subscription_refs})
