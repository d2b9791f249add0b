select p.tenant_id, 'inv' as kind, p.invoice_id::text as id,
       format('%s payments of it succeeded and are kept', count(*)) as says
from tenant t
join payments.payments p on p.tenant_id = t.tenant_id
where p.status = 'succeeded' and not p.is_overpayment
group by p.tenant_id, p.invoice_id
having count(*) > 1
union all
select p.tenant_id, 'pay', p.id::text, 'it was captured beside another, and is not on its way back'
from tenant t
join payments.payments p on p.tenant_id = t.tenant_id
where (p.is_overpayment or (p.alert = 'paid_after_cancel' and p.account_id is not null))
  -- Where it was not taken back, the clock gives it back again.
  and p.check_due_at is null
  and not exists (select from payments.disputes d
                  where d.tenant_id = p.tenant_id and d.payment_id = p.id and d.status in ('open', 'lost'))
  and not exists (select from payments.refunds r
                  where r.tenant_id = p.tenant_id and r.payment_id = p.id and r.is_overpayment
                    and r.status in ('pending', 'succeeded'))
