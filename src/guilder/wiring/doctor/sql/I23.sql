-- Entitlements follows what it hears: a subscription of which something was said just now is left for later. What is paused
-- keeps its grant, suspended; what ends on a date within its period is granted up to that date.
select s.tenant_id, 'sub' as kind, s.id::text as id,
       case when g.source_id is null then format('it is %s, and grants nothing', s.status)
            when s.status = 'scheduled' then 'it has not begun, and grants access'
            when s.status = 'processing' then 'it is not paid for, and grants access'
            when s.ended_at is not null then format('it ended at %s, and its grant is open', s.ended_at)
            when g.ended_at is not null then format('it is %s, and its grant ended at %s', s.status, g.ended_at)
            when g.is_suspended <> (s.status in ('suspended', 'paused'))
            then format('it is %s, and its grant is %ssuspended', s.status, case when g.is_suspended then '' else 'not ' end)
            else format('its period ends at %s, and its grant at %s', least(s.current_period_end, s.cancel_at),
                        coalesce(g.valid_until::text, 'no time')) end as says
from wall w, tenant t
join subscriptions.subscriptions s on s.tenant_id = t.tenant_id
left join entitlements.grants g on g.tenant_id = s.tenant_id and g.source_id = s.id
where case when s.status in ('scheduled', 'processing') then g.source_id is not null
           when s.ended_at is not null then g.source_id is not null and g.ended_at is null
           else g.source_id is null or g.ended_at is not null or g.is_suspended <> (s.status in ('suspended', 'paused'))
                or g.valid_until is distinct from least(s.current_period_end, s.cancel_at) end
  and not exists (select from platform.log l
                  where l.tenant_id = s.tenant_id and l.topic = 'subscriptions.events'
                    and l.day >= (w.late_at at time zone 'utc')::date - 1 and l.recorded_at > w.late_at
                    and l.payload ->> 'subscription_id' = s.id::text)
