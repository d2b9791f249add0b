-- Due rows that failed when they were done alone: pushed aside until retry_at, so that they stop nobody else.

create table platform.job_failures (
    tenant_id       uuid        not null,
    job             text        not null,
    row_id          uuid        not null,
    attempts        int         not null default 1,
    reason          text        not null,
    first_failed_at timestamptz not null default clock_timestamp(),
    retry_at        timestamptz not null,
    primary key (tenant_id, job, row_id)
);
create index job_failures_by_job on platform.job_failures (job);
select platform.protect('platform.job_failures');

-- Which rows of a job failed lately, of one tenant or (null) of all, and whether they are still pushed aside.
create function platform.job_failures_of(p_tenant uuid)
    returns table (job text, tenant_id uuid, row_id uuid, is_aside boolean, attempts int)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as $$
    select f.job, f.tenant_id, f.row_id, f.retry_at > clock_timestamp(), f.attempts
      from platform.job_failures f
     where p_tenant is null or f.tenant_id = p_tenant
$$;
revoke execute on function platform.job_failures_of(uuid) from public;
grant execute on function platform.job_failures_of(uuid) to guilder_app;

-- When each chore was last done; of no tenant.
create table platform.chores (
    name   text primary key,
    ran_at timestamptz not null
);
grant select, insert, update on platform.chores to guilder_app;
grant select on platform.chores to guilder_doctor;
