-- What is collected is a multiple of this, in minor units by currency; what is over is carried to the next invoice. Cards
-- take two digits of a dinar's three, and some providers no fractions of a forint.
alter table identity.issuers add column charge_increments jsonb not null default '{}';
