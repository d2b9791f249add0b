-- An organization id may be any word: a plan's code, too, and somebody else's once it is free again. So what is forgotten
-- in the log with a subject is what is about that subject, and not whatever says the same word.
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
