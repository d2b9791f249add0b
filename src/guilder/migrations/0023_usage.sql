-- Readings in, totals out. A reading is counted once by the id that its sender gave it, whatever its timestamp.

select platform.open_room('usage');

-- The order of arrival. Drawn before the rows are sorted, so that it is the order in which a batch named them.
create sequence usage.arrivals;
grant usage on sequence usage.arrivals to guilder_app;

create table usage.events (
    tenant_id uuid not null,
    id uuid not null,
    event_id text not null check (length(event_id) between 1 and 255),
    customer_id uuid not null,
    meter_id uuid not null,
    meter_code text not null,
    at timestamptz not null,
    -- Exact; what the event counts for now.
    value numeric not null check (abs(value) < 1e18 and scale(value) <= 12),
    properties jsonb not null check (jsonb_typeof(properties) = 'object'),
    -- Named by whoever sent it. No reference: subscriptions are of this floor, and to them it is a name in a question.
    subscription_id uuid,
    status text not null check (status in ('counted', 'canceled')),
    received_at timestamptz not null,
    arrival bigint not null,
    primary key (tenant_id, id),
    unique (tenant_id, event_id),
    foreign key (tenant_id, customer_id) references customers.customers (tenant_id, id),
    foreign key (tenant_id, meter_id) references catalog.meters (tenant_id, id)
);
-- What every total reads.
create index events_by_use on usage.events (tenant_id, customer_id, meter_id, at);
create index events_by_customer on usage.events (tenant_id, customer_id, id);
select platform.protect('usage.events', 'select, insert, update');

create table usage.corrections (
    tenant_id uuid not null,
    id uuid not null,
    event_id text not null,
    customer_id uuid not null,
    old_at timestamptz not null,
    old_value numeric not null,
    old_properties jsonb not null,
    old_status text not null check (old_status in ('counted', 'canceled')),
    new_at timestamptz not null,
    new_value numeric not null,
    new_properties jsonb not null,
    new_status text not null check (new_status in ('counted', 'canceled')),
    corrected_by text not null,
    corrected_at timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, event_id) references usage.events (tenant_id, event_id)
);
create index corrections_by_event on usage.corrections (tenant_id, event_id, id);
select platform.protect('usage.corrections', 'select, insert');

-- Up to when a customer's use has been billed. Intake holds the row shared, billing alone: so what is dated before it was
-- either there to be counted, or knows that it is late.
create table usage.watermarks (
    tenant_id uuid not null,
    customer_id uuid not null,
    closed_until timestamptz not null,
    primary key (tenant_id, customer_id),
    foreign key (tenant_id, customer_id) references customers.customers (tenant_id, id)
) with (fillfactor = 80);
select platform.protect('usage.watermarks', 'select, insert, update');

-- Drawn while the watermark is held shared: once billing holds it alone, no lower number can still appear.
create table usage.late (
    tenant_id uuid not null,
    id bigint generated always as identity,
    customer_id uuid not null,
    meter_id uuid not null,
    at timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, customer_id) references customers.customers (tenant_id, id),
    foreign key (tenant_id, meter_id) references catalog.meters (tenant_id, id)
);
create index late_by_customer on usage.late (tenant_id, customer_id, id);
select platform.protect('usage.late', 'select, insert');

create table usage.alerts (
    tenant_id uuid not null,
    id uuid not null,
    customer_id uuid not null,
    meter_id uuid not null,
    meter_code text not null,
    threshold numeric not null check (threshold > 0),
    window_kind text not null check (window_kind in ('month', 'total')),
    is_recurring boolean not null,
    starts_at timestamptz not null,
    created_at timestamptz not null,
    removed_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, customer_id) references customers.customers (tenant_id, id),
    foreign key (tenant_id, meter_id) references catalog.meters (tenant_id, id),
    check (window_kind = 'month' or not is_recurring)
);
create index alerts_by_customer on usage.alerts (tenant_id, customer_id, id) where removed_at is null;
select platform.protect('usage.alerts', 'select, insert, update');

-- One row for each window in which a threshold was reached: who writes it is who announces it.
create table usage.alerts_reached (
    tenant_id uuid not null,
    alert_id uuid not null,
    slot timestamptz not null,
    quantity numeric not null,
    reached_at timestamptz not null,
    primary key (tenant_id, alert_id, slot),
    foreign key (tenant_id, alert_id) references usage.alerts (tenant_id, id)
);
select platform.protect('usage.alerts_reached', 'select, insert');
