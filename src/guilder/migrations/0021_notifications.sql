-- What customers were told. What was said, and to which address, lies sealed under the customer's own key.

select platform.open_room('notifications');

create table notifications.notifications (
    tenant_id uuid not null,
    id uuid not null,
    customer_id uuid not null,
    channel text not null check (channel in ('email', 'sms')),
    kind text not null,
    status text not null check (status in ('pending', 'sent', 'failed', 'kept', 'dropped')),
    -- What it is about, by ids and values only: enough to write it, nothing that says who somebody is.
    cause_id uuid not null,
    about jsonb not null,
    language text not null,
    -- recipient, subject, text and HTML, as one sealed text; null until it was written
    sealed_content bytea,
    created_at timestamptz not null,
    sent_at timestamptz,
    detail text not null,
    primary key (tenant_id, id),
    -- A cause is told of once a channel.
    unique (tenant_id, cause_id, kind, channel),
    foreign key (tenant_id, customer_id) references customers.customers (tenant_id, id),
    check ((sent_at is not null) = (status in ('sent', 'kept')))
) with (fillfactor = 80);
create index notifications_by_customer on notifications.notifications (tenant_id, customer_id, id);
select platform.protect('notifications.notifications', 'select, insert, update');

-- Whose mail may be looked at in the local mailbox: tenants that only play, never a live one.
create function notifications.mailboxes(p_limit int) returns table (tenant_id uuid, id uuid)
    language sql stable security definer set search_path = ''
    as $$
        select t.tenant_id, t.tenant_id from identity.tenants t
         where t.mode <> 'live' order by t.created_at desc, t.tenant_id limit p_limit
    $$;
revoke execute on function notifications.mailboxes(int) from public;
grant execute on function notifications.mailboxes(int) to guilder_app;
