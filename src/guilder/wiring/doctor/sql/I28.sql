-- The wall between tenants stands, and the doctor sees over it: a table that showed nothing would look healthy.
select null::uuid as tenant_id, 'table' as kind, n.nspname || '.' || c.relname as id,
       case when not (c.relrowsecurity and c.relforcerowsecurity) then 'its rows are not held apart by tenant'
            else 'the doctor does not see its rows' end as says
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and (not c.relrowsecurity or not c.relforcerowsecurity
       or not exists (select from pg_catalog.pg_policy p
                      where p.polrelid = c.oid and 'guilder_doctor'::regrole = any (p.polroles)
                        and p.polcmd in ('r', '*') and pg_get_expr(p.polqual, p.polrelid) = 'true'))
