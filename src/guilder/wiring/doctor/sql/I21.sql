-- What is under way at a provider has somebody who will look: an intent that waits, or a date. Three days end any excuse.
with open as (
    select p.tenant_id, 'pay' as kind, p.id, p.status, p.requested_at as since, p.business_key, p.check_due_at,
           p.alert
    from payments.payments p where p.status in ('requested', 'prepared', 'unknown', 'canceling')
    union all
    select r.tenant_id, 'ref', r.id, r.status, r.asked_at, r.tenant_id || ':refund:' || r.id, null, ''
    from payments.refunds r where r.status = 'pending'
    union all
    select m.tenant_id, 'pm', m.id, m.status, m.created_at, m.tenant_id || ':setup:' || m.id, null, ''
    from payments.methods m where m.status = 'pending'
)
select o.tenant_id, o.kind, o.id::text as id,
       format('it is %s since %s%s', o.status, o.since,
              case when o.alert <> '' then ', and a person has to look: ' || o.alert
                   when o.since > t.now_at - interval '3 days' then ', and nobody will look at it again'
                   else '' end) as says
from tenant t
join open o on o.tenant_id = t.tenant_id
-- Of a suspended tenant nothing is asked: what is under way waits for its resumption.
where t.status = 'active' and o.since <= t.late_at
  and (o.alert <> '' or o.since <= t.now_at - interval '3 days' or (
       o.check_due_at is null
       and not exists (select from gateways.requests q
                       where q.tenant_id = o.tenant_id and q.business_key = o.business_key
                         and (q.check_due_at is not null
                              or exists (select from platform.intents n
                                         where n.tenant_id = q.tenant_id and n.subject_id = q.id
                                           and n.state = 'waiting')))))
