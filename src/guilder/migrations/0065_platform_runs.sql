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

-- How fast a destination of one tenant's may be called, by all processes together: a bucket that fills by the second and
-- holds one second's worth. Who asks to be spared is spared: nothing goes out until then, and less of it for a while.
create table platform.paces (
    tenant_id    uuid        not null,
    destination  text        not null,
    -- What is set; null: as fast as it goes.
    per_second   float8      check (per_second > 0),
    -- How much of it is used since somebody asked to be spared; it comes back by a hundredth a second.
    share        float8      not null default 1 check (share > 0 and share <= 1),
    free         float8      not null default 1,
    drawn_at     timestamptz not null default clock_timestamp(),
    slowed_at    timestamptz,
    paused_until timestamptz,
    primary key (tenant_id, destination)
);
create unique index paces_by_destination on platform.paces (destination);
select platform.protect('platform.paces', 'select, insert, update, delete');

-- Draw for so many calls, after paying for so many that went out beyond what was drawn (less than 0: giving back).
-- The row is locked until the transaction ends: two who draw at one place draw one after the other. Without a row
-- nothing is kept, and everything is granted.
create function platform.draw_pace(p_destination text, p_wanted int, p_owed int)
    returns table (granted int, wait_s float8, is_paced boolean)
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
    as $$
declare
    pace platform.paces;
    at timestamptz;
    since float8;
    speed float8;
begin
    granted := p_wanted; wait_s := 0; is_paced := false;
    select * into pace from platform.paces where destination = p_destination for update;
    if not found then
        return next;
        return;
    end if;
    at := clock_timestamp();
    is_paced := true;
    since := greatest(extract(epoch from at - pace.drawn_at), 0);
    pace.share := least(1, pace.share + since * 0.01);
    if pace.per_second is not null then
        speed := pace.per_second * pace.share;
        pace.free := least(greatest(speed, 1), pace.free + since * speed) - p_owed;
        granted := greatest(0, least(p_wanted, floor(pace.free)::int));
        if granted < p_wanted then
            wait_s := greatest(0, (1 - (pace.free - granted)) / speed);
        end if;
    end if;
    if pace.paused_until > at then
        granted := 0;
        wait_s := greatest(wait_s, extract(epoch from pace.paused_until - at));
    end if;
    update platform.paces set share = pace.share, free = pace.free - (case when per_second is null then 0 else granted end),
                              drawn_at = at
     where destination = p_destination;
    return next;
end $$;
revoke execute on function platform.draw_pace(text, int, int) from public;
grant execute on function platform.draw_pace(text, int, int) to guilder_app;
