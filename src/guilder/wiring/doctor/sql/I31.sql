-- Of an erased customer no key is left and no name; every document that is final says until when it is kept, and none was
-- forgotten before that. (Words inside of what is kept are tried from outside: tests/scenarios/test_privacy.py.)
with gone as (
    select c.tenant_id, c.id, c.organization_id, c.erased_at, t.late_at, 'erased_' || replace(c.id::text, '-', '') as alias
    from tenant t
    join customers.customers c on c.tenant_id = t.tenant_id
    where c.erased_at is not null
)
select g.tenant_id, 'cus' as kind, g.id::text as id, 'it was erased, and is still called ' || g.organization_id as says
from gone g where g.organization_id <> g.alias
union all
select g.tenant_id, 'cus', g.id::text, 'it was erased, and the key of what was sealed for it is there'
from gone g join platform.subject_keys k on k.tenant_id = g.tenant_id and k.subject_id = g.id
where k.destroyed_at is null
union all
select g.tenant_id, 'sub', s.id::text, 'its customer was erased, and it names an organization'
from gone g join subscriptions.subscriptions s on s.tenant_id = g.tenant_id and s.customer_id = g.id
where s.organization_id <> g.alias and g.erased_at < g.late_at
union all
select g.tenant_id, 'pm', m.id::text, 'its customer was erased, and it can be charged'
from gone g join payments.methods m on m.tenant_id = g.tenant_id and m.customer_id = g.id
where m.status = 'valid' and g.erased_at < g.late_at
union all
select i.tenant_id, 'inv', i.id::text, 'it was forgotten, and was to be kept until ' || coalesce(i.retention_until::text, '?')
from tenant t join invoicing.invoices i on i.tenant_id = t.tenant_id
where i.forgotten_at is not null and (i.retention_until is null or i.forgotten_at::date < i.retention_until)
