-- What every check stands on. $1 the wall clock, $2 one tenant or null, $3 a provider's journal or null, $4 how long
-- things may take. A check answers with (tenant_id, kind, id, says), a row for each thing that is wrong.
with tenant as materialized (
    -- Each on its own clock. What fell due up to late_at has had its time.
    select t.tenant_id, t.status, c.now_at, c.now_at - $4::interval as late_at
    from identity.tenants t
    left join identity.sandbox_clocks s on s.tenant_id = t.tenant_id
    cross join lateral (select coalesce(s.now_at, $1::timestamptz) as now_at) c
    where $2::uuid is null or t.tenant_id = $2
), wall as (
    select $1::timestamptz as now_at, $1::timestamptz - $4::interval as late_at
), journal as (
    select $3::jsonb as told, coalesce($3::jsonb ->> 'gateway', 'simulated') as gateway
), given_back as materialized (
    select g.*, upper(g.currency) as code,
           case when g.business_key ~ '^[0-9a-f-]{36}:refund:[0-9a-f-]{36}$'
                then split_part(g.business_key, ':', 1)::uuid end as tenant_id,
           case when g.business_key ~ '^[0-9a-f-]{36}:refund:[0-9a-f-]{36}$'
                then split_part(g.business_key, ':', 3)::uuid end as refund_id
    from journal, jsonb_to_recordset(coalesce(journal.told -> 'refunds', '[]'))
        as g (ref text, charge_ref text, business_key text, amount bigint, currency text, status text, at timestamptz)
    where g.status = 'succeeded'
), charge as materialized (
    -- What the provider has captured under our keys: a journal may hold what was never ours. What a restore lost pays for
    -- the invoice that adopted it, not for the one that nobody here remembers.
    select t.tenant_id, coalesce(a.invoice_id, k.invoice_id) as invoice_id, c.business_key, c.ref, c.amount, upper(c.currency) as currency, c.at,
           c.amount - coalesce(g.returned, 0) as kept
    from journal, jsonb_to_recordset(coalesce(journal.told -> 'charges', '[]'))
        as c (ref text, business_key text, amount bigint, currency text, status text, at timestamptz)
    cross join lateral (
        select case when c.business_key ~ '^[0-9a-f-]{36}:[0-9a-f-]{36}:[0-9]+$'
                    then split_part(c.business_key, ':', 1)::uuid end as tenant_id,
               case when c.business_key ~ '^[0-9a-f-]{36}:[0-9a-f-]{36}:[0-9]+$'
                    then split_part(c.business_key, ':', 2)::uuid end as invoice_id) k
    join tenant t on t.tenant_id = k.tenant_id
    left join (select g.charge_ref, sum(g.amount) as returned from given_back g group by g.charge_ref) g
        on g.charge_ref = c.ref
    left join payments.found f
        on f.tenant_id = t.tenant_id and f.provider_ref = c.ref and f.business_key = c.business_key
    left join payments.payments a on a.tenant_id = f.tenant_id and a.id = f.payment_id
    where c.status = 'succeeded'
)
