-- What a bank holds or has taken is given back, too. What is only on its way back may yet lose against a dispute.
select p.tenant_id, 'pay' as kind, p.id::text as id,
       format('%s %s are given back of it or on their way, banks hold or took %s, and it is %s with %s %s',
              coalesce(r.given, 0), coalesce(r.currency, p.currency), coalesce(d.taken, 0), p.status, p.amount_minor,
              p.currency) as says
from tenant t
join payments.payments p on p.tenant_id = t.tenant_id
left join lateral (
    select max(r.currency) as currency, count(distinct r.currency) as currencies, sum(r.amount_minor) as given,
           coalesce(sum(r.amount_minor) filter (where r.status = 'succeeded'), 0) as back,
           bool_and(r.is_overpayment) as is_return
    from payments.refunds r
    where r.tenant_id = p.tenant_id and r.payment_id = p.id and r.status in ('pending', 'succeeded')) r on true
left join lateral (
    select max(d.currency) as currency, sum(d.amount_minor) as taken from payments.disputes d
    where d.tenant_id = p.tenant_id and d.payment_id = p.id and d.status in ('open', 'lost')) d on true
where (r.given is not null or d.taken is not null)
  and (not (p.status = 'succeeded' or (p.alert = 'paid_after_cancel' and coalesce(r.is_return, true)))
       or r.given > p.amount_minor or coalesce(r.back, 0) + coalesce(d.taken, 0) > p.amount_minor
       or r.currencies > 1 or r.currency <> p.currency or d.currency <> p.currency)
union all
-- Money and credit together give no more of an invoice back than came in for it; what pays credit out is no second gift.
select w.tenant_id, 'inv', w.invoice_id::text,
       format('%s went back of it as money, %s more as credit, and %s came in for it', m.back, w.amount_minor, m.captured)
from tenant t
join payments.withheld w on w.tenant_id = t.tenant_id
cross join lateral (
    select coalesce(sum(p.amount_minor), 0) as captured, coalesce(sum(b.back), 0) as back
    from payments.payments p
    cross join lateral (
        select coalesce((select sum(r.amount_minor) from payments.refunds r
                         where r.tenant_id = p.tenant_id and r.payment_id = p.id and r.status in ('pending', 'succeeded')
                           and not r.is_pay_out), 0) as back) b
    where p.tenant_id = w.tenant_id and p.invoice_id = w.invoice_id and p.status = 'succeeded'
      and not p.is_overpayment) m
where w.amount_minor > 0 and m.back > 0 and m.back + w.amount_minor > m.captured
