-- Invoicing hears of payments and refunds: it has its time for that.
select i.tenant_id, 'inv' as kind, i.id::text as id,
       case when i.paid_minor < m.paid
            then format('its payments come to %s, and only %s is noted as paid', m.paid, i.paid_minor)
            when i.disputed_minor <> m.disputed
            then format('banks hold or took %s of it, and %s is noted', m.disputed, i.disputed_minor)
            when i.refunded_minor <> m.refunded
            then format('%s was given back of it, and %s is noted', m.refunded, i.refunded_minor)
            else format('%s came in for it, and it is still %s', m.paid, i.status) end as says
from tenant t
join invoicing.invoices i on i.tenant_id = t.tenant_id
cross join lateral (
    select coalesce(sum(p.amount_minor) filter (where not p.is_overpayment), 0) as paid,
           coalesce(sum(r.given), 0) as refunded,
           coalesce(sum(d.taken) filter (where not p.is_overpayment), 0) as disputed,
           max(greatest(p.settled_at, r.last_at, d.last_at)) as last_at
    from payments.payments p
    left join lateral (
        select sum(r.amount_minor) as given, max(r.settled_at) as last_at from payments.refunds r
        where r.tenant_id = p.tenant_id and r.payment_id = p.id and r.status = 'succeeded'
          and not r.is_overpayment) r on true
    left join lateral (
        select sum(d.amount_minor) filter (where d.status in ('open', 'lost')) as taken,
               max(greatest(d.opened_at, d.decided_at)) as last_at
        from payments.disputes d where d.tenant_id = p.tenant_id and d.payment_id = p.id) d on true
    where p.tenant_id = i.tenant_id and p.invoice_id = i.id and p.status = 'succeeded') m
where m.last_at <= t.late_at
  and (i.paid_minor < m.paid or i.refunded_minor <> m.refunded or i.disputed_minor <> m.disputed
       or (i.status in ('open', 'uncollectible') and i.total_minor > 0
           and m.paid + i.credited_minor + i.credit_applied_minor >= i.total_minor))
