-- A refund names the charge that it gives back of as its provider's books do: a page's payment has another name there.

alter table gateways.requests add column charge_ref text not null default '';
