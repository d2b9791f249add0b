"""What is asked, as the doctor's role. Each query answers with rows: labels first, in their order, and the figures last.

A sandbox's doings are its developer's: only live and test tenants count. `$1` is the wall clock's now.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Query:
    """`figures` are the names of gauges, by the columns after the labels."""

    figures: tuple[str, ...]
    labels: int
    sql: str


QUERIES: tuple[Query, ...] = (
    Query(
        ("guilder_renewals_due", "guilder_renewals_due_within_hour", "guilder_renewals_late_seconds"),
        0,
        """select count(*) filter (where next_due_at <= $1::timestamptz), count(*),
                   coalesce(extract(epoch from $1::timestamptz - min(next_due_at) filter (where next_due_at <= $1::timestamptz)), 0)
              from (select s.next_due_at from subscriptions.subscriptions s
                      join identity.tenants t on t.tenant_id = s.tenant_id
                     where s.next_due_at <= $1::timestamptz + interval '1 hour' and t.mode <> 'sandbox' and t.status = 'active'
                     order by s.next_due_at limit 100000) as soon""",
    ),
    Query(
        ("guilder_requests_waiting", "guilder_requests_unknown", "guilder_requests_unknown_seconds"),
        2,
        """select a.gateway, r.kind, count(*), count(*) filter (where r.outcome = 'unknown'),
                   coalesce(extract(epoch from $1::timestamptz - min(r.requested_at) filter (where r.outcome = 'unknown')), 0)
              from gateways.requests r
              join gateways.accounts a on a.tenant_id = r.tenant_id and a.id = r.account_id
              join identity.tenants t on t.tenant_id = r.tenant_id
             where r.check_due_at is not null and t.mode <> 'sandbox' and t.status = 'active'
             group by a.gateway, r.kind""",
    ),
    Query(
        ("guilder_gateway_accounts_refused",),
        1,
        """select a.gateway, count(*) filter (where a.refused_at is not null)
              from gateways.accounts a join identity.tenants t on t.tenant_id = a.tenant_id
             where t.mode <> 'sandbox' and t.status = 'active' group by a.gateway""",
    ),
    Query(
        ("guilder_dunning_cases_open",),
        0,
        """select count(*) from dunning.cases c join identity.tenants t on t.tenant_id = c.tenant_id
             where c.closed_at is null and t.mode <> 'sandbox' and t.status = 'active'""",
    ),
    Query(
        ("guilder_notices_waiting",),
        0,
        """select coalesce(sum(h.position - coalesce(c.position, 0)), 0)
             from platform.log_heads h
             left join platform.log_cursors c
               on (c.group_name, c.topic, c.partition) = ('payments', h.topic, h.partition)
            where h.topic = 'gateway.webhooks'""",
    ),
    Query(
        ("guilder_log_unsequenced_rows", "guilder_log_unsequenced_seconds"),
        0,
        """select count(*), coalesce(greatest(extract(epoch from clock_timestamp() - min(recorded_at)), 0), 0)
             from platform.log where position is null""",
    ),
    Query(
        ("guilder_log_parked", "guilder_log_dead"),
        1,
        """select g.group_name, count(k.id) filter (where k.died_at is null), count(k.id) filter (where k.died_at is not null)
             from (select distinct group_name from platform.log_groups) g
             left join (select p.group_name, p.id, p.died_at from platform.log_parked p
                          join identity.tenants t on t.tenant_id = p.tenant_id where t.mode <> 'sandbox') k
               on k.group_name = g.group_name
            group by g.group_name""",
    ),
    Query(
        ("guilder_intents_waiting", "guilder_intents_dead", "guilder_intents_due_seconds"),
        1,
        """select i.kind, count(*) filter (where i.state = 'waiting'), count(*) filter (where i.state = 'dead'),
                   coalesce(greatest(extract(epoch from clock_timestamp()
                       - min(i.due_at) filter (where i.state = 'waiting' and not i.is_leased)), 0), 0)
              from platform.intents i join identity.tenants t on t.tenant_id = i.tenant_id
             where i.state in ('waiting', 'dead') and t.mode <> 'sandbox' and t.status = 'active'
               and not exists (select from platform.held_tenants h where h.tenant_id = i.tenant_id)
             group by i.kind""",
    ),
    Query(
        ("guilder_job_rows_failing",),
        1,
        """select f.job, count(*) from platform.job_failures f
             join identity.tenants t on t.tenant_id = f.tenant_id
            where t.mode <> 'sandbox' group by f.job""",
    ),
)
