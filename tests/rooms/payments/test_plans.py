"""Money is asked for by the same work among ten customers and among a million: nothing looks through a whole tenant."""

from guilder.domain.payments.store import attempts, methods
from tests.support.plans import looked_at

MANY, FEW, TOLD = 5_000, 10, 50


async def test_a_method_is_resolved_without_looking_through_the_others_of_its_tenant(till):
    method = await till.a_card()
    async with till.tx() as tx:
        await tx.execute(
            """insert into payments.methods
               select (jsonb_populate_record(m, jsonb_build_object('id', gen_random_uuid(), 'is_default', false))).*
                 from payments.methods m, generate_series(1, $1) where m.id = $2""",
            MANY,
            method.id,
        )
        seen = await looked_at(tx, methods.RESOLVED, [till.tenant.tenant_id], [method.id])
    assert max(seen.values()) <= FEW, seen


async def test_what_is_told_of_payments_is_found_without_looking_through_the_others_of_their_tenant(till):
    await till.a_card()
    payment = await till.collect()
    async with till.tx() as tx:
        await tx.execute(
            """insert into payments.payments
               select (jsonb_populate_record(p, jsonb_build_object(
                          'id', gen_random_uuid(), 'invoice_id', gen_random_uuid(), 'business_key', 'other:' || n))).*
                 from payments.payments p, generate_series(1, $1) as n where p.id = $2""",
            MANY,
            payment.id,
        )
        keys = await tx.fetch("select tenant_id, business_key from payments.payments order by id limit $1", TOLD)
        tenants, named = zip(*keys, strict=True)
        seen = await looked_at(tx, attempts.TOLD, tenants, named)
    assert max(seen.values()) <= FEW * TOLD, seen
