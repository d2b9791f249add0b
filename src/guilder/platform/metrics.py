"""What Prometheus may read of a process.

Labels come from short lists only: the template of a route, never its path; a destination by its configured name,
never a customer's; so the number of series does not grow with use.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
NAMES_MAX = 200
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

_BREAKER_STATES = {"closed": 0, "half_open": 1, "open": 2}
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


def request_answered(*, method: str, route: str | None, status: int, seconds: float) -> None:
    """Count a request. `route` is the template (`/api/plans/{id}`), None where no route matched."""
    known_method = method if method in METHODS else OTHER
    _requests.labels(known_method, _routes(route or "unmatched"), str(status)).observe(seconds)


def query_ran(*, kind: str, seconds: float) -> None:
    _queries.labels(kind if kind in {"select", "insert", "update", "delete", "copy"} else OTHER).observe(seconds)


def transaction_ended(*, outcome: str, seconds: float) -> None:
    _transactions.labels(outcome if outcome in {"committed", "rolled_back", "clashed"} else OTHER).observe(seconds)


def pool_stands(*, in_use: int, size: int) -> None:
    _pool_in_use.set(in_use)
    _pool_size.set(size)


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


def credentials_refused(*, reason: str) -> None:
    _refused.labels(_reasons(reason)).inc()


def notice_received(*, gateway: str, fate: str) -> None:
    _notices.labels(gateway, fate).inc()


def render() -> bytes:
    """Return the page that Prometheus reads; its content type is CONTENT_TYPE."""
    return generate_latest(registry)
