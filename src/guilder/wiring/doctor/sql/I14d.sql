-- Before discounts, the fee of a whole period is what was agreed when it began; of a price that contains tax, with it.
with began as (
    -- Of what was changed at once within a period, the first state is what its fee was billed by.
    select distinct on (h.tenant_id, h.subscription_id, h.current_period_start, h.current_period_end)
           h.tenant_id, h.subscription_id, h.terms, h.current_period_start as starts_at, h.current_period_end as ends_at,
           false as is_over
    from tenant t join subscriptions.history h on h.tenant_id = t.tenant_id
    where h.status in ('processing', 'active', 'past_due') and h.full_period_start is null
      and not coalesce((h.terms #>> '{billing,in_arrears}')::boolean, false)
    order by h.tenant_id, h.subscription_id, h.current_period_start, h.current_period_end, h.id
), owed as (
    select * from began
    union all
    select g.tenant_id, g.subscription_id, g.terms, g.period_start, g.period_end, true
    from tenant t join subscriptions.segments g on g.tenant_id = t.tenant_id
    where g.kind = 'fee' and (g.period_start, g.period_end) = (g.full_period_start, g.full_period_end)
), compared as (
    select o.*, i.number,
           coalesce((o.terms #>> '{full_amount,minor}')::bigint,
                    (o.terms #>> '{unit_amount,minor}')::bigint * (o.terms ->> 'quantity')::bigint) as agreed_minor,
           case when coalesce((l.explanation #>> '{tax,is_inclusive}')::boolean, false)
                then coalesce((l.explanation #>> '{discounts,0,before}')::bigint,
                              (l.explanation #>> '{tax,gross}')::bigint)
                else l.amount_minor + l.discount_minor end as billed_minor
    from owed o
    join invoicing.lines l
        on l.tenant_id = o.tenant_id and l.subscription_id = o.subscription_id and l.kind = 'recurring'
        and l.period_start = o.starts_at and l.period_end = o.ends_at
        and (l.explanation ->> 'rule' = 'flat_fee_in_arrears') = o.is_over
        -- A stub is none, though it may be as long: another interval, from the instant at which the old one had begun anew.
        and coalesce(l.explanation -> 'share', '[1, 1]') = '[1, 1]'
    join invoicing.invoices i on i.tenant_id = l.tenant_id and i.id = l.invoice_id and i.status <> 'void'
)
select c.tenant_id, 'sub' as kind, c.subscription_id::text as id,
       format('the period from %s was agreed at %s, and %s bills %s', c.starts_at, c.agreed_minor, c.number,
              c.billed_minor) as says
from compared c
where c.billed_minor <> c.agreed_minor
