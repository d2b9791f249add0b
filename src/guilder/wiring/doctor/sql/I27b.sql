select null::uuid as tenant_id, 'key' as kind, k.conrelid::regclass || '.' || k.conname as id,
       'this reference may lead from one tenant to another, or is not enforced' as says
from pg_catalog.pg_constraint k
join pg_catalog.pg_class c on c.oid = k.conrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where k.contype = 'f' and n.nspname not in ('platform', 'public')
  -- A sandbox names the tenant that it belongs to.
  and k.conname <> 'tenants_root_id_fkey'
  and (not k.convalidated
       or not exists (select from unnest(k.conkey, k.confkey) as pair (here, there)
                      join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = pair.here
                      join pg_catalog.pg_attribute b on b.attrelid = k.confrelid and b.attnum = pair.there
                      where a.attname = 'tenant_id' and b.attname = 'tenant_id'))
