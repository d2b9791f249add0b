-- What jobs have done: a row for each batch and tenant, written in the transaction that did it. So it is what was done,
-- whoever was killed meanwhile, and any number of schedulers write beside each other.
create table platform.job_batches (
    tenant_id uuid        not null,
    job       text        not null,
    ended_at  timestamptz not null default clock_timestamp(),
    id        bigint      not null generated always as identity,
    began_at  timestamptz not null default transaction_timestamp(),
    done      int         not null check (done > 0),
    primary key (tenant_id, job, ended_at, id)
);
create index job_batches_by_end on platform.job_batches (ended_at);
select platform.protect('platform.job_batches', 'select, insert');

-- How much was due of a tenant when somebody last counted it; at least so much, where counting was given up.
create table platform.job_looks (
    tenant_id uuid        not null,
    job       text        not null,
    due       int         not null check (due >= 0),
    is_least  boolean     not null,
    looked_at timestamptz not null,
    primary key (tenant_id, job)
);
select platform.protect('platform.job_looks', 'select, insert, update');

-- Forget what was done long ago, over all tenants, some at a time. Whatever it is asked, the last day stays.
create function platform.forget_job_batches(p_before timestamptz, p_limit int) returns int
    language sql security definer set search_path = pg_catalog, pg_temp
    as $$
    with old as (
        select tenant_id, job, ended_at, id from platform.job_batches
        where ended_at < least(p_before, clock_timestamp() - interval '1 day')
        order by ended_at limit p_limit for update skip locked
    ), gone as (
        delete from platform.job_batches b using old
        where (b.tenant_id, b.job, b.ended_at, b.id) = (old.tenant_id, old.job, old.ended_at, old.id)
        returning 1
    )
    select count(*)::int from gone $$;
revoke execute on function platform.forget_job_batches(timestamptz, int) from public;
grant execute on function platform.forget_job_batches(timestamptz, int) to guilder_app;
