"""One fault or more for each check, made as only a superuser can: triggers, keys and constraints are off meanwhile."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

_PAID = "(select id from payments.payments where status = 'succeeded' order by id limit 1)"
_LIVE = "(select id from invoicing.invoices where status = 'paid' order by id limit 1)"
_SUB = "(select id from subscriptions.subscriptions where status = 'active' order by id limit 1)"
_ACME = "(select customer_id from subscriptions.subscriptions order by id limit 1)"
_ALIAS = "'erased_' || replace(id::text, '-', '')"
_NOW = "(select max(now_at) from identity.sandbox_clocks)"


def _copy(table: str, where: str, **over: str) -> str:
    """Insert another row like one that is there, with some columns as these expressions have them."""
    changes = ", ".join(f"'{column}', {value}" for column, value in over.items())
    return f"""insert into {table} select (jsonb_populate_record(x, jsonb_build_object({changes}))).*
               from {table} x where {where} limit 1"""


def _dispute(status: str, amount: str) -> str:
    """Insert a dispute of a payment of which nothing is booked."""
    return f"""insert into payments.disputes (tenant_id, id, payment_id, invoice_id, customer_id, account_id, gateway,
                   dispute_ref, amount_minor, currency, reason, status, alert, noticed_at, opened_at, decided_at)
               select tenant_id, gen_random_uuid(), id, invoice_id, customer_id, account_id, gateway, 'dp_1', {amount},
                      currency, '', {status}, '', settled_at, settled_at, case when {status} = 'lost' then settled_at end
               from payments.payments where id = {_PAID}"""


def _endpoint(events: str, configured_at: str) -> str:
    """Insert an endpoint that asks for events since some instant."""
    return f"""insert into webhooks.endpoints (tenant_id, id, url, events, description, is_thin, allows_loopback,
                   sealed_secret, created_at, configured_at)
               select tenant_id, gen_random_uuid(), 'https://example.com', {events}, '', false, false, '', {_NOW},
                      {configured_at} from customers.customers limit 1;"""


def _webhook(status: str, ended_at: str) -> str:
    """Insert a message that nobody sends, or sent."""
    return f"""insert into webhooks.messages (tenant_id, id, endpoint_id, event_id, event_name, line, body, occurred_at,
                   created_at, status, ended_at)
               select tenant_id, gen_random_uuid(), id, gen_random_uuid(), 'x', id, '{{}}', {_NOW}, {_NOW}, '{status}',
                      {ended_at} from webhooks.endpoints limit 1"""


SEEDS: list[tuple[str, str]] = [
    (
        "I01",
        """update ledger.postings set amount_minor = amount_minor + 1 where (entry_id, line) in
            (select entry_id, line from ledger.postings limit 1)""",
    ),
    ("I01", "delete from ledger.postings where entry_id = (select id from ledger.entries limit 1)"),
    ("I02", "update ledger.postings set currency = 'USD' where entry_id = (select id from ledger.entries limit 1)"),
    (
        "I02",
        """delete from ledger.entries where id = (select id from ledger.entries limit 1)""",
    ),
    ("I04-own", f"update payments.payments set amount_minor = amount_minor + 1000 where id = {_PAID}"),
    (
        "I04-own",  # money for what is void is nobody's
        """update payments.payments set status = 'succeeded' where invoice_id =
            (select id from invoicing.invoices where status = 'void' limit 1)""",
    ),
    (
        "I04b-own",
        _copy("payments.payments", f"id = {_PAID}", id="gen_random_uuid()", attempt="99", business_key="'again'"),
    ),
    (
        "I05-own",
        """update gateways.requests set outcome = 'succeeded' where kind = 'charge' and subject_id =
            (select id from payments.payments where status = 'declined' limit 1)""",
    ),
    ("I06-own", f"update payments.payments set provider_ref = '' where id = {_PAID}"),
    ("I06-own", f"delete from gateways.requests where kind = 'charge' and subject_id = {_PAID}"),
    ("I07", f"update invoicing.invoices set paid_minor = paid_minor + 1 where id = {_LIVE}"),
    ("I07", f"update invoicing.invoices set paid_minor = 0 where id = {_LIVE}"),
    ("I07", f"update invoicing.invoices set status = 'open' where id = {_LIVE}"),
    ("I07b", f"update invoicing.invoices set paid_minor = paid_minor - 1 where id = {_LIVE}"),
    ("I07b", f"update invoicing.invoices set refunded_minor = refunded_minor + 1 where id = {_LIVE}"),
    (
        "I08",
        _copy("payments.refunds", "true", id="gen_random_uuid()", amount_minor="1000000", status="'pending'"),
    ),
    ("I08", _dispute("'lost'", "1000000")),
    (
        "I08",  # its money and its price as credit
        """insert into payments.withheld (tenant_id, invoice_id, amount_minor)
            select r.tenant_id, p.invoice_id, p.amount_minor from payments.refunds r
            join payments.payments p on p.tenant_id = r.tenant_id and p.id = r.payment_id
            where r.status = 'succeeded' and not r.is_pay_out and not r.is_overpayment limit 1""",
    ),
    ("I09", _copy("ledger.entries", "true", id="gen_random_uuid()")),
    ("I09b", f"delete from ledger.entries where source_id = {_PAID}"),
    ("I09b", f"update payments.payments set status = 'declined' where id = {_PAID}"),
    ("I10", "update ledger.postings set ref_id = gen_random_uuid() where account = 'receivable'"),
    (
        "I10b",
        f"update invoicing.lines set recognized_at = {_NOW} where recognize_at is not null and recognized_at is null",
    ),
    (
        "I10c",  # credit that nobody granted
        """insert into invoicing.credits (tenant_id, id, customer_id, currency, amount_minor, left_minor, granted_at, reason)
            select tenant_id, gen_random_uuid(), id, 'EUR', 500, 500, created_at, 'out of thin air'
            from customers.customers limit 1""",
    ),
    ("I10c", f"update invoicing.invoices set credit_applied_minor = 1 where id = {_LIVE}"),
    ("I10d", _dispute("'open'", "100")),
    ("I10e", f"update invoicing.invoices set documented_minor = total_minor + 1 where id = {_LIVE}"),
    ("I10e", "update payments.refunds set credit_note = 'full' where status = 'succeeded'"),
    ("I11", f"update invoicing.lines set amount_minor = amount_minor + 1 where invoice_id = {_LIVE}"),
    ("I11", f"update invoicing.invoices set tax_minor = tax_minor + 1 where id = {_LIVE}"),
    ("I12", f"update invoicing.lines set currency = 'USD' where invoice_id = {_LIVE}"),
    ("I13", f"delete from invoicing.billed_items where invoice_id = {_LIVE}"),
    (
        "I13",  # another live invoice bills the same
        f"""update invoicing.lines set billed_item = (select min(billed_item) from invoicing.lines where invoice_id = {_LIVE})
            where invoice_id = (select id from invoicing.invoices where status = 'paid' order by id desc limit 1)""",
    ),
    (
        "I14",  # a hole
        f"""update invoicing.lines set period_start = period_start + interval '1 day'
            where kind = 'recurring' and subscription_id = {_SUB}
              and period_start > (select min(period_start) from invoicing.lines where subscription_id = {_SUB})""",
    ),
    (
        "I14",  # a hole of hours, on the day on which the period begins
        f"""update invoicing.lines set period_start = period_start + interval '1 hour'
            where kind = 'recurring' and subscription_id = {_SUB}
              and period_start > (select min(period_start) from invoicing.lines where subscription_id = {_SUB})""",
    ),
    (
        "I14",  # an overlap
        f"""update invoicing.lines set period_start = period_start - interval '1 day'
            where kind = 'recurring' and subscription_id = {_SUB}
              and period_start > (select min(period_start) from invoicing.lines where subscription_id = {_SUB})""",
    ),
    (
        "I14b",
        f"""update subscriptions.subscriptions set current_period_end = current_period_end + interval '1 day'
            where id = {_SUB}""",
    ),
    (
        "I14b",  # on the right day, and an hour late
        f"""update subscriptions.subscriptions set current_period_end = current_period_end + interval '1 hour'
            where id = {_SUB}""",
    ),
    (
        "I14b",
        f"""update invoicing.lines set period_start = period_start + interval '1 day'
            where kind = 'recurring' and subscription_id = {_SUB}""",
    ),
    (
        "I14c",
        f"delete from invoicing.lines where kind = 'recurring' and subscription_id = {_SUB}",
    ),
    (
        "I14c",  # a renewal that nobody heard of
        f"""insert into subscriptions.history (tenant_id, subscription_id, status, terms, anchor_at, period_number,
                current_period_start, current_period_end, at)
            select tenant_id, id, status, terms, anchor_at, period_number + 1, current_period_end,
                   current_period_end + interval '1 month', current_period_end
            from subscriptions.subscriptions where id = {_SUB}""",
    ),
    (
        "I14c",  # a fee in arrears that is said to be billed
        f"""insert into subscriptions.segments (tenant_id, id, subscription_id, customer_id, kind, period_start, period_end,
                full_period_start, full_period_end, terms, due_at, closes_period, billed_at)
            select tenant_id, gen_random_uuid(), id, customer_id, 'fee', current_period_end, current_period_end
                   + interval '1 month', current_period_end, current_period_end + interval '1 month', terms,
                   current_period_end + interval '1 month', true, {_NOW}
            from subscriptions.subscriptions where id = {_SUB}""",
    ),
    (
        "I14d",
        f"""update invoicing.lines set amount_minor = amount_minor - 1
            where kind = 'recurring' and subscription_id = {_SUB}""",
    ),
    (
        "I14d",
        f"""update subscriptions.history set terms = jsonb_set(terms, '{{unit_amount,minor}}', '1')
            where subscription_id = {_SUB}""",
    ),
    (
        "I15",
        f"update subscriptions.subscriptions set next_due_at = {_NOW} - interval '1 hour' where id = {_SUB}",
    ),
    (
        "I15",  # the clock would never find it
        f"""update subscriptions.subscriptions set next_due_at = null,
                current_period_end = {_NOW} - interval '1 hour' where id = {_SUB}""",
    ),
    (
        "I15",  # it was to begin
        f"""update subscriptions.subscriptions set status = 'scheduled', next_due_at = {_NOW} - interval '1 hour'
                where id = {_SUB}""",
    ),
    (
        "I15",  # it was to be resumed, and the clock would never find it
        f"""update subscriptions.subscriptions set status = 'paused', paused_at = current_period_start, next_due_at = null,
                resume_at = {_NOW} - interval '1 hour' where id = {_SUB}""",
    ),
    (
        "I15c",
        f"""insert into subscriptions.segments (tenant_id, id, subscription_id, customer_id, kind, period_start, period_end,
                full_period_start, full_period_end, terms, due_at, closes_period)
            select tenant_id, gen_random_uuid(), id, customer_id, 'usage', current_period_start, {_NOW} - interval '1 hour',
                   current_period_start, current_period_end, terms, {_NOW} - interval '1 hour', true
            from subscriptions.subscriptions where id = {_SUB}""",
    ),
    (
        "I15d",
        f"""with used as (
                insert into subscriptions.segments (tenant_id, id, subscription_id, customer_id, kind, period_start,
                    period_end, full_period_start, full_period_end, terms, due_at, closes_period, billed_at)
                select tenant_id, gen_random_uuid(), id, customer_id, 'usage', current_period_start, current_period_end,
                       current_period_start, current_period_end, terms, current_period_end, true, current_period_end
                from subscriptions.subscriptions where id = {_SUB} returning *
            ), late as (
                insert into usage.late (tenant_id, customer_id, meter_id, at)
                select tenant_id, customer_id, gen_random_uuid(), period_start + interval '1 day' from used returning *
            )
            insert into invoicing.use_seen (tenant_id, subscription_id, late_number)
            select used.tenant_id, used.subscription_id, late.id from used, late""",
    ),
    ("I15b", f"update payments.payments set check_due_at = {_NOW} - interval '1 hour' where id = {_PAID}"),
    ("I15b", f"update dunning.cases set next_reminder_at = {_NOW} - interval '1 hour'"),
    ("I15b", "update dunning.cases set status = 'open', is_sent = false, next_retry_at = null, closed_at = null"),
    ("I16", "update invoicing.invoices set sequence = sequence + 1 where sequence = 2"),
    ("I16", "delete from invoicing.invoices where sequence = (select max(sequence) from invoicing.invoices)"),
    ("I16b", "update invoicing.invoices set finalized_at = finalized_at + interval '100 days' where sequence = 1"),
    ("I16c", f"update invoicing.invoices set content_sha256 = '' where id = {_LIVE}"),
    ("I16c", f"update invoicing.invoices set status = 'draft' where id = {_LIVE}"),
    ("I17", f"update invoicing.invoices set total_minor = total_minor + 1 where id = {_LIVE}"),
    ("I17", f"update invoicing.invoices set number = 'another' where id = {_LIVE}"),
    ("I17", f"delete from invoicing.invoices where id = {_LIVE}"),
    (
        "I18",
        f"""insert into payments.states (tenant_id, payment_id, from_status, to_status)
            select tenant_id, id, 'succeeded', 'declined' from payments.payments where id = {_PAID}""",
    ),
    (
        "I18",
        f"""insert into invoicing.states (tenant_id, invoice_id, from_status, to_status)
            select tenant_id, id, 'paid', 'open' from invoicing.invoices where id = {_LIVE}""",
    ),
    ("I18", f"delete from invoicing.states where invoice_id = {_LIVE}"),
    ("I18", f"update subscriptions.subscriptions set status = 'suspended' where id = {_SUB}"),
    ("I18b", f"update subscriptions.subscriptions set status = 'past_due' where id = {_SUB}"),
    ("I18b", f"delete from subscriptions.history where subscription_id = {_SUB}"),
    ("I19", "update platform.log set position = null where id = (select max(id) from platform.log)"),
    ("I19", "insert into platform.log_groups values ('deaf', 'invoices.%')"),
    ("I19", "insert into platform.log_cursors values ('lost', 'invoices.events', 0, 0, 99)"),
    (
        "I20",
        """insert into platform.log_parked (group_name, id, topic, partition, position, tenant_id, key, event_id, name,
                version, payload, actor, occurred_at, recorded_at, due_at, died_at, parked_at)
            select 'deaf', id, topic, partition, position, tenant_id, key, event_id, name, version, payload, actor,
                   occurred_at, recorded_at, now(), now(), now() from platform.log where position is not null limit 1""",
    ),
    (
        "I20b",
        """insert into gateways.notices (tenant_id, id, account_id, notice_id, type, business_key, ignored_because,
                sealed_body, received_at)
            select tenant_id, gen_random_uuid(), id, 'evt_1', 'x', '', '', '', now()
            from gateways.accounts, generate_series(1, 2)""",
    ),
    ("I21", f"update payments.payments set status = 'unknown', settled_at = null where id = {_PAID}"),
    ("I21", "update payments.refunds set status = 'pending'"),
    (
        "I22",
        """update payments.payments set status = 'requested' where id =
            (select a.id from payments.payments a join payments.payments b using (invoice_id) where b.attempt > a.attempt limit 1)""",
    ),
    (
        "I22b",
        _copy("payments.payments", f"id = {_PAID}", id="gen_random_uuid()", attempt="99", business_key="'again'"),
    ),
    ("I22b", f"update payments.payments set is_overpayment = true, holds_invoice = false where id = {_PAID}"),
    ("I23", f"delete from entitlements.grants where source_id = {_SUB}"),
    (
        "I23",
        f"update entitlements.grants set valid_until = valid_until + interval '1 day' where source_id = {_SUB}",
    ),
    ("I23", f"update subscriptions.subscriptions set status = 'processing' where id = {_SUB}"),
    ("I23", f"update subscriptions.subscriptions set status = 'paused' where id = {_SUB}"),
    ("I23", f"update subscriptions.subscriptions set cancel_at = current_period_start where id = {_SUB}"),
    ("I23", "update entitlements.grants set ended_at = null where ended_at is not null"),
    ("I23", "update entitlements.grants set is_suspended = false where is_suspended"),
    ("I23b", "delete from entitlements.grants where kind = 'product'"),
    ("I23b", "update orders.orders set status = 'processing' where product_code = 'film'"),
    ("I23b", f"update subscriptions.subscriptions set status = 'processing' where id = {_SUB}"),
    ("I23c", "update entitlements.blocks set lifted_at = now() where lifted_at is null"),
    ("I23c", "update entitlements.blocks set lifted_at = null where lifted_at is not null"),
    ("I23d", "update entitlements.standings set grants = '[]' where grants <> '[]'"),
    ("I23d", "update entitlements.blocks set lifted_at = now() where lifted_at is null"),
    ("I23d", f"update entitlements.grants set is_suspended = true where source_id = {_SUB}"),
    (
        "I23d",
        """insert into entitlements.revocations (tenant_id, refund_id, customer_id, invoice_id, since)
           select tenant_id, gen_random_uuid(), customer_id, gen_random_uuid(), now() from entitlements.standings limit 1""",
    ),
    (
        "I25",
        """update platform.intents set state = 'waiting', is_leased = true, due_at = now() - interval '1 day'
            where id = (select id from platform.intents limit 1)""",
    ),
    (
        "I26",
        f"""insert into notifications.notifications (tenant_id, id, customer_id, channel, kind, status, cause_id, about,
                language, created_at, detail)
            select tenant_id, gen_random_uuid(), id, 'email', 'thanks', 'pending', gen_random_uuid(), '{{}}', 'en',
                   {_NOW}, '' from customers.customers limit 1""",
    ),
    ("I26b", _endpoint("'{*}'", "'-infinity'")),
    ("I26b", _endpoint("'{*}'", "'infinity'") + _webhook("pending", "null")),
    ("I26b", _endpoint("'{*}'", "'infinity'") + _webhook("delivered", _NOW)),
    ("I27", f"update payments.payments set invoice_id = gen_random_uuid() where id = {_PAID}"),
    ("I27", "update entitlements.grants set source_id = gen_random_uuid() where kind = 'product'"),
    (
        "I27b",
        """alter table orders.orders add constraint stray foreign key (invoice_id, tenant_id)
            references invoicing.invoices (id, tenant_id) not valid""",
    ),
    ("I28", "alter table payments.payments no force row level security"),
    ("I28", "drop policy doctor on payments.payments"),
    ("I31", f"update customers.customers set erased_at = '-infinity' where id = {_ACME}"),
    ("I31", f"update customers.customers set erased_at = '-infinity', organization_id = {_ALIAS} where id = {_ACME}"),
    ("I31", f"update invoicing.invoices set forgotten_at = '-infinity' where id = {_LIVE}"),
    (
        "I30",  # a head, and nothing that it is the head of
        """insert into audit.heads (tenant_id, partition, class, month, seq, hash, changed_at)
           select tenant_id, 99, 'business', '2026-01-01', 5, sha256('x'), now() from identity.tenants limit 1""",
    ),
    (
        "I30b",  # the group has passed all there is, and wrote nothing down
        """insert into platform.log_cursors (group_name, topic, partition, position, epoch)
           select 'audit', h.topic, h.partition, h.position, e.epoch from platform.log_heads h, platform.log_epoch e
           on conflict (group_name, topic, partition) do update set position = excluded.position""",
    ),
]


def _with(kind: str, change: Callable[[dict[str, Any]], list[dict[str, Any]]]) -> Callable[..., dict[str, Any]]:
    """Change what is told of the first object of a kind that is ours: to others, to none."""

    def changed(journal: dict[str, Any]) -> dict[str, Any]:
        told: dict[str, Any] = deepcopy(journal)
        first = told[kind].pop(0)
        told[kind] += change(first)
        return told

    return changed


def _next_attempt(charge: dict[str, Any]) -> dict[str, Any]:
    head, _, attempt = charge["business_key"].rpartition(":")
    return {**charge, "ref": "pi_twice", "business_key": f"{head}:{int(attempt) + 70}"}


JOURNALS: list[tuple[str, Callable[..., dict[str, Any]]]] = [
    ("I04", _with("charges", lambda one: [one, _next_attempt(one)])),
    ("I04b", _with("charges", lambda one: [one, _next_attempt(one)])),
    ("I05", _with("charges", lambda one: [one, _next_attempt(one)])),
    ("I05", _with("charges", lambda one: [{**one, "amount": one["amount"] - 1}])),
    ("I05", _with("charges", lambda one: [{**one, "ref": "pi_other"}])),
    ("I05", _with("refunds", lambda one: [one, {**one, "amount": 1}])),
    ("I06", _with("charges", lambda one: [])),
    ("I06", _with("charges", lambda one: [{**one, "status": "failed"}])),
    ("I06", _with("refunds", lambda one: [])),
]
