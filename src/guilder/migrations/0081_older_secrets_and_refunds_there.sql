-- What was rotated out signs for its whole day, also where another rotation follows on it: the newest first, each with its end.
alter table webhooks.endpoints
    add column sealed_older bytea[] not null default '{}',
    add column older_until timestamptz[] not null default '{}',
    add check (cardinality(sealed_older) = cardinality(older_until) and cardinality(sealed_older) <= 10);

-- That they changed is told, and not what they are: of a list of bytes that has to be said.
drop trigger audit_inserts on webhooks.endpoints;
drop trigger audit_updates on webhooks.endpoints;
drop trigger audit_deletes on webhooks.endpoints;
select audit.watch('webhooks.endpoints', 'id', 'sealed_older', 'last_success_at,last_failure_at,failing_since,failures');

-- What went back of a charge, by its provider's books: asked before it is given back again.
create index books_refunds on gateways.books (tenant_id, account_id, charge_ref) where kind = 'refund';

-- What was sent long ago, by the wall and by the clock of its sandbox: one that plays last January has sent it just now.
-- What is still to be sent stays.
create or replace function webhooks.purge(p_before timestamptz, p_limit int) returns bigint
    language sql volatile security definer set search_path = ''
    as $$
    with old as (
        select m.tenant_id, m.id from webhooks.messages m
         where m.created_at < p_before and m.status <> 'pending' and not m.is_out and m.due_at is null
           and not exists (select from identity.sandbox_clocks s
                            where s.tenant_id = m.tenant_id
                              and m.created_at >= s.now_at - (statement_timestamp() - p_before))
         order by m.created_at limit p_limit for update of m skip locked
    ), gone as (
        delete from webhooks.messages m using old where (m.tenant_id, m.id) = (old.tenant_id, old.id) returning 1
    )
    select count(*) from gone
    $$;
