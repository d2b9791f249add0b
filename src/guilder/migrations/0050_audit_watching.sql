-- Settings that came with passwords, Clerk, two persons and retention tell of their changes, too.

select audit.watch('identity.passwords');
select audit.watch('identity.clerk_keys');
select audit.watch('payments.two_person_limits', 'tenant_id');
select audit.watch('privacy.retention', 'kind', '', 'ran_at,forgotten,forgotten_last,done_to');
