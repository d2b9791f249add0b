-- An invoice's own row is written last in its transaction, final and numbered: from the number to the commit all others
-- of its series wait, so as little as can be lies between. What names it is written before it, and held against it when
-- the transaction ends. A release before writes a draft first, and makes it final: that stays possible.

alter table invoicing.lines
    alter constraint lines_tenant_id_invoice_id_fkey deferrable initially deferred;
alter table invoicing.billed_items
    alter constraint billed_items_tenant_id_invoice_id_fkey deferrable initially deferred;
alter table invoicing.discount_uses
    alter constraint discount_uses_tenant_id_invoice_id_fkey deferrable initially deferred;
alter table invoicing.credits
    alter constraint credits_tenant_id_source_invoice_id_fkey deferrable initially deferred;
alter table invoicing.credit_uses
    alter constraint credit_uses_tenant_id_invoice_id_fkey deferrable initially deferred;
alter table orders.charges
    alter constraint charges_tenant_id_invoice_id_fkey deferrable initially deferred;
alter table orders.orders
    alter constraint orders_tenant_id_invoice_id_fkey deferrable initially deferred;

-- Which transaction made it. Not known of those that were there before: they are final, and seen to be.
alter table invoicing.invoices add column made_in xid8;
alter table invoicing.invoices alter column made_in set default pg_catalog.pg_current_xact_id();

-- A line may come before its invoice now, which is not there or is a draft. So that it is not slipped under one that
-- another transaction makes final meanwhile, unseen by it: at the end it is held against who made the invoice.
create function invoicing.refuse_strange_line() returns trigger
    language plpgsql security definer set search_path = ''
    as $$
begin
    if exists (select from invoicing.invoices i
               where i.tenant_id = new.tenant_id and i.id = new.invoice_id and i.number is not null
                 and i.made_in is distinct from pg_catalog.pg_current_xact_id()) then
        raise exception 'a final invoice takes no more lines' using errcode = 'integrity_constraint_violation';
    end if;
    return null;
end $$;
revoke execute on function invoicing.refuse_strange_line() from public;
create constraint trigger of_its_maker after insert on invoicing.lines
    deferrable initially deferred
    for each row execute function invoicing.refuse_strange_line();
