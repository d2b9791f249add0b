"""Promo codes: made, archived, looked up, and counted as they are redeemed. Invoicing keeps the redemptions."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from guilder.domain.catalog.events import PromoCodeArchived, PromoCodeCreated
from guilder.domain.catalog.model import NewPromoCode, PromoCode, PromoStatus
from guilder.domain.catalog.rules import checking
from guilder.domain.catalog.rules.promotions import PromoUsedUp
from guilder.domain.catalog.service.plans import plan_ids
from guilder.domain.catalog.store import promotions as store
from guilder.kernel import ids
from guilder.kernel.errors import Conflict, NotFound
from guilder.kernel.page import Page, PageQuery, page_of
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx


class PromoCodeTaken(Conflict):
    """The code is taken by another active promo code; capitals make no difference."""

    code = "code_taken"


async def create_promo_code(tx: Tx, *, promo: NewPromoCode, now: datetime) -> PromoCode:
    """Make a promo code that can be redeemed from now on, or from its start.

    :raises BadPromoCode: what it says cannot be; names the field
    :raises NotFound: it is for a plan that does not exist
    :raises PromoCodeTaken: another active one has the code
    """
    checking.check_promo_code(promo)
    await plan_ids(tx, plans=promo.plan_ids)
    said = {name: getattr(promo, name) for name in NewPromoCode.__dataclass_fields__}
    made = PromoCode(**said, tenant_id=tx.tenant_id, id=ids.new(now), status=PromoStatus.ACTIVE, created_at=now)
    if not await store.insert(tx, made):
        raise PromoCodeTaken(f"another promo code is {made.code!r}", field="code")
    event = PromoCodeCreated(tenant_id=made.tenant_id, promo_code_id=made.id, code=made.code)
    outbox.announce(tx, [event], now=now)
    return made


async def archive_promo_code(tx: Tx, *, promo_code_id: UUID, now: datetime) -> PromoCode:
    """Let a promo code be redeemed no more; who has it keeps it. Archiving twice changes nothing.

    :raises NotFound: no such promo code
    """
    is_archived_now = await store.archive(tx, promo_code_id)
    found = await promo_code(tx, code=promo_code_id)
    if is_archived_now:
        event = PromoCodeArchived(tenant_id=found.tenant_id, promo_code_id=found.id, code=found.code)
        outbox.announce(tx, [event], now=now)
    return found


async def promo_code(tx: Tx, *, code: UUID | str) -> PromoCode:
    """Return a promo code by id, or an active one by its code, in whatever capitals.

    :raises NotFound: no such promo code
    """
    by_id = code if isinstance(code, UUID) else ids.from_text("promo", code)
    found = await store.one(tx, promo_code_id=by_id, code=None if isinstance(code, UUID) else code)
    if found is None:
        raise NotFound("there is no such promo code", field="promo_code")
    return found


async def promo_codes(tx: Tx, *, query: PageQuery, archived: bool = False) -> Page[PromoCode]:
    return page_of(await store.page(tx, query, archived=archived), query, lambda each: each.id)


async def lock_promo_codes(tx: Tx, *, codes: Sequence[UUID]) -> dict[UUID, PromoCode]:
    """Lock promo codes, in the order of their ids, and return what they say and how often they were redeemed."""
    return {each.id: each for each in await store.lock(tx, sorted(set(codes)))}


async def count_redemptions(tx: Tx, *, promo_code_id: UUID, by: int = 1) -> None:
    """Count that a code was redeemed, exactly however many do it at once; a negative `by` takes it back.

    :raises PromoUsedUp: it would be redeemed more often than it can be
    :raises NotFound: no such promo code
    """
    if await store.add_redemptions(tx, promo_code_id=promo_code_id, by=by):
        return
    await promo_code(tx, code=promo_code_id)
    raise PromoUsedUp(field="promo_code")
