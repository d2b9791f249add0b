-- A hole is a time for which nobody was billed. A suspension that was repaid makes one, and so does a pause, also where it
-- only moved the period's end; a period whose invoice was voided was billed once. The rest of a period after a fee in arrears
-- is filled by the charge of the change that ended it. An overlap is right only where the old
-- period's rest was credited, be it when a pause began, or was worth nothing, as every part is by the basis `none`.
with fee as (
    select l.tenant_id, l.subscription_id, l.invoice_id, l.period_start, l.period_end, l.amount_minor
    from tenant t
    join invoicing.lines l on l.tenant_id = t.tenant_id
    join invoicing.invoices i on i.tenant_id = l.tenant_id and i.id = l.invoice_id
    where l.kind = 'recurring' and i.status <> 'void'
), step as (
    select f.*, lag(f.period_start) over w as before_start, lag(f.period_end) over w as before_end,
           lag(f.amount_minor) over w as before_minor
    from fee f window w as (partition by f.tenant_id, f.subscription_id order by f.period_start, f.invoice_id)
)
select s.tenant_id, 'sub' as kind, s.subscription_id::text as id,
       format('the period billed from %s does not begin where the one before ended, at %s', s.period_start,
              s.before_end) as says
from step s
where (s.before_end < s.period_start
       and not exists (select from invoicing.lines v
                       where v.tenant_id = s.tenant_id and v.subscription_id = s.subscription_id
                         and v.kind = 'recurring' and v.period_end = s.period_start)
       and not exists (select from invoicing.lines v
                       join invoicing.invoices i on i.tenant_id = v.tenant_id and i.id = v.invoice_id
                       where v.tenant_id = s.tenant_id and v.subscription_id = s.subscription_id
                         and v.kind = 'proration_charge' and v.period_start = s.before_end
                         and v.period_end = s.period_start and i.status <> 'void')
       and not exists (select from subscriptions.states w
                       where w.tenant_id = s.tenant_id and w.subscription_id = s.subscription_id
                         and w.from_status = 'suspended' and w.at = s.period_start)
       and not exists (select from subscriptions.states w
                       where w.tenant_id = s.tenant_id and w.subscription_id = s.subscription_id
                         and w.to_status = 'paused' and w.at >= s.before_start and w.at < s.period_start))
   or (s.before_end > s.period_start
       -- Half a minor unit rounds up: less than that was worth no credit.
       and 2 * s.before_minor * extract(epoch from s.before_end - s.period_start)
           >= extract(epoch from s.before_end - s.before_start)
       and not exists (select from invoicing.lines c
                       where c.tenant_id = s.tenant_id and c.subscription_id = s.subscription_id
                         and c.kind = 'proration_credit'
                         and c.period_start between s.before_start and s.period_start)
       and not exists (select from subscriptions.history h
                       where h.tenant_id = s.tenant_id and h.subscription_id = s.subscription_id
                         and h.current_period_start = s.period_start
                         and h.terms -> 'billing' ->> 'basis' = 'none'))
