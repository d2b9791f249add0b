-- What is over is over: of a payment, only a fact of the provider turns a decline into a success.
with move as (
    select s.tenant_id, 'pay' as kind, s.payment_id as id, s.id as number, s.from_status, s.to_status,
           s.from_status in ('succeeded', 'canceled') or (s.from_status = 'declined' and s.to_status <> 'succeeded')
               or s.to_status = 'awaiting_customer' as is_wrong
    from tenant t join payments.states s on s.tenant_id = t.tenant_id
    union all
    select s.tenant_id, 'inv', s.invoice_id, s.id, s.from_status, s.to_status,
           (s.from_status, s.to_status) not in (('draft', 'open'), ('draft', 'paid'), ('open', 'paid'), ('open', 'void'),
                                                ('open', 'uncollectible'), ('uncollectible', 'paid'))
    from tenant t join invoicing.states s on s.tenant_id = t.tenant_id
    union all
    select s.tenant_id, 'sub', s.subscription_id, s.id, s.from_status, s.to_status,
           s.from_status in ('canceled', 'expired')
               or (s.to_status in ('processing', 'trialing') and s.from_status <> 'scheduled')
    from tenant t join subscriptions.states s on s.tenant_id = t.tenant_id
), last as (
    select distinct on (m.tenant_id, m.kind, m.id) m.* from move m order by m.tenant_id, m.kind, m.id, m.number desc
), standing as (
    select p.tenant_id, 'pay' as kind, p.id, p.status from payments.payments p
    union all select i.tenant_id, 'inv', i.id, i.status from invoicing.invoices i
    union all select s.tenant_id, 'sub', s.id, s.status from subscriptions.subscriptions s
)
select m.tenant_id, m.kind, m.id::text as id, format('it went from %s to %s', m.from_status, m.to_status) as says
from move m where m.is_wrong
union all
select l.tenant_id, l.kind, l.id::text, format('it is %s, and the last that was noted is that it became %s', s.status, l.to_status)
from last l join standing s on s.tenant_id = l.tenant_id and s.kind = l.kind and s.id = l.id
where s.status <> l.to_status
union all
-- An invoice is made open, or paid where nothing was owed; only what becomes of it later is noted.
select i.tenant_id, 'inv', i.id::text, format('it is %s, and nothing is noted of how it became that', i.status)
from tenant t
join invoicing.invoices i on i.tenant_id = t.tenant_id
where not exists (select from invoicing.states s where s.tenant_id = i.tenant_id and s.invoice_id = i.id)
  and i.status <> 'open'
  and (i.status, i.paid_at, i.paid_minor, i.credited_minor) is distinct from ('paid', i.issued_at, 0, 0)
