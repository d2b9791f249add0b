-- The row that answers is written with the facts. Of a product whose time has run out it may still tell.
select s.tenant_id, 'cus' as kind, s.customer_id::text as id,
       format('what is said of its %s is not what the facts come to', d.what) as says
from tenant t
join entitlements.standings s on s.tenant_id = t.tenant_id
cross join lateral (
    select 'grants' as what,
           (select coalesce(jsonb_agg(to_jsonb(r) order by r.source_id), '[]')
            from jsonb_to_recordset(s.grants)
                as r (source_id uuid, kind text, code text, version int, limits jsonb, valid_from timestamptz,
                      valid_until timestamptz, is_renewing boolean, is_suspended boolean)
            where r.kind = 'subscription' or r.valid_until is null or r.valid_until > t.now_at) as said,
           (select coalesce(jsonb_agg(to_jsonb(g) order by g.source_id), '[]')
            from (select g.source_id, g.kind, g.code, g.version, g.limits, g.valid_from, g.valid_until, g.is_renewing,
                         g.is_suspended
                  from entitlements.grants g
                  where g.tenant_id = s.tenant_id and g.customer_id = s.customer_id and g.ended_at is null
                    and (g.kind = 'subscription' or g.valid_until is null or g.valid_until > t.now_at)
                  order by g.source_id desc limit 1000) g) as meant
    union all
    select 'blocks',
           (select coalesce(jsonb_agg(to_jsonb(r) order by r.cause_id), '[]')
            from jsonb_to_recordset(s.blocks) as r (cause_id uuid, reason text, since timestamptz)),
           (select coalesce(jsonb_agg(to_jsonb(b) order by b.cause_id), '[]')
            from (select b.cause_id, b.reason, b.since from entitlements.blocks b
                  where b.tenant_id = s.tenant_id and b.customer_id = s.customer_id and b.lifted_at is null) b)
    union all
    select 'refunds',
           (select coalesce(jsonb_agg(to_jsonb(r) order by r.refund_id), '[]')
            from jsonb_to_recordset(s.revocations)
                as r (refund_id uuid, invoice_id uuid, subscription_id uuid, until timestamptz)),
           (select coalesce(jsonb_agg(to_jsonb(r) order by r.refund_id), '[]')
            from (select r.refund_id, r.invoice_id, r.subscription_id, r.until from entitlements.revocations r
                  where r.tenant_id = s.tenant_id and r.customer_id = s.customer_id) r)) d
where d.said is distinct from d.meant
