-- How often rows of the log were written anew. A process keeps what it read of the log for the other groups that hear it in
-- the same process; it reads it again once this says that something may have been forgotten since.
alter table platform.log_epoch add column rewritten bigint not null default 0;

-- As before, and it says so.
create or replace function platform.log_pseudonymise(p_tenant uuid, p_subject uuid, p_old text, p_new text, p_after date)
    returns date
    language plpgsql security definer set search_path = ''
    as $$
declare
    one date;
begin
    if not p_tenant = any (platform.tenants()) then
        return null;
    end if;
    select min(d.day) into one from (
        select to_date(substr(c.relname, 5), 'YYYYMMDD') as day from pg_catalog.pg_inherits i
          join pg_catalog.pg_class c on c.oid = i.inhrelid
         where i.inhparent = 'platform.log'::regclass and c.relname ~ '^log_\d{8}$'
        union select l.day from platform.log_default l where l.tenant_id = p_tenant) d
     where p_after is null or d.day > p_after;
    if one is null then
        return null;
    end if;
    update platform.log l set payload = platform.pseudonymised(l.payload, p_old, p_new),
                              actor = case when starts_with(l.actor, 'user:') then 'user:erased' else l.actor end
     where l.day = one and l.tenant_id = p_tenant
       and (l.key = p_subject or l.payload ->> 'customer_id' = p_subject::text
            or (p_old <> '' and l.payload ->> 'customer_id' is null
                and p_old in (l.payload ->> 'organization_id', l.payload ->> 'customer')))
       and (l.payload is distinct from platform.pseudonymised(l.payload, p_old, p_new)
            or starts_with(l.actor, 'user:') and l.actor <> 'user:erased');
    if found then
        -- Seen with what was written, by whoever sees that: both are of one commit.
        update platform.log_epoch set rewritten = rewritten + 1;
    end if;
    update platform.log_parked p
       set payload = platform.pseudonymised(p.payload, p_old, p_new),
           reason = case when p_old <> '' and strpos(p.reason, p_old) > 0 then '' else p.reason end,
           traceback = case when p_old <> '' and strpos(p.traceback, p_old) > 0 then '' else p.traceback end
     where p.tenant_id = p_tenant
       and (p.key = p_subject or p.payload ->> 'customer_id' = p_subject::text
            or (p_old <> '' and p.payload ->> 'customer_id' is null
                and p_old in (p.payload ->> 'organization_id', p.payload ->> 'customer')));
    return one;
end $$;
