-- A fee is owed in advance for each period that began, but for trials and for paid time that was kept in a pause, and in
-- arrears for each stretch that was closed. What was voided was billed. A stub that comes to nothing need not be.
with state as (
    select h.*, lag(h.status) over w as before_status, lag(h.current_period_start) over w as before_start,
           lag(h.current_period_end) over w as before_end, lag(h.paused_at) over w as before_paused_at,
           lag(h.terms) over w as before_terms
    from tenant t join subscriptions.history h on h.tenant_id = t.tenant_id
    window w as (partition by h.tenant_id, h.subscription_id order by h.id)
), owed as (
    select s.tenant_id, s.subscription_id, s.terms, s.current_period_start as starts_at, s.current_period_end as ends_at,
           coalesce(s.full_period_start, s.current_period_start) as full_start,
           coalesce(s.full_period_end, s.current_period_end) as full_end, false as is_over
    from state s
    where s.status in ('processing', 'active', 'past_due')
      -- What a provider bills itself is billed by nobody here.
      and not exists (select from subscriptions.subscriptions e
                      where e.tenant_id = s.tenant_id and e.id = s.subscription_id and e.billed_by is not null)
      and not coalesce((s.terms #>> '{billing,in_arrears}')::boolean, false)
      and (s.before_status is null or s.before_status = 'scheduled'
           or (s.current_period_start, s.current_period_end) <> (s.before_start, s.before_end))
      and not coalesce(
          s.before_status = 'paused' and s.before_paused_at < s.before_end
          and coalesce(s.before_terms #>> '{billing,paused_time}', 'keep') = 'keep'
          and (coalesce(s.before_terms #>> '{billing,alignment}', 'anniversary') = 'anniversary'
               or (s.before_terms #>> '{billing,alignment}' = 'billing_day'
                   and s.before_terms #>> '{interval,unit}' in ('day', 'week'))), false)
      -- What never began was given up before it was paid for.
      and (s.status <> 'processing'
           or not exists (select from subscriptions.history e
                          where e.tenant_id = s.tenant_id and e.subscription_id = s.subscription_id and e.id > s.id
                            and e.ended_at is not null))
    union all
    select g.tenant_id, g.subscription_id, g.terms, g.period_start, g.period_end, g.full_period_start, g.full_period_end, true
    from tenant t join subscriptions.segments g on g.tenant_id = t.tenant_id
    where g.kind = 'fee' and g.billed_at is not null
), priced as (
    select o.*, coalesce((o.terms #>> '{full_amount,minor}')::numeric,
                         (o.terms #>> '{unit_amount,minor}')::numeric * (o.terms ->> 'quantity')::numeric) as full_minor
    from owed o
)
select p.tenant_id, 'sub' as kind, p.subscription_id::text as id,
       format('the period from %s to %s was never billed', p.starts_at, p.ends_at) as says
from priced p
where p.full_minor > 0
  -- A part is certain to cost something where it is measured by its length, and that comes to half a minor unit.
  and ((p.starts_at, p.ends_at) = (p.full_start, p.full_end)
       or (coalesce(p.terms #>> '{billing,basis}', 'second') = 'second'
           and 2 * p.full_minor * extract(epoch from p.ends_at - p.starts_at)
               >= extract(epoch from p.full_end - p.full_start)))
  and not exists (select from invoicing.lines l
                  where l.tenant_id = p.tenant_id and l.subscription_id = p.subscription_id and l.kind = 'recurring'
                    and l.period_start = p.starts_at and l.period_end = p.ends_at
                    and (l.explanation ->> 'rule' = 'flat_fee_in_arrears') = p.is_over)
