select d.tenant_id, d.kind, d.id::text as id, format('%s was due at %s, and is not done', d.what, d.due_at) as says
from tenant t
cross join lateral (
    select c.tenant_id, 'case' as kind, c.id, w.what, w.due_at from dunning.cases c
    cross join lateral (values ('its retry', c.next_retry_at), ('its reminder', c.next_reminder_at),
                               ('its block', c.block_at)) as w (what, due_at)
    where c.tenant_id = t.tenant_id and c.status <> 'paused' and w.due_at <= t.late_at
    union all
    select c.tenant_id, 'case', c.id, 'letting it go on', c.paused_until from dunning.cases c
    where c.tenant_id = t.tenant_id and c.paused_until <= t.late_at
    union all
    -- Open, and nothing is going to move it: no try is planned, and no payment is under way, or has just ended.
    select c.tenant_id, 'case', c.id, 'planning its next try', c.last_failed_at from dunning.cases c
    where c.tenant_id = t.tenant_id and c.status = 'open' and not c.is_sent and c.next_retry_at is null
      and c.last_failed_at <= t.late_at
      and not exists (select from payments.payments p
                      where p.tenant_id = c.tenant_id and p.invoice_id = c.invoice_id
                        and (p.status in ('requested', 'prepared', 'requires_action', 'unknown', 'canceling')
                             or p.settled_at > t.late_at))
    union all
    select o.tenant_id, 'ord', o.id, 'giving it up', o.abandon_at from orders.orders o
    where o.tenant_id = t.tenant_id and o.abandon_at <= t.late_at
    union all
    select l.tenant_id, 'inv', l.invoice_id, 'recognising the revenue of a line', l.recognize_at
    from invoicing.lines l
    where l.tenant_id = t.tenant_id and l.recognized_at is null and l.recognize_at <= t.late_at
    union all
    select s.tenant_id, 'sub', s.id, 'the reminder of its trial', s.trial_reminder_due_at
    from subscriptions.subscriptions s
    where s.tenant_id = t.tenant_id and s.trial_reminder_due_at <= t.late_at
    union all
    select s.tenant_id, 'sub', s.id, 'the notice of its renewal', s.renewal_reminder_due_at
    from subscriptions.subscriptions s
    where s.tenant_id = t.tenant_id and s.renewal_reminder_due_at <= t.late_at
    union all
    select n.tenant_id, 'msg', n.id, 'sending it without its document', n.held_until
    from notifications.notifications n
    where n.tenant_id = t.tenant_id and n.status = 'pending' and n.held_until <= t.late_at
    union all
    select p.tenant_id, 'pay', p.id, 'another look at it', p.check_due_at from payments.payments p
    where p.tenant_id = t.tenant_id and p.check_due_at <= t.late_at
    union all
    select q.tenant_id, 'request', q.id, 'asking the provider again', q.check_due_at from gateways.requests q
    where q.tenant_id = t.tenant_id and q.check_due_at <= t.late_at) d
where t.status = 'active'
