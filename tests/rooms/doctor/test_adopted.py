"""What a restore lost and was found again is nothing that is wrong."""

from uuid import UUID

from tests.rooms.doctor.seeds import _PAID
from tests.support.database import connected

_ADOPTED = f"""
insert into payments.found (tenant_id, id, account_id, provider_ref, charge_ref, business_key, claim, amount_minor,
        currency, captured_at, found_at, payment_id)
    select tenant_id, id, account_id, provider_ref, charge_ref, tenant_id || ':{UUID(int=7)}:1', 'claim', amount_minor,
           currency, settled_at, settled_at, id from payments.payments where id = {_PAID};
delete from gateways.requests where kind = 'charge' and subject_id = {_PAID};
"""


async def test_what_a_restore_lost_pays_under_the_key_of_the_lost_attempt(world):
    async with connected(world.urls.admin) as admin:
        ref = await admin.fetchval(f"select provider_ref from payments.payments where id = {_PAID}")
    lost = f"{world.tenant_id}:{UUID(int=7)}:1"
    charges = [{**each, "business_key": lost} if each["ref"] == ref else each for each in world.journal["charges"]]
    assert charges != world.journal["charges"]
    async with world.broken(_ADOPTED) as look:
        report = await look(journal={**world.journal, "charges": charges})
    assert not {"I05", "I06", "I06-own"} & set(report.counts)
