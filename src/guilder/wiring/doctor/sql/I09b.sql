-- What moved money is booked in the transaction that recorded it, and what is booked happened.
with fact as (
    select p.tenant_id, 'payment' as source_type, p.id as source_id, array['payment_succeeded'] as kinds
    from tenant t join payments.payments p on p.tenant_id = t.tenant_id
    where p.status = 'succeeded' or (p.alert = 'paid_after_cancel' and p.account_id is not null)
    union all
    select r.tenant_id, 'refund', r.id,
           array[case when r.is_overpayment then 'overpayment_returned' else 'refund_succeeded' end]
    from tenant t join payments.refunds r on r.tenant_id = t.tenant_id where r.status = 'succeeded'
    union all
    select d.tenant_id, 'dispute', d.id,
           array_remove(array[case when d.opened_at is not null and d.amount_minor > 0 then 'dispute_opened' end,
                              case when d.status = 'won' and d.opened_at is not null and d.amount_minor > 0
                                   then 'dispute_won' end,
                              case when d.status = 'lost' and d.amount_minor > 0 then 'dispute_lost' end,
                              case when d.fee_minor is not null then 'dispute_fee' end], null)
    from tenant t join payments.disputes d on d.tenant_id = t.tenant_id
    union all
    select i.tenant_id, 'invoice', i.id,
           case i.status when 'void' then array['invoice_finalized', 'invoice_voided']
                         when 'uncollectible' then array['invoice_finalized', 'invoice_given_up']
                         else array['invoice_finalized'] end
    from tenant t join invoicing.invoices i on i.tenant_id = t.tenant_id
    where i.total_minor <> 0 and i.status <> 'draft'
), due as (
    select f.tenant_id, f.source_type, f.source_id, k.kind from fact f cross join unnest(f.kinds) as k (kind)
), booked as (
    select e.tenant_id, e.source_type, e.source_id, e.kind
    from tenant t join ledger.entries e on e.tenant_id = t.tenant_id
)
select d.tenant_id, case d.source_type when 'payment' then 'pay' when 'refund' then 'ref' when 'dispute' then 'dsp' else 'inv' end as kind,
       d.source_id::text as id, format('there is no %s for it in the books', d.kind) as says
from due d left join booked b using (tenant_id, source_type, source_id, kind)
where b.kind is null
union all
select b.tenant_id, case b.source_type when 'payment' then 'pay' when 'refund' then 'ref' when 'dispute' then 'dsp' else 'inv' end,
       b.source_id::text, format('it is booked as %s, and that never happened', b.kind)
from booked b left join due d using (tenant_id, source_type, source_id, kind)
where d.kind is null and b.kind in ('payment_succeeded', 'refund_succeeded', 'overpayment_returned', 'invoice_voided',
                                     'dispute_opened', 'dispute_won', 'dispute_lost', 'dispute_fee')
