-- Counted here by PostgreSQL, not by the code that made them. Where the clocks change, PostgreSQL reads a time that does
-- not exist, or comes twice, otherwise than the periods do: there two hours are let pass. A stub begins where somebody
-- chose; what is counted of it is the full period that holds it. What begins on the day of a full period, but later, is a
-- full one: that nothing else begins late is for I14 to say, since each period ends on its step.
with rhythm as (
    select s.tenant_id, s.id, s.anchor_at, s.time_zone, s.period_number, s.current_period_end,
           coalesce(s.full_period_start, s.current_period_start) as current_period_start,
           (s.terms -> 'interval' ->> 'count')::int
               * case s.terms -> 'interval' ->> 'unit' when 'month' then 1 when 'quarter' then 3 when 'half_year' then 6
                                                       when 'year' then 12 else 0 end as months,
           (s.terms -> 'interval' ->> 'count')::int
               * case s.terms -> 'interval' ->> 'unit' when 'day' then 1 when 'week' then 7 else 0 end as days
    from tenant t
    -- What a provider bills itself has periods as that provider counts them.
    join subscriptions.subscriptions s on s.tenant_id = t.tenant_id and s.billed_by is null
), said as (
    select r.*, r.period_number + n.ahead as number, n.ahead = 0 as is_start, n.at,
           'its period ' || r.period_number as what
    from rhythm r cross join lateral (values (0, r.current_period_start), (1, r.current_period_end)) as n (ahead, at)
    where r.period_number >= 0
    union all
    -- Of what was billed, what was counted from the anchor that it has now.
    select r.*, k.number, true, b.begins_at, 'the period billed from ' || b.begins_at
    from rhythm r
    join invoicing.lines l on l.tenant_id = r.tenant_id and l.subscription_id = r.id and l.kind = 'recurring'
        and (l.explanation ->> 'anchor')::timestamptz = r.anchor_at
    cross join lateral (
        select coalesce((l.explanation -> 'full_period' ->> 0)::timestamptz, l.period_start) as begins_at,
               coalesce((l.explanation -> 'full_period' ->> 1)::timestamptz, l.period_end) as ends_at) b
    cross join lateral (
        select case when r.months > 0
            then ((extract(year from b.begins_at at time zone r.time_zone)
                   - extract(year from r.anchor_at at time zone r.time_zone)) * 12
                  + extract(month from b.begins_at at time zone r.time_zone)
                  - extract(month from r.anchor_at at time zone r.time_zone))::int / r.months
            else round(extract(epoch from b.begins_at - r.anchor_at) / 86400)::int / r.days end as number) k
    -- Billed at another interval, on an anchor that was kept when the interval changed: those are other steps.
    where b.begins_at >= r.anchor_at
      and abs(extract(epoch from b.ends_at - b.begins_at) / 86400 - r.months * 30.44 - r.days) < 4
), due as (
    select s.*, (s.anchor_at at time zone s.time_zone)
                + make_interval(months => s.months * s.number, days => s.days * s.number) as local
    from said s
)
select d.tenant_id, 'sub' as kind, d.id::text as id,
       format('%s is at %s, and %s steps from its anchor are %s', d.what, d.at, d.number,
              d.local at time zone d.time_zone) as says
from due d
where abs(extract(epoch from d.at - (d.local at time zone d.time_zone)))
      > case when (d.local at time zone d.time_zone) at time zone d.time_zone <> d.local
               or ((d.local at time zone d.time_zone) - interval '1 hour') at time zone d.time_zone = d.local
             then 7200 else 0 end
  and not (d.is_start and d.at > d.local at time zone d.time_zone
           and (d.at at time zone d.time_zone)::date = d.local::date)
