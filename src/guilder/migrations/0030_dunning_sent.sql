-- What was sent with payment terms has no card to try; one invoice may bill several subscriptions.

alter table dunning.cases
    add column is_sent boolean not null default false,
    -- Every subscription that the invoice bills. Older cases name theirs in subscription_id alone.
    add column subscription_ids uuid[] not null default '{}',
    add constraint cases_sent_are_not_tried check (not is_sent or (next_retry_at is null and retries_made = 0));

create index cases_by_shared_subscription on dunning.cases using gin (subscription_ids)
    where status in ('open', 'exhausted');
