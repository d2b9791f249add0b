-- What was redeemed for a subscription that was never paid for counts no more: since when.
alter table invoicing.discounts add column returned_at timestamptz;
