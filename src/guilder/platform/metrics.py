"""What Prometheus may read of a process.

Labels come from short lists only: the template of a route, never its path; a destination by its configured name,
never a customer's; so the number of series does not grow with use.
"""

import re
from collections import Counter as Counts
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, Metric, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from guilder.platform.cards import looks_like_card

CONTENT_TYPE = CONTENT_TYPE_LATEST
NAMES_MAX = 200
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,59}")
OTHER = "other"
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})

_FAST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SLOW_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

registry = CollectorRegistry()
ProcessCollector(registry=registry)
GCCollector(registry=registry)

_requests = Histogram(
    "guilder_http_request_seconds",
    "Requests answered, by route template.",
    ["method", "route", "status"],
    buckets=_FAST_S,
    registry=registry,
)
_queries = Histogram("guilder_db_query_seconds", "Statements, by kind.", ["kind"], buckets=_FAST_S, registry=registry)
_transactions = Histogram(
    "guilder_db_transaction_seconds",
    "Transactions, by how they ended.",
    ["outcome"],
    buckets=_FAST_S,
    registry=registry,
)
_pool_in_use = Gauge("guilder_db_pool_in_use", "Connections handed out.", registry=registry)
_pool_size = Gauge("guilder_db_pool_size", "Connections open.", registry=registry)
_replica_lag = Gauge("guilder_replica_lag_seconds", "How long the read replica has been behind.", registry=registry)
_replica_used = Gauge(
    "guilder_replica_used", "1 while the read replica may answer, 0 while it is left out.", registry=registry
)
_lagging_reads = Counter(
    "guilder_lagging_reads", "Reads that may lag, by who answered and why.", ["place", "why"], registry=registry
)
_log_lag = Gauge("guilder_log_lag", "Rows of the log that a group has yet to handle.", ["group"], registry=registry)
_log_held = Gauge(
    "guilder_log_held_days",
    "Days that rows of the log are kept beyond their time, because a group has not read them.",
    registry=registry,
)
_log_rows = Counter(
    "guilder_log_messages",
    "Messages of the log, by what became of them.",
    ["group", "outcome"],
    registry=registry,
)
_outside = Histogram(
    "guilder_outside_call_seconds",
    "Calls to the outside, by destination and outcome.",
    ["destination", "outcome"],
    buckets=_SLOW_S,
    registry=registry,
)
_breaker = Gauge("guilder_outside_breaker_state", "0 closed, 1 half open, 2 open.", ["destination"], registry=registry)
_jobs = Histogram(
    "guilder_job_seconds", "Runs of the timetable's jobs.", ["job", "outcome"], buckets=_SLOW_S, registry=registry
)
_job_late = Gauge("guilder_job_late_seconds", "How late a job's last run began.", ["job"], registry=registry)
_notices = Counter(
    "guilder_gateway_notices", "Providers' webhooks, by what became of them.", ["gateway", "fate"], registry=registry
)
_refused = Counter("guilder_auth_refused", "Credentials refused, by why.", ["reason"], registry=registry)

_redis = Gauge(
    "guilder_redis_up", "Whether this process has its Redis; no sample without REDIS_URL.", registry=registry
)
_kept = Counter(
    "guilder_cache_reads",
    "Answers looked for in Redis, or had at hand (near), by what was found.",
    ["room", "outcome"],
    registry=registry,
)
_limits = Counter(
    "guilder_limits_drawn",
    "Rate limits asked, by whose buckets answered and what.",
    ["by", "outcome"],
    registry=registry,
)
_sheds = Counter("guilder_http_sheds", "Requests turned away early, by why.", ["reason"], registry=registry)
_in_flight = Gauge("guilder_http_in_flight", "Requests being served, by lane.", ["lane"], registry=registry)
_pool_waiting = Gauge("guilder_db_pool_waiting", "Transactions that wait for a connection.", registry=registry)

_events = Counter(
    "guilder_events",
    "What was announced and committed, by the event's name; sandboxes' too.",
    ["name"],
    registry=registry,
)
_payments = Counter(
    "guilder_payments",
    "Attempts to collect, by gateway, by what became of them, and for declines by the provider's code.",
    ["gateway", "outcome", "code"],
    registry=registry,
)

# What one process gathers from the database for all of them (wiring/watching), and shows until it gathers anew: what
# has gone is gone from the page, too. Of live and test tenants, never of sandboxes. Name -> (help, labels).
GATHERED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "guilder_renewals_due": ("Subscriptions that should have been renewed by now; 100000 is that or more.", ()),
    "guilder_renewals_due_within_hour": ("Subscriptions that fall due within the hour, or are due; as above.", ()),
    "guilder_renewals_late_seconds": ("How long ago the oldest renewal that is not made fell due.", ()),
    "guilder_job_due_seconds": ("How long ago the oldest row that a job has yet to do fell due.", ("job",)),
    "guilder_run_done": ("Rows that a job has done since it last paused; of the last day at most.", ("job",)),
    "guilder_run_per_second": ("Rows that a job has done a second in the last minute.", ("job",)),
    "guilder_run_left": ("Rows that were due at the last count and are not done; 2000000 is that or more.", ("job",)),
    "guilder_run_left_seconds": ("How long what is left takes at that pace; no sample where nobody knows.", ("job",)),
    "guilder_job_rows_failing": ("Rows that failed alone and are tried again later.", ("job",)),
    "guilder_requests_waiting": ("What was asked of providers and is not settled.", ("gateway", "kind")),
    "guilder_requests_unknown": ("Of these, those whose outcome nobody knows.", ("gateway", "kind")),
    "guilder_requests_unknown_seconds": ("How long ago the oldest of those was asked.", ("gateway", "kind")),
    "guilder_gateway_accounts_refused": ("Accounts whose key the provider does not take.", ("gateway",)),
    "guilder_dunning_cases_open": ("Unpaid invoices that are being collected, or were given up.", ()),
    "guilder_notices_waiting": ("Providers' webhooks that were answered and not yet acted upon.", ()),
    "guilder_log_unsequenced_rows": ("Announced, and not yet given a position (the outbox).", ()),
    "guilder_log_unsequenced_seconds": ("How long ago the oldest of those was announced.", ()),
    "guilder_log_parked": ("Messages that failed and are tried again later.", ("group",)),
    "guilder_log_dead": ("Messages that were given up: dead letters.", ("group",)),
    "guilder_intents_waiting": ("Calls to the outside that are to be made.", ("kind",)),
    "guilder_intents_due_seconds": ("How long ago the oldest of those could have been made.", ("kind",)),
    "guilder_intents_dead": ("Calls to the outside that were given up.", ("kind",)),
    "guilder_gathered_timestamp_seconds": ("When the figures above were last gathered.", ()),
    "guilder_doctor_violations": ("What is wrong, by invariant, as the doctor last found it.", ("check",)),
    "guilder_doctor_timestamp_seconds": ("When the doctor last looked at everything.", ()),
    "guilder_doctor_seconds": ("How long that took.", ()),
}
_gathered = {name: Gauge(name, text, labels, registry=registry) for name, (text, labels) in GATHERED.items()}
# A gauge without labels says 0 before anybody has looked, and 0 is an answer: only what was gathered is shown, and of
# Redis and the replica only what a process says that has them. Elsewhere 0 would wake somebody for what nobody set up.
_shown: set[str] = set()
_HIDDEN = {*GATHERED, "guilder_redis_up", "guilder_replica_used", "guilder_replica_lag_seconds"}

_relayed = Counter(
    "guilder_relay_rows", "Rows of the log carried to Kafka, by outcome.", ["outcome"], registry=registry
)
_found = Counter(
    "guilder_transport_rows",
    "Rows found by what a record told of them (broker), or by looking into the log (log).",
    ["source"],
    registry=registry,
)
_rebalances = Counter(
    "guilder_kafka_rebalances", "Partitions given to or taken from a consumer.", ["group", "what"], registry=registry
)
_broker_errors = Counter("guilder_kafka_errors", "What the Kafka client complained of.", ["kind"], registry=registry)
_intake = Counter(
    "guilder_intake_records", "Records that others published, by outcome.", ["outcome"], registry=registry
)

_BREAKER_STATES = {"closed": 0, "half_open": 1, "open": 2}
PAYMENT_OUTCOMES = frozenset({"succeeded", "declined", "canceled", "overpaid", "parked", "unknown"})
LOG_OUTCOMES = frozenset({"handled", "failed", "parked", "dead"})


class _Known:
    """Lets the first names through and calls the rest "other": a cap on series, whatever is passed in."""

    def __init__(self, names_max: int = NAMES_MAX) -> None:
        self._names: set[str] = set()
        self._names_max = names_max

    def __call__(self, name: str) -> str:
        if name in self._names or len(self._names) < self._names_max:
            self._names.add(name)
            return name
        return OTHER


_routes, _destinations, _groups, _job_names, _reasons = _Known(400), _Known(), _Known(), _Known(), _Known(50)
_broker_kinds = _Known(50)
_names, _gateways, _codes = _Known(400), _Known(20), _Known(80)


def request_answered(*, method: str, route: str | None, status: int, seconds: float) -> None:
    """Count a request. `route` is the template (`/api/plans/{id}`), None where no route matched."""
    _answered_as(method, route, status).observe(seconds)


@lru_cache(1_000)
def _answered_as(method: str, route: str | None, status: int) -> Histogram:
    known_method = method if method in METHODS else OTHER
    return _requests.labels(known_method, _routes(route or "unmatched"), str(status))


def query_ran(*, kind: str, seconds: float) -> None:
    _ran_as(kind).observe(seconds)


@lru_cache(100)
def _ran_as(kind: str) -> Histogram:
    return _queries.labels(kind if kind in {"select", "insert", "update", "delete", "copy"} else OTHER)


def transaction_ended(*, outcome: str, seconds: float) -> None:
    _ended_as(outcome).observe(seconds)


@lru_cache(10)
def _ended_as(outcome: str) -> Histogram:
    return _transactions.labels(outcome if outcome in {"committed", "rolled_back", "clashed"} else OTHER)


def pool_stands(*, in_use: int, size: int) -> None:
    _pool_in_use.set(in_use)
    _pool_size.set(size)


def replica_lags(*, seconds: float, is_used: bool) -> None:
    _replica_lag.set(seconds)
    _replica_used.set(is_used)
    _shown.update(("guilder_replica_lag_seconds", "guilder_replica_used"))


def lagging_read(*, why: str) -> None:
    """Count a read that may lag; `why` is "replica", or why the primary answered it instead."""
    _lagging_reads.labels("replica" if why == "replica" else "primary", _reasons(why)).inc()


def log_lags(*, group: str, rows: int) -> None:
    _log_lag.labels(_groups(group)).set(rows)


def log_held(*, days: int) -> None:
    _log_held.set(days)


def log_messages(*, group: str, outcome: str, count: int = 1) -> None:
    """Count messages; `outcome` is handled, failed, parked or dead."""
    assert outcome in LOG_OUTCOMES, outcome
    _log_rows.labels(_groups(group), outcome).inc(count)


def outside_called(*, destination: str, outcome: str, seconds: float) -> None:
    """Count a call; `destination` is a configured name such as "stripe" or "webhooks", never a customer's host."""
    known_outcome = outcome if outcome in {"ok", "refused", "failed", "timeout", "unknown", "open"} else OTHER
    _outside.labels(_destinations(destination), known_outcome).observe(seconds)


def breaker_is(*, destination: str, state: str) -> None:
    """Show a breaker: closed, half_open or open."""
    _breaker.labels(_destinations(destination)).set(_BREAKER_STATES[state])


def job_ran(*, job: str, outcome: str, seconds: float, late_s: float = 0) -> None:
    """Count a run; `late_s` is how long after its due time it began."""
    name = _job_names(job)
    _jobs.labels(name, outcome if outcome in {"done", "failed", "skipped"} else OTHER).observe(seconds)
    _job_late.labels(name).set(late_s)


def redis_is(*, there: bool) -> None:
    _redis.set(int(there))
    _shown.add("guilder_redis_up")


def cache_read(*, room: str, outcome: str) -> None:
    """Count a look; `outcome` is hit, miss or away."""
    _read_as(room, outcome).inc()


@lru_cache(100)
def _read_as(room: str, outcome: str) -> Counter:
    assert outcome in {"near", "hit", "miss", "away"}, outcome
    return _kept.labels(room, outcome)


def limit_drawn(*, is_shared: bool, is_allowed: bool) -> None:
    _limits.labels("redis" if is_shared else "process", "allowed" if is_allowed else "refused").inc()


def request_shed(*, reason: str) -> None:
    """Count a request that was turned away early: in_flight, waiting or caller."""
    _sheds.labels(reason).inc()


def requests_stand(*, lane: str, in_flight: Callable[[], int]) -> None:
    """Show how many requests of a lane there are, whenever somebody asks."""
    _in_flight.labels(lane).set_function(in_flight)


def pool_waited_for(waiting: Callable[[], int]) -> None:
    """Show how many transactions wait for a connection, whenever somebody asks."""
    _pool_waiting.set_function(waiting)


def credentials_refused(*, reason: str) -> None:
    _refused.labels(_reasons(reason)).inc()


def relay_sent(*, rows: int, outcome: str) -> None:
    """Count rows handed to the brokers; `outcome` is sent, twice (another relay was quicker) or failed."""
    assert outcome in {"sent", "twice", "failed"}, outcome
    _relayed.labels(outcome).inc(rows)


def transport_found(*, rows: int, source: str) -> None:
    assert source in {"broker", "log"}, source
    _found.labels(source).inc(rows)


def consumer_rebalanced(*, group: str, what: str) -> None:
    """Count a rebalance; `what` is assigned, revoked or lost."""
    _rebalances.labels(_groups(group), what).inc()


def broker_failed(*, kind: str) -> None:
    _broker_errors.labels(_broker_kinds(kind)).inc()


def intake_took(*, count: int, outcome: str) -> None:
    """Count records; `outcome` is taken or dead."""
    assert outcome in {"taken", "dead"}, outcome
    _intake.labels(outcome).inc(count)


def notices_received(*, gateway: str, fates: Iterable[str]) -> None:
    for fate, count in Counts(fates).items():
        _notices.labels(gateway, fate).inc(count)


def announced(*, names: Iterable[str]) -> None:
    for name, count in Counts(names).items():
        _events.labels(_names(name)).inc(count)


def payment_ended(*, gateway: str, outcome: str, code: str = "", count: int = 1) -> None:
    """Count attempts; `outcome` is succeeded, declined, canceled, overpaid, parked or unknown."""
    assert outcome in PAYMENT_OUTCOMES, outcome
    _payments.labels(_gateways(gateway or "none"), outcome, _code(code)).inc(count)


def _code(code: str) -> str:
    """Let a provider's code through if it is one: a word, and nothing that a person might have typed."""
    if not code:
        return "none"
    return _codes(code) if _CODE.fullmatch(code) and not looks_like_card(code) else OTHER


def gathered(*, name: str, rows: Mapping[tuple[str, ...], float]) -> None:
    """Show what was gathered of one of GATHERED, in place of what was shown; at most NAMES_MAX series of it."""
    gauge, labels = _gathered[name], GATHERED[name][1]
    if labels:
        gauge.clear()
    for values, figure in list(rows.items())[:NAMES_MAX]:
        (gauge.labels(*values) if labels else gauge).set(figure)
    (_shown.add if rows else _shown.discard)(name)


def nothing_gathered() -> None:
    """Show no gathered figures: another process has them, or nobody."""
    for name in GATHERED:
        gathered(name=name, rows={})


def render() -> bytes:
    """Return the page that Prometheus reads; its content type is CONTENT_TYPE."""
    return generate_latest(_Page())


class _Page:
    """Everything of the registry but gauges that nobody has set here."""

    def collect(self) -> Iterable[Metric]:
        return (each for each in registry.collect() if each.name not in _HIDDEN or each.name in _shown)
