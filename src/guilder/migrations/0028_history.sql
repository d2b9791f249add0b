-- What subscriptions were: a row for each state that matters to billing, never changed. What should have been billed is
-- worked out from it, whatever became of the subscription since (docs/design/healing.md).

create table subscriptions.history (
    tenant_id uuid not null,
    subscription_id uuid not null,
    id bigint generated always as identity,
    status text not null,
    terms jsonb not null,
    anchor_at timestamptz not null,
    period_number integer not null,
    current_period_start timestamptz not null,
    current_period_end timestamptz not null,
    full_period_start timestamptz,
    full_period_end timestamptz,
    trial_ends_at timestamptz,
    fee_from timestamptz,
    usage_from timestamptz,
    paused_at timestamptz,
    ended_at timestamptz,
    -- From when on it was so, as far as the state itself says: when it ended, was paused, or the latest of what began with
    -- it. A change of price alone, within a period that is billed in advance, leaves no date: it has its period's start.
    at timestamptz not null,
    -- What was there when the history began: what had been before is not known.
    is_first_known boolean not null default false,
    primary key (tenant_id, subscription_id, id),
    foreign key (tenant_id, subscription_id) references subscriptions.subscriptions (tenant_id, id),
    check (current_period_start < current_period_end),
    check ((full_period_start is null) = (full_period_end is null))
);
select platform.protect('subscriptions.history', 'select, insert');

create function subscriptions.holds_since(
    p_status text, p_ended_at timestamptz, p_paused_at timestamptz, p_starts_at timestamptz, p_period_start timestamptz,
    p_fee_from timestamptz, p_usage_from timestamptz
) returns timestamptz
    language sql immutable set search_path = ''
    as $$
        select coalesce(
            p_ended_at,
            case p_status when 'paused' then p_paused_at when 'scheduled' then p_starts_at end,
            greatest(p_period_start, p_fee_from, p_usage_from))
    $$;

insert into subscriptions.history (
        tenant_id, subscription_id, status, terms, anchor_at, period_number, current_period_start, current_period_end,
        full_period_start, full_period_end, trial_ends_at, fee_from, usage_from, paused_at, ended_at, at, is_first_known)
    select s.tenant_id, s.id, s.status, s.terms, s.anchor_at, s.period_number, s.current_period_start,
           s.current_period_end, s.full_period_start, s.full_period_end, s.trial_ends_at, s.fee_from, s.usage_from,
           s.paused_at, s.ended_at,
           subscriptions.holds_since(s.status, s.ended_at, s.paused_at, s.starts_at, s.current_period_start, s.fee_from,
                                     s.usage_from), true
    from subscriptions.subscriptions s
    order by s.tenant_id, s.id;

create function subscriptions.log_history() returns trigger
    language plpgsql set search_path = ''
    as $$
begin
    insert into subscriptions.history (
            tenant_id, subscription_id, status, terms, anchor_at, period_number, current_period_start, current_period_end,
            full_period_start, full_period_end, trial_ends_at, fee_from, usage_from, paused_at, ended_at, at)
        select n.tenant_id, n.id, n.status, n.terms, n.anchor_at, n.period_number, n.current_period_start,
               n.current_period_end, n.full_period_start, n.full_period_end, n.trial_ends_at, n.fee_from, n.usage_from,
               n.paused_at, n.ended_at,
               subscriptions.holds_since(n.status, n.ended_at, n.paused_at, n.starts_at, n.current_period_start,
                                         n.fee_from, n.usage_from)
        from new_rows n
        order by n.tenant_id, n.id;
    return null;
end $$;
create trigger history_of_new after insert on subscriptions.subscriptions
    referencing new table as new_rows
    for each statement execute function subscriptions.log_history();

create function subscriptions.log_history_of_change() returns trigger
    language plpgsql set search_path = ''
    as $$
begin
    insert into subscriptions.history (
            tenant_id, subscription_id, status, terms, anchor_at, period_number, current_period_start, current_period_end,
            full_period_start, full_period_end, trial_ends_at, fee_from, usage_from, paused_at, ended_at, at)
        select n.tenant_id, n.id, n.status, n.terms, n.anchor_at, n.period_number, n.current_period_start,
               n.current_period_end, n.full_period_start, n.full_period_end, n.trial_ends_at, n.fee_from, n.usage_from,
               n.paused_at, n.ended_at,
               subscriptions.holds_since(n.status, n.ended_at, n.paused_at, n.starts_at, n.current_period_start,
                                         n.fee_from, n.usage_from)
        from new_rows n join old_rows o on o.tenant_id = n.tenant_id and o.id = n.id
        where (n.status, n.terms, n.anchor_at, n.period_number, n.current_period_start, n.current_period_end,
               n.full_period_start, n.full_period_end, n.trial_ends_at, n.fee_from, n.usage_from, n.paused_at, n.ended_at)
              is distinct from
              (o.status, o.terms, o.anchor_at, o.period_number, o.current_period_start, o.current_period_end,
               o.full_period_start, o.full_period_end, o.trial_ends_at, o.fee_from, o.usage_from, o.paused_at, o.ended_at)
        order by n.tenant_id, n.id;
    return null;
end $$;
create trigger history_of_changed after update on subscriptions.subscriptions
    referencing new table as new_rows old table as old_rows
    for each statement execute function subscriptions.log_history_of_change();
