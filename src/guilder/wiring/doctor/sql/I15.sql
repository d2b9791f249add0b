select s.tenant_id, 'sub' as kind, s.id::text as id,
       format('it was due at %s, and is not renewed, billed or ended', coalesce(s.next_due_at, s.current_period_end)) as says
from tenant t
join subscriptions.subscriptions s on s.tenant_id = t.tenant_id
where t.status = 'active'
  and s.status in ('trialing', 'active', 'past_due')
  -- One that runs and is due at no time would never be found by the clock.
  and coalesce(s.next_due_at, s.current_period_end) <= t.late_at
