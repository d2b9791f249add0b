-- Settings that came with passwords, Clerk, two persons and retention tell of their changes, too.

select audit.watch('identity.passwords');
select audit.watch('identity.clerk_keys');
select audit.watch('payments.two_person_limits', 'tenant_id');
select audit.watch('privacy.retention', 'kind', '', 'ran_at,forgotten,forgotten_last,done_to');

-- Anchors name what grew of late, by the wall's clock, which whoever appends for a sandbox does not have.
alter table audit.heads alter column changed_at set default statement_timestamp();
