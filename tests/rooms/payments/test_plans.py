"""Money is asked for by the same work among ten customers and among a million: nothing looks through a whole tenant."""

import json
from collections.abc import Iterator
from typing import Any

from guilder.domain.payments.store import attempts, methods

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
        [row] = await tx.fetch(
            f"explain (analyze, format json) {methods.RESOLVED}", [till.tenant.tenant_id], [method.id]
        )
    looked_at = {node["Node Type"]: seen(node) for node in nodes(json.loads(row[0])[0]["Plan"])}
    assert max(looked_at.values()) <= FEW, looked_at


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
        [row] = await tx.fetch(
            f"explain (analyze, format json) {attempts.TOLD}",
            [each["tenant_id"] for each in keys],
            [each["business_key"] for each in keys],
        )
    looked_at = {node["Node Type"]: seen(node) for node in nodes(json.loads(row[0])[0]["Plan"])}
    assert max(looked_at.values()) <= FEW * TOLD, looked_at


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


def seen(node: dict[str, Any]) -> float:
    filtered = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Join Filter", 0)
    return float(node["Actual Loops"] * (node["Actual Rows"] + filtered))
