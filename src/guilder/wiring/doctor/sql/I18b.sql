-- What should have been billed is worked out from the history: it ends with what the subscription is.
with last as (
    select distinct on (h.tenant_id, h.subscription_id) h.*
    from tenant t join subscriptions.history h on h.tenant_id = t.tenant_id
    order by h.tenant_id, h.subscription_id, h.id desc
)
select s.tenant_id, 'sub' as kind, s.id::text as id,
       case when h.id is null then 'it has no history'
            else format('it is %s in the period from %s, and its history ends %s in the one from %s', s.status,
                        s.current_period_start, h.status, h.current_period_start) end as says
from tenant t
join subscriptions.subscriptions s on s.tenant_id = t.tenant_id
left join last h on h.tenant_id = s.tenant_id and h.subscription_id = s.id
where h.id is null
   or (h.status, h.terms, h.anchor_at, h.current_period_start, h.current_period_end)
      <> (s.status, s.terms, s.anchor_at, s.current_period_start, s.current_period_end)
   or (h.fee_from, h.usage_from, h.paused_at, h.ended_at)
      is distinct from (s.fee_from, s.usage_from, s.paused_at, s.ended_at)
