-- A change within a period takes the discounts that the period took, and uses none of their periods up.
alter table invoicing.discount_uses add column is_counted boolean not null default true;
