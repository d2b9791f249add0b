select s.tenant_id, 'sub' as kind, s.id::text as id,
       format('it was due at %s, and is not renewed, billed or ended', coalesce(s.next_due_at, s.current_period_end)) as says
from tenant t
join subscriptions.subscriptions s on s.tenant_id = t.tenant_id
where t.status = 'active'
  and s.billed_by is null
  and (s.status in ('trialing', 'active', 'past_due', 'scheduled', 'paused') and s.next_due_at <= t.late_at
       -- One that runs, is to begin or to be resumed, and is due at no time would never be found by the clock.
       or s.next_due_at is null
          and case s.status when 'scheduled' then coalesce(s.starts_at, s.current_period_start)
                            when 'paused' then least(s.resume_at, s.cancel_at)
                            when 'trialing' then s.current_period_end when 'active' then s.current_period_end
                            when 'past_due' then s.current_period_end end <= t.late_at)
