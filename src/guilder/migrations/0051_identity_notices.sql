-- What issuers told us is forgotten after a while: it names people, and what followed from it is kept elsewhere.

create function identity.purge_notices(p_before timestamptz, p_limit integer) returns bigint
    language sql volatile security definer set search_path = ''
    as $$
    with gone as (
        delete from identity.notices n where (n.tenant_id, n.id) in (
            select o.tenant_id, o.id from identity.notices o where o.received_at < p_before limit p_limit)
        returning 1
    )
    select count(*) from gone
$$;
revoke execute on function identity.purge_notices(timestamptz, integer) from public;
grant execute on function identity.purge_notices(timestamptz, integer) to guilder_app;

create index notices_old on identity.notices (received_at);
