-- While an upgrade rolls, workers of the release before write facts and know nothing of standings. A row that they left
-- behind would answer wrong for as long as nothing else happens to its customer; without a row, the facts answer.

create function entitlements.forget_standings() returns trigger
    language plpgsql security definer set search_path = ''
    as $$
begin
    delete from entitlements.standings s
     where (s.tenant_id, s.customer_id) in (select c.tenant_id, c.customer_id from changed c);
    return null;
end $$;
revoke execute on function entitlements.forget_standings() from public;

do $$
declare
    target text;
    event text;
begin
    foreach target in array array['grants', 'blocks', 'revocations'] loop
        foreach event in array array['insert', 'update'] loop
            -- Whoever knows of standings says so with each transaction (platform/db/database.py), and writes them itself.
            execute format(
                'create trigger of_the_release_before_%2$s after %2$s on entitlements.%1$s
                     referencing new table as changed for each statement
                     when (coalesce(nullif(current_setting(''guilder.schema'', true), ''''), ''0'')::int < 39)
                     execute function entitlements.forget_standings()', target, event);
        end loop;
    end loop;
end $$;

-- And what was written by them since 0039.
update entitlements.standings s set grants = f.grants, blocks = f.blocks, revocations = f.revocations
  from (select a.tenant_id, a.customer_id,
               (select coalesce(jsonb_agg(to_jsonb(g)), '[]')
                  from (select * from entitlements.grants g
                         where g.tenant_id = a.tenant_id and g.customer_id = a.customer_id and g.ended_at is null
                         order by g.source_id desc limit 1000) g) as grants,
               (select coalesce(jsonb_agg(to_jsonb(b) order by b.since, b.cause_id), '[]')
                  from entitlements.blocks b
                 where b.tenant_id = a.tenant_id and b.customer_id = a.customer_id and b.lifted_at is null) as blocks,
               (select coalesce(jsonb_agg(to_jsonb(r)), '[]')
                  from entitlements.revocations r
                 where r.tenant_id = a.tenant_id and r.customer_id = a.customer_id) as revocations
          from entitlements.accounts a) f
 where (s.tenant_id, s.customer_id) = (f.tenant_id, f.customer_id)
   and (s.grants, s.blocks, s.revocations) is distinct from (f.grants, f.blocks, f.revocations);
