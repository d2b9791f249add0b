-- What is left of limits, and the whole answer about a customer in one row: written by the transactions that change what
-- it is made of, read by one step into one index.

alter table entitlements.grants add column period_starts_at timestamptz;

create table entitlements.standings (
    tenant_id uuid not null,
    customer_id uuid not null,
    organization_id text not null,
    grants jsonb not null,
    blocks jsonb not null,
    revocations jsonb not null,
    primary key (tenant_id, customer_id),
    unique (tenant_id, organization_id),
    foreign key (tenant_id, customer_id) references entitlements.accounts (tenant_id, customer_id)
) with (fillfactor = 70);
select platform.protect('entitlements.standings', 'select, insert, update');

-- Who writes a row is who announces it: a threshold is told of once in a period.
create table entitlements.limits_reached (
    tenant_id uuid not null,
    customer_id uuid not null,
    code text not null,
    period_starts_at timestamptz not null,
    percent integer not null check (percent between 1 and 100),
    used numeric not null,
    reached_at timestamptz not null,
    primary key (tenant_id, customer_id, code, period_starts_at, percent),
    foreign key (tenant_id, customer_id) references entitlements.accounts (tenant_id, customer_id)
);
select platform.protect('entitlements.limits_reached', 'select, insert');

insert into entitlements.standings (tenant_id, customer_id, organization_id, grants, blocks, revocations)
select a.tenant_id, a.customer_id, a.organization_id,
       (select coalesce(jsonb_agg(to_jsonb(g)), '[]')
          from (select * from entitlements.grants g
                 where g.tenant_id = a.tenant_id and g.customer_id = a.customer_id and g.ended_at is null
                 order by g.source_id desc limit 1000) g),
       (select coalesce(jsonb_agg(to_jsonb(b) order by b.since, b.cause_id), '[]')
          from entitlements.blocks b
         where b.tenant_id = a.tenant_id and b.customer_id = a.customer_id and b.lifted_at is null),
       (select coalesce(jsonb_agg(to_jsonb(r)), '[]')
          from entitlements.revocations r where r.tenant_id = a.tenant_id and r.customer_id = a.customer_id)
  from entitlements.accounts a;
